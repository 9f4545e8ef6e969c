"""Who carries out an ordered sync: the service on the data folder, else this process itself.

The instance lock decides: whoever holds it alone may write the journal's ledger. A command that
does not get it leaves a request in the database and waits for the answer.
"""

from collections.abc import Callable
from sqlite3 import Connection
from threading import Event
from typing import TypeVar

from server.config.paths import DataFolder
from server.directory.causes import Cause
from server.errors.base import AlreadyRunningError
from server.errors.message import N_, Message
from server.journal import requests
from server.journal.journal import Journal
from server.journal.opening import peek
from server.journal.requests import Answer, SyncRequest, write_beside
from server.service.instance import InstanceLock, ServiceRecord, acquire, running_service
from server.version import VERSION

T = TypeVar("T")

_LOOK_EVERY_S = 0.2
_JOB_S = 30.0

_GONE = Cause(
    "service-gone",
    Message(N_("DingBridge was quit or ended before the sync was done.")),
    Message(N_("Start it again, or repeat the sync: it goes on where the last one ended.")),
)
_NOT_WAITED_FOR = Cause(
    "sync-not-waited-for",
    Message(N_("The sync goes on in the running DingBridge; its end was not waited for.")),
    Message(N_("The status tells how it ended.")),
)
_GIVEN_UP = Cause(
    "sync-given-up",
    Message(N_("The sync was given up before it began.")),
    Message(N_("Repeat it whenever you like.")),
)


class Orders:
    """Carries out orders for one data folder; any process may have one."""

    def __init__(
        self,
        folder: DataFolder,
        clock_ms: Callable[[], int],
        posted: Callable[[], object] = lambda: None,
    ) -> None:
        """Take the folder; `posted` is called when a request was left.

        A service looks by itself, too, within a second.
        """
        self._posted = posted
        self._folder = folder
        self._clock_ms = clock_ms

    def carry_out(
        self,
        request: SyncRequest,
        run_here: Callable[[Journal], int],
        stop: Event,
    ) -> Answer:
        """Have the request done and say which run came of it, or why none did.

        `run_here` makes the run in this process and returns its id. `stop` ends the waiting; a run
        of the service's goes on. Raises JournalError and StoreError.
        """
        while not stop.is_set():
            lock = self._lock()
            if lock is not None:
                return self._with_journal(lock, lambda journal: Answer(run_id=run_here(journal)))
            answer = self._asked(request, stop)
            if answer is not None:
                return answer
        return Answer(refusal=_GIVEN_UP)

    def write(self, job: Callable[[Connection], T]) -> T:
        """Run a short job on the database, whoever holds it. Raises JournalError, StoreError."""
        lock = self._lock()
        if lock is None:
            return write_beside(self._folder.database, job)
        return self._with_journal(lock, lambda journal: journal.run(job).result(_JOB_S))

    def _lock(self) -> InstanceLock | None:
        self._folder.ensure()
        service = running_service(self._folder)
        if service is not None and service.address:
            return None  # it serves; only somebody who just starts or ends is worth the patience
        try:
            return acquire(self._folder, VERSION, self._clock_ms())
        except AlreadyRunningError:
            return None

    def _with_journal(self, lock: InstanceLock, work: Callable[[Journal], T]) -> T:
        try:
            journal = Journal.open(self._folder.database, self._clock_ms())
            try:
                return work(journal)
            finally:
                journal.close(_JOB_S)
        finally:
            lock.release()

    def _asked(self, request: SyncRequest, stop: Event) -> Answer | None:
        """Ask the service; None where whoever holds the folder went without having heard of it.

        Another `sync` command, or a service that is only starting, has no address yet; both take
        no requests, so their end is waited for.
        """
        service = running_service(self._folder)
        if service is None or not service.address:
            stop.wait(_LOOK_EVERY_S)
            return None
        path = self._folder.database
        posted = write_beside(path, lambda conn: requests.post(conn, request, self._clock_ms()))
        self._posted()
        while True:
            is_alive = self._is_alive(service)  # before the look, lest its last word be missed
            answer = peek(path, lambda conn: requests.answer_of(conn, posted))
            if answer is not None:
                return answer
            if not is_alive or stop.is_set():
                return self._withdrawn(posted, is_alive=is_alive)
            stop.wait(_LOOK_EVERY_S)

    def _withdrawn(self, posted: int, *, is_alive: bool) -> Answer | None:
        """Take the request back; where it was taken already, nobody will answer any more."""
        path = self._folder.database
        if write_beside(path, lambda conn: requests.withdraw(conn, posted)):
            return None
        return Answer(refusal=_NOT_WAITED_FOR if is_alive else _GONE)

    def _is_alive(self, service: ServiceRecord) -> bool:
        """Whether the service that was asked still holds the folder, and not its successor."""
        now = running_service(self._folder)
        return now is not None and now.pid == service.pid
