"""One service a data folder, and how the other commands find it.

The proof is a lock that the operating system releases when the process dies, however it dies; the
record beside it only says who holds it. So a copy that crashed never blocks the next one. The
folder itself is locked as well, since somebody may delete the file on which the lock is.
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

# Other commands take the lock for an instant to see whether it is free; a starting service must
# not mistake them for another service, nor they each other. The same wait lets a service that
# just took the lock write its record.
_PATIENCE_S = 0.5
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """Who serves a data folder. `address` is empty until callbacks are accepted.

    A `pid` of 0 stands for a service whose record cannot be read. `clock_difference_ms` is how far
    DingTalk's clock was ahead of ours at the last genuine call; `troubles` is what fails now.
    """

    pid: int = 0
    address: str = ""
    started_at_ms: int = 0
    version: str = ""
    clock_difference_ms: int | None = None
    troubles: tuple[Trouble, ...] = ()


class InstanceLock:
    """Held for the life of a service; given back by `release()` or by the process's end."""

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
        """Tell the other commands where callbacks are accepted, and how.

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
        """What is told, also where it cannot be written."""
        return self._record

    def keep(self) -> None:
        """Hold the folder on where somebody removed the lock or the record; called now and then.

        Raises AlreadyRunningError where another service took the folder meanwhile, and
        FileAccessError.
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
        """Let the next service start. Releasing twice does nothing."""
        if not self._is_held:
            return
        self._is_held = False
        with suppress(OSError):  # a record that stays is not believed without the lock
            self._folder.service_record.unlink(missing_ok=True)
        for lock in self._locks:
            lock.release()


def acquire(folder: DataFolder, version: str, started_at_ms: int) -> InstanceLock:
    """Become the service of this data folder, which must exist.

    Of several processes that start at once exactly one succeeds. Raises AlreadyRunningError
    telling who serves it, and FileAccessError for the lock. A record that cannot be written is
    `keep`'s business.
    """
    record = ServiceRecord(os.getpid(), "", started_at_ms, version)
    held = InstanceLock(folder, _all_taken(folder), record)
    # Callbacks come before the other commands' view of them: a full disk is no reason to refuse.
    try:
        held.publish("")
    except FileAccessError:
        with suppress(OSError):  # the last service's record would be taken for ours
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
    """Return who serves the data folder now, or None; raises FileAccessError.

    A record alone is not believed: a lock must be held.
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
    """Return the record, or None while there is none that can be read."""
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
    """Whether every value is of its kind; JSON, and other versions, may hold anything."""
    difference_ms = record.clock_difference_ms
    numbers = (record.pid, record.started_at_ms, 0 if difference_ms is None else difference_ms)
    sentences = [text for one in record.troubles for text in (one.title, one.hint)]
    return (
        all(type(one) is int for one in numbers)
        and all(isinstance(one, str) for one in (record.address, record.version, *sentences))
        and all(isinstance(one.values, dict) for one in record.troubles)
    )
