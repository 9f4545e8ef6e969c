"""How runs and events end: their results, their status, and what an error means for them.

Errors are recorded as code, title and hint, never with a traceback.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.directory.causes import Cause
from server.directory.change import Hold, Key
from server.errors.base import DingBridgeError
from server.errors.message import N_, Message
from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError
from server.journal.runs import RecordedChange, Result, RunStatus

_NOT_SET_UP = N_("The sync is not set up: {names} missing.")
_ENTER = N_("Enter these values, then start a sync.")
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
"""How a run ends that hit a bug of ours; the log has the traceback."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a full run."""

    status: RunStatus
    # What awaits approval; None if nothing does.
    digest: str | None = None
    # None if the run ended before it read DingTalk.
    snapshot_complete: bool | None = None
    incomplete_reason: tuple[Message, ...] = ()
    error: Cause | None = None
    changes: tuple[RecordedChange, ...] = ()
    run_id: int = 0
    holds: tuple[Hold, ...] = ()
    # What the admin should know although nothing failed.
    warnings: tuple[Message, ...] = ()
    # A later run may succeed without anybody's help.
    retryable: bool = False
    # No call can succeed until somebody acts, or until `wait_s` is over.
    blocked: bool = False
    wait_s: float | None = None
    # DingTalk changed while it was read: only another run sees all of it.
    has_moved: bool = False
    people: int = field(default=0, compare=False)
    departments: int = field(default=0, compare=False)

    @property
    def knows_what_is_held(self) -> bool:
        """Whether the run found out what is held: a failed or incomplete run lists no removals.

        A run that saw DingTalk change still lists the removals that are proven.
        """
        if self.status is RunStatus.FAILED:
            return False
        return bool(self.digest or self.snapshot_complete or self.has_moved)


@dataclass(frozen=True, slots=True)
class EventOutcome:
    """The outcome of following events."""

    # What has to be read again later, and why.
    failed: Mapping[Key, Cause] = field(default_factory=dict)
    # Only a full run can do the rest.
    needs_full: bool = False
    # Why no event could be followed at all.
    error: Cause | None = None
    # As in `RunResult`.
    blocked: bool = False
    wait_s: float | None = None
    # The part of `failed` that would only fail again.
    refused: frozenset[Key] = frozenset()
    # Whether what the events named is there, in scope.
    seen: Mapping[Key, bool] = field(default_factory=dict)


def status_of(
    changes: Sequence[RecordedChange],
    *,
    is_complete: bool,
    is_held: bool,
    is_preview: bool,
    is_alarmed: bool,
) -> RunStatus:
    """Return the status of a run that was not stopped.

    `is_alarmed`: WeCom did something that nobody asked for.
    """
    if is_preview:
        return RunStatus.PREVIEW
    if is_held:
        return RunStatus.HELD
    is_clean = all(each.result is Result.DONE for each in changes)
    is_good = is_complete and is_clean and not is_alarmed
    return RunStatus.SUCCESS if is_good else RunStatus.PARTIAL


def cause_of(error: DingBridgeError) -> Cause:
    """Return the cause that is recorded for an error."""
    return Cause(error.code, error.title, error.hint)


def end_of(error: DingBridgeError) -> Cause:
    """Return why a run ended that will not be resumed; a cancelled call reads as a stop."""
    return _STOPPED if isinstance(error, CallCancelledError) else cause_of(error)


def not_set_up(names: tuple[str, ...]) -> Cause:
    """Return the cause that names the settings a run lacks."""
    return Cause("not-set-up", Message(_NOT_SET_UP, {"names": ", ".join(names)}), Message(_ENTER))


def stops_all(error: DingBridgeError) -> bool:
    """Whether nothing will work until somebody acts; further calls would be useless or harmful."""
    if isinstance(error, CallCancelledError) or not isinstance(error, VendorError):
        return False
    return error.policy is ErrorPolicy.STOP


def passes_after_s(error: DingBridgeError) -> float | None:
    """Return how long such an error lasts; None if it ends only when somebody acts."""
    return error.wait_s if isinstance(error, VendorError) and stops_all(error) else None


def will_pass(error: DingBridgeError) -> bool:
    """Whether the same call may succeed later without anybody's help."""
    return error.retryable and not stops_all(error)


def is_for_good(error: VendorError) -> bool:
    """Whether the same value will be refused again until somebody corrects it.

    Unknown codes and mistakes of ours do not count: they may end differently next time.
    """
    return error.policy is ErrorPolicy.SKIP and not error.suspicious


def is_certain(error: VendorError) -> bool:
    """Whether an error proves that nothing was done.

    A repeated call proves nothing: "busy" (-1) has been seen after the change took effect.
    """
    return error.attempts == 1 and error.policy not in (ErrorPolicy.RETRY, ErrorPolicy.VERIFY)
