"""Calls on their way to the tk thread: the only road from another thread to a window."""

from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic

Call = Callable[[], object]


class Mailbox:
    """Takes calls from any thread; the tk thread delivers them."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Call] = SimpleQueue()

    def post(self, call: Call) -> None:
        """Have `call` made on the tk thread soon. Never waits; any thread may call it."""
        self._calls.put(call)

    def deliver(self, budget_s: float) -> None:
        """Make the calls that came, in order, until none is left or the time is used up.

        What a call raises ends this round; the calls behind it are made in the next one. So a
        flood of calls never keeps the window from answering the mouse.
        """
        until_s = monotonic() + budget_s
        while monotonic() < until_s:
            try:
                call = self._calls.get_nowait()
            except Empty:
                return
            call()
