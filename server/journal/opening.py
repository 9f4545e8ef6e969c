"""Opening the database: a sound one is migrated, a damaged one moved aside and replaced.

Nothing is ever deleted or written over here. A file is given up only when SQLite itself cannot
make sense of it; what can still be read of it is in the new one, and the caller is told.
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
    """Write the database as of one moment to `target`; False where there is none.

    The service may be writing meanwhile. Raises a `JournalError`, also for damage anywhere in it:
    a copy must not hide that until the original is gone.
    """
    if not path.exists():
        return False
    with (
        translated(path),
        closing(connect(path, read_only=True)) as source,
        closing(connect_plainly(target)) as copy,
    ):
        source.backup(copy)  # in one step: nobody else's write can make it start anew
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
    check_database(target, named=path)
    return True


def check_database(path: Path, named: Path) -> None:
    """Raise where this version cannot use the database: JournalNewerError, JournalDamagedError.

    `named` stands in the errors. Reads the whole of it.
    """
    with translated(named), closing(connect_plainly(path)) as conn:
        check_not_newer(conn, named)
        (verdict,) = conn.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise JournalDamagedError(path=str(named), reason=verdict)


T = TypeVar("T")

_log = logging.getLogger(__name__)

# Checking reads the whole file. Up to this size that is too quick to be noticed at start.
_ALWAYS_CHECKED_BYTES = 64 * 1024 * 1024

# A new database and what SQLite puts beside it take some hundred kB.
_FULL_BELOW_BYTES = 1024 * 1024

# The order matters: an old WAL left beside a new database would be replayed into it.
_MOVED_IN_ORDER = ("-wal", "-shm", "")

# Never the name that counts while it is being filled.
_FRESH = ".new"


@dataclass(frozen=True, slots=True)
class Opened:
    """A writable connection, and where a damaged database was moved to, if there was one."""

    conn: Connection
    moved_aside: Path | None


def open_database(path: Path, now_ms: int) -> Opened:
    """Open and migrate `path`, or a fresh database where the one there is damaged.

    What a killed process had claimed is pending again. `now_ms` names the damaged file. Raises a
    `JournalError`: newer, access, busy, full.
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
    """Tell a full disk as such: SQLite, which cannot make its files then, tells of I/O errors."""
    path = Path(str(failure.values["path"]))
    try:
        is_full = shutil.disk_usage(path.parent).free < _FULL_BELOW_BYTES
    except OSError:
        return failure
    return JournalFullError(path=str(path)) if is_full else failure


def _replace(path: Path, now_ms: int) -> Path:
    """Put a new database with all that can be saved in the place of the damaged one.

    A kill at any moment leaves the damaged one, to begin again, or the finished new one.
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

    Whoever opens it next checks the whole of it, however large.
    """
    try:
        _suspicion(path).touch(mode=0o600)
    except OSError:
        _log.exception("The damage to %s could not be marked for the next start.", path)


def _clear(path: Path) -> None:
    try:
        _suspicion(path).unlink(missing_ok=True)
    except OSError:
        _log.exception("The mark beside %s stays; the next start checks again.", path)


def read(path: Path, job: Callable[[Connection], T]) -> T:
    """Run `job` on one unchanging view of the database, beside the writer and not blocked by it.

    Raises a `JournalError`. Any thread may call it.
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
    """Tell whether reading failed for want of a place for the files that SQLite puts beside.

    Whoever has the database open has made them already.
    """
    wal = _beside(path, "-wal")
    is_refused = exc.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
    return is_refused and path.exists() and not (wal.exists() and wal.stat().st_size)


def open_read_only(path: Path, job: Callable[[Connection], T]) -> T:
    """Run `job` for a bystander: the database may be missing or older, and is never changed.

    A missing one reads as empty; an older one is migrated in a copy in memory. Raises a
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
    """Raise where the file is damaged, as far as can be seen in the time a start may take."""
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
    """Rename the database and its companions; returns the new name, which nobody had before."""
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
