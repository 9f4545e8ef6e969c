"""Opens the database: migrates a sound one, replaces a damaged one; also copies and checks it.

Never deletes or overwrites anything. A file is given up only if SQLite itself finds it damaged;
then it is moved aside, the new one gets what can still be read, and the caller learns of it.
"""

import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from server.errors.base import (
    JournalAccessError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
)
from server.journal.connection import (
    connect,
    connect_in_memory,
    connect_plainly,
    transaction,
    translated,
)
from server.journal.events import release_stale
from server.journal.salvage import note, salvage
from server.journal.schema import MIGRATIONS, check_not_newer, migrate, version_of


def copy_database(path: Path, target: Path) -> bool:
    """Copy a snapshot of the database to `target`; return False if there is none.

    The service may be writing. Raises a `JournalError`, also for any damage: a copy must not hide
    it until the original is gone.
    """
    if not path.exists():
        return False
    with (
        translated(path),
        closing(connect(path, read_only=True)) as source,
        closing(connect_plainly(target)) as copy,
    ):
        source.backup(copy)  # in one step, so that no other write makes it start again
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
    check_database(target, named=path)
    return True


def check_database(path: Path, named: Path) -> None:
    """Read the whole database and raise JournalNewerError or JournalDamagedError if need be.

    The errors name `named` instead of `path`.
    """
    with translated(named), closing(connect_plainly(path)) as conn:
        check_not_newer(conn, named)
        (verdict,) = conn.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise JournalDamagedError(path=str(named), reason=verdict)


T = TypeVar("T")

_log = logging.getLogger(__name__)

# A check reads the whole file. Up to this size nobody notices that at start.
_ALWAYS_CHECKED_BYTES = 64 * 1024 * 1024

# A new database and its companions take some hundred kB.
_FULL_BELOW_BYTES = 1024 * 1024

# The order matters: an old WAL left beside a new database would be replayed into it.
_MOVED_IN_ORDER = ("-wal", "-shm", "")

# The new database has this suffix until it is complete.
_FRESH = ".new"


@dataclass(frozen=True, slots=True)
class Opened:
    """A writable connection, and where a damaged database was moved to, if there was one."""

    conn: Connection
    moved_aside: Path | None


def open_database(path: Path, now_ms: int) -> Opened:
    """Open and migrate `path`, replacing a damaged database by a new one.

    Makes events pending that a killed process had claimed. The damaged file's new name holds
    `now_ms`. Raises a `JournalError`: newer, access, busy, full.
    """
    try:
        _finish_replacing(path)
        moved_aside = None
        try:
            conn = _open_sound(path)
        except JournalDamagedError:
            moved_aside = _replace(path, now_ms)
            conn = _open_sound(path)
    except OSError as exc:  # a virus scanner holds a file, the drive is gone
        raise _explained(_access_error(path, exc)) from exc
    except JournalAccessError as exc:
        raise _explained(exc) from exc
    _clear(path)
    return Opened(conn, moved_aside)


def _explained(failure: JournalAccessError) -> JournalError:
    """Recognise a full disk: SQLite reports it as an I/O error if it cannot create its files."""
    path = Path(str(failure.values["path"]))
    try:
        is_full = shutil.disk_usage(path.parent).free < _FULL_BELOW_BYTES
    except OSError:
        return failure
    return JournalFullError(path=str(path)) if is_full else failure


def _replace(path: Path, now_ms: int) -> Path:
    """Replace the damaged database by a new one with everything that can be salvaged.

    A kill at any moment leaves either the damaged one or the complete new one.
    """
    fresh = _beside(path, _FRESH)
    for suffix in _MOVED_IN_ORDER:
        _beside(fresh, suffix).unlink(missing_ok=True)
    with translated(path), closing(connect(fresh)) as conn:
        migrate(conn, path)
        found = salvage(path, conn)
    moved_aside = _move_aside(path, now_ms)
    _finish_replacing(path)
    note(moved_aside, found)
    return moved_aside


def _finish_replacing(path: Path) -> None:
    fresh = _beside(path, _FRESH)
    if fresh.exists() and not path.exists():
        fresh.rename(path)


def mark_damaged(path: Path) -> None:
    """Leave a mark beside a database that proved damaged while in use.

    The next opening then checks all of it, however large.
    """
    try:
        _suspicion(path).touch(mode=0o600)
    except OSError:
        _log.exception("The damage to %s could not be marked for the next start", path)


def _clear(path: Path) -> None:
    try:
        _suspicion(path).unlink(missing_ok=True)
    except OSError:
        _log.exception("The mark beside %s could not be removed; the next start checks again", path)


def read(path: Path, job: Callable[[Connection], T]) -> T:
    """Run `job` on a snapshot of the database, not blocked by the writer.

    Raises a `JournalError`. Any thread may call this.
    """
    with translated(path):
        try:
            return _read(connect(path, read_only=True), job)
        except sqlite3.OperationalError as exc:
            if not _is_only_unwritable(exc, path):
                raise
            return _read(connect(path, read_only=True, is_at_rest=True), job)


def _read(conn: Connection, job: Callable[[Connection], T]) -> T:
    with closing(conn):
        conn.execute("BEGIN")
        return job(conn)


def _is_only_unwritable(exc: sqlite3.OperationalError, path: Path) -> bool:
    """Whether reading failed only because SQLite cannot create its files beside the database.

    If a process has the database open, these files exist already.
    """
    wal = _beside(path, "-wal")
    is_refused = exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
    return is_refused and path.exists() and not (wal.exists() and wal.stat().st_size)


def open_read_only(path: Path, job: Callable[[Connection], T]) -> T:
    """Run `job` from beside the service: the database may be missing or old, and is not changed.

    A missing one reads as empty; an old one is migrated in a copy in memory. Raises a
    `JournalError`.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return _in_memory(path, job)
    except OSError as exc:
        raise _access_error(path, exc) from exc
    return read(path, lambda conn: _answer(conn, path, job))


def _answer(conn: Connection, path: Path, job: Callable[[Connection], T]) -> T:
    check_not_newer(conn, path)
    if version_of(conn) == len(MIGRATIONS):
        return job(conn)
    return _in_memory(path, job, origin=conn)


def _in_memory(path: Path, job: Callable[[Connection], T], origin: Connection | None = None) -> T:
    with closing(connect_in_memory()) as conn:
        if origin is not None:
            origin.backup(conn)
        migrate(conn, path)
        return job(conn)


def _open_sound(path: Path) -> Connection:
    with translated(path):
        conn = connect(path)
        try:
            _check(conn, path)
            migrate(conn, path)
            with transaction(conn):
                release_stale(conn)
        except BaseException:
            conn.close()
            raise
        return conn


def _check(conn: Connection, path: Path) -> None:
    """Raise if the file is damaged, as far as the time for a start allows to see."""
    if _suspicion(path).exists():
        # Only this finds an index that does not fit its table, which fails every write to it.
        check = "integrity_check"
    elif path.stat().st_size <= _ALWAYS_CHECKED_BYTES:
        check = "quick_check"
    else:
        return
    (verdict,) = conn.execute(f"PRAGMA {check}(1)").fetchone()
    if verdict != "ok":
        raise JournalDamagedError(path=str(path), reason=verdict)


def _move_aside(path: Path, now_ms: int) -> Path:
    """Rename the database and its companions to an unused name; return it."""
    target = _free_name(path, now_ms)
    for suffix in _MOVED_IN_ORDER:
        companion = _beside(path, suffix)
        if companion.exists():
            companion.rename(_beside(target, suffix))
    return target


def _access_error(path: Path, exc: OSError) -> JournalAccessError:
    return JournalAccessError(path=str(path), reason=str(exc.strerror))


def _free_name(path: Path, now_ms: int) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now_ms / 1000))
    target = path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")
    number = 1
    while any(_beside(target, suffix).exists() for suffix in _MOVED_IN_ORDER):
        number += 1
        target = path.with_name(f"{path.stem}.damaged-{stamp}-{number}{path.suffix}")
    return target


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _suspicion(path: Path) -> Path:
    return _beside(path, ".suspect")
