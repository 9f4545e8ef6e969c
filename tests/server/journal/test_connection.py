import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from server.errors.base import (
    JournalAccessError,
    JournalBusyError,
    JournalDamagedError,
    JournalDriveError,
    JournalError,
    JournalFullError,
)
from server.journal import connection
from server.journal.connection import (
    _uri,
    connect,
    connect_plainly,
    transaction,
    translate,
    translated,
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")


def _rights(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@posix_only
@pytest.mark.parametrize("is_old", [False, True])
def test_a_database_is_for_its_owner_only_in_a_folder_that_is_open_to_all(
    path: Path, *, is_old: bool
) -> None:
    before = os.umask(0)
    path.parent.chmod(0o777)
    try:
        if is_old:  # as an earlier version left them when it was killed
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).touch(0o666)
        with closing(connect(path)) as conn, closing(connect_plainly(path.with_name("copy"))):
            conn.execute("CREATE TABLE t (x)")
            found = _rights(path.parent)
    finally:
        path.parent.chmod(0o700)
        os.umask(before)
    names = (path.name, f"{path.name}-wal", f"{path.name}-shm", "copy")
    assert found == dict.fromkeys(names, 0o600)


@posix_only
def test_narrowing_touches_neither_folders_nor_what_a_link_leads_to(tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.touch(0o644)
    others.chmod(0o644)
    folder = tmp_path / "folder.db"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(JournalAccessError), translated(folder):
        connect(folder)
    (tmp_path / "link.db").symlink_to(others)
    with closing(connect(tmp_path / "link.db")):
        pass
    rights = _rights(tmp_path)
    assert (rights["others"], rights["folder.db"]) == (0o644, 0o755)


# These bytes SQLite locks for as long as a database is in use.
# https://www.sqlite.org/fileformat2.html#the_lock_byte_page
_LOCK_IT = """
import fcntl, sys
with open(sys.argv[1], "rb+") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
    except OSError:
        print("in use")
"""


@posix_only
def test_making_it_private_ends_no_lock_that_this_process_has_on_it(path: Path) -> None:
    with closing(connect(path)) as conn:
        conn.execute("CREATE TABLE t (x)")
        connect(path).close()
        answer = subprocess.check_output([sys.executable, "-c", _LOCK_IT, path], text=True)
    assert answer == "in use\n"


@posix_only
def test_a_drive_without_shared_memory_is_named_as_such(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = connection._uri
    # This way of locking shares no memory, as on a network drive.
    monkeypatch.setattr(connection, "_uri", lambda *both: f"{uri(*both)}&vfs=unix-dotfile")
    with pytest.raises(JournalDriveError) as caught, translated(path):
        connect(path)
    assert caught.value.values == {"path": str(path), "reason": "its journal mode stays delete"}
    assert "network" in str(caught.value.hint)


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
        (sqlite3.SQLITE_IOERR_SHMSIZE, JournalAccessError),  # as on a full disk
        (sqlite3.SQLITE_IOERR_SHMMAP, JournalDriveError),
        (sqlite3.SQLITE_IOERR_LOCK, JournalDriveError),
        (sqlite3.SQLITE_PROTOCOL, JournalDriveError),
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
