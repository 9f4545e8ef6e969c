from hypothesis import given, settings
from hypothesis import strategies as st

from server.directory.order import STEP, TOP, assign


def falls(sequence: list[str], numbers: dict[str, int]) -> bool:
    values = [numbers[key] for key in sequence]
    return all(0 < value < TOP for value in values) and values == sorted(set(values), reverse=True)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 60), unique=True, max_size=25),
    st.dictionaries(st.integers(0, 60), st.integers(-2, 40) | st.integers(TOP - 40, TOP + 2)),
)
def test_numbers_fall_strictly_within_uint32(keys: list[int], accepted: dict[int, int]) -> None:
    sequence = [str(key) for key in keys]
    assert falls(sequence, assign(sequence, {str(key): each for key, each in accepted.items()}))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_one_insertion_rewrites_no_neighbour(size: int, place: int) -> None:
    sequence = [str(key) for key in range(size)]
    before = assign(sequence, {})
    sequence.insert(place % (size + 1), "new")
    after = assign(sequence, before)
    assert falls(sequence, after)
    assert {key: after[key] for key in before} == before


def test_whoever_is_first_or_last_in_turn_finds_room_thousands_of_times() -> None:
    for end in (0, 1):
        sequence, numbers = ["start"], assign(["start"], {})
        for count in range(2000):
            sequence = [str(count), *sequence] if end else [*sequence, str(count)]
            after = assign(sequence, numbers)
            assert all(after[key] == number for key, number in numbers.items())
            numbers = after


def test_a_gap_that_is_used_up_moves_the_nearest_only() -> None:
    sequence = [str(key) for key in range(1000)]
    before = assign(sequence, {})
    for count in range(40):
        sequence.insert(500, f"new{count}")
        after = assign(sequence, before)
        assert falls(sequence, after)
        moved = sum(1 for key, number in before.items() if after[key] != number)
        assert moved <= 64
        before = after


def test_no_room_at_an_open_end_still_gives_falling_numbers() -> None:
    assert falls(["new", "a"], assign(["new", "a"], {"a": TOP - 5}))
    assert falls(["a", "new"], assign(["a", "new"], {"a": 4}))
    assert falls(["n", "a", "b"], assign(["n", "a", "b"], {"a": TOP - 1, "b": TOP - 2}))


def test_thirty_thousand_fit_into_one_department() -> None:
    sequence = [str(key) for key in range(30_000)]
    numbers = assign(sequence, {})
    assert falls(sequence, numbers)
    assert numbers["0"] - numbers["1"] == STEP
