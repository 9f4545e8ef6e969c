"""The commands for the mirror: request a run, show runs, decide about what is held.

`SyncDispatcher` gets a request done by the service, or here if none runs; `SyncApi` offers the
commands. Both work the same beside the service and in its process.
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
    """Gets requests done for one data folder, from any process."""

    def __init__(
        self,
        folder: DataFolder,
        clock_ms: Callable[[], int],
        on_posted: Callable[[], object] = lambda: None,
    ) -> None:
        """Take the folder; `on_posted` is called when a request was posted.

        Without it the service finds the request within a second.
        """
        self._on_posted = on_posted
        self._folder = folder
        self._clock_ms = clock_ms

    def carry_out(
        self,
        request: SyncRequest,
        run_here: Callable[[Journal], int],
        stop: Event,
    ) -> Answer:
        """Get the request done; return the resulting run, or why there is none.

        `run_here` makes the run in this process and returns its id. `stop` ends the waiting; a run
        of the service continues. Raises JournalError and StoreError.
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
            return None  # it serves; only one that is starting or ending is worth waiting for
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
        """Ask the service; None if the holder of the folder ended without taking the request.

        Another `sync` command and a service that is still starting have no address and take no
        requests; wait for a change of that.
        """
        service = running_service(self._folder)
        if service is None or not service.address:
            stop.wait(_LOOK_EVERY_S)
            return None
        path = self._folder.database
        request_id = write_beside(path, lambda conn: requests.post(conn, request, self._clock_ms()))
        self._on_posted()
        while True:
            is_alive = self._is_alive(service)  # check first, or its last answer could be missed
            answer = open_read_only(path, lambda conn: requests.answer_of(conn, request_id))
            if answer is not None:
                return answer
            if not is_alive or stop.is_set():
                return self._withdrawn(request_id, is_alive=is_alive)
            stop.wait(_LOOK_EVERY_S)

    def _withdrawn(self, request_id: int, *, is_alive: bool) -> Answer | None:
        """Withdraw the request; if it was taken already, no answer will come."""
        path = self._folder.database
        if write_beside(path, lambda conn: requests.withdraw(conn, request_id)):
            return None
        return Answer(refusal=_NOT_WAITED_FOR if is_alive else _GONE)

    def _is_alive(self, service: ServiceRecord) -> bool:
        """Whether the service that was asked still holds the folder, not a successor."""
        now = running_service(self._folder)
        return now is not None and now.pid == service.pid


_LOST = Cause(
    "run-lost",
    Message(N_("The sync was made, but its record is no longer in the database.")),
    Message(N_("Sync again to see where both sides stand.")),
)


class SyncApi:
    """The commands for the mirror of one data folder."""

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore,
        clock_ms: Callable[[], int],
        logged: Callable[[Config], AbstractContextManager[None]],
        on_posted: Callable[[], object],
    ) -> None:
        """Take the folder's parts; `logged` writes the log of a run that this process makes.

        `on_posted` is called when a run was requested from the service.
        """
        self._logged = logged
        self._folder = folder
        self._store = store
        self._clock_ms = clock_ms
        self._dispatcher = SyncDispatcher(folder, clock_ms, on_posted)

    # --- commands

    def sync(
        self, *, preview: bool = False, allow: str | None = None, stop: Event | None = None
    ) -> RunView:
        """Make a full run as `order` does; return it with all its changes."""
        summary = self.order(preview=preview, allow=allow, stop=stop)
        return (self.run(summary.id) if summary.id else None) or RunView(summary)

    def order(
        self, *, preview: bool = False, allow: str | None = None, stop: Event | None = None
    ) -> RunSummary:
        """Make a full run, by the service if one runs, and wait for its end.

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

        answer = self._dispatcher.carry_out(_request(allow, preview=preview), run_here, stop)
        if answer.refusal is not None:
            return failed_run(answer.refusal, self._clock_ms())
        found = None if answer.run_id is None else self.summary(answer.run_id)
        return found or failed_run(_LOST, self._clock_ms())

    def _run_here(self, journal: Journal, stop: Event, allow: str | None, *, preview: bool) -> int:
        # Imports the HTTP client, which no other command needs.
        from server.sync.engine import run_once  # noqa: PLC0415 - see above

        config = self._store.load()
        with self._logged(config):
            run_id = run_once(config, journal, preview=preview, allow=allow, stop=stop.is_set)
        if not preview:
            # This run makes up for any that was interrupted before.
            journal.run(lambda conn: runs.close_interrupted(conn, self._clock_ms())).wait()
        return run_id

    def reject(self, digest: str) -> bool:
        """Reject what is held under this digest; return False if another one is held now.

        The people stay as they are, and it is not brought up again while it is the same list.
        Raises StoreError and JournalError.
        """
        if not self._read(lambda conn: sync_state.is_held(conn, digest)):
            return False  # a typing mistake must not create a data folder
        return self._dispatcher.write(lambda conn: sync_state.reject_held(conn, digest))

    # --- queries

    def missing(self) -> tuple[str, ...]:
        """Return the settings still needed for a sync. Raises StoreError, SettingsError."""
        return missing(self._store.load())

    def runs(self, limit: int = 20, before_id: int | None = None) -> tuple[RunSummary, ...]:
        """Return up to `limit` runs, the newest first, below `before_id`. Raises JournalError."""
        return self._read(lambda conn: tuple(map(run_summary, runs.latest(conn, limit, before_id))))

    def summary(self, run_id: int) -> RunSummary | None:
        """Return a run without its changes, None if it is no longer kept."""

        def found(conn: Connection) -> RunSummary | None:
            run = runs.find(conn, run_id)
            return None if run is None else run_summary(run)

        return self._read(found)

    def run(self, run_id: int) -> RunView | None:
        """Return a run with all its changes, None if it is no longer kept."""
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
        """Return the conflicts that await the admin, the oldest first. Raises JournalError."""
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
    """Raise SettingsError if settings are missing, and name them."""
    problem = Message(N_("has not been entered yet; the sync needs it"))
    problems = [Problem(name, problem) for name in missing(config)]
    if problems:
        raise SettingsError(problems)


def _held(changes: Iterable[ChangeView]) -> tuple[ChangeView, ...]:
    """Return the held changes; if the run was a preview, all of its changes are planned."""
    listed = tuple(changes)
    held = tuple([change for change in listed if change.result == Result.HELD])
    return held or tuple([change for change in listed if change.result == Result.PLANNED])
