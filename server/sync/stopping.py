"""How a run hears that it is to end: an event, or somebody who is asked often."""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import Protocol

_ASK_EVERY_S = 0.2


class Stop(Protocol):
    """What `threading.Event` has of it."""

    def is_set(self) -> bool:
        """Whether to end now."""

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait, but no longer than until the end is wished; return whether it is."""


class Asked:
    """A stop that is known only by asking `is_wanted`, such as a command's Ctrl+C."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self.is_set = is_wanted
        self._never = Event()

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait in short steps, asking between them."""
        until = None if timeout is None else monotonic() + timeout
        while not self.is_set():
            left_s = _ASK_EVERY_S if until is None else until - monotonic()
            if left_s <= 0:
                return False
            self._never.wait(min(left_s, _ASK_EVERY_S))
        return True
