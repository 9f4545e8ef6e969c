"""Decides when full runs, retries and polls for missed events are due. Pure: times are arguments.

Waits are measured by the monotonic clock; only the daily run follows the wall clock. Times are
milliseconds since 1970 unless their name says otherwise.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from server.directory.causes import Cause
from server.journal.runs import RunCause
from server.journal.sync_state import Quarantine

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
OFFLINE_S = 600.0
"""After being away this long, events may be lost for good: DingTalk retries twice within 40 s."""
GAP_S = 30.0
"""After a gap this long the list of undelivered events is fetched."""
ALERT_MS = HOUR_MS
"""For this long after a reason to expect missed events, the list is polled at the full rate."""
_QUIET_FACTOR = 3
_UNCLEAR_EVERY_MS = 5 * MINUTE_MS
_UNCLEAR_PAUSE_FACTOR = 10  # where runs are short, unclear events cost a tenth of the time
_MOVED_AGAIN_MS = 10 * MINUTE_MS
_RETRY_MS = (5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS)
LONGEST_DELAY_MS = _RETRY_MS[-1]
"""Only the daily run is ever put off for longer."""
EVENT_RETRY_MS = (10_000, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS)
_CLOCK_TOLERANCE_MS = 1000
_REREAD_MS = (10_000, MINUTE_MS, 5 * MINUTE_MS)
_HOURLY_FAILURES = 24
_BLOCK_MARGIN_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks: the wall clock can be set, the monotonic may stop during sleep."""

    wall_ms: int
    steady_ms: int


@dataclass(frozen=True, slots=True)
class PendingRun:
    """The next full run, and the time until it is due."""

    wait_ms: int
    cause: RunCause


class Schedule:
    """The next full run. The earliest request wins; the daily run needs none."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._due: tuple[int, RunCause] | None = None
        self._start: Moment | None = None
        self._unclear_start: Moment | None = None
        self._next_unclear_steady_ms: int | None = None
        self._failures = 0
        self._is_moving = False

    def begin(self, now: Moment, last_complete_ms: int | None, *, was_interrupted: bool) -> None:
        """Start with what the journal knows: a run that was cut short, or none for a day."""
        ago_ms = None if last_complete_ms is None else now.wall_ms - last_complete_ms
        self._start = now
        if was_interrupted:
            self.request(now, RunCause.INTERRUPTED)
        elif ago_ms is None or not 0 <= ago_ms <= DAY_MS:
            self.request(now, RunCause.START)
        else:
            self._start = Moment(now.wall_ms - ago_ms, now.steady_ms - ago_ms)

    def request(self, now: Moment, cause: RunCause, wait_ms: int = 0) -> None:
        """Request a full run after `wait_ms`; an earlier request stays.

        Unclear events get a run at once, but not one run right after another.
        """
        due_ms = now.steady_ms + wait_ms
        if cause is RunCause.UNCLEAR_EVENT and self._next_unclear_steady_ms is not None:
            due_ms = max(due_ms, self._next_unclear_steady_ms)
        if self._due is None or due_ms < self._due[0]:
            self._due = due_ms, cause

    def next(self, now: Moment, daily_at: str) -> PendingRun:
        """Return the full run that comes next."""
        daily_ms = daily_after(self._started_ms(now), daily_at, self._zone) - now.wall_ms
        daily = PendingRun(max(0, daily_ms), RunCause.DAILY)
        if self._due is None:
            return daily
        pending = PendingRun(max(0, self._due[0] - now.steady_ms), self._due[1])
        return pending if pending.wait_ms <= daily.wait_ms else daily

    def _started_ms(self, now: Moment) -> int:
        """Return when the last full run began, by the wall clock as it is now.

        After the clock was set back, a start in the future would block the daily run until then.
        """
        start = self._start = self._start or now
        if start.wall_ms > now.wall_ms:
            wall_ms = now.wall_ms - max(0, now.steady_ms - start.steady_ms)
            start = self._start = Moment(wall_ms, start.steady_ms)
        return start.wall_ms

    def began(self, now: Moment, cause: RunCause) -> None:
        """Note that a full run begins, which serves every request so far."""
        self._due = None
        self._start = now
        self._unclear_start = now if cause is RunCause.UNCLEAR_EVENT else None

    def ended(self, now: Moment, *, is_retryable: bool, has_moved: bool = False) -> None:
        """Request another run while one may help, with a longer wait each time.

        has_moved: DingTalk changed while it was read. Then another run follows at once, and after
        that one every ten minutes until DingTalk holds still during a run.
        """
        if self._unclear_start is not None:
            start_ms = self._unclear_start.steady_ms
            took_ms = now.steady_ms - start_ms
            pause_ms = min(_UNCLEAR_PAUSE_FACTOR * took_ms, _UNCLEAR_EVERY_MS)
            self._next_unclear_steady_ms = start_ms + pause_ms
        was_moving, self._is_moving = self._is_moving, has_moved
        if has_moved:
            self.request(now, RunCause.RETRY, _MOVED_AGAIN_MS if was_moving else 0)
            return
        if not is_retryable:
            self._failures = 0
            return
        delay_ms = _RETRY_MS[min(self._failures, len(_RETRY_MS) - 1)]
        self._failures += 1
        self.request(now, RunCause.RETRY, delay_ms)


def daily_after(after_ms: int, daily_at: str, zone: tzinfo | None = None) -> int:
    """Return the first moment after `after_ms` at which local clocks show `daily_at` (HH:MM)."""
    hour, minute = map(int, daily_at.split(":"))
    after = datetime.fromtimestamp(after_ms / 1000, zone)
    moment = after.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if moment <= after:
        moment += timedelta(days=1)
    return round(moment.timestamp() * 1000)


def was_set(before: Moment, after: Moment) -> bool:
    """Whether the wall clock was set in between, or the monotonic clock stood still."""
    walls_ms = after.wall_ms - before.wall_ms
    return abs(walls_ms - (after.steady_ms - before.steady_ms)) > _CLOCK_TOLERANCE_MS


def slept_s(before: Moment, after: Moment, wanted_s: float) -> float:
    """Return for how many seconds longer than wanted this computer was away."""
    on_wall_ms, steady_ms = after.wall_ms - before.wall_ms, after.steady_ms - before.steady_ms
    return max(0.0, max(on_wall_ms, steady_ms) / 1000 - wanted_s)


def event_retry_ms(attempts: int) -> int | None:
    """Return the wait after this many attempts at an event; None: give it up."""
    return EVENT_RETRY_MS[attempts - 1] if attempts <= len(EVENT_RETRY_MS) else None


def reread_delay_ms(attempts: int) -> int | None:
    """Return the wait after this many reads that did not show what DingTalk announced.

    DingTalk's events arrive seconds before its reads show the change. None: give it up.
    """
    return _REREAD_MS[attempts - 1] if attempts <= len(_REREAD_MS) else None


def event_patience_ms(attempts: int) -> int:
    """Return the wait if the event is not to blame; such an event is never given up."""
    return EVENT_RETRY_MS[min(attempts, len(EVENT_RETRY_MS)) - 1]


def quarantine_after(
    former: Quarantine | None, cause: Cause, now_ms: int, wait_s: float | None = None
) -> Quarantine:
    """Pause for an hour after each failed attempt, and for a day once a whole day of them failed.

    WeCom blocks an address that keeps asking with a wrong secret (its note on 45009). A block that
    ends after `wait_s` is waited out instead and does not count as a failure.
    """
    since_ms = former.since_ms if former else now_ms
    failures = former.failures if former else 0
    if wait_s is not None:
        wait_ms = min(round(wait_s * 1000) + _BLOCK_MARGIN_MS, DAY_MS)
        return Quarantine(since_ms, now_ms + wait_ms, cause, failures, wait_ms)
    failures += 1
    wait_ms = HOUR_MS if failures < _HOURLY_FAILURES else DAY_MS
    return Quarantine(since_ms, now_ms + wait_ms, cause, failures, wait_ms)


class Polling:
    """Decides when to fetch missed events: first at once, then at intervals.

    The call seems to count against the company's monthly quota of 5,000 calls, and every five
    minutes would be 8,600. So a third of the wanted rate has to do while nothing is missing.
    """

    def __init__(self, now: Moment) -> None:
        self._due_steady_ms = self._alert_steady_ms = now.steady_ms

    def wait_ms(self, now: Moment) -> int:
        """Return the time until the next poll."""
        return max(0, self._due_steady_ms - now.steady_ms)

    def expect(self, now: Moment, wanted_ms: int) -> None:
        """Poll at the full rate for a while, because events may be missing."""
        self._alert_steady_ms = now.steady_ms
        self._due_steady_ms = min(self._due_steady_ms, now.steady_ms + wanted_ms)

    def asked(self, now: Moment, wanted_ms: int) -> None:
        """Note a poll, and set the time of the next one."""
        is_alert = now.steady_ms - self._alert_steady_ms < ALERT_MS
        self._due_steady_ms = now.steady_ms + wanted_ms * (1 if is_alert else _QUIET_FACTOR)
