"""Every error that this program raises on purpose, in one tree.

DingBridgeError
├── SettingsError                 one or more values cannot be used; nothing was changed
├── StoreError
│   ├── FileDamagedError          settings or secrets do not parse
│   ├── FileNewerError            written by a newer version of the program
│   ├── FileAccessError           the folder or file cannot be read or written
│   ├── FileMissingError         it was there and is gone; what it held stays in force
│   └── SecretsLockedError        sealed by Windows for another account
├── AlreadyRunningError           another copy serves this data folder
├── ListenerError
│   ├── PortInUseError
│   │   └── PortHeldError         and the system tells by which program
│   ├── PortForbiddenError
│   └── AddressUnavailableError
├── JournalError                  all of them mean: nothing was stored
│   ├── JournalFullError          no room on the disk; goes on when there is room
│   ├── JournalBusyError          somebody else holds the database for too long
│   ├── JournalNewerError         written by a newer version of the program
│   ├── JournalAccessError        the file cannot be opened or written
│   ├── JournalGoneError          the file was deleted or replaced while in use
│   ├── JournalDamagedError       its content is not what was written there
│   └── JournalClosedError        the service is stopping
└── VendorError                   DingTalk or WeCom did not do what was asked; `fate` says what next
    ├── CallCancelledError        the service is stopping; the call was not made
    ├── VendorUnreachableError    no connection, no certificate to trust, no reply in time
    ├── VendorReplyError          what came back is no answer of the vendor's API
    ├── VendorBlockedError        the vendor has shut out this address for some minutes
    ├── OutcomeUnknownError       sent, and the reply was lost: it may or may not have been done
    └── VendorRefusedError        the vendor answered with an error code of its own
        ├── CredentialsRejectedError   the ids and secrets themselves are wrong
        ├── AddressNotTrustedError     this address is not on the vendor's list; carries it
        └── MobileTakenError           another member holds the mobile; carries who

An error has a `code` for programs, and for people a `title` (what happened) and a `hint` (what to
do now). Both are English sentences from the catalogue with named gaps, filled from `values`.
Values are shown and logged, so a secret is never among them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.fate import Fate, Fix, Meaning
from server.message import N_, GapValue, Message


class DingBridgeError(Exception):
    """Base of all errors raised on purpose; carries its code, title, hint and whether to retry."""

    code: str = "error"
    title_text: str = N_("Something went wrong.")
    hint_text: str = N_("The log file has the details.")
    retryable: bool = False

    def __init__(self, **values: GapValue) -> None:
        super().__init__()
        self.values = values

    @property
    def title(self) -> Message:
        """What happened, in one sentence."""
        return Message(self.title_text, self.values)

    @property
    def hint(self) -> Message:
        """What to do about it."""
        return Message(self.hint_text, self.values)

    def __str__(self) -> str:
        return f"{self.title} {self.hint}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One value that cannot be used: the setting's dotted name and what is wrong with it."""

    name: str
    message: Message


class SettingsError(DingBridgeError):
    """One or more settings cannot be used; `problems` names each, and nothing was changed."""

    code = "settings-invalid"
    title_text = N_("Some settings cannot be used: {names}.")
    hint_text = N_("Nothing was changed. Correct the values named and try again.")

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(names=", ".join(problem.name for problem in self.problems))


class StoreError(DingBridgeError):
    """Settings or secrets cannot be read or written."""

    code = "store-error"


class FileDamagedError(StoreError):
    """A file of ours does not parse. Gaps: path, reason."""

    code = "file-damaged"
    title_text = N_("The file {path} is damaged: {reason}.")
    hint_text = N_(
        "It was left as it is. Correct it, or put back the last good copy that lies beside it."
    )


class FileNewerError(StoreError):
    """A file was written by a newer version. Gaps: path, version, supported."""

    code = "file-newer"
    title_text = N_("The file {path} was written by a newer version of DingBridge.")
    hint_text = N_("Install that version again. This one reads format {supported}, not {version}.")


class FileAccessError(StoreError):
    """A file or folder cannot be read or written. Gaps: path, reason."""

    code = "file-access"
    title_text = N_("{path} cannot be read or written: {reason}.")
    hint_text = N_(
        "Check the permissions and the free space of the data folder, "
        "or choose another one with --data-dir."
    )


class FileMissingError(StoreError):
    """A file that was read before is gone. Gaps: path."""

    code = "file-missing"
    title_text = N_("The file {path} is gone.")
    hint_text = N_(
        "DingBridge goes on with what it held, but cannot start again without it. Put the file "
        "back, or enter the values again."
    )


class SecretsLockedError(StoreError):
    """Windows will not unseal the secrets for this account. Gaps: path."""

    code = "secrets-locked"
    title_text = N_("The secrets in {path} were stored by another Windows account or computer.")
    hint_text = N_(
        "Run DingBridge under the account that stored them, or enter token, aes_key, key and the "
        "secrets again."
    )


class AlreadyRunningError(DingBridgeError):
    """Another copy serves this data folder. Gaps: pid, address, path."""

    code = "already-running"
    title_text = N_("DingBridge is already running on {path} (process {pid}, {address}).")
    hint_text = N_("Use the running one, or quit it first.")


class ListenerError(DingBridgeError):
    """The callback address cannot be opened."""

    code = "listener-error"


class PortInUseError(ListenerError):
    """Another program holds the port; the system does not tell which. Gaps: port."""

    code = "port-in-use"
    title_text = N_("Port {port} is in use by another program.")
    hint_text = N_(
        "Quit that program, or choose another port (callback.port) and change the address in the "
        "DingTalk console as well."
    )


class PortHeldError(PortInUseError):
    """A known program holds the port. Gaps: port, holder."""

    title_text = N_("Port {port} is in use by {holder}.")


class PortForbiddenError(ListenerError):
    """The system does not allow this account to open the port. Gaps: port."""

    code = "port-forbidden"
    title_text = N_("The system does not allow DingBridge to open port {port}.")
    hint_text = N_("Choose a port above 1023 that is not reserved (callback.port).")


class AddressUnavailableError(ListenerError):
    """The address to listen on does not belong to this machine. Gaps: host."""

    code = "address-unavailable"
    title_text = N_("{host} is not an address of this computer.")
    hint_text = N_('Set callback.host to "0.0.0.0", or to an address this computer has.')


class JournalError(DingBridgeError):
    """The journal could not do what was asked; nothing of it was stored."""

    code = "journal-error"
    title_text = N_("The database {path} could not be used: {reason}.")
    hint_text = N_("Nothing was lost: DingTalk sends again what was not stored.")
    retryable = True


class JournalFullError(JournalError):
    """No room on the disk. Gaps: path."""

    code = "journal-full"
    title_text = N_("There is no room left on the disk for {path}.")
    hint_text = N_("Make room. DingBridge goes on by itself; DingTalk sends again what it missed.")


class JournalBusyError(JournalError):
    """The database stayed locked by somebody else. Gaps: path."""

    code = "journal-busy"
    title_text = N_("Another program holds the database {path}.")
    hint_text = N_("Close the program (a backup, a database viewer) that has the file open.")


class JournalNewerError(JournalError):
    """The database was written by a newer version. Gaps: path, version, supported."""

    code = "journal-newer"
    title_text = N_("The database {path} was written by a newer version of DingBridge.")
    hint_text = N_("Install that version again. This one reads format {supported}, not {version}.")
    retryable = False


class JournalAccessError(JournalError):
    """The database cannot be opened or written. Gaps: path, reason."""

    code = "journal-access"
    title_text = N_("The database {path} cannot be opened or written: {reason}.")
    hint_text = N_("Check the permissions and the free space of the data folder.")
    retryable = False


class JournalGoneError(JournalError):
    """The database was deleted or replaced while in use. Gaps: path."""

    code = "journal-gone"
    title_text = N_("The database {path} was deleted or replaced while in use.")
    hint_text = N_(
        "DingBridge goes on by itself: it puts a deleted file back and uses one that was put in "
        "its place. DingTalk sends again what it missed. Quit DingBridge before you do this."
    )


class JournalDamagedError(JournalError):
    """The database's content is damaged. Gaps: path, reason."""

    code = "journal-damaged"
    title_text = N_("The database {path} is damaged: {reason}.")
    hint_text = N_(
        "Restart DingBridge. It moves the damaged file aside, keeps it, and starts a new one."
    )
    retryable = False


class JournalClosedError(JournalError):
    """The service is stopping and takes nothing more. Gaps: path."""

    code = "journal-closed"
    title_text = N_("DingBridge is stopping; the database {path} is closed.")
    hint_text = N_("Start DingBridge again. DingTalk sends again what was not stored.")


class VendorError(DingBridgeError):
    """DingTalk or WeCom did not do what was asked. Gaps: vendor, call (the path, without query).

    `wait_s`: not before so many seconds, where the vendor says so. `maybe_done`: the request had
    left when it failed. `attempts` counts how often the call was made.
    """

    code = "vendor-error"
    fate = Fate.STOP
    fix: Fix | None = None
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    suspicious = False

    def __init__(
        self,
        values: Mapping[str, GapValue],
        *,
        meaning: Meaning | None = None,
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
            self.fate = meaning.fate
            self.fix = meaning.fix
            self.backoff_s = meaning.backoff_s
            self.suspicious = meaning.suspicious
        self.retryable = self.retryable or self.fate is Fate.RETRY

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.fate}, {self.values.get('call')!r})"


class CallCancelledError(VendorError):
    """The service is stopping, so the call was not made (again). Gaps: vendor, call."""

    code = "call-cancelled"
    title_text = N_("The call {call} to {vendor} was given up because DingBridge is stopping.")
    hint_text = N_("It is made again after the next start.")
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
    title_text = N_("{vendor} has shut out this network address for about {minutes} minutes.")
    hint_text = N_(
        "DingBridge goes on by itself afterwards. If it happens often, look for another program "
        "behind the same address that calls {vendor} too fast."
    )
    retryable = True


class OutcomeUnknownError(VendorError):
    """The request was sent and its reply lost; it must not be repeated blindly. Gaps: vendor, call.

    `reason` is what became of the reply.
    """

    code = "outcome-unknown"
    title_text = N_("{vendor} took the request {call}, but its reply was lost.")
    hint_text = N_("Nothing to do: DingBridge looks whether it was done before it asks again.")
    fate = Fate.LOOK
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

    def __init__(self, number: int, values: Mapping[str, GapValue], *, meaning: Meaning) -> None:
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
