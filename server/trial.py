"""A step of a test that the admin watches: what is tried, how it went, and what to do then."""

import time
from collections.abc import Callable

from server.errors import DingBridgeError
from server.message import Message
from server.status import Step, StepState


class FaultError(Exception):
    """A step failed; carries what the admin is told."""

    def __init__(self, title: Message, hint: Message) -> None:
        super().__init__(str(title))
        self.title = title
        self.hint = hint


def attempt(name: str, title: str, work: Callable[[], Message | None]) -> Step:
    """Do `work` and return the step with its outcome and the time it took.

    `work` raises FaultError or DingBridgeError, or returns a better title, or None.
    """
    began_s = time.perf_counter()
    hint: Message | None = None
    try:
        shown = work() or Message(title)
        state = StepState.PASSED
    except (FaultError, DingBridgeError) as fault:
        state, shown, hint = StepState.FAILED, fault.title, fault.hint
    return Step(name, state, shown, hint, (time.perf_counter() - began_s) * 1000)
