"""What the facade reports of something that it did: the steps of a test, an export, an import.

Frozen and made for showing, as all that the facade returns; no secret is in them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from server.errors.base import DingBridgeError
from server.errors.message import Message


class StepState(StrEnum):
    """How a step of the self-test ended. SKIPPED: an earlier step failed."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trial; `hint` says what to do where it failed."""

    name: str
    state: StepState
    title: Message
    hint: Message | None = None
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """The steps of a self-test, or of another trial, in order. Notes neither pass nor fail."""

    steps: tuple[Step, ...]

    @property
    def is_passed(self) -> bool:
        """Whether no step failed and none had to be left out."""
        return all(step.state in {StepState.PASSED, StepState.NOTE} for step in self.steps)


@dataclass(frozen=True, slots=True)
class ExportView:
    """An export that was written. `has_database`: with events, runs, and the mirror's ledger."""

    path: str
    size_bytes: int
    has_database: bool


@dataclass(frozen=True, slots=True)
class ImportView:
    """What took the place of this folder's files; `replaced` is where the old ones are kept.

    `replaced` is empty where there were none. `exported_at_ms` and `version` are of the computer
    the export comes from, `public_url` and `is_mirroring` of its settings.
    """

    replaced: str
    exported_at_ms: int
    version: str
    has_database: bool
    public_url: str
    is_mirroring: bool


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
class CheckRunner:
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
