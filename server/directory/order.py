"""Converts DingTalk's order (about 1.8e17, or none) to WeCom's uint32, larger first, with gaps.

A number stays as long as it fits the wanted sequence. So a newcomer rewrites no neighbour until a
gap is used up, and then only the nearest ones.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import Final

TOP: Final = 2**32
STEP: Final = 2**16  # 30,000 nodes in one department (81001) still fit
_ROOM_AFTER_WIDENING: Final = 64


def assign(sequence: Sequence[str], accepted: Mapping[str, int]) -> dict[str, int]:
    """Return a number for each key of `sequence`, strictly falling, between 2^32 - 1 and 1."""
    values: list[int | None] = [None] * len(sequence)
    for index in _longest_falling([accepted.get(key, 0) for key in sequence]):
        values[index] = accepted[sequence[index]]
    index = 0
    while index < len(values):
        if values[index] is None:
            _fill(values, index)
        index += 1
    return {key: value for key, value in zip(sequence, values, strict=True) if value is not None}


def _longest_falling(numbers: Sequence[int]) -> list[int]:
    """Return the indices of the longest strictly falling subsequence of usable numbers."""
    tails: list[int] = []  # negated, so that it rises and bisect works
    ends: list[int] = []
    before: dict[int, int] = {}
    for index, number in enumerate(numbers):
        if not 0 < number < TOP:
            continue
        place = bisect_left(tails, -number)
        tails[place : place + 1] = [-number]
        ends[place : place + 1] = [index]
        before[index] = ends[place - 1] if place else -1
    chain: list[int] = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(index)
        index = before[index]
    return chain[::-1]


def _fill(values: list[int | None], start: int) -> None:
    """Fill the gap that starts at `start`; renumber neighbours if it has no room."""
    stop = _next_number(values, start)
    reach, needed = 1, stop - start
    while _room(values, start, stop) < needed and (start, stop) != (0, len(values)):
        start = max(0, start - reach)
        stop = _next_number(values, min(len(values), stop + reach))
        reach, needed = reach * 2, (stop - start) * _ROOM_AFTER_WIDENING
    for offset, value in enumerate(_spread(values, start, stop)):
        values[start + offset] = value


def _next_number(values: Sequence[int | None], start: int) -> int:
    return next((i for i in range(start, len(values)) if values[i] is not None), len(values))


def _bounds(values: Sequence[int | None], start: int, stop: int) -> tuple[int, int]:
    upper = values[start - 1] if start else TOP
    lower = values[stop] if stop < len(values) else 0
    return upper or TOP, lower or 0


def _room(values: Sequence[int | None], start: int, stop: int) -> int:
    upper, lower = _bounds(values, start, stop)
    return upper - lower - 1


def _spread(values: Sequence[int | None], start: int, stop: int) -> list[int]:
    """Return numbers between the bounds: one step each at the open ends, evenly in between."""
    count = stop - start
    upper, lower = _bounds(values, start, stop)
    if upper == TOP and lower == 0:
        step = min(STEP, TOP // (count + 1))
        first = TOP // 2 + step * (count // 2)
        return [first - step * place for place in range(count)]
    if upper == TOP and lower + STEP * count < TOP:
        return [lower + STEP * (count - place) for place in range(count)]
    if lower == 0 and upper - STEP * count > 0:
        return [upper - STEP * (place + 1) for place in range(count)]
    return [upper - (upper - lower) * (place + 1) // (count + 1) for place in range(count)]
