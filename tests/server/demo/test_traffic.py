"""Disorder by seed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from server.demo.traffic import duplicated, reordered
from tests.server.simulator.seeds import seeded


@settings(deadline=None)
@given(st.lists(st.integers()), st.integers())
def test_disorder_is_repeatable_by_seed(events: list[int], seed: int) -> None:
    first, second = (
        reordered(duplicated(events, 0.5, rng), 4, rng) for rng in (seeded(seed), seeded(seed))
    )
    assert first == second


@settings(deadline=None)
@given(st.lists(st.integers(), unique=True), st.floats(0, 50), st.integers())
def test_reordering_loses_nothing_and_moves_nothing_too_far(
    events: list[int], window: float, seed: int
) -> None:
    moved = reordered(events, window, seeded(seed))
    assert sorted(events) == sorted(moved)
    assert all(abs(events.index(one) - place) <= window for place, one in enumerate(moved))


def test_a_window_of_none_keeps_the_order() -> None:
    assert reordered(list(range(100)), 0, seeded(1)) == list(range(100))


def test_a_wide_window_does_change_the_order() -> None:
    assert reordered(list(range(100)), 10, seeded(1)) != list(range(100))


def test_the_share_of_duplicates_is_kept_at_its_ends() -> None:
    assert duplicated("abc", 0, seeded(1)) == ["a", "b", "c"]
    assert duplicated("abc", 1, seeded(1)) == ["a", "a", "b", "b", "c", "c"]
