"""The shape of the database, and the step from each version of it to the next.

A migration and its record (`PRAGMA user_version`) are one transaction: a kill between two steps
leaves the older version whole. A step that has been released is never edited; add another.
"""

from pathlib import Path
from sqlite3 import Connection

from server.errors.base import JournalNewerError
from server.journal.connection import transaction

# Version 1.
#
# events.id grows by one for each event and is never used twice (see `retention`).
# events.dedupe_hash is 8 bytes instead of the key's text: it goes to a random place of its index
# at every insert, so the index must stay small. Measured with 300,000 rows: 12.0 instead of 13.3
# microseconds a row, and 108 instead of 124 MB.
# events.state is a number of `events.StateCode`. events.not_before_ms is set while the state is
# "delayed" and at no other time; its partial index costs an insert nothing.
# counters has a row for each state's code, and row 9 for the duplicates. Triggers keep it, because
# COUNT(*) reads a million rows to answer the status that the window asks for every second.
_V1 = (
    """
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        dedupe_hash INTEGER NOT NULL UNIQUE,
        received_at_ms INTEGER NOT NULL,
        state INTEGER NOT NULL DEFAULT 0,
        not_before_ms INTEGER,
        duplicates INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        source TEXT NOT NULL,
        event_type TEXT,
        event_id TEXT,
        corp_id TEXT,
        error TEXT,
        payload TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX events_by_state ON events (state)",
    "CREATE INDEX events_by_type ON events (event_type)",
    "CREATE INDEX events_delayed ON events (not_before_ms) WHERE not_before_ms IS NOT NULL",
    "CREATE TABLE counters (code INTEGER PRIMARY KEY, total INTEGER NOT NULL) STRICT",
    "INSERT INTO counters (code, total) VALUES (0,0), (1,0), (2,0), (3,0), (4,0), (5,0), (9,0)",
    """
    CREATE TRIGGER events_inserted AFTER INSERT ON events BEGIN
        UPDATE counters SET total = total + 1 WHERE code = new.state;
    END
    """,
    """
    CREATE TRIGGER events_moved AFTER UPDATE OF state ON events BEGIN
        UPDATE counters SET total = total - 1 WHERE code = old.state;
        UPDATE counters SET total = total + 1 WHERE code = new.state;
    END
    """,
    """
    CREATE TRIGGER events_repeated AFTER UPDATE OF duplicates ON events BEGIN
        UPDATE counters SET total = total + new.duplicates - old.duplicates WHERE code = 9;
    END
    """,
    """
    CREATE TRIGGER events_deleted AFTER DELETE ON events BEGIN
        UPDATE counters SET total = total - 1 WHERE code = old.state;
    END
    """,
    """
    CREATE TABLE credential_uses (
        fingerprint TEXT PRIMARY KEY,
        first_used_at_ms INTEGER NOT NULL,
        last_used_at_ms INTEGER NOT NULL,
        last_used_from TEXT NOT NULL,
        last_event_type TEXT,
        calls INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE rejections (
        position INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        remote TEXT NOT NULL,
        cause TEXT NOT NULL,
        verdict TEXT,
        offered_key TEXT,
        count INTEGER NOT NULL,
        first_at_ms INTEGER NOT NULL
    ) STRICT
    """,
)

# Version 2: the mirror.
#
# What WeCom accepted (`accepted`) is one JSON text of ASCII: it is read and written as a whole, it
# keeps numbers beyond a float, and no half of a surrogate pair in a name makes it unreadable.
# runs.id is never used twice, also after pruning: a waiting command knows its run by it.
# sync_changes.number counts from 1 without gaps within a run.
_V2 = (
    """
    CREATE TABLE person_links (
        dingtalk_userid TEXT PRIMARY KEY,
        wecom_userid TEXT NOT NULL,
        accepted TEXT,
        is_enabled INTEGER NOT NULL,
        since_s REAL NOT NULL,
        origin TEXT NOT NULL,
        is_hidden INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE department_links (
        department_id TEXT PRIMARY KEY,
        wecom_id TEXT NOT NULL,
        accepted TEXT,
        origin TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE conflicts (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        dingtalk_id TEXT NOT NULL,
        wecom_id TEXT NOT NULL,
        value TEXT NOT NULL,
        parent_id TEXT NOT NULL,
        UNIQUE (kind, dingtalk_id)
    ) STRICT
    """,
    """
    CREATE TABLE removals (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        dingtalk_id TEXT NOT NULL,
        wecom_id TEXT NOT NULL,
        at_s REAL NOT NULL,
        is_approved INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE TABLE sync_state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE sync_runs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        cause TEXT NOT NULL,
        is_full INTEGER NOT NULL,
        started_at_ms INTEGER NOT NULL,
        finished_at_ms INTEGER,
        status TEXT,
        digest TEXT,
        snapshot_complete INTEGER,
        incomplete_reason TEXT NOT NULL DEFAULT '[]',
        error TEXT,
        counts TEXT NOT NULL DEFAULT '{}',
        warnings TEXT NOT NULL DEFAULT '[]'
    ) STRICT
    """,
    "CREATE INDEX sync_runs_open ON sync_runs (id) WHERE finished_at_ms IS NULL",
    """
    CREATE TABLE sync_changes (
        run_id INTEGER NOT NULL REFERENCES sync_runs (id),
        number INTEGER NOT NULL,
        action TEXT NOT NULL,
        kind TEXT NOT NULL,
        dingtalk_id TEXT NOT NULL,
        wecom_id TEXT NOT NULL,
        fields TEXT NOT NULL,
        result TEXT NOT NULL,
        error TEXT,
        warnings TEXT NOT NULL,
        PRIMARY KEY (run_id, number)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX sync_changes_by_object ON sync_changes (kind, dingtalk_id, run_id)",
    """
    CREATE TABLE sync_requests (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        posted_at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        digest TEXT,
        state TEXT NOT NULL DEFAULT 'waiting',
        run_id INTEGER,
        refusal TEXT
    ) STRICT
    """,
)

# How DingTalk's own record of the subscription compares with ours: one row, and no secret in it.
_V3 = (
    """
    CREATE TABLE subscription_finding (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        finding TEXT NOT NULL
    ) STRICT
    """,
)

# Version 4: a ledger for each WeCom company, archived here while another one is in use.
#
# Whose the ledger so far is, the scope tells that the admin approved last: nothing was ever written
# without one. It is JSON, and the corp id stands last in it.
_V4 = (
    """
    CREATE TABLE shelved_person_links (
        corp_id TEXT NOT NULL,
        dingtalk_userid TEXT NOT NULL,
        wecom_userid TEXT NOT NULL,
        accepted TEXT,
        is_enabled INTEGER NOT NULL,
        since_s REAL NOT NULL,
        origin TEXT NOT NULL,
        is_hidden INTEGER NOT NULL,
        PRIMARY KEY (corp_id, dingtalk_userid)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE shelved_department_links (
        corp_id TEXT NOT NULL,
        department_id TEXT NOT NULL,
        wecom_id TEXT NOT NULL,
        accepted TEXT,
        origin TEXT NOT NULL,
        PRIMARY KEY (corp_id, department_id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE shelved_conflicts (
        corp_id TEXT NOT NULL,
        id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        dingtalk_id TEXT NOT NULL,
        wecom_id TEXT NOT NULL,
        value TEXT NOT NULL,
        parent_id TEXT NOT NULL,
        PRIMARY KEY (corp_id, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE shelved_removals (
        corp_id TEXT NOT NULL,
        id INTEGER NOT NULL,
        kind TEXT NOT NULL,
        dingtalk_id TEXT NOT NULL,
        wecom_id TEXT NOT NULL,
        at_s REAL NOT NULL,
        is_approved INTEGER NOT NULL,
        PRIMARY KEY (corp_id, id)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE shelved_sync_state (
        corp_id TEXT NOT NULL,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (corp_id, name)
    ) STRICT, WITHOUT ROWID
    """,
    """
    INSERT INTO sync_state
    SELECT 'ledger-corp', json_extract(value, '$[#-1]') FROM sync_state
    WHERE name = 'approved-scope'
    """,
)

# Version 5: since when somebody is enabled or disabled is sure where the clock was right then. Of
# those who left before, nobody looked at the clock: their waiting days begin anew. What is due next
# says why.
_V5 = (
    "ALTER TABLE person_links ADD COLUMN is_since_sure INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE shelved_person_links ADD COLUMN is_since_sure INTEGER NOT NULL DEFAULT 0",
    """
    UPDATE sync_state SET value = json_array(CAST(value AS INTEGER), 'retry')
    WHERE name = 'next-full-run'
    """,
    "DELETE FROM sync_state WHERE name = 'last-failed-list-poll'",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_V1, _V2, _V3, _V4, _V5)


def version_of(conn: Connection) -> int:
    """Read the version of the database; 0 is an empty one."""
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    return int(version)


def migrate(
    conn: Connection, path: Path, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS
) -> None:
    """Bring the database to the newest version, or raise `JournalNewerError`, having done nothing.

    Where a step fails, its error is raised and the steps before it stay.
    """
    check_not_newer(conn, path, len(migrations))
    for version, statements in enumerate(migrations, start=1):
        with transaction(conn):
            # Read inside the transaction: another process may have migrated meanwhile.
            if version_of(conn) < version:
                for statement in statements:
                    conn.execute(statement)
                conn.execute(f"PRAGMA user_version = {version}")


def check_not_newer(conn: Connection, path: Path, supported: int = len(MIGRATIONS)) -> None:
    """Raise `JournalNewerError` where a newer DingBridge wrote the database."""
    version = version_of(conn)
    if version > supported:
        raise JournalNewerError(path=str(path), version=version, supported=supported)
