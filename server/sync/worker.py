"""The thread `dingbridge-sync`: follows events, makes full runs when they are due, serves requests.

It never sleeps blindly: it waits for new events while it may follow them, else for a nudge (changed
settings, a request), and at most until something is due.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from sqlite3 import Connection
from typing import TypeVar

from server.config.store import Config
from server.directory.causes import Cause
from server.directory.model import Rules
from server.errors.base import DingBridgeError, Trouble
from server.errors.message import N_, Message
from server.errors.vendor import (
    AddressNotTrustedError,
    CallCancelledError,
    CredentialsRejectedError,
)
from server.journal import requests, runs, sync_state
from server.journal.journal import Journal
from server.journal.requests import Answer, RequestKind, SyncRequest
from server.journal.runs import RunCause, RunStatus
from server.journal.sync_state import NextRun
from server.rest.vendor_clock import wall_ms
from server.sync.clients import VendorAccounts, missing, rules_of
from server.sync.engine import Engine
from server.sync.events import fetch_missed
from server.sync.following import Follower
from server.sync.ledger import WAIT_S
from server.sync.outcome import RunResult, cause_of, passes_after_s
from server.sync.quarantine import Gate
from server.sync.schedule import (
    GAP_S,
    LONGEST_DELAY_MS,
    MINUTE_MS,
    OFFLINE_S,
    Moment,
    Polling,
    Schedule,
    slept_s,
)

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0
_COALESCE_S = 0.3  # DingTalk sends two events for a hire, 50 ms apart
_AFTER_TROUBLE_S = 15.0
_NEAR_MS = 1000  # two clocks that do not tick together show the same moment
_STALE = Cause(
    "service-restarted",
    Message(N_("DingBridge was restarted before the sync finished.")),
    Message(N_("Sync again: it continues where the last one stopped.")),
)
_FAULT_TITLE = N_("The sync ran into an internal error ({kind}) and will retry.")
_FAULT_HINT = N_("Send the log file to your administrator.")


class Worker:
    """One thread for one journal. Start it once, stop it once.

    `clock_ms` is the wall clock, `steady_s` the monotonic clock that measures waits. `coalesce_s`:
    how long events gather before they are followed.
    """

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        config: Callable[[], Config],
        *,
        clock_ms: Callable[[], int] = wall_ms,
        steady_s: Callable[[], float] = time.monotonic,
        schedule: Schedule | None = None,
        coalesce_s: float = _COALESCE_S,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._config = config
        self._clock_ms = clock_ms
        self._steady_s = steady_s
        self._schedule = schedule or Schedule()
        self._coalesce_s = coalesce_s
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._known: tuple[bool, Rules, VendorAccounts] | None = None
        self._is_following = False
        self._is_behind = False
        self._was_cut_short = False
        self._polling = Polling(self._moment())
        self._gate = Gate(journal, self._moment)
        self._follower = Follower(journal, engine, self._stopping)
        self._stored_next: NextRun | None = None
        self._trouble: Trouble | None = None
        self._thread = threading.Thread(target=self._run, name="dingbridge-sync", daemon=True)

    # --- the thread

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def request_stop(self) -> None:
        """Ask the thread to end after the current write; the rest waits for the next start."""
        self._stopping.set()
        self.nudge()

    def abort(self) -> None:
        """Abort calls in flight; the next run finds out what became of an aborted write."""
        self._engine.client_pool.abort()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def trouble(self) -> Trouble | None:
        """What the last attempt failed with; None if it succeeded. Thread-safe."""
        return self._trouble

    def expect_missed(self) -> None:
        """Fetch missed events more often for a while: a callback was not taken. Thread-safe.

        DingTalk lists an event some minutes after its last attempt, so there is no hurry.
        """
        wanted_ms = self._config().settings.sync.missed_events_minutes * MINUTE_MS
        self._polling.expect(self._moment(), wanted_ms)

    def nudge(self) -> None:
        """Wake the thread: settings changed, or somebody asked for a run. Thread-safe."""
        self._nudged.set()
        self._journal.arrived.set()

    def _run(self) -> None:
        try:
            # Continuing without it would forget an interrupted run and a quarantine.
            while not self._stopping.is_set() and self._guarded(self.prepare) is None:
                self._wait(_AFTER_TROUBLE_S)
            while not self._stopping.is_set():
                wait_s = self._guarded(lambda: self.loop(self._clock_ms()))
                self._wait(_AFTER_TROUBLE_S if wait_s is None else wait_s)
        finally:
            self._engine.close()

    def _guarded(self, step: Callable[[], float | None]) -> float | None:
        """Run a step; this thread's only error handler. None: it failed, retry in a while."""
        try:
            wait_s = step()
        except CallCancelledError:
            return 0.0
        except DingBridgeError as failure:
            _LOG.error("The sync could not continue: %s", failure)
            self._trouble = Trouble.of(failure)
        except Exception as fault:  # noqa: BLE001 - the thread must outlive a bug; logged
            _LOG.exception("The sync hit an internal error and tries again")
            self._trouble = Trouble(_FAULT_TITLE, _FAULT_HINT, {"kind": type(fault).__name__})
        else:
            self._trouble = None
            return wait_s
        return None

    def _wait(self, wait_s: float) -> None:
        """Wait for work, and notice if this computer slept in between."""
        wanted_s = min(max(wait_s, 0.0), LONGEST_WAIT_S)
        before = self._moment()
        signal = self._journal.arrived if self._is_following else self._nudged
        if signal.wait(wanted_s) and self._is_following:
            self._stopping.wait(self._coalesce_s)
        self._nudged.clear()
        self._journal.arrived.clear()
        self.woke(slept_s(before, self._moment(), wanted_s + self._coalesce_s))

    def _moment(self) -> Moment:
        return Moment(self._clock_ms(), round(self._steady_s() * 1000))

    # --- what is due

    def refuse_left_over(self) -> None:
        """Refuse the requests that the last process left, before a new one can arrive."""
        self._do(lambda conn: requests.refuse_stale(conn, _STALE))

    def prepare(self) -> float:
        """Restore what the last process left: an interrupted run, a quarantine, a pending run.

        May fail at any point, and is repeated until it succeeds.
        """
        now = self._moment()
        cut_short = self._journal.read(runs.interrupted)
        self._was_cut_short |= any(
            run.is_full and run.cause is not RunCause.PREVIEW for run in cut_short
        )
        if cut_short:
            self._do(lambda conn: runs.close_interrupted(conn, now.wall_ms))
        state = self._journal.read(sync_state.load)
        self._gate.restore(state.quarantine)
        last_ms = self._journal.read(runs.last_complete_full_ms)
        self._schedule.begin(now, last_ms, was_interrupted=self._was_cut_short)
        if state.next_full_run:
            self._restore_pending(state.next_full_run, now)
        if state.held is None and not self._engine.is_approved():
            self._schedule.request(now, RunCause.SETTINGS)  # the scope changed while we were off
        return 0.0

    def _restore_pending(self, pending: NextRun, now: Moment) -> None:
        """Request the pending run again; clamped, since the clock may have been ahead before."""
        if pending.cause is not RunCause.DAILY:
            wait_ms = min(max(0, pending.at_ms - now.wall_ms), LONGEST_DELAY_MS)
            self._schedule.request(now, pending.cause, wait_ms)

    def woke(self, asleep_s: float) -> None:
        """Make up for the time that this computer was away."""
        now = self._moment()
        if asleep_s > GAP_S:
            self._polling.expect(now, 0)
        if asleep_s > OFFLINE_S:
            _LOG.info("This computer was away for %d minutes", asleep_s / 60)
            self._schedule.request(now, RunCause.WAKE)

    def loop(self, now_ms: int) -> float:
        """Do what is due and return the seconds until something may be due again."""
        now = replace(self._moment(), wall_ms=now_ms)
        config = self._config()
        self._take_up(config, now)
        self._serve_requests()
        sync = config.settings.sync
        self._is_following = False
        if self._stopping.is_set() or not sync.enabled or missing(config):
            return LONGEST_WAIT_S
        if left_ms := self._gate.left_ms(now):
            self._gate.correct(now)
            self._store_next(now)
            return left_ms / 1000
        if self._gate.has_quarantine:
            # One more attempt; if it fails, the next pause follows.
            self._engine.client_pool.retry_rejected_credentials()
            self._schedule.request(now, RunCause.RETRY)
        self._fetch_missed(config, now)
        if self._gate.left_ms(now):
            return 0.0
        pending = self._schedule.next(now, sync.daily_at)
        self._store_next(now)
        is_first = not (self._is_behind and pending.cause is RunCause.UNCLEAR_EVENT)
        if pending.wait_ms <= 0 and is_first:
            self._full_run(pending.cause)
            return 0.0
        wait_ms = min(pending.wait_ms, self._polling.wait_ms(now))
        if not self._engine.is_approved():
            return wait_ms / 1000
        self._is_following = True
        return 0.0 if self._follow_events() else min(wait_ms, self._next_event_ms(now_ms)) / 1000

    def _take_up(self, config: Config, now: Moment) -> None:
        """Notice changed settings that matter: accounts, scope, rules, or the sync switched on."""
        known = (config.settings.sync.enabled, rules_of(config.settings), VendorAccounts.of(config))
        before, self._known = self._known, known
        if before is None or before == known:
            return
        if before[2] != known[2]:
            self._gate.lift()
            self._engine.client_pool.retry_rejected_credentials()
        if config.settings.sync.enabled:
            cause = RunCause.SETTINGS if before[0] else RunCause.ENABLED
            self._schedule.request(now, cause)

    # --- runs

    def _serve_requests(self) -> None:
        while not self._stopping.is_set():
            request = self._do(requests.take)
            if request is None:
                return
            self._answer(request)

    def _answer(self, request: SyncRequest) -> None:
        """Make a requested run, even while the sync is off or in quarantine."""
        is_preview = request.kind is RequestKind.PREVIEW
        if not is_preview:
            self._gate.lift()
        self._engine.client_pool.retry_rejected_credentials()
        allow = request.digest if request.kind is RequestKind.ALLOW else None
        try:
            result = self._engine.run(preview=is_preview, allow=allow, stop=self._stopping)
        except DingBridgeError as error:
            refusal = Answer(refusal=cause_of(error))
            self._do(lambda conn: requests.answer(conn, request.id, refusal))
            raise
        self._do(lambda conn: requests.answer(conn, request.id, Answer(run_id=result.run_id)))
        if not is_preview:
            self._schedule.began(self._moment(), RunCause.ASKED)
            self._after_full(result)
        elif self._gate.has_quarantine and result.status is RunStatus.PREVIEW:
            self._gate.lift()  # calls work again, so what could not be done is due
            self._schedule.request(self._moment(), RunCause.RETRY)

    def _full_run(self, cause: RunCause) -> None:
        self._schedule.began(self._moment(), cause)
        self._after_full(self._engine.run(cause, stop=self._stopping))

    def _after_full(self, result: RunResult) -> None:
        now = self._moment()
        if result.blocked and result.error:
            self._gate.shut(result.error, result.wait_s)
        else:
            self._gate.lift()
        is_retryable = result.retryable and not result.blocked
        self._schedule.ended(now, is_retryable=is_retryable, has_moved=result.has_moved)
        self._store_next(now)

    def _store_next(self, now: Moment) -> None:
        """Store the next full run for a restart and for the status."""
        pending = self._schedule.next(now, self._config().settings.sync.daily_at)
        at_ms = now.wall_ms + max(pending.wait_ms, self._gate.left_ms(now))
        stored = self._stored_next
        if stored and stored.cause is pending.cause and abs(stored.at_ms - at_ms) < _NEAR_MS:
            return
        next_run = NextRun(at_ms, pending.cause)
        self._do(lambda conn: sync_state.set_next_full_run(conn, next_run))
        self._stored_next = next_run

    # --- events

    def _fetch_missed(self, config: Config, now: Moment) -> None:
        if self._polling.wait_ms(now):
            return
        wanted_ms = config.settings.sync.missed_events_minutes * MINUTE_MS
        self._polling.asked(now, wanted_ms)
        client = self._engine.client_pool.clients(config, self._stopping).dingtalk
        try:
            missed = fetch_missed(client, self._journal, now.wall_ms)
        except CallCancelledError:
            raise
        except DingBridgeError as error:
            _LOG.warning("Missed events could not be fetched: %s", error)
            self._note_unfetched(cause_of(error))
            wait_s = passes_after_s(error)
            is_hopeless = isinstance(error, CredentialsRejectedError | AddressNotTrustedError)
            if is_hopeless or wait_s is not None:
                self._gate.shut(cause_of(error), wait_s)
            return
        self._note_unfetched(None)
        if missed.found or missed.is_lost:
            self._polling.expect(now, wanted_ms)
        if missed.is_lost:
            self._schedule.request(now, RunCause.MISSED_EVENTS)
            self._store_next(now)

    def _note_unfetched(self, cause: Cause | None) -> None:
        """Store for the status why missed events could not be fetched."""
        if self._journal.read(sync_state.load).unfetched != cause:
            self._do(lambda conn: sync_state.set_unfetched(conn, cause))

    def _follow_events(self) -> bool:
        """Follow a batch of events; returns whether there is more to do at once."""
        followed = self._follower.follow(self._moment())
        self._is_behind = followed is not None and followed.is_part
        if followed is None:
            return False
        now = self._moment()
        if followed.needs_full_run:
            # Stored before the events are done, or a crash in between would lose the request.
            self._schedule.request(now, RunCause.UNCLEAR_EVENT)
            self._store_next(now)
        self._follower.record_outcome(followed, now.wall_ms)
        outcome = followed.outcome
        if outcome.blocked and outcome.error:
            self._gate.shut(outcome.error, outcome.wait_s)
        return followed.needs_full_run or followed.is_part or followed.is_full

    def _next_event_ms(self, now_ms: int) -> int:
        due_ms = self._follower.next_due_ms(now_ms)
        return int(LONGEST_WAIT_S * 1000) if due_ms is None else due_ms

    def _do(self, job: Callable[[Connection], T]) -> T:
        return self._journal.run(job).result(WAIT_S)
