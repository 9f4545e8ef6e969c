import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from server.errors.base import JournalNewerError
from server.journal import ledger, sync_state
from server.journal.connection import connect_in_memory
from server.journal.runs import RunCause
from server.journal.schema import MIGRATIONS, migrate, version_of
from server.journal.sync_state import NextRun, SyncState

FIRST = ("CREATE TABLE a (x)",)
SECOND = ("CREATE TABLE b (x)", "INSERT INTO b SELECT x FROM a")
PATH = Path("a.db")


def _tables(conn: sqlite3.Connection) -> list[str]:
    rows = conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [name for (name,) in rows]


def test_an_empty_database_gets_every_step() -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, PATH, (FIRST, SECOND))
        assert _tables(conn) == ["a", "b"]
        assert version_of(conn) == 2


def test_an_older_database_gets_only_what_it_lacks_and_keeps_its_rows() -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, PATH, (FIRST,))
        conn.execute("INSERT INTO a VALUES (7)")
        migrate(conn, PATH, (FIRST, SECOND))
        assert conn.execute("SELECT x FROM b").fetchall() == [(7,)]


def test_migrating_twice_changes_nothing() -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, PATH)
        before = conn.total_changes
        migrate(conn, PATH)
        assert conn.total_changes == before
        assert version_of(conn) == len(MIGRATIONS)


def test_a_failed_step_and_its_record_are_undone_together() -> None:
    broken = ("CREATE TABLE b (x)", "INSERT INTO missing VALUES (1)")
    with closing(connect_in_memory()) as conn:
        with pytest.raises(sqlite3.OperationalError):
            migrate(conn, PATH, (FIRST, broken))
        assert _tables(conn) == ["a"]
        assert version_of(conn) == 1


def test_a_newer_database_is_refused_and_left_alone() -> None:
    with closing(connect_in_memory()) as conn:
        conn.execute("PRAGMA user_version = 99")
        with pytest.raises(JournalNewerError) as caught:
            migrate(conn, PATH)
        assert caught.value.values == {"path": "a.db", "version": 99, "supported": len(MIGRATIONS)}
        assert _tables(conn) == []


MOMENTS = {
    "events.received_at_ms": "age: pruned by a confirmed clock only",
    "events.not_before_ms": "no further away than its pause (heal_delays)",
    "credential_uses.first_used_at_ms": "shown",
    "credential_uses.last_used_at_ms": "shown; the last written wins",
    "rejections.at_ms": "shown; compared for being another one",
    "rejections.first_at_ms": "shown",
    "person_links.since_s": "days from it count where is_since_sure",
    "removals.at_s": "of now where it lies ahead (age_removals)",
    "sync_runs.started_at_ms": "age: pruned by a confirmed clock only",
    "sync_runs.finished_at_ms": "a run of the future is none (Schedule.begin)",
    "sync_requests.posted_at_ms": "age: pruned by a confirmed clock only",
    "shelved_person_links.since_s": "as person_links",
    "shelved_removals.at_s": "as removals",
}
"""Each stored moment, and why a clock that was wrong when it was written does no harm."""


def test_no_moment_is_stored_without_a_thought_of_a_wrong_clock() -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, PATH)
        found = {
            f"{table}.{row[1]}"
            for table in _tables(conn)
            for row in conn.execute(f"PRAGMA table_info({table})")
            if row[1].endswith(("_ms", "_s", "_at"))
        }
    assert found == MOMENTS.keys()


def test_what_was_due_next_and_who_had_left_come_over_from_the_fourth_version() -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, PATH, MIGRATIONS[:4])
        conn.execute("INSERT INTO sync_state VALUES ('next-full-run', '77')")
        conn.execute("INSERT INTO sync_state VALUES ('last-failed-list-poll', '7')")
        conn.execute("INSERT INTO person_links VALUES ('u', 'w', NULL, 0, 5.0, 'created', 0)")
        migrate(conn, PATH)
        assert sync_state.load(conn) == SyncState(next_full_run=NextRun(77, RunCause.RETRY))
        rows = conn.execute("SELECT name FROM sync_state").fetchall()
        assert rows == [("next-full-run",)]
        assert not ledger.load(conn).people["u"].is_since_sure
