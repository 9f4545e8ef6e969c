"""How a run ended, told honestly: only a run in which everything succeeded is a success."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from server.directory.causes import Cause
from server.directory.hold import Hold
from server.journal.runs import RecordedChange, Result, RunStatus
from server.message import Message


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
