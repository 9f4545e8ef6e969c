from datetime import UTC, datetime, timedelta, timezone

import pytest

from server.directory.causes import Cause
from server.errors.message import Message
from server.journal.runs import RunCause
from server.journal.sync_state import Quarantine
from server.sync.schedule import (
    DAY_MS,
    HOUR_MS,
    LONGEST_DELAY_MS,
    MINUTE_MS,
    Moment,
    PendingRun,
    Polling,
    Schedule,
    daily_after,
    event_retry_ms,
    quarantine_after,
    slept_s,
    was_set,
)

NOON = round(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp() * 1000)
CAUSE = Cause("wecom-40001", Message("No."), Message("Act."))


def test_the_daily_run_is_at_the_next_local_time_of_day() -> None:
    assert daily_after(NOON, "13:30", UTC) == NOON + 90 * MINUTE_MS
    assert daily_after(NOON, "12:00", UTC) == NOON + DAY_MS
    shanghai = timezone(timedelta(hours=8))
    assert daily_after(NOON, "03:00", shanghai) == NOON + 7 * HOUR_MS


def _at(ms: int, thrown_ms: int = 0) -> Moment:
    """Both clocks at `ms`, but that the one on the wall was set forward by `thrown_ms`."""
    return Moment(ms + thrown_ms, ms - NOON + 7)


def test_at_start_a_run_is_due_if_the_last_complete_one_is_over_a_day_old_or_was_cut_short() -> (
    None
):
    def first(last_ms: int | None, *, was_interrupted: bool = False) -> PendingRun:
        schedule = Schedule(UTC)
        schedule.begin(_at(NOON), last_ms, was_interrupted=was_interrupted)
        return schedule.next(_at(NOON), "03:00")

    assert first(None) == PendingRun(0, RunCause.START)
    assert first(NOON - DAY_MS - 1) == PendingRun(0, RunCause.START)
    assert first(NOON + HOUR_MS) == PendingRun(0, RunCause.START)  # the clock was set back
    assert first(NOON - HOUR_MS, was_interrupted=True) == PendingRun(0, RunCause.INTERRUPTED)
    assert first(NOON - HOUR_MS) == PendingRun(15 * HOUR_MS, RunCause.DAILY)


def test_the_earliest_wish_wins_and_a_run_serves_them_all() -> None:
    schedule = Schedule(UTC)
    schedule.begin(_at(NOON), NOON - HOUR_MS, was_interrupted=False)
    schedule.request(_at(NOON), RunCause.RETRY, HOUR_MS)
    assert schedule.next(_at(NOON), "03:00") == PendingRun(HOUR_MS, RunCause.RETRY)
    schedule.request(_at(NOON), RunCause.ENABLED)
    assert schedule.next(_at(NOON), "03:00") == PendingRun(0, RunCause.ENABLED)
    schedule.began(_at(NOON), RunCause.DAILY)
    assert schedule.next(_at(NOON), "03:00").cause is RunCause.DAILY


def _run(schedule: Schedule, cause: RunCause, at_ms: int, took_ms: int) -> None:
    schedule.began(_at(at_ms), cause)
    schedule.ended(_at(at_ms + took_ms), is_retryable=False)


def _unclear(schedule: Schedule, at_ms: int, thrown_ms: int = 0) -> int:
    """How long the run for an unclear event of that moment is put off."""
    schedule.request(_at(at_ms, thrown_ms), RunCause.UNCLEAR_EVENT)
    return schedule.next(_at(at_ms, thrown_ms), "03:00").wait_ms


def test_an_unclear_event_gets_its_run_at_once_whatever_other_run_there_was() -> None:
    schedule = Schedule(UTC)
    schedule.begin(_at(NOON), NOON - 1000, was_interrupted=False)
    _run(schedule, RunCause.ASKED, NOON, MINUTE_MS)
    assert _unclear(schedule, NOON + MINUTE_MS + 1) == 0


def test_unclear_events_do_not_lead_to_one_run_after_the_other() -> None:
    schedule = Schedule(UTC)
    _run(schedule, RunCause.UNCLEAR_EVENT, NOON, MINUTE_MS)
    assert _unclear(schedule, NOON + MINUTE_MS) == 4 * MINUTE_MS
    _run(schedule, RunCause.DAILY, NOON + 2 * MINUTE_MS, MINUTE_MS)
    assert _unclear(schedule, NOON + 3 * MINUTE_MS) == 2 * MINUTE_MS


def test_the_pause_between_unclear_runs_is_short_where_they_are() -> None:
    schedule = Schedule(UTC)
    _run(schedule, RunCause.UNCLEAR_EVENT, NOON, 500)
    assert _unclear(schedule, NOON + 600) == 4400


def test_a_run_that_may_come_to_more_is_repeated_later_each_time() -> None:
    schedule, waits = Schedule(UTC), []
    for _ in range(5):
        schedule.began(_at(NOON), RunCause.RETRY)
        schedule.ended(_at(NOON), is_retryable=True)
        waits.append(schedule.next(_at(NOON), "11:00").wait_ms)
    assert waits == [5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 4 * HOUR_MS]
    assert max(waits) == LONGEST_DELAY_MS
    schedule.ended(_at(NOON), is_retryable=False)


THROWS_MS = [sign * far * HOUR_MS for far in (1, 24, 24 * 3652) for sign in (1, -1)]


@pytest.mark.parametrize("thrown_ms", THROWS_MS)
def test_a_clock_that_is_set_puts_off_no_run_that_is_waited_for(thrown_ms: int) -> None:
    schedule = Schedule(UTC)
    _run(schedule, RunCause.UNCLEAR_EVENT, NOON, MINUTE_MS)
    assert _unclear(schedule, NOON + MINUTE_MS, thrown_ms) <= 4 * MINUTE_MS
    schedule.began(_at(NOON), RunCause.RETRY)
    schedule.ended(_at(NOON), is_retryable=True)
    assert schedule.next(_at(NOON, thrown_ms), "03:00").wait_ms <= 5 * MINUTE_MS


@pytest.mark.parametrize("thrown_ms", THROWS_MS)
def test_the_daily_run_comes_every_day_whatever_the_clock_was_set_to(thrown_ms: int) -> None:
    schedule = Schedule(UTC)
    schedule.began(_at(NOON - 9 * HOUR_MS), RunCause.DAILY)
    runs = []
    for minute in range(3 * 24 * 60):
        now = _at(NOON + minute * MINUTE_MS, thrown_ms)
        if schedule.next(now, "03:00").wait_ms <= 0:
            schedule.began(now, RunCause.DAILY)
            runs.append(minute // 60)
    hours = {-DAY_MS: [15, 39, 63], DAY_MS: [0, 15, 39, 63]}
    assert runs == hours.get(thrown_ms, runs)
    assert 3 <= len(runs) <= 4
    assert max(after - before for before, after in zip([0, *runs], runs, strict=False)) <= 24


def test_a_clock_that_is_set_is_told_from_one_that_goes() -> None:
    before = Moment(0, 100_000)
    assert not was_set(before, Moment(60_000, 160_900))
    assert was_set(before, Moment(60_000, 161_001))
    assert was_set(before, Moment(-1001, 100_000))
    assert was_set(before, Moment(3_600_000, 100_000))


def test_sleep_is_seen_on_whichever_clock_went_on() -> None:
    before = Moment(0, 100_000)
    assert slept_s(before, Moment(60_000, 160_000), 60) == 0
    assert slept_s(before, Moment(3_660_000, 160_000), 60) == 3600
    assert slept_s(before, Moment(60_000, 3_760_000), 60) == 3600
    assert slept_s(before, Moment(-60_000, 101_000), 60) == 0


def test_an_event_is_tried_six_times() -> None:
    waits = [event_retry_ms(attempt) for attempt in range(1, 7)]
    assert waits[-1] is None
    assert None not in waits[:-1]


def test_a_block_that_ends_by_itself_is_waited_out_and_counts_as_no_attempt() -> None:
    refused = quarantine_after(None, CAUSE, NOON)
    blocked = quarantine_after(refused, CAUSE, NOON, wait_s=300)
    assert blocked == Quarantine(NOON, NOON + 6 * MINUTE_MS, CAUSE, 1, 6 * MINUTE_MS)
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
    wished_ms, polling, polls = 5 * MINUTE_MS, Polling(_at(NOON)), []
    for minute in range(30 * 24 * 60):
        now = _at(NOON + minute * MINUTE_MS)
        if not polling.wait_ms(now):
            polling.asked(now, wished_ms)
            polls.append(minute)
    assert polls[:14] == [*range(0, 60, 5), 60, 75]
    assert len(polls) < 5000  # the quota of a company that pays nothing, for all of its apps


def test_a_reason_to_expect_missed_events_brings_the_next_look_nearer() -> None:
    polling, wished_ms = Polling(_at(NOON)), 5 * MINUTE_MS
    polling.asked(_at(NOON + HOUR_MS), wished_ms)
    now = _at(NOON + HOUR_MS)
    assert polling.wait_ms(now) == 15 * MINUTE_MS
    polling.expect(now, wished_ms)
    assert polling.wait_ms(now) == 5 * MINUTE_MS
    polling.expect(now, 0)
    assert polling.wait_ms(now) == 0
    polling.expect(now, wished_ms)  # puts off nothing
    assert polling.wait_ms(now) == 0


def test_where_dingtalk_moved_meanwhile_a_run_follows_at_once_and_then_every_ten_minutes() -> None:
    schedule = Schedule(UTC)
    schedule.begin(_at(NOON), NOON - HOUR_MS, was_interrupted=False)
    waits_ms = []
    for has_moved in (True, True, True, False, True):
        schedule.began(_at(NOON), RunCause.ASKED)
        schedule.ended(_at(NOON), is_retryable=True, has_moved=has_moved)
        waits_ms.append(schedule.next(_at(NOON), "11:59").wait_ms)
    assert waits_ms == [0, 10 * MINUTE_MS, 10 * MINUTE_MS, 5 * MINUTE_MS, 0]
    schedule.began(_at(NOON), RunCause.RETRY)
    schedule.ended(_at(NOON), is_retryable=False)
    assert schedule.next(_at(NOON), "11:59").cause is RunCause.DAILY
