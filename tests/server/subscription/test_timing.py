"""When DingTalk is asked; and that nobody outside can make us ask often."""

from server.subscription.watch import DAY_MS, MINUTE_MS, QUIET_MS, Timing

NOW_MS = 1_700_000_000_000


def asked(**how: bool) -> Timing:
    timing = Timing()
    timing.asked(NOW_MS, is_news=how.get("is_news", True), is_retryable=how.get("fails", False))
    return timing


def test_it_asks_at_start_and_then_daily() -> None:
    assert Timing().due_in_ms(NOW_MS) == 0
    assert asked().due_in_ms(NOW_MS) == DAY_MS


def test_other_settings_are_compared_at_once() -> None:
    timing = asked()
    timing.changed(NOW_MS + 5)
    assert timing.due_in_ms(NOW_MS + 5) == 0
    assert timing.is_regular(NOW_MS + 5)


def test_a_rejected_call_is_a_reason_to_ask_but_no_reason_to_try_a_refused_secret() -> None:
    timing = asked()
    timing.rejected(NOW_MS + QUIET_MS)
    assert timing.due_in_ms(NOW_MS + QUIET_MS) == 0
    assert not timing.is_regular(NOW_MS + QUIET_MS)


def test_a_rejected_call_soon_after_asking_waits() -> None:
    timing = asked()
    timing.rejected(NOW_MS + 1)
    assert timing.due_in_ms(NOW_MS + 1) == QUIET_MS - 1


def test_a_flood_of_rejected_calls_asks_a_few_times_a_day() -> None:
    timing, now_ms, count = asked(), NOW_MS, 0
    while now_ms < NOW_MS + 30 * DAY_MS:
        timing.rejected(now_ms)
        wait_ms = timing.due_in_ms(now_ms)
        if not wait_ms:
            count += 1
            timing.asked(now_ms, is_news=False)
        now_ms += MINUTE_MS
    assert count <= 30 + 8


def test_a_flood_does_not_put_off_the_daily_question() -> None:
    timing, now_ms = asked(), NOW_MS
    while not timing.is_regular(now_ms):
        timing.rejected(now_ms)
        if not timing.due_in_ms(now_ms):
            timing.asked(now_ms, is_news=False)
        now_ms += MINUTE_MS
    assert now_ms == NOW_MS + DAY_MS


def test_news_makes_it_attentive_again() -> None:
    timing = asked(is_news=False)
    for _ in range(6):
        timing.asked(NOW_MS, is_news=False)
    timing.asked(NOW_MS, is_news=True)
    timing.rejected(NOW_MS + 1)
    assert timing.due_in_ms(NOW_MS + 1) == QUIET_MS - 1


def test_failures_are_repeated_ever_later() -> None:
    timing, now_ms = Timing(), NOW_MS
    waits = []
    for _ in range(5):
        timing.asked(now_ms, is_news=False, is_retryable=True)
        waits.append(timing.due_in_ms(now_ms) // MINUTE_MS)
        now_ms += timing.due_in_ms(now_ms)
    assert waits == [5, 15, 60, 240, 240]


def test_a_lasting_failure_is_repeated_daily() -> None:
    assert asked(fails=False).due_in_ms(NOW_MS) == DAY_MS


def test_a_clock_that_is_set_back_delays_nothing_for_longer_than_a_day() -> None:
    timing = asked()
    assert timing.due_in_ms(NOW_MS - 400 * DAY_MS) == DAY_MS
    timing.rejected(NOW_MS - 400 * DAY_MS)
    assert timing.due_in_ms(NOW_MS - 400 * DAY_MS) == DAY_MS
