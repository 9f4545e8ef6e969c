"""The running service: its parts started in order of need, and stopped in reverse.

Threads: `dingbridge-web` answers callbacks, `dingbridge-journal` writes, `dingbridge-sync` mirrors,
`dingbridge-subscription` compares with DingTalk's own record, `dingbridge-housekeeper` does what
must not delay an answer: it saves a promotion, takes up changed settings, looks for requests of
other commands, stores the list of rejected calls, and removes old events.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from sqlite3 import Connection
from typing import TypeVar

from crypto.callback import Opener
from crypto.credentials import Keyring
from server.config.paths import DataFolder
from server.config.settings import Settings
from server.config.store import Config, ConfigStore
from server.errors import (
    DingBridgeError,
    FileAccessError,
    JournalAccessError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
)
from server.instance import InstanceLock, Trouble, acquire
from server.journal import rejections as stored_rejections
from server.journal import requests
from server.journal.journal import Journal
from server.journal.rejections import Rejection
from server.logs import SecretMask
from server.pruning import Pruning
from server.rest.vendor_clock import VendorClock
from server.room import shortage
from server.subscription.watch import Watch
from server.sync.engine import Engine
from server.sync.parties import Pace, Road
from server.sync.worker import Worker
from server.version import VERSION
from server.web.callback import build_app
from server.web.desk import Desk
from server.web.inbox import BatchingInbox
from server.web.listener import Listener, open_socket
from server.web.rejections import RejectionLog

T = TypeVar("T")

_log = logging.getLogger(__name__)

_TICK_S = 1.0
# What the desk learns is written down at once, so that `status` shows it right after the answer;
# but a flood of calls must not become a flood of writes.
_PAUSE_S = 0.1
_HOUR_MS = 60 * 60 * 1000
_JOB_S = 30.0
_LEAVE_S = 0.5
# Of the time to stop in: what a vendor has left to answer the call under way.
_PATIENCE_SHARE = 0.5


def now_ms() -> int:
    """Return the system's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Service:
    """Receives callbacks for one data folder. Start it once, stop it once."""

    def __init__(
        self,
        folder: DataFolder,
        store: ConfigStore,
        mask: SecretMask,
        clock_ms: Callable[[], int] = now_ms,
        pace: Pace | None = None,
    ) -> None:
        """Take the service's parts; `pace` makes the sync run faster, for simulated vendors."""
        self._folder = folder
        self._store = store
        self._mask = mask
        self._clock_ms = clock_ms
        self._pace = pace
        self._config = Config()
        self._keyring = Keyring()
        self._unsaved: Keyring | None = None  # as it is since a promotion that is not on disk yet
        self._unstored: list[Rejection] | None = None
        self._lock = threading.Lock()  # the keyring in force
        self._duty = threading.Lock()  # one thread at a time takes up or saves settings
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._vendor_clock = VendorClock(clock_ms)
        self._pruning = Pruning(self._write, clock_ms, self._stopping, self._vendor_clock)
        self._has_begun = False
        self._healed: JournalError | None = None
        self._troubles: list[Trouble] = []
        self._published: tuple[str, int | None, Trouble | None] | None = None
        self._rejections = RejectionLog()
        self._housekeeper = threading.Thread(
            target=self._keep_house, name="dingbridge-housekeeper", daemon=True
        )

    def start(self, host: str | None = None, port: int | None = None) -> str:
        """Start everything and return the callback address; `host` and `port` override settings.

        Raises what loading raises (StoreError, SettingsError), AlreadyRunningError, JournalError
        and ListenerError; then nothing is left running.
        """
        with ExitStack() as undo:
            self._folder.ensure()
            self._instance: InstanceLock = acquire(self._folder, VERSION, self._clock_ms())
            undo.callback(self._instance.release)
            self._config = self._store.load()
            self._mask.register(self._config.secrets.all())
            self._keyring = self._config.secrets.keyring
            self._journal = self._opened_journal()
            undo.callback(self._journal.close, _JOB_S)
            self._listener = self._listen(host, port)
            undo.callback(self._listener.request_stop)
            self._address = self._address_of(self._listener, self._config.settings)
            self._worker = self._mirror()
            self._watch = Watch(
                self._journal, self._config_now, clock_ms=self._clock_ms, pace=self._pace
            )
            if self._journal.is_in_place:
                self._begin()
            self._publish()
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

    def stop(self, timeout_s: float = 5.0) -> tuple[str, ...]:
        """Stop in order: no new calls, those under way answered, all written, files closed.

        Returns the names of threads that did not end within `timeout_s` seconds together.
        """
        until_s = time.monotonic() + timeout_s

        def left_s() -> float:
            return max(0.0, until_s - time.monotonic())

        hanging: list[str] = []
        self._stopping.set()
        self._wake.set()
        self._worker.request_stop()
        self._watch.request_stop()
        self._listener.request_stop()
        if not self._listener.join(left_s()):
            hanging.append("dingbridge-web")
        self._housekeeper.join(left_s())
        if self._housekeeper.is_alive():
            hanging.append(self._housekeeper.name)
        if not self._worker.join(left_s() * _PATIENCE_SHARE):
            self._worker.cut()
        if not self._worker.join(left_s()):
            hanging.append("dingbridge-sync")
        if not self._journal.close(left_s()):
            hanging.append("dingbridge-journal")
        self._instance.release()
        # Where this one still waits for DingTalk, it does nothing with the answer any more.
        self._watch.join(min(left_s(), _LEAVE_S))
        for name in hanging:
            _log.error("The thread %s did not stop in time", name)
        _log.info("Stopped")
        return tuple(hanging)

    def journal(self) -> Journal:
        """Return the open journal, for the facade."""
        return self._journal

    def rejections(self) -> RejectionLog:
        """Return the list of rejected calls with their causes, for the facade."""
        self._desk.diagnose_waiting()
        return self._rejections

    def wake(self) -> None:
        """Look for changes and requests now rather than with the next second."""
        self._wake.set()

    def take_up_changes(self) -> None:
        """Take up changed settings now rather than within a second; done on return.

        Raises what loading raises; the settings in force stay then.
        """
        with self._duty:
            self._save_promotion()
            self._reload()
            self._publish()

    def _opened_journal(self) -> Journal:
        """Open the journal; on a full disk, begin without it and answer 503 until there is room."""
        path = self._folder.database
        try:
            return Journal.open(path, self._clock_ms())
        except (JournalFullError, JournalAccessError) as failure:
            if shortage(self._folder) is None:
                raise
            _log.error("The service waits for room on the disk: %s", failure)
            return Journal.shut(path, JournalFullError(path=str(path)))

    def _begin(self) -> None:
        """Do what needs the journal, before others can see this service or once it is open."""
        self._rejections.restore(self._journal.read(stored_rejections.latest)[::-1])
        self._worker.refuse_left_over()
        self._worker.start()
        self._watch.start()
        self._has_begun = True

    def _listen(self, host: str | None, port: int | None) -> Listener:
        callback = self._config.settings.callback
        inbox = BatchingInbox(self._journal.append)
        self._desk = Desk(
            Opener(self._keyring),
            self._rejections,
            self._promote,
            self._clock_ms,
            self._wake.set,
        )
        bound = open_socket(host or callback.host, callback.port if port is None else port)
        listener = Listener(bound, build_app(self._desk, callback.path), inbox)
        listener.start()
        return listener

    def _mirror(self) -> Worker:
        """Put the sync together; it reads the settings in force whenever it does something."""
        road = Road(self._pace, self._vendor_clock)
        engine = Engine(self._journal, self._config_now, road, self._clock_ms)
        return Worker(self._journal, engine, self._config_now, clock_ms=self._clock_ms)

    def _config_now(self) -> Config:
        return self._config

    def _address_of(self, listener: Listener, settings: Settings) -> str:
        host, port = listener.address
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}{settings.callback.path}"

    def _announce(self) -> None:
        _log.info("Started: version %s, listening on %s", VERSION, self._address)
        if self._journal.moved_aside is not None:
            _log.warning("The damaged database was moved to %s", self._journal.moved_aside)
        for note in self._config.notes:
            _log.warning("%s", note)

    def _promote(self, opener: Opener) -> None:
        """Make the pending set active at once; the housekeeper saves it. On the web's thread."""
        with self._lock:
            if self._keyring != opener.keyring:
                return  # changed meanwhile; the next call decides anew
            grace_ms = self._config.settings.callback.previous_grace_hours * _HOUR_MS
            self._unsaved = self._keyring.promoted(self._clock_ms(), grace_ms)
            self._use_keyring(self._unsaved)
        _log.info("DingTalk uses the new credentials; the old ones are accepted for a while")
        self._wake.set()

    def _use_keyring(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._desk.replace_opener(Opener(keyring))

    def _keep_house(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            self._guarded_tick()
            self._stopping.wait(_PAUSE_S)
        self._guarded_tick()

    def _guarded_tick(self) -> None:
        try:
            self._tick()
        except Exception:  # noqa: BLE001 - the thread must outlive a fault; it is told in full
            _log.exception("Keeping house met a fault of its own and tries again")

    def _tick(self) -> None:
        """Do what is due. A failure is told once and tried again with the next tick."""
        troubles = []
        for duty in (
            self._heal_journal,
            self._save_promotion,
            self._reload,
            self._expire,
            self._desk.diagnose_waiting,
            self._store_rejections,
            self._instance.keep,
        ):
            try:
                with self._duty:
                    duty()
            except DingBridgeError as failure:
                troubles.append(Trouble.of(failure))
                if troubles[-1] not in self._troubles:
                    _log.error("%s", failure)
        self._troubles = troubles
        self._pruning.compare_clocks(self._desk.facts.clock_difference_ms)
        self._pruning.do_what_is_due(self._config.settings.journal)
        with self._duty:
            self._publish()
        self._hear_requests()

    def _heal_journal(self) -> None:
        """Begin anew with a database that proved damaged or gone in use, or could not be opened."""
        failure = self._desk.facts.unstored
        is_damaged = isinstance(failure, JournalDamagedError) and failure is not self._healed
        if self._journal.is_in_place and not is_damaged:
            return
        self._journal.reopen(self._clock_ms())
        self._healed = failure
        if not self._has_begun:
            self._begin()
        if is_damaged:
            _log.warning("The damaged database was moved to %s", self._journal.moved_aside)

    def _save_promotion(self) -> None:
        promoted = self._unsaved
        if promoted is None:
            return
        config = self._store.update_keyring(lambda stored: stored.overtaken_by(promoted))
        with self._lock:
            if self._unsaved is promoted:
                self._unsaved = None
        self._adopt(config)

    def _reload(self) -> None:
        if self._store.changed_since_load():
            self._adopt(self._store.reload())
            _log.info("Took up changed settings")

    def _expire(self) -> None:
        moment_ms = self._clock_ms()
        if self._unsaved is None and self._keyring.expired(moment_ms) != self._keyring:
            self._adopt(self._store.update_keyring(lambda ring: ring.expired(moment_ms)))
            _log.info("The previous credentials are no longer accepted")

    def _adopt(self, config: Config) -> None:
        """Use other settings and secrets from now on."""
        before = self._config
        self._mask.register(config.secrets.all())
        with self._lock:
            self._config = config
            keyring = config.secrets.keyring
            if self._unsaved is not None:  # promoted while the files were being read
                keyring = keyring.overtaken_by(self._unsaved)
            if keyring != self._keyring:
                self._use_keyring(keyring)
        self._mask.unregister(before.secrets.all())
        self._worker.nudge()
        self._watch.nudge()
        path = config.settings.callback.path
        if path != before.settings.callback.path:
            self._listener.replace_application(build_app(self._desk, path))
            self._address = self._address_of(self._listener, config.settings)
            _log.info("Listening on %s now", self._address)

    def _store_rejections(self) -> None:
        self._unstored = self._rejections.taken_if_changed() or self._unstored
        if self._unstored is not None:
            self._worker.expect_missed()
            latest = self._unstored
            self._watch.hear(latest)
            self._write(lambda conn: stored_rejections.replace_all(conn, latest))
            self._unstored = None

    def _write(self, job: Callable[[Connection], T]) -> T:
        return self._journal.run(job).result(_JOB_S)

    def _hear_requests(self) -> None:
        """Wake the sync where another command asked for a run; it cannot set an event of ours."""
        try:
            if self._journal.read(requests.is_waiting):
                self._worker.nudge()
        except JournalError as failure:
            _log.debug("Requests could not be looked for: %s", failure)

    def _publish(self) -> None:
        """Tell the other commands what the desk saw."""
        facts = self._desk.facts
        troubles = [Trouble.of(facts.unstored)] if facts.unstored else self._troubles
        trouble = troubles[0] if troubles else None
        seen = (self._address, facts.clock_difference_ms, trouble)
        if seen == self._published or self._stopping.is_set():
            return
        self._published = seen
        with suppress(FileAccessError):  # told, and tried again, by the duty that keeps the folder
            self._instance.publish(
                self._address, clock_difference_ms=facts.clock_difference_ms, trouble=trouble
            )
