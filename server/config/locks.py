"""Locks between processes that the operating system releases when their holder dies.

The mere existence of a file proves nothing, because it survives a crash. A lock on it does not.
"""

import os
import sys
from pathlib import Path
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Self

_POLL_S = 0.01

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    # Not msvcrt.locking, nor a library that uses it (filelock): its error number distinguishes
    # "held" from other failures on some C runtimes only.
    # https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-lockfile
    def _lock(descriptor: int) -> None:
        _call("LockFile", descriptor)

    def _unlock(descriptor: int) -> None:
        _call("UnlockFile", descriptor)

    def _call(function: str, descriptor: int) -> None:
        """Lock or unlock the first byte, which need not exist; raises PermissionError if held."""
        call = getattr(ctypes.WinDLL("kernel32", use_last_error=True), function)
        call.argtypes = (wintypes.HANDLE, *(wintypes.DWORD,) * 4)
        call.restype = wintypes.BOOL
        if not call(msvcrt.get_osfhandle(descriptor), 0, 0, 1, 0):
            raise ctypes.WinError(ctypes.get_last_error())
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class LockHeldError(Exception):
    """Somebody else holds the lock and did not release it in time."""


class FileLock:
    """An exclusive lock on the file `path`, which is created, stays empty and is never removed.

    Removing it would allow two holders, one on the removed file, one on its successor. Two
    FileLocks on one path also exclude each other within a process. Use an object from one thread
    at a time.
    """

    _FLAGS = os.O_RDWR | os.O_CREAT

    def __init__(self, path: Path, wait_s: float = 0.0) -> None:
        self._path = path
        self._wait_s = wait_s
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, waiting up to `wait_s`; raises LockHeldError, or OSError for the file."""
        deadline = monotonic() + self._wait_s
        while not self._try():
            if monotonic() >= deadline:
                raise LockHeldError
            Event().wait(_POLL_S)

    @property
    def is_in_place(self) -> bool:
        """Whether this lock works against others: it is held, and its file is still at `path`."""
        if self._descriptor is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False

    def release(self) -> None:
        """Release the lock; does nothing if it is not held."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            _unlock(descriptor)
        finally:
            os.close(descriptor)

    def _try(self) -> bool:
        # Python's descriptors are not inherited, so no child process can keep the lock alive.
        descriptor = os.open(self._path, self._FLAGS, 0o600)
        try:
            _lock(descriptor)
        except OSError as exc:
            os.close(descriptor)
            if isinstance(exc, (BlockingIOError, PermissionError)):  # POSIX, Windows: it is held
                return False
            raise
        self._descriptor = descriptor
        return True

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class FolderLock(FileLock):
    """A lock on a folder, which is less easily removed than a file in it.

    Always succeeds where folders cannot be locked: on some network shares, and on Windows, which
    does not let anybody remove an open file anyway.
    """

    _FLAGS = os.O_RDONLY

    def _try(self) -> bool:
        try:
            return super()._try()
        except OSError:
            return True
