"""The running service: starts its parts in the order they need each other, stops them in reverse.

Threads: `dingbridge-web` answers callbacks, `dingbridge-journal` writes the database,
`dingbridge-sync` mirrors, `dingbridge-subscription` compares with DingTalk's own record,
`dingbridge-housekeeper` runs the duties.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from sqlite3 import Connection
from typing import TypeVar

from crypto.callback import CallbackVerifier
from crypto.credentials import Keyring
from server.callback.batching import BatchingQueue
from server.callback.handler import CallbackHandler, HandlerState
from server.callback.listener import Listener, open_socket
from server.callback.rejections import RejectionLog
from server.callback.wsgi import build_app
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.errors.base import JournalBusyError, JournalFullError, Trouble
from server.journal import rejections as stored_rejections
from server.journal import requests
from server.journal.journal import Journal
from server.journal.rejections import Rejection
from server.journal.retention import Pruning
from server.rest.vendor_clock import VendorClock
from server.service.duties import JOB_S, Publish, ReopenJournal, StoreRejections
from server.service.housekeeper import Duty, Housekeeper, Once, Routine
from server.service.instance import InstanceLock, ServiceRecord, acquire
from server.service.logs import SecretMask
from server.service.running_config import RunningConfig
from server.subscription.watch import Watch
from server.sync.clients import ClientPool, Throttle
from server.sync.engine import Engine
from server.sync.worker import Worker
from server.version import VERSION

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LEAVE_S = 0.5
# The share of the stop's time limit that a vendor has to answer a call in flight.
_PATIENCE_SHARE = 0.5


def now_ms() -> int:
    """Return the system's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def local_url(host: str, port: int, path: str) -> str:
    """Return the callback address on this machine, with brackets around an IPv6 host."""
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


class Service:
    """Receives callbacks for one data folder. Start it once, stop it once."""

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore,
        mask: SecretMask,
        clock_ms: Callable[[], int] = now_ms,
        pace: Throttle | None = None,
    ) -> None:
        """Prepare the service; `pace` makes the sync run faster, for simulated vendors."""
        self._folder = folder
        self._clock_ms = clock_ms
        self._pace = pace
        self._config = RunningConfig(store, mask, clock_ms)
        self._stopping = threading.Event()
        self._vendor_clock = VendorClock(clock_ms)
        self._rejections = RejectionLog()

    def start(self, host: str | None = None, port: int | None = None) -> str:
        """Start everything and return the callback address; `host` and `port` override settings.

        Raises StoreError, SettingsError, AlreadyRunningError, JournalError and ListenerError; then
        nothing is left running. Failures that may pass do not stop the start: callbacks get a 503
        if need be, the housekeeper retries, and the status says what fails.
        """
        with ExitStack() as undo:
            self._folder.ensure()
            self._instance: InstanceLock = acquire(self._folder, VERSION, self._clock_ms())
            undo.callback(self._instance.release)
            self._config.load()
            self._journal = self._opened_journal()
            undo.callback(self._journal.close, JOB_S)
            bound = self._bound(host, port)
            undo.callback(bound.close)
            self._build_parts(bound)
            undo.callback(self._watch.request_stop)
            undo.callback(self._worker.request_stop)
            for duty in self._first_duties:
                self._housekeeper.attempt(duty)
            self._listener.start()
            undo.callback(self._listener.join, _LEAVE_S)
            undo.callback(self._listener.request_stop)
            self._housekeeper.attempt(self._publishing)
            self._housekeeper.start()
            undo.pop_all()
        self._announce()
        return self._address

    @property
    def address(self) -> str:
        """The callback address on this machine."""
        return self._address

    @property
    def is_serving(self) -> bool:
        """Whether callbacks are answered."""
        return self._listener.is_serving

    @property
    def record(self) -> ServiceRecord:
        """This service's record for the other commands, even if it cannot be written."""
        return self._instance.record

    @property
    def housekeeper(self) -> Housekeeper:
        """The thread that runs the duties."""
        return self._housekeeper

    def stop(self, timeout_s: float = 5.0) -> tuple[str, ...]:
        """Stop in order: accept no calls, answer those under way, write everything, close files.

        Returns the names of the threads that did not end within `timeout_s` altogether.
        """
        until_s = time.monotonic() + timeout_s

        def left_s() -> float:
            return max(0.0, until_s - time.monotonic())

        hanging: list[str] = []
        self._stopping.set()
        self._worker.request_stop()
        self._watch.request_stop()
        self._listener.request_stop()
        if not self._listener.join(left_s()):
            hanging.append("dingbridge-web")
        # After the listener: its last tick stores what the last calls left.
        self._housekeeper.request_stop()
        if not self._housekeeper.join(left_s()):
            hanging.append(self._housekeeper.name)
        if not self._worker.join(left_s() * _PATIENCE_SHARE):
            self._worker.abort()
        if not self._worker.join(left_s()):
            hanging.append("dingbridge-sync")
        if not self._journal.close(left_s()):
            hanging.append("dingbridge-journal")
        self._instance.release()
        # The watcher may still be waiting for DingTalk; it ignores the answer after a stop.
        self._watch.join(min(left_s(), _LEAVE_S))
        for name in hanging:
            _log.error("Thread %s did not stop in time", name)
        _log.info("Stopped")
        return tuple(hanging)

    def journal(self) -> Journal:
        """Return the open journal, for `server.api`."""
        return self._journal

    def rejections(self) -> RejectionLog:
        """Return the list of rejected calls with their causes, for `server.api`."""
        self._handler.diagnose_waiting()
        return self._rejections

    def wake(self) -> None:
        """Look for changes and requests now instead of within a second."""
        self._housekeeper.wake()

    def reload_settings(self) -> None:
        """Load changed settings now instead of within a second.

        Raises StoreError and SettingsError. Then the settings in force stay, and the housekeeper
        retries.
        """
        duties = (self._saving, self._reloading)
        failures = [failure for duty in duties if (failure := self._housekeeper.attempt(duty))]
        self._housekeeper.attempt(self._publishing)
        if failures:
            raise failures[0]

    # --- the parts

    def _opened_journal(self) -> Journal:
        """Open the journal. After a failure that may pass, start without it and answer 503."""
        path = self._folder.database
        try:
            return Journal.open(path, self._clock_ms())
        except (JournalFullError, JournalBusyError) as failure:
            _log.error("Waiting for the database; callbacks are answered with 503: %s", failure)
            return Journal.shut(path, failure)

    def _bound(self, host: str | None, port: int | None) -> socket.socket:
        callback = self._config.now().settings.callback
        return open_socket(host or callback.host, callback.port if port is None else port)

    def _build_parts(self, bound: socket.socket) -> None:
        """Create all parts; none of them runs yet."""
        config, settings = self._config, self._config.now().settings
        queue = BatchingQueue(self._journal.append)
        self._handler = CallbackHandler(
            CallbackVerifier(config.keyring),
            self._rejections,
            config.promote,
            self._clock_ms,
            self.wake,
        )
        self._listener = Listener(bound, build_app(self._handler, settings.callback.path), queue)
        self._address = local_url(*self._listener.address, settings.callback.path)
        # The sync and the comparison read the settings in force each time they do something.
        client_pool = ClientPool(self._pace, self._vendor_clock)
        engine = Engine(self._journal, config.now, client_pool, self._clock_ms)
        self._worker = Worker(self._journal, engine, config.now, clock_ms=self._clock_ms)
        self._watch = Watch(self._journal, config.now, clock_ms=self._clock_ms, pace=self._pace)
        config.on_keyring, config.on_change = self._use_keyring, self._apply_change
        config.on_promotion = self.wake
        self._pruning = Pruning(self._write, self._clock_ms, self._stopping, self._vendor_clock)
        self._reopening = ReopenJournal(
            self._journal, self._clock_ms, self._handler_state, self._nudge_all, self._stopping
        )
        self._restored = Once("restore the list of rejected calls", self._restore, self._is_open)
        self._publishing = Publish(
            self._instance,
            lambda: self._address,
            self._handler_state,
            self._troubles,
            self._stopping,
        )
        self._saving = Routine(
            "save that DingTalk uses the new credentials",
            config.save_promotion,
            lambda: config.has_unsaved,
        )
        self._reloading = Routine("load changed settings", config.reload, config.has_changed)
        self._first_duties = self._start_duties()
        self._housekeeper = Housekeeper(self._duties())

    def _announce(self) -> None:
        _log.info("Started: version %s, listening on %s", VERSION, self._address)
        if self._journal.moved_aside is not None:
            _log.warning("The damaged database was moved to %s", self._journal.moved_aside)
        for note in self._config.now().notes:
            _log.warning("%s", note)

    def _use_keyring(self, keyring: Keyring) -> None:
        self._handler.replace_verifier(CallbackVerifier(keyring))

    def _apply_change(self, before: Config, config: Config) -> None:
        """Make all parts use changed settings."""
        self._nudge_all()
        path = config.settings.callback.path
        if path != before.settings.callback.path:
            self._listener.replace_application(build_app(self._handler, path))
            self._address = local_url(*self._listener.address, path)
            _log.info("Now listening on %s", self._address)

    # --- the duties

    def _duties(self) -> tuple[Duty, ...]:
        """Return the duties of each tick; a duty comes after those it depends on."""
        return (
            *self._first_duties,
            self._saving,
            self._reloading,
            Routine("diagnose rejected calls", self._handler.diagnose_waiting),
            StoreRejections(
                self._rejections, self._journal, self._on_rejections, lambda: self._restored.is_done
            ),
            Routine("keep the lock and record of the service", self._instance.keep),
            Routine("remove old events and runs", self._prune, self._is_open),
            Routine("look for requests", self._look_for_requests, self._is_open),
            self._publishing,  # last, so that it sees the results of all others
        )

    def _start_duties(self) -> tuple[Duty, ...]:
        """Return the duties to attempt before others can see this service."""
        left_over = Once("answer leftover requests", self._worker.refuse_left_over, self._is_open)
        return (
            self._reopening,
            self._restored,
            left_over,
            Once("start the sync", self._worker.start, lambda: left_over.is_done),
            Once("start the comparison", self._watch.start, lambda: left_over.is_done),
            Routine(
                "check the use of the previous credentials",
                self._check_previous,
                lambda: self._is_open() and self._config.must_check_previous(),
            ),
        )

    def _nudge_all(self) -> None:
        """Make the sync and the comparison look again now."""
        self._worker.nudge()
        self._watch.nudge()

    def _is_open(self) -> bool:
        return self._journal.is_in_place

    def _restore(self) -> None:
        self._rejections.restore(self._journal.read(stored_rejections.latest)[::-1])

    def _on_rejections(self, latest: list[Rejection]) -> None:
        """Ask DingTalk soon: a genuine call may be among the rejected ones."""
        self._worker.expect_missed()
        self._watch.note_rejections(latest)

    def _check_previous(self) -> None:
        self._config.check_previous(self._journal.read(stored_rejections.last_uses))

    def _prune(self) -> None:
        self._pruning.compare_clocks(self._handler.state.clock_difference_ms)
        self._pruning.do_what_is_due(self._config.now().settings.journal)

    def _write(self, job: Callable[[Connection], T]) -> T:
        return self._journal.run(job).result(JOB_S)

    def _look_for_requests(self) -> None:
        """Wake the sync if another command has requested a run: it cannot wake us itself."""
        if self._journal.read(requests.is_waiting):
            self._worker.nudge()

    def _handler_state(self) -> HandlerState:
        return self._handler.state

    def _troubles(self) -> Iterator[Trouble]:
        """Yield what fails now, the gravest first; none hides another."""
        for failure in (self._journal.damage, self._reopening.unstored()):
            if failure is not None:
                yield Trouble.of(failure)
        yield from self._housekeeper.troubles
        if self._worker.trouble is not None:
            yield self._worker.trouble
