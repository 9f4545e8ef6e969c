"""Errors as the sync records them: code, title and hint, with nothing of a traceback."""

from server.directory.causes import Cause
from server.errors.base import DingBridgeError
from server.errors.message import N_, Message
from server.errors.vendor import CallCancelledError, Fate, VendorError

_NOT_SET_UP = N_("The mirror is not set up: {names} missing.")
_ENTER = N_("Enter these values, then start a sync.")


def cause_of(error: DingBridgeError) -> Cause:
    """Say what happened and what to do about it."""
    return Cause(error.code, error.title, error.hint)


_STOPPED = Cause(
    "sync-stopped",
    Message(N_("The sync was stopped before it was done.")),
    Message(N_("What was done is kept. Repeat the sync: it goes on where this one ended.")),
)


FAULT = Cause(
    "fault",
    Message(N_("DingBridge met a fault of its own, and the sync was not finished.")),
    Message(N_("Send the log file to whoever looks after DingBridge.")),
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
    return error.fate is Fate.STOP


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
    return error.fate is Fate.SKIP and not error.suspicious


def is_certain(error: VendorError) -> bool:
    """Whether an error proves that nothing was done.

    Not where the call was repeated: "busy" (-1) has been seen after the change took effect.
    """
    return error.attempts == 1 and error.fate not in (Fate.RETRY, Fate.LOOK)
