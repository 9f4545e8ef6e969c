"""Planning without Python's search for cyclic garbage (`uncollected`).

A plan makes a million small objects and no cycle; the collector would look through all of them
again and again, a quarter of the time for 100,000 people.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector away meanwhile; it is as it was afterwards."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
