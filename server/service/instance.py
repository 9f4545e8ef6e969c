"""Ensures one service per data folder, and lets the other commands find it.

The proof is a lock that the operating system releases when the process dies, so a crashed service
never blocks the next one. The record beside it only says who holds the lock. The folder is locked
as well, in case somebody deletes the lock file.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from threading import Event, Lock
from time import monotonic

from server.config.files import Stamp, access_error, read_image, stamp_of, write_atomically
from server.config.locks import FileLock, FolderLock, LockHeldError
from server.config.paths import DataFolder
from server.errors.base import AlreadyRunningError, FileAccessError, Trouble

# Other commands take the lock for an instant to see whether it is free. This wait keeps a starting
# service from mistaking them for another service, and gives a service that has just taken the lock
# the time to write its record.
_PATIENCE_S = 0.5
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """Who serves a data folder, and how it is."""

    # 0 if the record cannot be read.
    pid: int = 0
    # Empty until callbacks are accepted.
    address: str = ""
    started_at_ms: int = 0
    version: str = ""
    # How far DingTalk's clock was ahead of ours at the last genuine call.
    clock_difference_ms: int | None = None
    # What fails now.
    troubles: tuple[Trouble, ...] = ()


class InstanceLock:
    """Held while a service lives; released by `release()` or when the process ends."""

    def __init__(
        self, folder: DataFolder, locks: Sequence[FileLock], record: ServiceRecord
    ) -> None:
        self._folder = folder
        self._locks = list(locks)
        self._record = record
        self._written: Stamp | None = None
        self._is_held = True
        self._writing = Lock()

    def publish(
        self,
        address: str,
        *,
        clock_difference_ms: int | None = None,
        troubles: Sequence[Trouble] = (),
    ) -> None:
        """Publish where callbacks are accepted, and what fails, for the other commands.

        Raises FileAccessError; `keep` tries again.
        """
        with self._writing:
            if not self._is_held:  # whoever holds it now has a record of their own
                return
            self._record = replace(
                self._record,
                address=address,
                clock_difference_ms=clock_difference_ms,
                troubles=tuple(troubles),
            )
            self._write()

    @property
    def record(self) -> ServiceRecord:
        """The present record, even if it cannot be written."""
        return self._record

    def keep(self) -> None:
        """Restore the lock or the record if somebody removed it; call this regularly.

        Raises AlreadyRunningError if another service has taken the folder, and FileAccessError.
        """
        with self._writing:
            if not self._is_held:
                return
            for place, lock in enumerate(self._locks):
                if not lock.is_in_place:
                    self._locks[place] = _take(_locks(self._folder)[place], self._folder)
                    lock.release()
            if self._written is None or stamp_of(self._folder.service_record) != self._written:
                self._write()

    def _write(self) -> None:
        self._written = None
        content = json.dumps(asdict(self._record)).encode()
        write_atomically(self._folder.service_record, content)
        self._written = stamp_of(self._folder.service_record)

    def release(self) -> None:
        """Let the next service start. A second release does nothing."""
        if not self._is_held:
            return
        self._is_held = False
        with suppress(OSError):  # without the lock, a leftover record counts for nothing
            self._folder.service_record.unlink(missing_ok=True)
        for lock in self._locks:
            lock.release()


def acquire(folder: DataFolder, version: str, started_at_ms: int) -> InstanceLock:
    """Become the service of this data folder, which must exist.

    If several processes start at once, exactly one succeeds. Raises AlreadyRunningError, which
    names the service, and FileAccessError for the lock. If only the record cannot be written,
    `keep` retries that.
    """
    record = ServiceRecord(os.getpid(), "", started_at_ms, version)
    held = InstanceLock(folder, _all_taken(folder), record)
    # Callbacks matter more than the other commands' view of us: start even on a full disk.
    try:
        held.publish("")
    except FileAccessError:
        with suppress(OSError):  # the previous service's record would be taken for ours
            folder.service_record.unlink(missing_ok=True)
    return held


def _locks(folder: DataFolder, wait_s: float = _PATIENCE_S) -> tuple[FileLock, ...]:
    return FileLock(folder.service_lock, wait_s), FolderLock(folder.root, wait_s)


def _all_taken(folder: DataFolder) -> Sequence[FileLock]:
    locks = _locks(folder)
    with ExitStack() as undo:
        for lock in locks:
            undo.callback(_take(lock, folder).release)
        undo.pop_all()
    return locks


def _take(lock: FileLock, folder: DataFolder) -> FileLock:
    try:
        lock.acquire()
    except LockHeldError as exc:
        holder = _patiently(lambda: _read(folder)) or ServiceRecord()
        raise AlreadyRunningError(
            pid=holder.pid or "?", address=holder.address or "…", path=str(folder.root)
        ) from exc
    except OSError as exc:
        raise access_error(folder.service_lock, exc) from exc
    return lock


def running_service(folder: DataFolder) -> ServiceRecord | None:
    """Return who serves the data folder now, or None. Raises FileAccessError.

    A record alone proves nothing: the lock must be held.
    """
    file, root = _locks(folder, wait_s=_POLL_S * 5)
    has_file = stamp_of(folder.service_lock) != Stamp()  # looking leaves no trace
    if (not has_file or _is_free(file, folder)) and _is_free(root, folder):
        return None
    return _patiently(lambda: _read(folder)) or ServiceRecord()


def _is_free(probe: FileLock, folder: DataFolder) -> bool:
    try:
        with probe:
            return True
    except LockHeldError:
        return False
    except OSError as exc:
        raise access_error(folder.service_lock, exc) from exc


def _patiently(read: Callable[[], ServiceRecord | None]) -> ServiceRecord | None:
    deadline = monotonic() + _PATIENCE_S
    while (record := read()) is None and monotonic() < deadline:
        Event().wait(_POLL_S)
    return record


def _read(folder: DataFolder) -> ServiceRecord | None:
    """Return the record, None while there is no readable one."""
    try:
        fields = json.loads(read_image(folder.service_record).content or b"")
        record = ServiceRecord(**fields)
        record = replace(
            record, troubles=tuple(Trouble(**one) for one in fields.get("troubles", ()))
        )
    except (
        FileAccessError,
        ValueError,
        TypeError,
        RecursionError,
    ):  # being replaced, or another version's
        return None
    return record if _is_sound(record) else None


def _is_sound(record: ServiceRecord) -> bool:
    """Whether every value has the right type; another version may have written anything."""
    difference_ms = record.clock_difference_ms
    numbers = (record.pid, record.started_at_ms, 0 if difference_ms is None else difference_ms)
    sentences = [text for one in record.troubles for text in (one.title, one.hint)]
    return (
        all(type(one) is int for one in numbers)
        and all(isinstance(one, str) for one in (record.address, record.version, *sentences))
        and all(isinstance(one.values, dict) for one in record.troubles)
    )
