"""When a full run is due, and what follows from how one ended. Pure: every time is an argument.

Times are milliseconds since 1970 unless their name says otherwise.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from server.directory.causes import Cause
from server.journal.runs import RunCause
from server.journal.sync_state import Quarantine

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
LONG_SLEEP_S = 600.0
"""After a sleep of this length events may be lost for good (two retries within 40 s)."""
NAP_S = 30.0
"""After this long a gap the list of events that did not arrive is asked for."""
ALERT_MS = HOUR_MS
"""For so long after a reason to expect missed events they are asked for as often as wished."""
_QUIET_FACTOR = 3
_UNCLEAR_EVERY_MS = 5 * MINUTE_MS
_UNCLEAR_PAUSE_FACTOR = 10  # where runs are short, unclear events cost a tenth of the time
_MOVED_AGAIN_MS = 10 * MINUTE_MS
_RETRY_MS = (5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS)
_EVENT_RETRY_MS = (10_000, MINUTE_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS)
_HOURLY_STRIKES = 24
_BLOCK_MARGIN_MS = MINUTE_MS


@dataclass(frozen=True, slots=True)
class Wish:
    """A full run that is wanted, and not before when."""

    at_ms: int
    cause: RunCause


class Schedule:
    """What is wanted next. The earliest wish wins; the daily run comes by itself."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._zone = zone
        self._wish: Wish | None = None
        self._last_start_ms: int | None = None
        self._unclear_start_ms: int | None = None
        self._next_unclear_ms: int | None = None
        self._strikes = 0
        self._is_moving = False

    def begin(self, now_ms: int, last_complete_ms: int | None, *, was_interrupted: bool) -> None:
        """Start with what the journal knows: a run that was cut short, or none for a day."""
        if was_interrupted:
            self.ask(now_ms, RunCause.INTERRUPTED)
        elif last_complete_ms is None or not 0 <= now_ms - last_complete_ms <= DAY_MS:
            self.ask(now_ms, RunCause.START)
        self._last_start_ms = last_complete_ms

    def ask(self, at_ms: int, cause: RunCause) -> None:
        """Want a full run; one that is wanted earlier stays.

        Unclear events get theirs at once, but not one run after the other.
        """
        if cause is RunCause.UNCLEAR_EVENT and self._next_unclear_ms is not None:
            latest_ms = at_ms + _UNCLEAR_EVERY_MS  # holds where the clock was set back, too
            at_ms = max(at_ms, min(self._next_unclear_ms, latest_ms))
        if self._wish is None or at_ms < self._wish.at_ms:
            self._wish = Wish(at_ms, cause)

    def next(self, now_ms: int, daily_at: str) -> Wish:
        """Say which full run comes next."""
        start_ms = self._last_start_ms
        if start_ms is None or start_ms > now_ms:  # the clock was set back
            start_ms = now_ms
        daily = Wish(daily_after(start_ms, daily_at, self._zone), RunCause.DAILY)
        latest_ms = max(now_ms, daily.at_ms)
        return self._wish if self._wish and self._wish.at_ms <= latest_ms else daily

    def began(self, now_ms: int, cause: RunCause) -> None:
        """Note that a full run begins, which serves every wish so far."""
        self._wish = None
        self._last_start_ms = now_ms
        self._unclear_start_ms = now_ms if cause is RunCause.UNCLEAR_EVENT else None

    def ended(self, now_ms: int, *, is_retryable: bool, has_moved: bool = False) -> None:
        """Want another run, later each time, while a run may still come to more by itself.

        has_moved: DingTalk was changed while it was read. Then one more is wanted at once, and
        after that every ten minutes until a run has seen it hold still.
        """
        if self._unclear_start_ms is not None:
            took_ms = max(0, now_ms - self._unclear_start_ms)
            pause_ms = min(_UNCLEAR_PAUSE_FACTOR * took_ms, _UNCLEAR_EVERY_MS)
            self._next_unclear_ms = self._unclear_start_ms + pause_ms
        was_moving, self._is_moving = self._is_moving, has_moved
        if has_moved:
            self.ask(now_ms + (_MOVED_AGAIN_MS if was_moving else 0), RunCause.RETRY)
            return
        if not is_retryable:
            self._strikes = 0
            return
        delay_ms = _RETRY_MS[min(self._strikes, len(_RETRY_MS) - 1)]
        self._strikes += 1
        self.ask(now_ms + delay_ms, RunCause.RETRY)


def daily_after(after_ms: int, daily_at: str, zone: tzinfo | None = None) -> int:
    """Return the first moment after `after_ms` at which local clocks show `daily_at` (HH:MM)."""
    hour, minute = map(int, daily_at.split(":"))
    after = datetime.fromtimestamp(after_ms / 1000, zone)
    moment = after.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if moment <= after:
        moment += timedelta(days=1)
    return round(moment.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks: one can be set, the other may stand still during sleep."""

    wall_ms: int
    monotonic_s: float


def slept_s(before: Moment, after: Moment, wished_s: float) -> float:
    """Tell for how many seconds longer than wished this computer was away."""
    on_wall_s = (after.wall_ms - before.wall_ms) / 1000
    gone_s = max(on_wall_s, after.monotonic_s - before.monotonic_s)
    return max(0.0, gone_s - wished_s)


def event_retry_ms(attempts: int) -> int | None:
    """Return the wait after that many attempts at an event, None to give it up."""
    return _EVENT_RETRY_MS[attempts - 1] if attempts <= len(_EVENT_RETRY_MS) else None


def event_patience_ms(attempts: int) -> int:
    """Return the wait where the event is not to blame: it is never given up then."""
    return _EVENT_RETRY_MS[min(attempts, len(_EVENT_RETRY_MS)) - 1]


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
        return Quarantine(since_ms, now_ms + wait_ms, cause, strikes)
    strikes += 1
    wait_ms = HOUR_MS if strikes < _HOURLY_STRIKES else DAY_MS
    return Quarantine(since_ms, now_ms + wait_ms, cause, strikes)


def missed_poll_ms(wished_ms: int, alert_since_ms: int, now_ms: int) -> int:
    """Return the wait until DingTalk is asked for missed events again.

    DingTalk does not name this call among those that are free of the company's monthly quota: every
    five minutes would be 8,600 of 5,000 calls. While all is quiet a third of them has to do.
    """
    is_alert = now_ms - alert_since_ms < ALERT_MS
    return wished_ms if is_alert else wished_ms * _QUIET_FACTOR
