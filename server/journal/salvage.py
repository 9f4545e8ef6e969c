"""Copies what is still readable of a damaged database into the one that replaces it.

The ledger comes first: WeCom cannot be read back, so nothing else could restore it. Damage mostly
hits a few pages, so each table is read from both ends up to them.
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
from server.journal.connection import connect, transaction
from server.journal.events import Source, StateCode

_log = logging.getLogger(__name__)

# The service starts only after this; reading so many takes a second or two.
_MOST_EVENTS = 100_000
_ALL = -1
_LINKS = ("person_links", "department_links")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """How many events were salvaged, and how many links of people and departments."""

    events: int = 0
    links: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """Tables that make sense only together, and a reading that proves them sound."""

    tables: tuple[str, ...]
    proof: Callable[[Connection], object]
    limit: int = _ALL


def _read_archived_ledgers(conn: Connection) -> None:
    """Read each archived ledger as if it were in use; change nothing."""
    for corp_id in ledger.archived_corps(conn):
        conn.execute("SAVEPOINT archived")
        try:
            if ledger.corp_in_use(conn) is None:  # that was not salvaged
                ledger.put_in_use(conn, "")
            ledger.put_in_use(conn, corp_id)
            ledger.load(conn)
        finally:
            conn.execute("ROLLBACK TO archived")
            conn.execute("RELEASE archived")


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
    _Part(ledger.TABLES, _read_archived_ledgers),
    _Part(("credential_uses",), rejections.last_uses),
    _Part(("rejections",), rejections.latest),
    _Part(("events",), lambda conn: listing.latest(conn, _MOST_EVENTS), limit=_MOST_EVENTS),
)


def salvage(damaged: Path, target: Connection) -> Salvaged:
    """Copy what can be read of `damaged` into the new database; `damaged` is not changed.

    Raises `sqlite3.Error` if the new one fails; then nothing was copied.
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
        "Salvaged %d events and %d links from the damaged database", found.events, found.links
    )
    return found


def note(damaged: Path, found: Salvaged) -> None:
    """Write beside a database that was moved aside how much was salvaged of it."""
    try:
        _note_of(damaged).touch(mode=0o600)
        _note_of(damaged).write_text(json.dumps(asdict(found)), encoding="utf-8")
    except OSError:
        _log.exception("The result of the salvage could not be noted beside %s", damaged)


def noted(damaged: Path) -> Salvaged | None:
    """Return how much was salvaged of a database that was moved aside; None if unknown."""
    try:
        return Salvaged(**json.loads(_note_of(damaged).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _note_of(damaged: Path) -> Path:
    return damaged.with_suffix(".json")


def _opened(damaged: Path) -> Connection:
    source = connect(damaged, read_only=True)
    try:
        # Otherwise one table's bad schema entry would make all others unreadable.
        source.execute("PRAGMA writable_schema = ON")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        source.close()
        raise
    return source


def _take_over(part: _Part, source: Connection, target: Connection) -> None:
    """Copy a part; if it cannot be read afterwards, drop all of it."""
    target.execute("SAVEPOINT part")
    try:
        for table in part.tables:
            _copy(table, part.limit, source, target)
        _put_right(target)
        part.proof(target)
    except sqlite3.OperationalError:  # of the new database: the disk is full
        raise
    except Exception as exc:  # noqa: BLE001 - damaged content may raise anything
        target.execute("ROLLBACK TO part")
        _log.warning("Nothing can be salvaged of %s: %r", ", ".join(part.tables), exc)
    target.execute("RELEASE part")


def _copy(table: str, limit: int, source: Connection, target: Connection) -> None:
    columns, key = _shape(table, target)
    marks = ", ".join("?" * len(columns))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names of our own schema
    for row in _readable(table, columns, key, limit, source):
        try:
            target.execute(insert, row)
        except sqlite3.IntegrityError as exc:  # a value that the column does not allow
            _log.debug("Invalid row in %s: %s", table, exc)


def _shape(table: str, conn: Connection) -> tuple[list[str], list[str]]:
    """Return the names of the columns, and of those that are the key."""
    found = conn.execute("SELECT name, pk FROM pragma_table_info(?)", (table,)).fetchall()
    return [name for name, _ in found], [name for name, place in found if place]


def _readable(
    table: str, columns: list[str], key: list[str], limit: int, source: Connection
) -> Iterator[tuple[object, ...]]:
    """Yield the rows from the last down to the damage, then from the first up to it."""
    for direction in ("DESC", "ASC"):
        order = ", ".join(f"{name} {direction}" for name in key)
        query = f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED ORDER BY {order} LIMIT ?"  # noqa: S608 - names of our own schema
        try:
            yield from source.execute(query, (limit,))
        except sqlite3.DatabaseError as exc:
            _log.warning("Table %s is damaged: %s", table, exc)
        else:
            return


def _put_right(conn: Connection) -> None:
    """Delete events in an unknown state; count the duplicates as far as they are known."""
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
