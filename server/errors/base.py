"""The root of the program's errors, the errors of its own parts, and the tree of them all.

DingBridgeError
├── SettingsError                 values cannot be used; nothing was changed
├── StoreError
│   ├── FileDamagedError          settings or secrets do not parse
│   ├── FileNewerError            written by a newer version of the program
│   ├── FileAccessError           the folder or file cannot be read or written
│   ├── FileMissingError          a file disappeared; what it held stays in force
│   └── SecretsLockedError        sealed by Windows for another account
├── NotInForceError               saved, but the service does not use it yet
├── AlreadyRunningError           another copy serves this data folder
├── ExportError                   export or import failed; in `server.errors.export`
│   ├── PassphraseShortError
│   ├── PassphraseWrongError
│   ├── ExportForeignError        the file is something else
│   ├── ExportNewerError          exported by a newer version of the program
│   └── ExportDamagedError
├── ListenerError
│   ├── PortInUseError
│   │   └── PortHeldError         by a program that the system names
│   ├── PortForbiddenError
│   └── AddressUnavailableError
├── RecordError                   DingTalk's record is not usable; in `server.errors.vendor`
│   ├── NoRecordError             DingTalk has none
│   └── RecordUnusableError       its values cannot be used here
├── JournalError                  nothing was stored
│   ├── JournalFullError          the disk is full; continues when there is room
│   ├── JournalBusyError          another program locks the database for too long
│   ├── JournalNewerError         written by a newer version of the program
│   ├── JournalAccessError        the file cannot be opened or written
│   │   └── JournalDriveError     the drive lacks what SQLite needs
│   ├── JournalGoneError          the file was deleted or replaced while in use
│   ├── JournalDamagedError       the file's content is damaged
│   ├── JournalUnreadableError    SQLite reads it, but a stored value makes no sense
│   └── JournalClosedError        the service is stopping
├── TargetMissingError            the mirror's target department is not in WeCom
├── VendorError                   a call to DingTalk or WeCom failed; in `server.errors.vendor`
│   ├── CallCancelledError        the service is stopping; the call was not made
│   ├── VendorUnreachableError    no connection, no trusted certificate, no reply in time
│   ├── VendorReplyError          the reply is not an answer of the vendor's API
│   ├── VendorBlockedError        the vendor blocks this address for some minutes
│   ├── OutcomeUnknownError       the reply was lost: the call may or may not have taken effect
│   └── VendorRefusedError        the vendor answered with an error code
│       ├── CredentialsRejectedError   wrong ids or secrets
│       ├── AddressNotTrustedError     this address is not on the vendor's list; carries it
│       └── MobileTakenError           another member holds the mobile; carries the holder
└── HelpNotShownError             no browser opens the handbook; in `ui.help.opening`

An error has a `code` for programs, and for people a `title` (what happened) and a `hint` (what to
do now). Both are English sentences from the catalogue; `values` fill their named gaps. Values are
shown and logged, so they never hold a secret.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from server.errors.message import N_, GapValue, Message


class DingBridgeError(Exception):
    """The base of all our errors: code, title, hint, and whether a retry may help."""

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
    """A setting that cannot be used: its dotted name and what is wrong with its value."""

    name: str
    message: Message


class SettingsError(DingBridgeError):
    """Settings cannot be used; `problems` names each one. Nothing was changed."""

    code = "settings-invalid"
    title_text = N_("Some settings are invalid: {names}.")
    hint_text = N_("Nothing was changed. Correct these values and try again.")

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(names=", ".join(problem.name for problem in self.problems))


class StoreError(DingBridgeError):
    """Settings or secrets cannot be read or written."""

    code = "store-error"


class FileDamagedError(StoreError):
    """One of our files does not parse. Gaps: path, reason."""

    code = "file-damaged"
    title_text = N_("The file {path} is damaged: {reason}.")
    hint_text = N_(
        "The file was left as it is. Correct it, or restore the last good copy next to it."
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
        "Check the permissions and the free space of the data folder, or choose another folder "
        "with --data-dir."
    )


class FileMissingError(StoreError):
    """A file that we have read before is gone. Gaps: path."""

    code = "file-missing"
    title_text = N_("The file {path} is gone.")
    hint_text = N_(
        "DingBridge continues with the values it has loaded, but will not have them after a "
        "restart. Put the file back, or enter the values again."
    )


class SecretsLockedError(StoreError):
    """Windows does not unseal the secrets for this account. Gaps: path."""

    code = "secrets-locked"
    title_text = N_("The secrets in {path} were stored by another Windows account or computer.")
    hint_text = N_(
        "Run DingBridge under that account, or enter token, aes_key, key and the other secrets "
        "again."
    )


class NotInForceError(DingBridgeError):
    """Settings were saved, but the service could not load them yet. Gaps: names.

    `changed` holds the dotted names of the saved settings.
    """

    code = "not-in-force"
    title_text = N_("Saved, but not in effect yet: {names}.")
    hint_text = N_(
        "DingBridge retries automatically. The status shows what prevents them from taking effect."
    )

    def __init__(self, changed: Iterable[str]) -> None:
        self.changed = tuple(changed)
        super().__init__(names=", ".join(self.changed))


class AlreadyRunningError(DingBridgeError):
    """Another copy serves this data folder. Gaps: pid, address, path."""

    code = "already-running"
    title_text = N_("DingBridge is already running with {path} (process {pid}, {address}).")
    hint_text = N_("Use the one that is running, or quit it first.")


class ListenerError(DingBridgeError):
    """The callback address cannot be opened."""

    code = "listener-error"


class PortInUseError(ListenerError):
    """An unknown program holds the port. Gaps: port."""

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
    hint_text = N_('Set callback.host to "0.0.0.0", or to an address of this computer.')


class JournalError(DingBridgeError):
    """A job of the journal failed; nothing was stored."""

    code = "journal-error"
    title_text = N_("The database {path} could not be used: {reason}.")
    hint_text = N_("Nothing was lost: DingTalk resends what was not stored.")
    retryable = True


class JournalFullError(JournalError):
    """The disk is full. Gaps: path."""

    code = "journal-full"
    title_text = N_("The disk is full; {path} cannot be written.")
    hint_text = N_(
        "Free some space. DingBridge then continues automatically; DingTalk resends what it missed."
    )


class JournalBusyError(JournalError):
    """Another program kept the database locked. Gaps: path."""

    code = "journal-busy"
    title_text = N_("Another program is blocking the database {path}.")
    hint_text = N_(
        "Close the program that has the file open (for example a backup or a database viewer)."
    )


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


class JournalDriveError(JournalAccessError):
    """The drive lacks what SQLite needs to be durable (WAL). Gaps: path, reason."""

    code = "journal-drive"
    title_text = N_("The database {path} cannot be kept on this drive: {reason}.")
    hint_text = N_(
        "SQLite's write-ahead log (WAL) does not work on most network drives (shared folders, "
        "NAS). Choose a data folder on a disk of this computer with --data-dir."
    )


class JournalGoneError(JournalError):
    """The database was deleted or replaced while in use. Gaps: path."""

    code = "journal-gone"
    title_text = N_("The database {path} was deleted or replaced while in use.")
    hint_text = N_(
        "DingBridge continues automatically: it restores a deleted file, or uses the one that "
        "replaced it. DingTalk resends what was missed. Next time, quit DingBridge first."
    )


class JournalDamagedError(JournalError):
    """The database's content is damaged. Gaps: path, reason."""

    code = "journal-damaged"
    title_text = N_("The database {path} is damaged: {reason}.")
    hint_text = N_(
        "DingBridge moves the damaged file aside, keeps it, and starts a new one with everything "
        "that can still be read. If DingBridge is not running, start it."
    )
    retryable = False


class JournalUnreadableError(JournalError):
    """A stored value makes no sense: another program changed it. Gaps: path, reason."""

    code = "journal-unreadable"
    title_text = N_("The database {path} contains a value that makes no sense: {reason}.")
    hint_text = N_(
        "Callbacks are still stored. Quit DingBridge and restore a backup of the data folder; or "
        "rename the file, and DingBridge starts a new one. The next sync then matches the WeCom "
        "members again by their mobiles."
    )
    retryable = False


class JournalClosedError(JournalError):
    """The service is stopping and stores nothing more. Gaps: path."""

    code = "journal-closed"
    title_text = N_("DingBridge is stopping; the database {path} is closed.")
    hint_text = N_("Start DingBridge again. DingTalk resends what was not stored.")


class TargetMissingError(DingBridgeError):
    """WeCom lacks the department that the mirror writes to. Gaps: department_id.

    Checked before anything is written, because WeCom does not refuse an unknown department: it
    creates one (`user/create`, 2025).
    """

    code = "target-missing"
    title_text = N_("The target department {department_id} does not exist in WeCom.")
    hint_text = N_(
        "Enter the id of an existing WeCom department in sync.target_department_id, or 1 for the "
        "whole company; then sync again. Nothing was written."
    )


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that persists: its sentences for the catalogue, and their values."""

    title: str
    hint: str
    values: Mapping[str, GapValue]

    @classmethod
    def of(cls, failure: DingBridgeError) -> "Trouble":
        """Keep the part of an error that is shown to people."""
        return cls(failure.title_text, failure.hint_text, dict(failure.values))
