"""What the facade reports of something that it did: the steps of a test, an export, an import.

Frozen and made for showing, as all that the facade returns; no secret is in them.
"""

from dataclasses import dataclass
from enum import StrEnum

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
