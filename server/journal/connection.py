"""Opens all SQLite connections, runs transactions, and translates SQLite's errors into ours.

Durability is decided here: with WAL and `synchronous=FULL`, a COMMIT that has returned is on the
disk. No other module may set such a PRAGMA.
"""

import logging
import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path, PurePath
from sqlite3 import Connection
from urllib.parse import quote

from server.errors.base import (
    JournalAccessError,
    JournalBusyError,
    JournalDamagedError,
    JournalDriveError,
    JournalError,
    JournalFullError,
    JournalUnreadableError,
)


class MisreadError(Exception):
    """A stored value makes no sense; `translate` makes it a `JournalUnreadableError`."""


@contextmanager
def decode_errors() -> Iterator[None]:
    """Turn errors in the decoding of stored values into `MisreadError`.

    Wrap only decoding in this: a bug elsewhere must not be reported as a damaged database.
    """
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        reason = f"{type(exc).__name__}: {exc}"
        raise MisreadError(reason) from exc


_log = logging.getLogger(__name__)

_SUFFIXES = ("", "-wal")


class FileIdentity:
    """Recognises the files that a connection opened by their inodes, not by their names."""

    def __init__(self, path: Path) -> None:
        """Remember the files at `path`; call this right after opening them."""
        self._path = path
        found = {f"{path}{suffix}": _identity(f"{path}{suffix}") for suffix in _SUFFIXES}
        self._found = [(name, identity) for name, identity in found.items() if identity]

    @property
    def is_unchanged(self) -> bool:
        """Whether the same files are still there; fast enough to check before each COMMIT."""
        return all(_identity(name) == identity for name, identity in self._found)

    def put_back(self, conn: Connection) -> None:
        """Write the database that `conn` still holds open to its path, unless a file is there."""
        if self._path.exists() or not self._path.parent.exists():
            return
        copy = self._path.with_name(f"{self._path.name}.copy")
        try:
            with closing(connect_plainly(copy)) as target:
                conn.backup(target)
            os.link(copy, self._path)  # unlike a rename, it replaces nothing
            _log.warning("Database %s was deleted while in use; it was put back", self._path)
        except (sqlite3.Error, OSError):
            _log.exception("Database %s was deleted and could not be put back", self._path)
        finally:
            copy.unlink(missing_ok=True)


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - before every COMMIT; a Path costs twice as much
    except OSError:
        return None
    return found.st_dev, found.st_ino


# A callback must be answered within 1.5 s: a longer lock must cause a 503, not a timeout.
BUSY_TIMEOUT_MS = 1000

# A burst may grow the WAL further; the next checkpoint shrinks it to this.
_WAL_LIMIT_BYTES = 16 * 1024 * 1024

_OTHERS_RIGHTS = 0o077

# Errors of a drive without locks or shared memory, mostly a network drive.
# https://www.sqlite.org/wal.html#overview. A full disk has other codes.
_DRIVE_ERRORS = frozenset(
    {
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_IOERR_LOCK,
        sqlite3.SQLITE_IOERR_RDLOCK,
        sqlite3.SQLITE_IOERR_UNLOCK,
        sqlite3.SQLITE_IOERR_CHECKRESERVEDLOCK,
        sqlite3.SQLITE_IOERR_SHMOPEN,
        sqlite3.SQLITE_IOERR_SHMLOCK,
        sqlite3.SQLITE_IOERR_SHMMAP,
    }
)

# https://www.sqlite.org/rescode.html, primary codes
_ERRORS: dict[int, type[JournalError]] = {
    sqlite3.SQLITE_FULL: JournalFullError,
    sqlite3.SQLITE_BUSY: JournalBusyError,
    sqlite3.SQLITE_LOCKED: JournalBusyError,
    sqlite3.SQLITE_CORRUPT: JournalDamagedError,
    sqlite3.SQLITE_NOTADB: JournalDamagedError,
    sqlite3.SQLITE_READONLY: JournalAccessError,
    sqlite3.SQLITE_CANTOPEN: JournalAccessError,
    sqlite3.SQLITE_IOERR: JournalAccessError,
    sqlite3.SQLITE_PERM: JournalAccessError,
    sqlite3.SQLITE_AUTH: JournalAccessError,
}


def connect(path: Path, *, read_only: bool = False, is_at_rest: bool = False) -> Connection:
    """Open `path`, creating it unless `read_only`. Raises `sqlite3.Error`.

    `is_at_rest` reads a file that nobody has open, even in a folder that cannot be written, and
    leaves no trace. It would miss what another process writes at the same time.
    The connection never commits on its own. Threads may pass it on, but not use it at once. The
    caller closes it. On POSIX only the owner can read the file.
    """
    if not read_only:
        _make_private(path)
    mode = "ro" if read_only else "rwc"
    conn = sqlite3.connect(
        _uri(path.absolute(), f"{mode}&immutable=1" if is_at_rest else mode),
        uri=True,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    conn.text_factory = _text
    try:
        if not read_only:
            _make_durable(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def connect_plainly(path: Path) -> Connection:
    """Open or create a private file, without WAL. Raises `sqlite3.Error`."""
    _make_private(path)
    conn = sqlite3.connect(_uri(path.absolute(), "rwc"), uri=True, isolation_level=None)
    conn.text_factory = _text
    return conn


def connect_in_memory() -> Connection:
    """Open an empty database that disappears when it is closed."""
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.text_factory = _text
    return conn


def _make_private(path: Path) -> None:
    """Create the file for its owner only, or restrict it; its companions get the same rights."""
    if os.name == "nt":
        return
    # Never open an existing file: closing it would release the locks that SQLite has on it.
    with suppress(OSError):  # it exists, or cannot be created; then SQLite says why
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    for name in (str(path), f"{path}-wal", f"{path}-shm"):
        with suppress(OSError):  # it does not exist, or belongs to somebody else
            mode = os.lstat(name).st_mode
            if stat.S_ISREG(mode) and mode & _OTHERS_RIGHTS:
                os.chmod(name, mode & ~_OTHERS_RIGHTS & 0o777)  # noqa: PTH101 - a name, as lstat


def _make_durable(conn: Connection) -> None:
    (mode,) = conn.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        refusal = sqlite3.OperationalError(f"its journal mode stays {mode}")
        refusal.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMOPEN
        raise refusal
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")


def _uri(path: PurePath, mode: str) -> str:
    """Write `path` as SQLite's `file:` URI; a Windows drive needs a slash before it."""
    posix = path.as_posix()
    rooted = posix if posix.startswith("/") else f"/{posix}"
    return f"file://{quote(os.fsencode(rooted))}?mode={mode}"


def _text(stored: bytes) -> str:
    """Decode stored text; half a surrogate pair must not make a whole page unreadable."""
    return stored.decode("utf-8", "replace")


@contextmanager
def transaction(conn: Connection) -> Iterator[None]:
    """Run the body in one write transaction, committed as a whole or not at all."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
        conn.execute("COMMIT")
    except BaseException:
        roll_back(conn)
        raise


def roll_back(conn: Connection) -> None:
    """Roll back, unless SQLite has already done so, as it does when the disk is full."""
    if conn.in_transaction:
        conn.execute("ROLLBACK")


def translate(error: sqlite3.Error | MisreadError, path: Path) -> JournalError:
    """Translate an error of SQLite or of decoding into ours, for the database at `path`."""
    if isinstance(error, MisreadError):
        _log.info("Unreadable value in %s", path, exc_info=error)
        return JournalUnreadableError(path=str(path), reason=str(error))
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    kind = JournalDriveError if code in _DRIVE_ERRORS else _ERRORS.get(code & 0xFF, JournalError)
    return kind(path=str(path), reason=str(error))


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn `sqlite3.Error` and `MisreadError` of the body into a `JournalError` about `path`."""
    try:
        yield
    except (sqlite3.Error, MisreadError) as exc:
        raise translate(exc, path) from exc
