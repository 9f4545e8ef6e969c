"""Planning without Python's search for cyclic garbage (`uncollected`).

A plan makes a million small objects and no cycle; the collector would look through all of them
again and again, a quarter of the time for 100,000 people.
"""

import gc
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def uncollected(make: Callable[P, T]) -> Callable[P, T]:
    """Let `make` run without the collector; it is as it was afterwards."""

    @wraps(make)
    def made(*args: P.args, **kwargs: P.kwargs) -> T:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return make(*args, **kwargs)
        finally:
            if was_enabled:
                gc.enable()

    return made
