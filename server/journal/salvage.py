"""What can still be read of a damaged database, taken over into the one that replaces it.

The ledger comes first: WeCom cannot be read back, so nothing else could bring it again. Damage
mostly hits a few pages; a table is read from its one end up to them, and from its other end.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from sqlite3 import Connection

from server.journal import ledger, listing, lookups, rejections, runs, sync_state
from server.journal import ledger as shelf
from server.journal.connection import connect, transaction
from server.journal.events import Source, StateCode

_log = logging.getLogger(__name__)

# The service starts only after this; as many are read in a second or two.
_MOST_EVENTS = 100_000
_ALL = -1
_LINKS = ("person_links", "department_links")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How much came over: events, and links between people or departments of both sides."""

    events: int = 0
    links: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """Tables that make sense only together, and the reading that proves that they do."""

    tables: tuple[str, ...]
    proof: Callable[[Connection], object]
    limit: int = _ALL


def _read_shelf(conn: Connection) -> None:
    """Read each ledger on the shelf as it will be read once it is in use; all stays as it is."""
    for corp_id in shelf.corps_on(conn):
        conn.execute("SAVEPOINT shelf")
        try:
            if shelf.corp_in_use(conn) is None:  # that did not come over
                shelf.take_up(conn, "")
            shelf.take_up(conn, corp_id)
            ledger.load(conn)
        finally:
            conn.execute("ROLLBACK TO shelf")
            conn.execute("RELEASE shelf")


_PARTS = (
    _Part(("person_links", "department_links", "conflicts", "removals"), ledger.load),
    _Part(("sync_runs", "sync_changes"), lambda conn: runs.latest(conn, _MOST_EVENTS)),
    _Part(
        ("sync_state",),
        lambda conn: (
            sync_state.load(conn),
            ledger.approved_scope(conn),
            lookups.load(conn, corp_id=""),
        ),
    ),
    _Part(shelf.TABLES, _read_shelf),
    _Part(("credential_uses",), rejections.last_uses),
    _Part(("rejections",), rejections.latest),
    _Part(("events",), lambda conn: listing.latest(conn, _MOST_EVENTS), limit=_MOST_EVENTS),
)


def salvage(damaged: Path, target: Connection) -> Salvaged:
    """Take over what can be read of `damaged`, which is not changed, into the new database.

    Raises `sqlite3.Error` where the new one cannot take it; nothing was taken over then.
    """
    try:
        source = _opened(damaged)
    except sqlite3.Error as exc:
        _log.warning("Nothing of the damaged database can be read: %s", exc)
        return Salvaged()
    with closing(source), transaction(target):
        for part in _PARTS:
            _take_over(part, source, target)
    found = Salvaged(_count(target, "events"), sum(_count(target, table) for table in _LINKS))
    _log.warning(
        "Took over %d events and %d links from the damaged database", found.events, found.links
    )
    return found


def note(damaged: Path, found: Salvaged) -> None:
    """Write beside a database that was moved aside what came over from it, for who asks later."""
    try:
        _note_of(damaged).touch(mode=0o600)
        _note_of(damaged).write_text(json.dumps(asdict(found)), encoding="utf-8")
    except OSError:
        _log.exception("What came over could not be noted beside %s", damaged)


def noted(damaged: Path) -> Salvaged | None:
    """Return what came over from a database that was moved aside; None where nobody knows."""
    try:
        return Salvaged(**json.loads(_note_of(damaged).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _note_of(damaged: Path) -> Path:
    return damaged.with_suffix(".json")


def _opened(damaged: Path) -> Connection:
    source = connect(damaged, read_only=True)
    try:
        # Without this one table's bad entry would keep all the others from being read.
        source.execute("PRAGMA writable_schema = ON")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        source.close()
        raise
    return source


def _take_over(part: _Part, source: Connection, target: Connection) -> None:
    """Copy a part; where it cannot be understood afterwards, leave it all."""
    target.execute("SAVEPOINT part")
    try:
        for table in part.tables:
            _copy(table, part.limit, source, target)
        _put_right(target)
        part.proof(target)
    except sqlite3.OperationalError:  # the new database's, which is full
        raise
    except Exception as exc:  # noqa: BLE001 - of damaged content anything may be raised
        target.execute("ROLLBACK TO part")
        _log.warning("Nothing is taken over of %s: %r", ", ".join(part.tables), exc)
    target.execute("RELEASE part")


def _copy(table: str, limit: int, source: Connection, target: Connection) -> None:
    columns, key = _shape(table, target)
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own schema
    for row in _readable(table, columns, key, limit, source):
        try:
            target.execute(insert, row)
        except sqlite3.IntegrityError as exc:  # a value that no such column holds
            _log.debug("A row of %s is no row: %s", table, exc)


def _shape(table: str, conn: Connection) -> tuple[list[str], list[str]]:
    """Return the names of the columns, and of those that are the key."""
    found = conn.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    return [name for name, _ in found], [name for name, place in found if place]


def _readable(
    table: str, columns: list[str], key: list[str], limit: int, source: Connection
) -> Iterator[tuple[object, ...]]:
    """Yield rows from the last one down to the damage, then from the first one up to it."""
    for direction in ("DESC", "ASC"):
        order = ", ".join(f"{name} {direction}" for name in key)
        query = f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED ORDER BY {order} LIMIT ?"  # noqa: S608 - names of our own schema
        try:
            yield from source.execute(query, (limit,))
        except sqlite3.DatabaseError as exc:
            _log.warning("The table %s is damaged: %s", table, exc)
        else:
            return


def _put_right(conn: Connection) -> None:
    """Drop events in no state that there is; count the duplicates as far as they are known."""
    states, sources = map(json.dumps, (list(StateCode), list(Source)))
    conn.execute(
        "DELETE FROM events WHERE state NOT IN (SELECT value FROM json_each(?))"
        " OR source NOT IN (SELECT value FROM json_each(?))",
        (states, sources),
    )
    conn.execute(
        "UPDATE counters SET total = (SELECT coalesce(sum(duplicates), 0) FROM events)"
        " WHERE code = 9"
    )


def _count(conn: Connection, table: str) -> int:
    (count,) = conn.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of our own schema
    return int(count)
