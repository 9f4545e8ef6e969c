"""Waiting for what other threads and processes do, and never for ever."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Bounds a wait that normally ends at once; only a defect makes a test wait so long.
PATIENCE_S = 30.0
_POLL_S = 0.01


def until(condition: Callable[[], T | None], what: str = "it came true") -> T:
    """Poll until `condition` gives something true, and return that."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"waited in vain until {what}"
        time.sleep(_POLL_S)
    return found
