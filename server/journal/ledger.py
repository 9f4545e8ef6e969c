"""The ledger: links between people and departments of both sides, and what WeCom accepted.

WeCom cannot be read back (48009), so this is the only record of what is there. A link is written
before the call that creates its object (`accepted` None), and again after the answer. There is one
ledger per WeCom company; those not in use are archived in `shelved_…` tables. Every function takes
a connection; those that write are jobs for the writer.
"""

import json
from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from types import MappingProxyType

from server.directory.model import (
    Conflict,
    DepartmentLink,
    Kind,
    Ledger,
    Origin,
    PersonLink,
    Refusal,
    Removal,
    Scope,
)
from server.journal.coding import (
    dump_member,
    dump_refusals,
    dump_scope,
    dump_target,
    load_member,
    load_refusals,
    load_scope,
    load_target,
)
from server.journal.connection import decode_errors

_LINKED = {
    Kind.PERSON: """
        SELECT wecom_userid, json_extract(accepted, '$[0]') FROM person_links
        WHERE accepted IS NOT NULL AND wecom_userid IN (SELECT value FROM json_each(?))
    """,
    Kind.DEPARTMENT: """
        SELECT wecom_id, json_extract(accepted, '$[0]') FROM department_links
        WHERE accepted IS NOT NULL AND wecom_id IN (SELECT value FROM json_each(?))
    """,
}
_LISTED = """
    SELECT wecom_id, json_extract(fields, '$.name[1]') FROM sync_changes
    WHERE run_id = ? AND kind = ? AND wecom_id IN (SELECT value FROM json_each(?))
        AND json_extract(fields, '$.name[1]') IS NOT NULL
"""


def wecom_names(
    conn: Connection, run_id: int, kind: Kind, wecom_ids: Iterable[str]
) -> dict[str, str]:
    """Return the names of WeCom ids, as this run lists them, else as they were last written."""
    wanted = json.dumps(sorted(set(wecom_ids)))
    names = dict(conn.execute(_LINKED[kind], (wanted,)).fetchall())
    names.update(conn.execute(_LISTED, (run_id, kind.value, wanted)).fetchall())
    return names


_CORP = "ledger-corp"

# What belongs to one company: the columns and rows of each table. In `sync_state` these are the
# ledger's own rows: unconfirmed writes (`doubt`) and what WeCom refuses (`refusal`).
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
    """Return the company whose ledger is in use, None before the first run."""
    row = conn.execute("SELECT value FROM sync_state WHERE name = ?", (_CORP,)).fetchone()
    return None if row is None else str(row[0])


def put_in_use(conn: Connection, corp_id: str) -> None:
    """Put the ledger of `corp_id` in use, an empty one if it has none yet.

    A job for the writer: it archives the present ledger in the same transaction.
    """
    former = corp_in_use(conn)
    if former == corp_id:
        return
    if former is not None:
        for statement in _moves():
            conn.execute(statement, {"former": former, "corp_id": corp_id})
    conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (_CORP, corp_id))


def view_as_in_use(conn: Connection, corp_id: str) -> None:
    """Make the ledger of `corp_id` look in use to this connection, until it is closed.

    Temporary views of the connection hide the tables, so nothing is written to the database.
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


def archived_corps(conn: Connection) -> list[str]:
    """Return the companies whose ledgers are archived."""
    each = [f"SELECT corp_id FROM {table}" for table in TABLES]  # noqa: S608 - constants
    return [corp_id for (corp_id,) in conn.execute(" UNION ".join(each))]


def _moves() -> Iterable[str]:
    for table, (columns, rows) in _PARTS.items():
        archive = f"shelved_{table}"
        # The statements consist of this module's constants only; values are bound.
        yield (
            f"INSERT INTO {archive} (corp_id, {columns})"  # noqa: S608 - see above
            f" SELECT :former, {columns} FROM {table} WHERE {rows}"
        )
        yield f"DELETE FROM {table} WHERE {rows}"  # noqa: S608 - see above
        yield (
            f"INSERT INTO {table} ({columns})"  # noqa: S608 - see above
            f" SELECT {columns} FROM {archive} WHERE corp_id = :corp_id"
        )
        yield f"DELETE FROM {archive} WHERE corp_id = :corp_id"  # noqa: S608 - see above


_SCOPE = "approved-scope"
_DOUBT = "doubt"
_REFUSAL = "refusal"

_TABLES = MappingProxyType(
    {
        Kind.PERSON: ("person_links", "dingtalk_userid"),
        Kind.DEPARTMENT: ("department_links", "department_id"),
    }
)


@decode_errors()
def load(conn: Connection) -> Ledger:
    """Read the whole ledger: about 1 s for 100,000 people."""
    return Ledger(
        people=_people(conn),
        departments=_departments(conn),
        conflicts=conflicts(conn),
        removals=_removals(conn),
        approved_scope=approved_scope(conn),
        doubts=_doubts(conn),
        refusals=_refusals(conn),
    )


def _people(conn: Connection) -> dict[str, PersonLink]:
    rows = conn.execute(
        "SELECT dingtalk_userid, wecom_userid, accepted, is_enabled, since_s, origin, is_hidden,"
        " is_since_sure FROM person_links"
    )
    return {
        key: PersonLink(
            key,
            wecom_userid,
            load_member(accepted),
            bool(is_enabled),
            since_s,
            Origin(origin),
            *map(bool, flags),
        )
        for key, wecom_userid, accepted, is_enabled, since_s, origin, *flags in rows
    }


def _departments(conn: Connection) -> dict[str, DepartmentLink]:
    rows = conn.execute("SELECT department_id, wecom_id, accepted, origin FROM department_links")
    return {
        key: DepartmentLink(key, wecom_id, load_target(accepted), Origin(origin))
        for key, wecom_id, accepted, origin in rows
    }


@decode_errors()
def conflicts(conn: Connection) -> tuple[Conflict, ...]:
    """Return the conflicts that wait for the admin's decision, the oldest first."""
    rows = conn.execute(
        "SELECT kind, dingtalk_id, wecom_id, value, parent_id FROM conflicts ORDER BY id"
    )
    return tuple([Conflict(Kind(kind), *rest) for kind, *rest in rows])


def _removals(conn: Connection) -> tuple[Removal, ...]:
    rows = conn.execute(
        "SELECT kind, dingtalk_id, wecom_id, at_s, is_approved FROM removals ORDER BY id"
    )
    return tuple(
        [
            Removal(Kind(kind), dingtalk_id, wecom_id, at_s, bool(is_approved))
            for kind, dingtalk_id, wecom_id, at_s, is_approved in rows
        ]
    )


@decode_errors()
def approved_scope(conn: Connection) -> Scope | None:
    """Return the scope that the admin approved last, None if there is none yet."""
    row = conn.execute("SELECT value FROM sync_state WHERE name = ?", (_SCOPE,)).fetchone()
    return None if row is None else load_scope(row[0])


def names(conn: Connection, kind: Kind, dingtalk_ids: Iterable[str]) -> dict[str, str]:
    """Return the last names in WeCom of linked people or departments, by DingTalk id."""
    table, key = _TABLES[kind]
    rows = conn.execute(
        f"SELECT {key}, json_extract(accepted, '$[0]') FROM {table}"  # noqa: S608 - constants
        f" WHERE accepted IS NOT NULL AND {key} IN (SELECT value FROM json_each(?))",
        (json.dumps(list(dingtalk_ids)),),
    )
    return dict(rows.fetchall())


def put_person(conn: Connection, link: PersonLink) -> None:
    """Store a link, replacing that of the same DingTalk userid."""
    row = (
        link.dingtalk_userid,
        link.wecom_userid,
        dump_member(link.accepted),
        link.is_enabled,
        link.since_s,
        link.origin.value,
        link.is_hidden,
        link.is_since_sure,
    )
    conn.execute("INSERT OR REPLACE INTO person_links VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)


def replace_people(conn: Connection, links: Iterable[PersonLink]) -> None:
    """Replace all links of people by these."""
    conn.execute("DELETE FROM person_links")
    for link in links:
        put_person(conn, link)


def drop_person(conn: Connection, dingtalk_userid: str) -> None:
    """Delete a link: the member is gone or no longer ours."""
    conn.execute("DELETE FROM person_links WHERE dingtalk_userid = ?", (dingtalk_userid,))


def put_department(conn: Connection, link: DepartmentLink) -> None:
    """Store a link, replacing that of the same DingTalk department."""
    row = (link.department_id, link.wecom_id, dump_target(link.accepted), link.origin.value)
    conn.execute("INSERT OR REPLACE INTO department_links VALUES (?, ?, ?, ?)", row)


def drop_department(conn: Connection, department_id: str) -> None:
    """Delete a link: the department is gone."""
    conn.execute("DELETE FROM department_links WHERE department_id = ?", (department_id,))


def put_conflict(conn: Connection, conflict: Conflict) -> None:
    """Store a conflict, replacing that of the same person or department; it keeps its place."""
    conn.execute(
        "INSERT INTO conflicts (kind, dingtalk_id, wecom_id, value, parent_id)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (kind, dingtalk_id) DO UPDATE SET"
        " wecom_id = excluded.wecom_id, value = excluded.value, parent_id = excluded.parent_id",
        (
            conflict.kind.value,
            conflict.dingtalk_id,
            conflict.wecom_id,
            conflict.value,
            conflict.parent_id,
        ),
    )


def drop_conflict(conn: Connection, kind: Kind, dingtalk_id: str) -> None:
    """Delete a conflict: it is solved, or its person or department is gone."""
    conn.execute(
        "DELETE FROM conflicts WHERE kind = ? AND dingtalk_id = ?", (kind.value, dingtalk_id)
    )


def add_removal(conn: Connection, removal: Removal) -> None:
    """Record a removal for the guard, in the transaction that records its success."""
    conn.execute(
        "INSERT INTO removals (kind, dingtalk_id, wecom_id, at_s, is_approved)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            removal.kind.value,
            removal.dingtalk_id,
            removal.wecom_id,
            removal.at_s,
            removal.is_approved,
        ),
    )


def age_removals(conn: Connection, now_s: float, kept_s: float) -> int:
    """Delete the removals older than `kept_s`; return how many.

    Those that a wrong clock dated in the future are redated to now, or they would count till then.
    """
    conn.execute("UPDATE removals SET at_s = :now_s WHERE at_s > :now_s", {"now_s": now_s})
    return conn.execute("DELETE FROM removals WHERE at_s < ?", (now_s - kept_s,)).rowcount


def mark_unconfirmed(conn: Connection, kind: Kind, wecom_id: str, fields: Iterable[str]) -> None:
    """Record before a call which fields it writes: after a kill, their values are uncertain."""
    name, value = f"{_DOUBT} {kind.value} {wecom_id}", json.dumps(sorted(fields))
    conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (name, value))


def confirm(conn: Connection, kind: Kind, wecom_id: str) -> None:
    """Delete the mark of an unconfirmed write: WeCom has answered."""
    name = f"{_DOUBT} {kind.value} {wecom_id}"
    conn.execute("DELETE FROM sync_state WHERE name = ?", (name,))


def _doubts(conn: Connection) -> dict[tuple[Kind, str], frozenset[str]]:
    rows = conn.execute("SELECT name, value FROM sync_state WHERE name GLOB ?", (f"{_DOUBT} *",))
    found: dict[tuple[Kind, str], frozenset[str]] = {}
    for name, value in rows:
        _, kind, wecom_id = name.split(" ", 2)
        found[Kind(kind), wecom_id] = frozenset(json.loads(value))
    return found


def put_refusals(conn: Connection, dingtalk_userid: str, refusals: Mapping[str, Refusal]) -> None:
    """Store what WeCom refuses of a person, replacing what was stored; {} deletes it."""
    name = f"{_REFUSAL} {dingtalk_userid}"
    if refusals:
        row = (name, dump_refusals(refusals))
        conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", row)
    else:
        conn.execute("DELETE FROM sync_state WHERE name = ?", (name,))


def _refusals(conn: Connection) -> dict[str, dict[str, Refusal]]:
    rows = conn.execute("SELECT name, value FROM sync_state WHERE name GLOB ?", (f"{_REFUSAL} *",))
    return {name.removeprefix(f"{_REFUSAL} "): load_refusals(value) for name, value in rows}


def set_approved_scope(conn: Connection, scope: Scope) -> None:
    """Store the scope that the admin approved."""
    conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (_SCOPE, dump_scope(scope)))
