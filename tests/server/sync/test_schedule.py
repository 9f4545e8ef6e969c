from datetime import UTC, datetime, timedelta, timezone

from server.directory.causes import Cause
from server.journal.runs import RunCause
from server.journal.sync_state import Quarantine
from server.message import Message
from server.sync.schedule import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    Moment,
    Schedule,
    Wish,
    daily_after,
    event_retry_ms,
    missed_poll_ms,
    quarantine_after,
    slept_s,
)

NOON = round(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)
CAUSE = Cause("wecom-40001", Message("No."), Message("Act."))


def test_the_daily_run_is_at_the_next_local_time_of_day() -> None:
    assert daily_after(NOON, "13:30", UTC) == NOON + 90 * MINUTE_MS
    assert daily_after(NOON, "12:00", UTC) == NOON + DAY_MS
    shanghai = timezone(timedelta(hours=8))
    assert daily_after(NOON, "03:00", shanghai) == NOON + 7 * HOUR_MS


def test_at_start_a_run_is_due_if_the_last_complete_one_is_over_a_day_old_or_was_cut_short() -> (
    None
):
    def first(last_ms: int | None, *, was_interrupted: bool = False) -> Wish:
        schedule = Schedule(UTC)
        schedule.begin(NOON, last_ms, was_interrupted=was_interrupted)
        return schedule.next(NOON, "03:00")

    assert first(None) == Wish(NOON, RunCause.START)
    assert first(NOON - DAY_MS - 1) == Wish(NOON, RunCause.START)
    assert first(NOON + HOUR_MS) == Wish(NOON, RunCause.START)  # the clock was set back
    assert first(NOON - HOUR_MS, was_interrupted=True) == Wish(NOON, RunCause.INTERRUPTED)
    assert first(NOON - HOUR_MS) == Wish(NOON + 15 * HOUR_MS, RunCause.DAILY)


def test_the_earliest_wish_wins_and_a_run_serves_them_all() -> None:
    schedule = Schedule(UTC)
    schedule.begin(NOON, NOON - HOUR_MS, was_interrupted=False)
    schedule.ask(NOON + HOUR_MS, RunCause.RETRY)
    schedule.ask(NOON, RunCause.ENABLED)
    assert schedule.next(NOON, "03:00") == Wish(NOON, RunCause.ENABLED)
    schedule.began(NOON, RunCause.DAILY)
    assert schedule.next(NOON, "03:00").cause is RunCause.DAILY


def _run(schedule: Schedule, cause: RunCause, at_ms: int, took_ms: int) -> None:
    schedule.began(at_ms, cause)
    schedule.ended(at_ms + took_ms, is_retryable=False)


def _unclear(schedule: Schedule, at_ms: int) -> int:
    """When the run for an unclear event of that moment is wanted."""
    schedule.ask(at_ms, RunCause.UNCLEAR_EVENT)
    return schedule.next(at_ms, "03:00").at_ms


def test_an_unclear_event_gets_its_run_at_once_whatever_other_run_there_was() -> None:
    schedule = Schedule(UTC)
    schedule.begin(NOON, NOON - 1000, was_interrupted=False)
    _run(schedule, RunCause.ASKED, NOON, MINUTE_MS)
    at_ms = NOON + MINUTE_MS + 1
    assert _unclear(schedule, at_ms) == at_ms


def test_unclear_events_do_not_lead_to_one_run_after_the_other() -> None:
    schedule = Schedule(UTC)
    _run(schedule, RunCause.UNCLEAR_EVENT, NOON, MINUTE_MS)
    assert _unclear(schedule, NOON + MINUTE_MS) == NOON + 5 * MINUTE_MS
    _run(schedule, RunCause.DAILY, NOON + 2 * MINUTE_MS, MINUTE_MS)
    assert _unclear(schedule, NOON + 3 * MINUTE_MS) == NOON + 5 * MINUTE_MS


def test_the_pause_between_unclear_runs_is_short_where_they_are() -> None:
    schedule = Schedule(UTC)
    _run(schedule, RunCause.UNCLEAR_EVENT, NOON, 500)
    assert _unclear(schedule, NOON + 600) == NOON + 5000


def test_a_clock_set_back_delays_no_unclear_run_for_long() -> None:
    schedule = Schedule(UTC)
    _run(schedule, RunCause.UNCLEAR_EVENT, NOON, MINUTE_MS)
    assert _unclear(schedule, NOON - HOUR_MS) == NOON - 55 * MINUTE_MS


def test_a_run_that_may_come_to_more_is_repeated_later_each_time() -> None:
    schedule, waits = Schedule(UTC), []
    for _ in range(5):
        schedule.began(NOON, RunCause.RETRY)
        schedule.ended(NOON, is_retryable=True)
        waits.append(schedule.next(NOON, "11:00").at_ms - NOON)
    assert waits == [5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 4 * HOUR_MS]
    schedule.ended(NOON, is_retryable=False)


def test_sleep_is_seen_on_whichever_clock_went_on() -> None:
    before = Moment(0, 100.0)
    assert slept_s(before, Moment(60_000, 160.0), 60) == 0
    assert slept_s(before, Moment(3_660_000, 160.0), 60) == 3600
    assert slept_s(before, Moment(60_000, 3760.0), 60) == 3600
    assert slept_s(before, Moment(-60_000, 101.0), 60) == 0


def test_an_event_is_tried_six_times() -> None:
    waits = [event_retry_ms(attempt) for attempt in range(1, 7)]
    assert waits[-1] is None
    assert None not in waits[:-1]


def test_a_block_that_ends_by_itself_is_waited_out_and_counts_as_no_attempt() -> None:
    refused = quarantine_after(None, CAUSE, NOON)
    blocked = quarantine_after(refused, CAUSE, NOON, wait_s=300)
    assert blocked == Quarantine(NOON, NOON + 6 * MINUTE_MS, CAUSE, strikes=1)
    assert quarantine_after(None, CAUSE, NOON, wait_s=1e9).until_ms == NOON + DAY_MS


def test_the_quarantine_is_hourly_and_daily_after_a_day_in_vain() -> None:
    quarantine: Quarantine | None = None
    now_ms, waits = NOON, []
    for _ in range(25):
        quarantine = quarantine_after(quarantine, CAUSE, now_ms)
        waits.append(quarantine.until_ms - now_ms)
        now_ms = quarantine.until_ms
    assert waits[:23] == [HOUR_MS] * 23
    assert waits[23:] == [DAY_MS] * 2
    assert quarantine is not None
    assert quarantine.since_ms == NOON


def test_missed_events_are_asked_for_less_often_while_all_is_quiet() -> None:
    wished_ms = 5 * MINUTE_MS
    assert missed_poll_ms(wished_ms, NOON, NOON + HOUR_MS - 1) == wished_ms
    assert missed_poll_ms(wished_ms, NOON, NOON + HOUR_MS) == 3 * wished_ms
    a_month = 30 * DAY_MS // missed_poll_ms(wished_ms, 0, NOON)
    assert a_month < 5000  # the quota of a company that pays nothing, for all of its apps


def test_where_dingtalk_moved_meanwhile_a_run_follows_at_once_and_then_every_ten_minutes() -> None:
    schedule = Schedule(UTC)
    schedule.begin(NOON, NOON - HOUR_MS, was_interrupted=False)
    waits_ms = []
    for has_moved in (True, True, True, False, True):
        schedule.began(NOON, RunCause.ASKED)
        schedule.ended(NOON, is_retryable=True, has_moved=has_moved)
        waits_ms.append(schedule.next(NOON, "11:59").at_ms - NOON)
    assert waits_ms == [0, 10 * MINUTE_MS, 10 * MINUTE_MS, 5 * MINUTE_MS, 0]
    schedule.began(NOON, RunCause.RETRY)
    schedule.ended(NOON, is_retryable=False)
    assert schedule.next(NOON, "11:59").cause is RunCause.DAILY
