"""Errors as the sync records them: code, title and hint, with nothing of a traceback."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.directory.causes import Cause
from server.directory.change import Hold, Key
from server.errors.base import DingBridgeError
from server.errors.message import N_, Message
from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError
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
class EventOutcome:
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


_NOT_SET_UP = N_("The sync is not set up: {names} missing.")
_ENTER = N_("Enter these values, then start a sync.")


def cause_of(error: DingBridgeError) -> Cause:
    """Say what happened and what to do about it."""
    return Cause(error.code, error.title, error.hint)


_STOPPED = Cause(
    "sync-stopped",
    Message(N_("The sync was stopped before it finished.")),
    Message(N_("What was done is kept. Sync again: it continues where this one stopped.")),
)


FAULT = Cause(
    "fault",
    Message(N_("DingBridge ran into an internal error, and the sync did not finish.")),
    Message(N_("Send the log file to your administrator.")),
)
"""How a run ends for a mistake of ours; the log has it in full."""


def end_of(error: DingBridgeError) -> Cause:
    """Say why a run that nobody resumes ended; who stopped it need not hear of a call."""
    return _STOPPED if isinstance(error, CallCancelledError) else cause_of(error)


def not_set_up(names: tuple[str, ...]) -> Cause:
    """Say which settings a run cannot do without."""
    return Cause("not-set-up", Message(_NOT_SET_UP, {"names": ", ".join(names)}), Message(_ENTER))


def stops_all(error: DingBridgeError) -> bool:
    """Whether nothing will work until somebody acts, so that calling on is useless or harmful."""
    if isinstance(error, CallCancelledError) or not isinstance(error, VendorError):
        return False
    return error.policy is ErrorPolicy.STOP


def passes_after_s(error: DingBridgeError) -> float | None:
    """Say how long what stops all goes on, None where somebody has to act."""
    return error.wait_s if isinstance(error, VendorError) and stops_all(error) else None


def will_pass(error: DingBridgeError) -> bool:
    """Whether the same may well succeed later without anybody's help."""
    return error.retryable and not stops_all(error)


def is_for_good(error: VendorError) -> bool:
    """Whether the same will be refused again until somebody corrects it.

    Not where a code is unknown, or we made a mistake of our own: that may be different next time.
    """
    return error.policy is ErrorPolicy.SKIP and not error.suspicious


def is_certain(error: VendorError) -> bool:
    """Whether an error proves that nothing was done.

    Not where the call was repeated: "busy" (-1) has been seen after the change took effect.
    """
    return error.attempts == 1 and error.policy not in (ErrorPolicy.RETRY, ErrorPolicy.VERIFY)
