"""What can go wrong with DingTalk and WeCom; drawn in the tree of `server.errors.base`.

Each has a `policy`: what is to be done next.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from server.errors.base import DingBridgeError
from server.errors.message import N_, GapValue


class ErrorPolicy(Enum):
    """What the caller of DingTalk or WeCom does about an error."""

    RETRY = "retry"  # passes by itself; when it surfaces, the back-off is already used up
    REFRESH_TOKEN = "refresh-token"  # noqa: S105 - a fate, no token; never leaves `server.rest`
    VERIFY = "look"  # may have been done: read back before asking again
    FIX = "fix"  # correct the data as `fix` says and ask again
    DEFER = "defer"  # ask again at the end of the run
    SKIP = "skip"  # this item cannot be done; the others can
    GONE = "gone"  # the object does not exist, which is what a removal wanted
    STOP_CREATES = "stop-creates"  # no new members; updates and removals go on
    STOP = "stop"  # nothing works until somebody acts


class Correction(Enum):
    """The correction that makes a refused change acceptable."""

    ADOPT_HOLDER = "adopt-holder"
    CREATE_INSTEAD = "create-instead"
    CREATE_PARENT = "create-parent"
    DROP_EMAIL = "drop-email"
    DROP_MOBILE = "drop-mobile"
    DROP_POSITION = "drop-position"
    DROP_TELEPHONE = "drop-telephone"
    NAME_TAKEN = "name-taken"
    REFRESH_DEPARTMENTS = "refresh-departments"
    REORDER_MOVES = "reorder-moves"
    UPDATE_INSTEAD = "update-instead"


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """A row of a table that explains a vendor's failure: title, hint, and what follows from it.

    `backoff_s` are the waits between attempts in seconds. `suspicious` marks what may concern one
    item only, but is a fault of the whole set-up when it comes again and again.
    """

    policy: ErrorPolicy
    title: str
    hint: str
    fix: Correction | None = None
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    suspicious: bool = False


class VendorError(DingBridgeError):
    """DingTalk or WeCom did not do what was asked. Gaps: vendor, call (the path, without query).

    `wait_s`: not before so many seconds, where the vendor says so. `maybe_done`: the request had
    left when it failed. `attempts` counts how often the call was made.
    """

    code = "vendor-error"
    policy = ErrorPolicy.STOP
    fix: Correction | None = None
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    suspicious = False

    def __init__(
        self,
        values: Mapping[str, GapValue],
        *,
        meaning: ErrorInfo | None = None,
        wait_s: float | None = None,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(**values)
        self.wait_s = wait_s
        self.maybe_done = maybe_done
        self.attempts = 1
        if meaning is not None:
            self.title_text = meaning.title
            self.hint_text = meaning.hint
            self.policy = meaning.policy
            self.fix = meaning.fix
            self.backoff_s = meaning.backoff_s
            self.suspicious = meaning.suspicious
        self.retryable = self.retryable or self.policy is ErrorPolicy.RETRY

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.policy}, {self.values.get('call')!r})"


class CallCancelledError(VendorError):
    """The service is stopping, so the call was not made (again). Gaps: vendor, call."""

    code = "call-cancelled"
    title_text = N_("The API call {call} to {vendor} was aborted because DingBridge is stopping.")
    hint_text = N_("It is repeated after the next start.")
    retryable = True


class VendorUnreachableError(VendorError):
    """No connection, no trusted certificate, or no reply in time. Gaps: vendor, call."""

    code = "vendor-unreachable"


class VendorReplyError(VendorError):
    """What came back is no answer of the vendor's API. Gaps: vendor, call, status or field."""

    code = "vendor-reply"


class VendorBlockedError(VendorError):
    """The vendor has shut out this address for a while. Gaps: vendor, call, minutes."""

    code = "vendor-blocked"
    title_text = N_("{vendor} has blocked this network's public address for about {minutes} min.")
    hint_text = N_(
        "DingBridge then continues automatically. If this happens often, look for another program "
        "on the same network that calls {vendor} too often."
    )
    retryable = True


class OutcomeUnknownError(VendorError):
    """The request was sent and its reply lost; it must not be repeated blindly. Gaps: vendor, call.

    `reason` is what became of the reply.
    """

    code = "outcome-unknown"
    title_text = N_("{vendor} received the API call {call}, but its response was lost.")
    hint_text = N_("Nothing to do: DingBridge checks whether it took effect before repeating it.")
    policy = ErrorPolicy.VERIFY
    retryable = True

    def __init__(self, reason: VendorError) -> None:
        super().__init__(reason.values, wait_s=reason.wait_s, maybe_done=True)
        self.reason = reason


class VendorRefusedError(VendorError):
    """The vendor answered with an error code. Gaps: vendor, call, number (the code), detail.

    `detail` is the vendor's own text, cut and with secrets masked: for the log and for people, and
    never matched on.
    """

    code = "vendor-refused"

    def __init__(self, number: int, values: Mapping[str, GapValue], *, meaning: ErrorInfo) -> None:
        super().__init__({**values, "number": str(number)}, meaning=meaning)
        self.number = number
        self.code = f"{values['vendor']}-{number}".lower()


class CredentialsRejectedError(VendorRefusedError):
    """The ids or secrets are wrong. Asked once, then remembered until they change.

    WeCom blocks an address for an hour that keeps asking with a wrong secret (note at 45009).
    """


class AddressNotTrustedError(VendorRefusedError):
    """This address is not on the vendor's list. `ip` is the address to add, where it was named."""

    @property
    def ip(self) -> str | None:
        """The public address that the vendor saw."""
        seen = self.values.get("ip")
        return str(seen) if seen else None


class MobileTakenError(VendorRefusedError):
    """Another member holds the mobile. `holder` is that member's id, where it was named."""

    @property
    def holder(self) -> str | None:
        """The WeCom userid of the member who holds the mobile."""
        named = self.values.get("holder")
        return str(named) if named else None


class RecordError(DingBridgeError):
    """DingTalk's record of the subscription could not be taken; nothing was changed."""

    code = "subscription-record"


class NoRecordError(RecordError):
    """DingTalk has no record that a program could read."""

    code = "subscription-not-recorded"
    title_text = N_("No subscription has been registered with DingTalk through the API.")
    hint_text = N_(
        "A subscription set up in the DingTalk console cannot be read through the API: copy token "
        "and aes_key from the console."
    )


class RecordUnusableError(RecordError):
    """DingTalk's record holds values that cannot be used here. Gaps: names."""

    code = "subscription-unusable"
    title_text = N_("Values registered with DingTalk cannot be used here: {names}.")
    hint_text = N_(
        "Enter values made of letters and digits here, and write those to DingTalk instead."
    )
