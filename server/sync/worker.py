"""The thread `dingbridge-sync`: follows events, makes full runs when they are due, serves requests.

It waits on events, never sleeps blindly: for new events where they may be followed, else for a
nudge (changed settings, a request), and at most until the next thing is due.
"""

import logging
import threading
import time
from collections.abc import Callable
from sqlite3 import Connection
from typing import TypeVar

from server.config.store import Config
from server.directory.causes import Cause
from server.directory.model import Kind, Rules
from server.errors import DingBridgeError
from server.instance import Trouble
from server.journal import events, requests, runs, sync_state
from server.journal.events import StoredEvent
from server.journal.journal import Journal
from server.journal.requests import Answer, RequestKind, SyncRequest
from server.journal.runs import RunCause, RunStatus
from server.journal.sync_state import Quarantine
from server.message import N_, Message
from server.sync.backlog import Backlog
from server.sync.book import WAIT_S
from server.sync.engine import Engine, Followed, wall_ms
from server.sync.missed import fetch_missed
from server.sync.parties import Account
from server.sync.result import RunResult
from server.sync.schedule import (
    LONG_SLEEP_S,
    MINUTE_MS,
    NAP_S,
    Moment,
    Schedule,
    missed_poll_ms,
    quarantine_after,
    slept_s,
)
from server.sync.troubles import cause_of, passes_after_s
from server.sync.wishes import missing, rules_of
from server.vendor_errors import (
    AddressNotTrustedError,
    CallCancelledError,
    CredentialsRejectedError,
)

T = TypeVar("T")

_LOG = logging.getLogger(__name__)

LONGEST_WAIT_S = 60.0
_COALESCE_S = 0.3  # DingTalk sends two events for a hire, 50 ms apart
_AFTER_TROUBLE_S = 15.0
_BATCH = 1000
_STALE = Cause(
    "service-restarted",
    Message(N_("DingBridge was restarted before the sync was done.")),
    Message(N_("Repeat the sync: it goes on where the last one ended.")),
)
_FAULT_TITLE = N_("The sync met a fault of its own ({kind}) and tries again.")
_FAULT_HINT = N_("Send the log file to whoever looks after DingBridge.")
_FAULT = Cause(
    "fault",
    Message(N_("DingBridge met a fault of its own while it followed this event.")),
    Message(N_("Send the log file to whoever looks after DingBridge.")),
)


class Worker:
    """One thread for one journal. Start it once, stop it once.

    `coalesce_s` is how long it lets events gather before it follows them.
    """

    def __init__(
        self,
        journal: Journal,
        engine: Engine,
        config: Callable[[], Config],
        *,
        clock_ms: Callable[[], int] = wall_ms,
        schedule: Schedule | None = None,
        coalesce_s: float = _COALESCE_S,
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._config = config
        self._clock_ms = clock_ms
        self._schedule = schedule or Schedule()
        self._coalesce_s = coalesce_s
        self._stopping = threading.Event()
        self._nudged = threading.Event()
        self._known: tuple[bool, Rules, Account] | None = None
        self._is_following = False
        self._poll_at_ms = 0
        self._alert_since_ms = clock_ms()
        self._quarantine: Quarantine | None = None
        self._trouble: Trouble | None = None
        self._thread = threading.Thread(target=self._run, name="dingbridge-sync", daemon=True)

    # --- the thread

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def request_stop(self) -> None:
        """End soon: what is being written is finished, the rest waits for the next start."""
        self._stopping.set()
        self.nudge()

    def cut(self) -> None:
        """Do not wait for answers any longer; what became of a write is found out next time."""
        self._engine.road.cut()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether the thread has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def trouble(self) -> Trouble | None:
        """What its last step failed with, None where that went well."""
        return self._trouble

    def expect_missed(self) -> None:
        """Ask for missed events as often as wished for a while: a call was not taken. Any thread.

        DingTalk lists an event some minutes after its last attempt, so there is no hurry.
        """
        now_ms = self._clock_ms()
        self._alert_since_ms = now_ms
        wished_ms = self._config().settings.sync.missed_events_minutes * MINUTE_MS
        self._poll_at_ms = min(self._poll_at_ms, now_ms + wished_ms)

    def nudge(self) -> None:
        """Look now: settings changed, or somebody asked for a run."""
        self._nudged.set()
        self._journal.arrived.set()

    def _run(self) -> None:
        try:
            self._guarded(self.prepare)
            while not self._stopping.is_set():
                wait_s = self._guarded(lambda: self.loop(self._clock_ms()))
                self._wait(_AFTER_TROUBLE_S if wait_s is None else wait_s)
        finally:
            self._engine.close()

    def _guarded(self, step: Callable[[], float | None]) -> float | None:
        """Take a step; the one handler of this thread. None: it failed, try again in a while."""
        try:
            wait_s = step()
        except CallCancelledError:
            return 0.0
        except DingBridgeError as failure:
            _LOG.error("The sync could not go on: %s", failure)
            self._trouble = Trouble.of(failure)
        except Exception as fault:  # noqa: BLE001 - the thread must outlive a fault; told in full
            _LOG.exception("The sync met a fault of its own and tries again")
            self._trouble = Trouble(_FAULT_TITLE, _FAULT_HINT, {"kind": type(fault).__name__})
        else:
            self._trouble = None
            return wait_s
        return None

    def _wait(self, wait_s: float) -> None:
        """Wait for work, and notice when this computer slept meanwhile."""
        wished_s = min(max(wait_s, 0.0), LONGEST_WAIT_S)
        before = self._moment()
        signal = self._journal.arrived if self._is_following else self._nudged
        if signal.wait(wished_s) and self._is_following:
            self._stopping.wait(self._coalesce_s)
        self._nudged.clear()
        self._journal.arrived.clear()
        self.woke(slept_s(before, self._moment(), wished_s + self._coalesce_s))

    def _moment(self) -> Moment:
        return Moment(self._clock_ms(), time.monotonic())

    # --- what is due

    def refuse_left_over(self) -> None:
        """Answer the requests that the last process left; before others can see this one."""
        self._do(lambda conn: requests.refuse_stale(conn, _STALE))

    def prepare(self) -> float:
        """Take up what the last process left: a run that was cut short."""
        now_ms = self._clock_ms()
        cut_short = self._do(lambda conn: runs.close_interrupted(conn, now_ms))
        state = self._journal.read(sync_state.load)
        self._quarantine = state.quarantine
        was_interrupted = any(
            run.is_full and run.cause is not RunCause.PREVIEW for run in cut_short
        )
        last_ms = self._journal.read(runs.last_complete_full_ms)
        self._schedule.begin(now_ms, last_ms, was_interrupted=was_interrupted)
        daily_ms = self._schedule.next(now_ms, self._config().settings.sync.daily_at).at_ms
        if state.next_full_run_ms is not None and state.next_full_run_ms < daily_ms:
            self._schedule.ask(max(now_ms, state.next_full_run_ms), RunCause.RETRY)
        if state.held is None and not self._engine.is_approved():
            self._schedule.ask(now_ms, RunCause.SETTINGS)  # the scope changed while we were off
        return 0.0

    def woke(self, asleep_s: float) -> None:
        """Make up for the time this computer was away."""
        if asleep_s > NAP_S:
            self._alert_since_ms = self._clock_ms()
            self._poll_at_ms = 0
        if asleep_s > LONG_SLEEP_S:
            _LOG.info("This computer was away for %d minutes", asleep_s / 60)
            self._schedule.ask(self._clock_ms(), RunCause.WAKE)

    def loop(self, now_ms: int) -> float:
        """Do what is due and return the seconds until something may be due again."""
        config = self._config()
        self._take_up(config, now_ms)
        self._serve_requests()
        sync = config.settings.sync
        self._is_following = False
        if self._stopping.is_set() or not sync.enabled or missing(config):
            return LONGEST_WAIT_S
        if self._quarantine and now_ms < self._quarantine.until_ms:
            return (self._quarantine.until_ms - now_ms) / 1000
        if self._quarantine:
            self._engine.road.forgive()  # one more try; the next wait follows if it is in vain
            self._schedule.ask(now_ms, RunCause.RETRY)
        self._fetch_missed(config, now_ms)
        wish = self._schedule.next(now_ms, sync.daily_at)
        if wish.at_ms <= now_ms and not self._quarantined(now_ms):
            self._full_run(wish.cause)
            return 0.0
        if self._quarantined(now_ms):
            return 0.0
        wait_ms = min(wish.at_ms, self._poll_at_ms) - now_ms
        if not self._engine.is_approved():
            return wait_ms / 1000
        self._is_following = True
        return 0.0 if self._follow_events() else min(wait_ms, self._next_event_ms(now_ms)) / 1000

    def _quarantined(self, now_ms: int) -> bool:
        return bool(self._quarantine and now_ms < self._quarantine.until_ms)

    def _take_up(self, config: Config, now_ms: int) -> None:
        """Notice settings that matter: another account, scope or rule, or the sync switched on."""
        known = (config.settings.sync.enabled, rules_of(config.settings), Account.of(config))
        before, self._known = self._known, known
        if before is None or before == known:
            return
        if before[2] != known[2]:
            self._set_quarantine(None)
            self._engine.road.forgive()
        if config.settings.sync.enabled:
            cause = RunCause.SETTINGS if before[0] else RunCause.ENABLED
            self._schedule.ask(now_ms, cause)

    # --- runs

    def _serve_requests(self) -> None:
        while not self._stopping.is_set():
            request = self._do(requests.take)
            if request is None:
                return
            self._answer(request)

    def _answer(self, request: SyncRequest) -> None:
        """Make the run that somebody asked for, also while the sync is off or in quarantine."""
        is_preview = request.kind is RequestKind.PREVIEW
        if not is_preview:
            self._set_quarantine(None)
        self._engine.road.forgive()
        allow = request.digest if request.kind is RequestKind.ALLOW else None
        try:
            result = self._engine.run(preview=is_preview, allow=allow, stop=self._stopping)
        except DingBridgeError as error:
            refusal = Answer(refusal=cause_of(error))
            self._do(lambda conn: requests.answer(conn, request.id, refusal))
            raise
        self._do(lambda conn: requests.answer(conn, request.id, Answer(run_id=result.run_id)))
        if not is_preview:
            self._schedule.began(self._clock_ms(), RunCause.ASKED)
            self._after_full(result)
        elif self._quarantine and result.status is RunStatus.PREVIEW:
            self._set_quarantine(None)  # all works again: what could not be done is due
            self._schedule.ask(self._clock_ms(), RunCause.RETRY)

    def _full_run(self, cause: RunCause) -> None:
        self._schedule.began(self._clock_ms(), cause)
        self._after_full(self._engine.run(cause, stop=self._stopping))

    def _after_full(self, result: RunResult) -> None:
        now_ms = self._clock_ms()
        if result.blocked and result.error:
            self._shut(result.error, now_ms, result.wait_s)
        elif self._quarantine:
            self._set_quarantine(None)
        self._schedule.ended(now_ms, is_retryable=result.retryable and not result.blocked)
        self._store_next()

    def _store_next(self) -> None:
        """Keep the next full run over a restart."""
        daily_at = self._config().settings.sync.daily_at
        next_ms = self._schedule.next(self._clock_ms(), daily_at).at_ms
        self._do(lambda conn: sync_state.set_next_full_run(conn, next_ms))

    def _shut(self, cause: Cause, now_ms: int, wait_s: float | None = None) -> None:
        """Begin or prolong the quarantine; the admin is told by the status, once."""
        if self._quarantine is None:
            _LOG.error("The sync keeps still: %s %s", cause.title, cause.hint)
        self._set_quarantine(quarantine_after(self._quarantine, cause, now_ms, wait_s))

    def _set_quarantine(self, quarantine: Quarantine | None) -> None:
        if quarantine == self._quarantine:
            return
        self._quarantine = quarantine
        self._do(lambda conn: sync_state.set_quarantine(conn, quarantine))

    # --- events

    def _fetch_missed(self, config: Config, now_ms: int) -> None:
        if now_ms < self._poll_at_ms:
            return
        wished_ms = config.settings.sync.missed_events_minutes * MINUTE_MS
        self._poll_at_ms = now_ms + missed_poll_ms(wished_ms, self._alert_since_ms, now_ms)
        client = self._engine.road.parties(config, self._stopping).dingtalk
        try:
            missed = fetch_missed(client, self._journal, now_ms)
        except CallCancelledError:
            raise
        except DingBridgeError as error:
            _LOG.warning("Missed events could not be fetched: %s", error)
            wait_s = passes_after_s(error)
            is_hopeless = isinstance(error, CredentialsRejectedError | AddressNotTrustedError)
            if is_hopeless or wait_s is not None:
                self._shut(cause_of(error), now_ms, wait_s)
            return
        if missed.found or missed.is_lost:
            self._alert_since_ms = now_ms
        if missed.is_lost:
            self._schedule.ask(now_ms, RunCause.MISSED_EVENTS)
            self._store_next()
        self._do(lambda conn: sync_state.set_last_failed_list_poll(conn, now_ms))

    def _follow_events(self) -> bool:
        """Follow a batch of events; returns whether there may be more to do at once."""
        now_ms = self._clock_ms()
        claimed = self._claimed(now_ms)
        if not claimed:
            return False
        backlog = Backlog.of(claimed)
        followed = self._followed(backlog)
        now_ms = self._clock_ms()
        is_unclear = bool(backlog.unclear) or followed.needs_full
        if is_unclear:
            # Wanted durably before the events are done, lest a crash in between forgets it.
            self._schedule.ask(now_ms, RunCause.UNCLEAR_EVENT)
            self._store_next()
        self._do(lambda conn: backlog.settle(conn, followed, now_ms))
        _LOG.info("Followed %d events", len(claimed))
        if followed.blocked and followed.error:
            self._shut(followed.error, now_ms, followed.wait_s)
        return is_unclear or len(claimed) == _BATCH

    def _claimed(self, now_ms: int) -> list[StoredEvent]:
        """Take the next events. Nobody else claims: what is working now, its end was not stored."""

        def claim(conn: Connection) -> list[StoredEvent]:
            events.release_stale(conn)
            return events.claim(conn, _BATCH, now_ms)

        return self._do(claim)

    def _followed(self, backlog: Backlog) -> Followed:
        """Read again what the events name; a fault of ours fails them, lest they come for ever."""
        people, departments = backlog.ids(Kind.PERSON), backlog.ids(Kind.DEPARTMENT)
        if not people and not departments:
            return Followed()
        try:
            return self._engine.follow(people, departments, self._stopping)
        except DingBridgeError:
            raise
        except Exception:  # noqa: BLE001 - told in full, and the events end where they are seen
            _LOG.exception("Following events met a fault of its own")
            return Followed(dict.fromkeys(backlog.keys(), _FAULT))

    def _next_event_ms(self, now_ms: int) -> int:
        due_ms = self._journal.read(events.next_due_ms)
        return int(LONGEST_WAIT_S * 1000) if due_ms is None else max(0, due_ms - now_ms)

    def _do(self, job: Callable[[Connection], T]) -> T:
        return self._journal.run(job).result(WAIT_S)
