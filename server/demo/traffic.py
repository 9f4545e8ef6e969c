"""How events come out of the platform's order: twice, and one before the other.

DingTalk promises no order and asks receivers to expect duplicates. Pure, and repeatable by seed.
"""

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def duplicated(events: Iterable[T], share: float, rng: random.Random) -> list[T]:
    """Return the events with a `share` (0 to 1) of them sent twice, the copy right behind."""
    sent: list[T] = []
    for event in events:
        sent.append(event)
        if rng.random() < share:
            sent.append(event)
    return sent


def reordered(events: Sequence[T], window: float, rng: random.Random) -> list[T]:
    """Return the events out of order: none overtakes another that is `window` places ahead.

    A window of 0 keeps the order.
    """
    places = [place + rng.random() * window for place in range(len(events))]
    return [events[place] for place in sorted(range(len(events)), key=places.__getitem__)]
