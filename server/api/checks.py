"""Runs checks step by step and reports them; also the reports of export and import.

Reports are frozen and made for showing, like everything that `server.api` returns. They hold no
secrets.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from server.errors.base import DingBridgeError
from server.errors.message import Message


class StepState(StrEnum):
    """How a step ended. SKIPPED: an earlier step failed. NOTE: neither passed nor failed."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a check; if it failed, `hint` says what to do."""

    name: str
    state: StepState
    title: Message
    hint: Message | None = None
    elapsed_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class SelfTestReport:
    """The steps of the self-test, or of another check, in order."""

    steps: tuple[Step, ...]

    @property
    def is_passed(self) -> bool:
        """Whether no step failed or was skipped."""
        return all(step.state in {StepState.PASSED, StepState.NOTE} for step in self.steps)


@dataclass(frozen=True, slots=True)
class ExportView:
    """A written export. `has_database`: it holds events, runs, and the mirror's ledger."""

    path: str
    size_bytes: int
    has_database: bool


@dataclass(frozen=True, slots=True)
class ImportView:
    """An import that replaced this folder's files.

    `replaced` is where the old files are kept, empty if there were none. `exported_at_ms` and
    `version` are of the exporting computer, `public_url` and `is_mirroring` of its settings.
    """

    replaced: str
    exported_at_ms: int
    version: str
    has_database: bool
    public_url: str
    is_mirroring: bool


class FaultError(Exception):
    """A step failed; carries the explanation for the admin."""

    def __init__(self, title: Message, hint: Message) -> None:
        super().__init__(str(title))
        self.title = title
        self.hint = hint


def attempt(name: str, title: str, work: Callable[[], Message | None]) -> Step:
    """Do `work` and return the step with its result and duration.

    `work` may return a better title, and raises FaultError or DingBridgeError if it fails.
    """
    began_s = time.perf_counter()
    hint: Message | None = None
    try:
        shown = work() or Message(title)
        state = StepState.PASSED
    except (FaultError, DingBridgeError) as fault:
        state, shown, hint = StepState.FAILED, fault.title, fault.hint
    return Step(name, state, shown, hint, (time.perf_counter() - began_s) * 1000)


def _ignore_step(step: Step) -> None:
    del step


@dataclass(slots=True)
class CheckRunner:
    """Runs steps until one fails; calls `on_step` with each as it ends."""

    steps: list[Step] = field(default_factory=list)
    has_failed: bool = False
    on_step: Callable[[Step], object] = _ignore_step

    def step(self, name: str, title: str, work: Callable[[], Message | None]) -> None:
        """Do `work` as `attempt` does, or skip it after a failed step."""
        if self.has_failed:
            self._add(Step(name, StepState.SKIPPED, Message(title)))
            return
        step = attempt(name, title, work)
        self.has_failed = step.state is StepState.FAILED
        self._add(step)

    def note(self, name: str, title: Message, hint: Message | None = None) -> None:
        """Add a step that neither passes nor fails."""
        self._add(Step(name, StepState.NOTE, title, hint))

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        self.on_step(step)
