"""How a run ended, told honestly: only a run in which everything succeeded is a success."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.directory.causes import Cause
from server.directory.change import Hold, Key
from server.errors.message import Message
from server.journal.runs import RecordedChange, Result, RunStatus


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run came to; `run_id` finds it in the journal.

    digest: what awaits approval, None where nothing does. snapshot_complete: None where the
    reading was not reached. warnings: what the admin should know although nothing failed.
    retryable: it may well succeed by itself later. blocked: nothing will for now; until somebody
    acts, or for `wait_s`. has_moved: DingTalk was changed while it was read, so that only another
    run sees all of it.
    """

    status: RunStatus
    digest: str | None = None
    snapshot_complete: bool | None = None
    incomplete_reason: tuple[Message, ...] = ()
    error: Cause | None = None
    changes: tuple[RecordedChange, ...] = ()
    run_id: int = 0
    holds: tuple[Hold, ...] = ()
    warnings: tuple[Message, ...] = ()
    retryable: bool = False
    blocked: bool = False
    wait_s: float | None = None
    has_moved: bool = False
    people: int = field(default=0, compare=False)
    departments: int = field(default=0, compare=False)

    @property
    def knows_what_is_held(self) -> bool:
        """Whether a full run found out: a failed or incomplete one lists no removals.

        One that saw DingTalk change did list those that are proven.
        """
        if self.status is RunStatus.FAILED:
            return False
        return bool(self.digest or self.snapshot_complete or self.has_moved)


@dataclass(frozen=True, slots=True)
class Followed:
    """What following hints came to.

    failed: hints that are to be followed again later, and why. needs_full: only a full run can do
    the rest. error: nothing could be followed. blocked, wait_s: as in `RunResult`. refused: those
    of `failed` that would only fail again. seen: whether what was read is there, in scope.
    """

    failed: Mapping[Key, Cause] = field(default_factory=dict)
    needs_full: bool = False
    error: Cause | None = None
    blocked: bool = False
    wait_s: float | None = None
    refused: frozenset[Key] = frozenset()
    seen: Mapping[Key, bool] = field(default_factory=dict)


def status_of(
    changes: Sequence[RecordedChange],
    *,
    is_complete: bool,
    is_held: bool,
    is_preview: bool,
    is_alarmed: bool,
) -> RunStatus:
    """Judge a run that was not stopped; `is_alarmed`: WeCom did what nobody asked for."""
    if is_preview:
        return RunStatus.PREVIEW
    if is_held:
        return RunStatus.HELD
    is_clean = all(each.result is Result.DONE for each in changes)
    is_good = is_complete and is_clean and not is_alarmed
    return RunStatus.SUCCESS if is_good else RunStatus.PARTIAL
