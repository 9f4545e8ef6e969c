"""Tokens, paces and the record of calls."""

import pytest

from server.simulator.gate import CallLog, Pace, RefusedError, TokenDesk
from tests.server.clocks import SteadyClock


@pytest.fixture
def clock() -> SteadyClock:
    return SteadyClock()


def _refusal(desk: TokenDesk, token: str | None) -> int:
    with pytest.raises(RefusedError) as caught:
        desk.check(token)
    return caught.value.errcode


def test_asking_again_renews_the_same_token(clock: SteadyClock) -> None:
    desk = TokenDesk(clock, seed=1, renews=True, expired_code=42001)
    first = desk.issue()
    clock.now_s += 7000
    assert desk.issue() == first == (first[0], 7200)
    clock.now_s += 7000
    desk.check(first[0])


def test_asking_again_returns_the_rest_of_the_tokens_life(clock: SteadyClock) -> None:
    desk = TokenDesk(clock, seed=1, renews=False, expired_code=42001)
    token, _ = desk.issue()
    clock.now_s += 7000
    assert desk.issue() == (token, 200)


def test_a_token_ends_with_its_time_and_a_new_one_follows(clock: SteadyClock) -> None:
    desk = TokenDesk(clock, seed=1, lifetime_s=10, renews=False, expired_code=42001)
    old, _ = desk.issue()
    clock.now_s += 10
    assert _refusal(desk, old) == 42001
    new, _ = desk.issue()
    assert new != old
    desk.check(new)
    assert _refusal(desk, old) == 42001


def test_a_revoked_token_is_refused_before_its_time(clock: SteadyClock) -> None:
    desk = TokenDesk(clock, seed=1, renews=False, expired_code=40014)
    token, _ = desk.issue()
    desk.revoke()
    assert _refusal(desk, token) == 40014
    assert desk.issue()[0] != token


def test_a_missing_token_and_a_foreign_one_are_told_apart(clock: SteadyClock) -> None:
    desk = TokenDesk(clock, seed=1, renews=False, expired_code=42001)
    assert [_refusal(desk, token) for token in (None, "", "foreign")] == [41001, 41001, 40014]


def test_a_pace_counts_each_key_in_a_sliding_window(clock: SteadyClock) -> None:
    pace = Pace(clock, 2, 1.0)
    assert [pace.is_within("a"), pace.is_within("a"), pace.is_within("a")] == [True, True, False]
    assert pace.is_within("b")
    clock.now_s += 1.0
    assert pace.is_within("a")


def test_a_key_over_its_limit_stays_blocked(clock: SteadyClock) -> None:
    pace = Pace(clock, 1, 1.0, block_s=60.0)
    assert [pace.is_within("a"), pace.is_within("a")] == [True, False]
    clock.now_s += 30
    assert not pace.is_within("a")
    clock.now_s += 30
    assert pace.is_within("a")


def test_the_log_counts_and_forgets() -> None:
    log = CallLog()
    log.append("GET", "/a/x", {}, 0)
    log.append("POST", "/a/y", {"n": 1}, 5)
    assert [call.errcode for call in log.calls("y")] == [5]
    assert log.counts() == {"/a/x": 1, "/a/y": 1}
    log.clear()
    assert log.calls() == ()
