import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from server.errors import JournalNewerError
from server.journal.connection import connect_in_memory
from server.journal.schema import MIGRATIONS, migrate, version_of

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
