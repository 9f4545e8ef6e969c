"""The mirror's part of the facade: order a run, look at what was done, decide about what is held.

Like the rest of the facade it works alike beside the service and in its process.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from sqlite3 import Connection
from threading import Event
from typing import TypeVar

from server.api.status import ChangeView, ConflictView, RunSummary, RunView
from server.api.views.sync import change_views, conflict_views, failed_run, run_summary, run_view
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.directory.causes import Cause
from server.errors.base import AlreadyRunningError, Problem, SettingsError
from server.errors.message import N_, Message
from server.journal import ledger, requests, runs, sync_state
from server.journal.journal import Journal
from server.journal.opening import open_read_only
from server.journal.requests import Answer, RequestKind, SyncRequest, write_beside
from server.journal.runs import Result
from server.service.instance import InstanceLock, ServiceRecord, acquire, running_service
from server.sync.clients import missing
from server.version import VERSION

T = TypeVar("T")

_LOOK_EVERY_S = 0.2
_JOB_S = 30.0

_GONE = Cause(
    "service-gone",
    Message(N_("DingBridge was quit or ended before the sync finished.")),
    Message(N_("Start it again, or sync again: the sync continues where the last one stopped.")),
)
_NOT_WAITED_FOR = Cause(
    "sync-not-waited-for",
    Message(N_("The sync continues in the running DingBridge; its result is not shown here.")),
    Message(N_("See the status for the result.")),
)
_GIVEN_UP = Cause(
    "sync-given-up",
    Message(N_("The sync was cancelled before it began.")),
    Message(N_("You can sync again at any time.")),
)


class SyncDispatcher:
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
            answer = open_read_only(path, lambda conn: requests.answer_of(conn, posted))
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


_LOST = Cause(
    "run-lost",
    Message(N_("The sync was made, but its record is no longer in the database.")),
    Message(N_("Sync again to see where both sides stand.")),
)


class SyncApi:
    """What can be asked and ordered about the mirror of one data folder."""

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore,
        clock_ms: Callable[[], int],
        logged: Callable[[Config], AbstractContextManager[None]],
        posted: Callable[[], object],
    ) -> None:
        """Take the folder's parts; `logged` writes the log of a run that this process makes.

        `posted` is called when a run was ordered from the service.
        """
        self._logged = logged
        self._folder = folder
        self._store = store
        self._clock_ms = clock_ms
        self._orders = SyncDispatcher(folder, clock_ms, posted)

    # --- what is to be

    def sync(
        self, *, preview: bool = False, allow: str | None = None, stop: Event | None = None
    ) -> RunView:
        """Have a full run made as `order` does; returns it with all its changes."""
        summary = self.order(preview=preview, allow=allow, stop=stop)
        return (self.run(summary.id) if summary.id else None) or RunView(summary)

    def order(
        self, *, preview: bool = False, allow: str | None = None, stop: Event | None = None
    ) -> RunSummary:
        """Have a full run made, by the service where one runs, and wait for its end.

        `preview` writes nothing to WeCom. `allow` is the digest of what is approved; with any other
        than that of what awaits approval the run ends `refused`. `stop` gives up: a run made here
        ends in good order, the service's goes on. What fails in the run is told in its summary;
        raises SettingsError where the mirror is not set up, StoreError, JournalError, and
        CallCancelledError where a run made here was given up.
        """
        stop = stop or Event()
        _ensure_set_up(self._store.load())

        def run_here(journal: Journal) -> int:
            return self._run_here(journal, stop, allow, preview=preview)

        answer = self._orders.carry_out(_request(allow, preview=preview), run_here, stop)
        if answer.refusal is not None:
            return failed_run(answer.refusal, self._clock_ms())
        found = None if answer.run_id is None else self.summary(answer.run_id)
        return found or failed_run(_LOST, self._clock_ms())

    def _run_here(self, journal: Journal, stop: Event, allow: str | None, *, preview: bool) -> int:
        # Brings the HTTP client along, which no other command needs.
        from server.sync.engine import run_once  # noqa: PLC0415 - see above

        config = self._store.load()
        with self._logged(config):
            run_id = run_once(config, journal, preview=preview, allow=allow, stop=stop.is_set)
        if not preview:
            # Whatever was cut short before, this run has made up for it.
            journal.run(lambda conn: runs.close_interrupted(conn, self._clock_ms())).wait()
        return run_id

    def reject(self, digest: str) -> bool:
        """Decide against what is held under this digest; False where another one is held now.

        The people stay as they are, and it is not brought up again while it is the same list.
        Raises StoreError and JournalError.
        """
        if not self._read(lambda conn: sync_state.is_held(conn, digest)):
            return False  # without making a data folder for a slip of the pen
        return self._orders.write(lambda conn: sync_state.reject_held(conn, digest))

    # --- what is

    def missing(self) -> tuple[str, ...]:
        """Name the settings without which no sync can be made. Raises StoreError, SettingsError."""
        return missing(self._store.load())

    def runs(self, limit: int = 20, before_id: int | None = None) -> tuple[RunSummary, ...]:
        """Return up to `limit` runs, the newest first, below `before_id`. Raises JournalError."""
        return self._read(lambda conn: tuple(map(run_summary, runs.latest(conn, limit, before_id))))

    def summary(self, run_id: int) -> RunSummary | None:
        """Return a run without its changes, None where it is not kept any more."""

        def found(conn: Connection) -> RunSummary | None:
            run = runs.find(conn, run_id)
            return None if run is None else run_summary(run)

        return self._read(found)

    def run(self, run_id: int) -> RunView | None:
        """Return a run with all its changes, None where it is not kept any more."""
        return self._read(lambda conn: run_view(conn, run_id))

    def changes(self, run_id: int, limit: int, after: int = 0) -> tuple[ChangeView, ...]:
        """Return up to `limit` changes of a run, after the first `after` of them."""
        return self._read(lambda conn: change_views(conn, run_id, limit, after))

    def held_changes(self) -> tuple[ChangeView, ...]:
        """Return what awaits approval, as the last run listed it. Raises JournalError."""

        def listed(conn: Connection) -> tuple[ChangeView, ...]:
            held = sync_state.load(conn).held
            return () if held is None else _held(change_views(conn, held.run_id))

        return self._read(listed)

    def conflicts(self) -> tuple[ConflictView, ...]:
        """Return what waits for the admin's decision, the oldest first. Raises JournalError."""
        return self._read(lambda conn: conflict_views(conn, ledger.conflicts(conn)))

    def _read(self, job: Callable[[Connection], T]) -> T:
        return open_read_only(self._folder.database, job)


def _request(allow: str | None, *, preview: bool) -> SyncRequest:
    if preview:
        return SyncRequest(RequestKind.PREVIEW)
    if allow is not None:
        return SyncRequest(RequestKind.ALLOW, allow)
    return SyncRequest(RequestKind.FULL)


def _ensure_set_up(config: Config) -> None:
    """Raise SettingsError naming what is still to be entered."""
    problem = Message(N_("has not been entered yet; the sync needs it"))
    problems = [Problem(name, problem) for name in missing(config)]
    if problems:
        raise SettingsError(problems)


def _held(changes: Iterable[ChangeView]) -> tuple[ChangeView, ...]:
    """Pick the held ones; the run that found them may have been a preview, all of it planned."""
    listed = tuple(changes)
    held = tuple([change for change in listed if change.result == Result.HELD])
    return held or tuple([change for change in listed if change.result == Result.PLANNED])
