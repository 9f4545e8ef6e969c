"""The errors of calls to DingTalk and WeCom; see the tree in `server.errors.base`.

Each has an `ErrorPolicy`, which decides what its caller does next. The vendors' tables of codes
are in their own rooms and built of `ErrorInfo`. Knows no HTTP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from server.errors.base import DingBridgeError
from server.errors.message import N_, GapValue


class ErrorPolicy(Enum):
    """What the caller of DingTalk or WeCom does about an error."""

    RETRY = "retry"  # passes without help; when it surfaces, the back-off is already used up
    REFRESH_TOKEN = "refresh-token"  # noqa: S105 - a policy, no token; stays in `server.rest`
    VERIFY = "verify"  # may have taken effect: read back before calling again
    FIX = "fix"  # correct the data as `fix` says and call again
    DEFER = "defer"  # call again at the end of the run
    SKIP = "skip"  # this item fails; the others do not
    GONE = "gone"  # the object does not exist: a removal has nothing left to do
    STOP_CREATES = "stop-creates"  # no new members; updates and removals continue
    STOP = "stop"  # nothing works until somebody acts


class Correction(Enum):
    """How to correct a refused change so that WeCom accepts it."""

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
    """A row in a vendor's table of error codes: what to do, and what to show."""

    policy: ErrorPolicy
    title: str
    hint: str
    fix: Correction | None = None
    # The waits between attempts.
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    # Once, it concerns a single item; again and again, the whole set-up is wrong.
    suspicious: bool = False


class VendorError(DingBridgeError):
    """A call to DingTalk or WeCom failed. Gaps: vendor, call (the path, without query).

    `wait_s` is how long the vendor wants us to wait, if it says so. `maybe_done`: the request was
    sent before it failed. `attempts` counts how often the call was made.
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
    """The service is stopping, so the call was not made or not repeated. Gaps: vendor, call."""

    code = "call-cancelled"
    title_text = N_("The API call {call} to {vendor} was aborted because DingBridge is stopping.")
    hint_text = N_("It is repeated after the next start.")
    retryable = True


class VendorUnreachableError(VendorError):
    """No connection, no trusted certificate, or no reply in time. Gaps: vendor, call."""

    code = "vendor-unreachable"


class VendorReplyError(VendorError):
    """The reply is not an answer of the vendor's API. Gaps: vendor, call, status or field."""

    code = "vendor-reply"


class VendorBlockedError(VendorError):
    """The vendor blocks this address for a while. Gaps: vendor, call, minutes."""

    code = "vendor-blocked"
    title_text = N_("{vendor} has blocked this network's public address for about {minutes} min.")
    hint_text = N_(
        "DingBridge then continues automatically. If this happens often, look for another program "
        "on the same network that calls {vendor} too often."
    )
    retryable = True


class OutcomeUnknownError(VendorError):
    """The request was sent and its reply lost: do not repeat it blindly. Gaps: vendor, call.

    `reason` is how the reply was lost.
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

    `detail` is the vendor's own text, cut and with secrets masked. It is for the log and for
    people; never match on it.
    """

    code = "vendor-refused"

    def __init__(self, number: int, values: Mapping[str, GapValue], *, meaning: ErrorInfo) -> None:
        super().__init__({**values, "number": str(number)}, meaning=meaning)
        self.number = number
        self.code = f"{values['vendor']}-{number}".lower()


class CredentialsRejectedError(VendorRefusedError):
    """The ids or secrets are wrong. The refusal is remembered until they change.

    WeCom blocks an address for an hour if it keeps asking with a wrong secret (note at 45009).
    """


class AddressNotTrustedError(VendorRefusedError):
    """This address is not on the vendor's list. `ip` is the address to add, if it was named."""

    @property
    def ip(self) -> str | None:
        """The public address from which the vendor saw us call."""
        seen = self.values.get("ip")
        return str(seen) if seen else None


class MobileTakenError(VendorRefusedError):
    """Another member holds the mobile. `holder` is that member's id, if it was named."""

    @property
    def holder(self) -> str | None:
        """The WeCom userid of the member who holds the mobile."""
        named = self.values.get("holder")
        return str(named) if named else None


class RecordError(DingBridgeError):
    """DingTalk's record of the subscription could not be adopted; nothing was changed."""

    code = "subscription-record"


class NoRecordError(RecordError):
    """DingTalk has no record that programs can read."""

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
