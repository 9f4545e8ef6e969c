"""When a full run is due, and what follows from how one ended. Pure: every time is an argument.

What is waited for is counted on the clock that nobody can set; only the daily run goes by the
clock on the wall. Times are milliseconds since 1970 unless their name says otherwise.
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
"""After a sleep of this length events may be lost for good (two retries within 40 s)."""
GAP_S = 30.0
"""After this long a gap the list of events that did not arrive is asked for."""
ALERT_MS = HOUR_MS
"""For so long after a reason to expect missed events they are asked for as often as wished."""
_QUIET_FACTOR = 3
_UNCLEAR_EVERY_MS = 5 * MINUTE_MS
_UNCLEAR_PAUSE_FACTOR = 10  # where runs are short, unclear events cost a tenth of the time
_MOVED_AGAIN_MS = 10 * MINUTE_MS
_RETRY_MS = (5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS)
LONGEST_WISH_MS = _RETRY_MS[-1]
"""No full run but the daily one is put off for longer."""
EVENT_RETRY_MS = (10_000, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS)
_SET_MS = 1000
_LOOK_AGAIN_MS = (10_000, MINUTE_MS, 5 * MINUTE_MS)
_HOURLY_STRIKES = 24
_BLOCK_MARGIN_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks: one can be set, the other may stand still during sleep."""

    wall_ms: int
    steady_ms: int


@dataclass(frozen=True, slots=True)
class PendingRun:
    """A full run that is wanted, and not before how long."""

    wait_ms: int
    cause: RunCause


class Schedule:
    """What is wanted next. The earliest wish wins; the daily run comes by itself."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._due: tuple[int, RunCause] | None = None
        self._start: Moment | None = None
        self._unclear_start: Moment | None = None
        self._next_unclear_steady_ms: int | None = None
        self._strikes = 0
        self._is_moving = False

    def begin(self, now: Moment, last_complete_ms: int | None, *, was_interrupted: bool) -> None:
        """Start with what the journal knows: a run that was cut short, or none for a day."""
        ago_ms = None if last_complete_ms is None else now.wall_ms - last_complete_ms
        self._start = now
        if was_interrupted:
            self.ask(now, RunCause.INTERRUPTED)
        elif ago_ms is None or not 0 <= ago_ms <= DAY_MS:
            self.ask(now, RunCause.START)
        else:
            self._start = Moment(now.wall_ms - ago_ms, now.steady_ms - ago_ms)

    def ask(self, now: Moment, cause: RunCause, wait_ms: int = 0) -> None:
        """Want a full run after `wait_ms`; one that is wanted earlier stays.

        Unclear events get theirs at once, but not one run after the other.
        """
        due_ms = now.steady_ms + wait_ms
        if cause is RunCause.UNCLEAR_EVENT and self._next_unclear_steady_ms is not None:
            due_ms = max(due_ms, self._next_unclear_steady_ms)
        if self._due is None or due_ms < self._due[0]:
            self._due = due_ms, cause

    def next(self, now: Moment, daily_at: str) -> PendingRun:
        """Say which full run comes next."""
        daily_ms = daily_after(self._started_ms(now), daily_at, self._zone) - now.wall_ms
        daily = PendingRun(max(0, daily_ms), RunCause.DAILY)
        if self._due is None:
            return daily
        wish = PendingRun(max(0, self._due[0] - now.steady_ms), self._due[1])
        return wish if wish.wait_ms <= daily.wait_ms else daily

    def _started_ms(self, now: Moment) -> int:
        """Say when the last full run began, by the clock as it is now.

        Where it was set back, a run of the future would keep the daily one away until then.
        """
        start = self._start = self._start or now
        if start.wall_ms > now.wall_ms:
            wall_ms = now.wall_ms - max(0, now.steady_ms - start.steady_ms)
            start = self._start = Moment(wall_ms, start.steady_ms)
        return start.wall_ms

    def began(self, now: Moment, cause: RunCause) -> None:
        """Note that a full run begins, which serves every wish so far."""
        self._due = None
        self._start = now
        self._unclear_start = now if cause is RunCause.UNCLEAR_EVENT else None

    def ended(self, now: Moment, *, is_retryable: bool, has_moved: bool = False) -> None:
        """Want another run, later each time, while a run may still come to more by itself.

        has_moved: DingTalk was changed while it was read. Then one more is wanted at once, and
        after that every ten minutes until a run has seen it hold still.
        """
        if self._unclear_start is not None:
            start_ms = self._unclear_start.steady_ms
            took_ms = now.steady_ms - start_ms
            pause_ms = min(_UNCLEAR_PAUSE_FACTOR * took_ms, _UNCLEAR_EVERY_MS)
            self._next_unclear_steady_ms = start_ms + pause_ms
        was_moving, self._is_moving = self._is_moving, has_moved
        if has_moved:
            self.ask(now, RunCause.RETRY, _MOVED_AGAIN_MS if was_moving else 0)
            return
        if not is_retryable:
            self._strikes = 0
            return
        delay_ms = _RETRY_MS[min(self._strikes, len(_RETRY_MS) - 1)]
        self._strikes += 1
        self.ask(now, RunCause.RETRY, delay_ms)


def daily_after(after_ms: int, daily_at: str, zone: tzinfo | None = None) -> int:
    """Return the first moment after `after_ms` at which local clocks show `daily_at` (HH:MM)."""
    hour, minute = map(int, daily_at.split(":"))
    after = datetime.fromtimestamp(after_ms / 1000, zone)
    moment = after.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if moment <= after:
        moment += timedelta(days=1)
    return round(moment.timestamp() * 1000)


def was_set(before: Moment, after: Moment) -> bool:
    """Whether the clock on the wall was set meanwhile, or the other one stood still."""
    walls_ms = after.wall_ms - before.wall_ms
    return abs(walls_ms - (after.steady_ms - before.steady_ms)) > _SET_MS


def slept_s(before: Moment, after: Moment, wished_s: float) -> float:
    """Tell for how many seconds longer than wished this computer was away."""
    on_wall_ms, steady_ms = after.wall_ms - before.wall_ms, after.steady_ms - before.steady_ms
    return max(0.0, max(on_wall_ms, steady_ms) / 1000 - wished_s)


def event_retry_ms(attempts: int) -> int | None:
    """Return the wait after that many attempts at an event, None to give it up."""
    return EVENT_RETRY_MS[attempts - 1] if attempts <= len(EVENT_RETRY_MS) else None


def look_again_ms(attempts: int) -> int | None:
    """Return the wait after so many looks at what DingTalk announced and does not show yet.

    Its events overtake what its reads show, by seconds. None: it will not be shown any more.
    """
    return _LOOK_AGAIN_MS[attempts - 1] if attempts <= len(_LOOK_AGAIN_MS) else None


def event_patience_ms(attempts: int) -> int:
    """Return the wait where the event is not to blame: it is never given up then."""
    return EVENT_RETRY_MS[min(attempts, len(EVENT_RETRY_MS)) - 1]


def quarantine_after(
    former: Quarantine | None, cause: Cause, now_ms: int, wait_s: float | None = None
) -> Quarantine:
    """Keep still for an hour after each attempt, and for a day once a whole day was in vain.

    WeCom blocks an address that keeps asking with a wrong secret (its note on 45009). What is over
    by itself after `wait_s` is waited out instead, and is no attempt in vain.
    """
    since_ms = former.since_ms if former else now_ms
    strikes = former.strikes if former else 0
    if wait_s is not None:
        wait_ms = min(round(wait_s * 1000) + _BLOCK_MARGIN_MS, DAY_MS)
        return Quarantine(since_ms, now_ms + wait_ms, cause, strikes, wait_ms)
    strikes += 1
    wait_ms = HOUR_MS if strikes < _HOURLY_STRIKES else DAY_MS
    return Quarantine(since_ms, now_ms + wait_ms, cause, strikes, wait_ms)


class Polling:
    """When DingTalk is asked for missed events: at once at first, then every so often.

    DingTalk does not name this call among those that are free of the company's monthly quota: every
    five minutes would be 8,600 of 5,000 calls. While all is quiet a third of them has to do.
    """

    def __init__(self, now: Moment) -> None:
        self._due_steady_ms = self._alert_steady_ms = now.steady_ms

    def wait_ms(self, now: Moment) -> int:
        """Say how long until it is due."""
        return max(0, self._due_steady_ms - now.steady_ms)

    def expect(self, now: Moment, wished_ms: int) -> None:
        """Ask as often as wished for a while: there is reason to."""
        self._alert_steady_ms = now.steady_ms
        self._due_steady_ms = min(self._due_steady_ms, now.steady_ms + wished_ms)

    def asked(self, now: Moment, wished_ms: int) -> None:
        """Note that it is done, and when to do it again."""
        is_alert = now.steady_ms - self._alert_steady_ms < ALERT_MS
        self._due_steady_ms = now.steady_ms + wished_ms * (1 if is_alert else _QUIET_FACTOR)
