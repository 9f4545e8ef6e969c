"""A trial goes step by step and says of each what came of it; after a failure the rest is skipped.

What the steps do is not known here.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from server.errors.base import DingBridgeError
from server.errors.message import Message
from server.reports import Step, StepState


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


def _unheard(step: Step) -> None:
    del step


@dataclass(slots=True)
class Trial:
    """The steps so far, and whether a failed one ended it; `heard` is called with each at once."""

    steps: list[Step] = field(default_factory=list)
    has_failed: bool = False
    heard: Callable[[Step], object] = _unheard

    def step(self, name: str, title: str, work: Callable[[], Message | None]) -> None:
        """Do `work` as `attempt` does, unless an earlier step failed."""
        if self.has_failed:
            self._add(Step(name, StepState.SKIPPED, Message(title)))
            return
        step = attempt(name, title, work)
        self.has_failed = step.state is StepState.FAILED
        self._add(step)

    def note(self, name: str, title: Message, hint: Message | None = None) -> None:
        """Add what neither passes nor fails."""
        self._add(Step(name, StepState.NOTE, title, hint))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.heard(step)
