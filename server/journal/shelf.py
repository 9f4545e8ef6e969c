"""Whose ledger is in use: each WeCom company has its own, and the others are kept on a shelf.

Ids mean nothing in another company: what is ours there would look like ours here, and strangers
would be changed. A ledger put aside is complete, so that the way back to its company is open.
"""

from collections.abc import Iterable
from sqlite3 import Connection
from types import MappingProxyType

_CORP = "ledger-corp"

# What belongs to one company: the columns of each table, and which rows of it. Of the state those
# that `ledger` keeps there: what a lost answer leaves in doubt, and what WeCom refuses.
_PARTS = MappingProxyType(
    {
        "person_links": (
            (
                "dingtalk_userid, wecom_userid, accepted, is_enabled, since_s, origin, is_hidden,"
                " is_since_sure"
            ),
            "TRUE",
        ),
        "department_links": ("department_id, wecom_id, accepted, origin", "TRUE"),
        "conflicts": ("id, kind, dingtalk_id, wecom_id, value, parent_id", "TRUE"),
        "removals": ("id, kind, dingtalk_id, wecom_id, at_s, is_approved", "TRUE"),
        "sync_state": ("name, value", "name GLOB 'doubt *' OR name GLOB 'refusal *'"),
    }
)

TABLES = tuple(f"shelved_{table}" for table in _PARTS)


def corp_in_use(conn: Connection) -> str | None:
    """Say whose ledger is in use, None before the first run."""
    row = conn.execute("SELECT value FROM sync_state WHERE name = ?", (_CORP,)).fetchone()
    return None if row is None else str(row[0])


def take_up(conn: Connection, corp_id: str) -> None:
    """Put the ledger of `corp_id` in use, an empty one where there is none yet.

    A job for the writer: the ledger in use goes to the shelf in the same transaction.
    """
    former = corp_in_use(conn)
    if former == corp_id:
        return
    if former is not None:
        for statement in _moves():
            conn.execute(statement, {"former": former, "corp_id": corp_id})
    conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (_CORP, corp_id))


def look_at(conn: Connection, corp_id: str) -> None:
    """Have a connection that only reads find the ledger of `corp_id` as if it were in use.

    For as long as it is open. Names of this connection's own stand before the tables for that, so
    nothing is written to the database.
    """
    if corp_in_use(conn) in (None, corp_id):
        return
    conn.execute("CREATE TEMP TABLE looked_at AS SELECT ? AS corp_id", (corp_id,))
    for table, (columns, rows) in _PARTS.items():
        conn.execute(
            f"CREATE TEMP VIEW {table} AS SELECT {columns} FROM main.shelved_{table}"  # noqa: S608 - constants
            f" WHERE corp_id = (SELECT corp_id FROM looked_at)"
            f" UNION ALL SELECT {columns} FROM main.{table} WHERE NOT ({rows})"
        )


def corps_on(conn: Connection) -> list[str]:
    """Name the companies whose ledgers are on the shelf."""
    each = [f"SELECT corp_id FROM {table}" for table in TABLES]  # noqa: S608 - constants
    return [corp_id for (corp_id,) in conn.execute(" UNION ".join(each))]


def _moves() -> Iterable[str]:
    for table, (columns, rows) in _PARTS.items():
        shelf = f"shelved_{table}"
        # Constants of this module make up the statements, and no value goes into their text.
        yield (
            f"INSERT INTO {shelf} (corp_id, {columns})"  # noqa: S608 - see above
            f" SELECT :former, {columns} FROM {table} WHERE {rows}"
        )
        yield f"DELETE FROM {table} WHERE {rows}"  # noqa: S608 - see above
        yield (
            f"INSERT INTO {table} ({columns})"  # noqa: S608 - see above
            f" SELECT {columns} FROM {shelf} WHERE corp_id = :corp_id"
        )
        yield f"DELETE FROM {shelf} WHERE corp_id = :corp_id"  # noqa: S608 - see above
