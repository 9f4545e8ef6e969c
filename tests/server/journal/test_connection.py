import sqlite3
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from server.errors import (
    JournalAccessError,
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
)
from server.journal.connection import _uri, connect, transaction, translate, translated


def test_a_connection_is_durable(path: Path) -> None:
    with closing(connect(path)) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert conn.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_a_reader_cannot_write(path: Path) -> None:
    with closing(connect(path)) as conn:
        conn.execute("CREATE TABLE t (x)")
    with (
        closing(connect(path, read_only=True)) as reader,
        pytest.raises(JournalAccessError),
        translated(path),
    ):
        reader.execute("INSERT INTO t VALUES (1)")


def test_a_reader_creates_no_database(path: Path) -> None:
    with pytest.raises(JournalAccessError), translated(path):
        connect(path, read_only=True)
    assert not path.exists()


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(JournalAccessError), translated(tmp_path):
        connect(tmp_path)


@pytest.mark.parametrize("name", ["钉桥 100%.db", "a?b#c.db"])
def test_any_file_name_can_be_opened(tmp_path: Path, name: str) -> None:
    with closing(connect(tmp_path / name)) as conn:
        conn.execute("CREATE TABLE t (x)")
    assert (tmp_path / name).exists()


def test_paths_of_both_systems_become_uris() -> None:
    assert _uri(PurePosixPath("/a b"), "ro") == "file:///a%20b?mode=ro"
    assert _uri(PureWindowsPath("C:\\a b"), "ro") == "file:///C%3A/a%20b?mode=ro"


def test_half_a_surrogate_pair_stays_readable(path: Path) -> None:
    with closing(connect(path)) as conn:
        (text,) = conn.execute("SELECT cast(x'61eda08062' AS TEXT)").fetchone()
    assert text[0] + text[-1] == "ab"


def test_a_transaction_commits(path: Path) -> None:
    with closing(connect(path)) as conn:
        with transaction(conn):
            conn.execute("CREATE TABLE t (x)")
        assert conn.in_transaction is False
        assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)


def _execute_and_fail(conn: sqlite3.Connection, statement: str) -> None:
    with transaction(conn):
        conn.execute(statement)
        raise ZeroDivisionError


def test_a_failed_transaction_leaves_nothing(path: Path) -> None:
    with closing(connect(path)) as conn:
        with pytest.raises(ZeroDivisionError):
            _execute_and_fail(conn, "CREATE TABLE t (x)")
        assert conn.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_transaction_that_sqlite_has_ended_needs_no_rollback(path: Path) -> None:
    with closing(connect(path)) as conn:
        with pytest.raises(ZeroDivisionError):
            _execute_and_fail(conn, "ROLLBACK")
        assert conn.in_transaction is False


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_FULL, JournalFullError),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, JournalBusyError),
        (sqlite3.SQLITE_LOCKED, JournalBusyError),
        (sqlite3.SQLITE_CORRUPT_INDEX, JournalDamagedError),
        (sqlite3.SQLITE_NOTADB, JournalDamagedError),
        (sqlite3.SQLITE_READONLY_DIRECTORY, JournalAccessError),
        (sqlite3.SQLITE_CANTOPEN, JournalAccessError),
        (sqlite3.SQLITE_IOERR_FSYNC, JournalAccessError),
        (sqlite3.SQLITE_PERM, JournalAccessError),
        (sqlite3.SQLITE_CONSTRAINT, JournalError),
        (None, JournalError),
    ],
)
def test_every_code_has_its_error(code: int | None, expected: type[JournalError]) -> None:
    error = sqlite3.OperationalError("said by SQLite")
    if code is not None:
        error.sqlite_errorcode = code
    translated_error = translate(error, Path("a.db"))
    assert type(translated_error) is expected
    assert translated_error.values == {"path": "a.db", "reason": "said by SQLite"}
    assert str(translated_error)
