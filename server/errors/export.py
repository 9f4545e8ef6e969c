"""The errors of export and import; see the tree in `server.errors.base`."""

from server.errors.base import DingBridgeError
from server.errors.message import N_


class ExportError(DingBridgeError):
    """An export or import failed; nothing was changed."""

    code = "export-error"


class PassphraseShortError(ExportError):
    """The passphrase is too short to be safe. Gaps: minimum."""

    code = "passphrase-short"
    title_text = N_("The passphrase is too short; it needs at least {minimum} characters.")
    hint_text = N_("Four unrelated words are long enough and easy to remember.")


class PassphraseWrongError(ExportError):
    """The passphrase is not the file's. Gaps: path."""

    code = "passphrase-wrong"
    title_text = N_("This passphrase does not open {path}.")
    hint_text = N_(
        "Passphrases are case-sensitive; spaces count. If it is lost, export again on the old "
        "computer; nobody can open the file without it."
    )


class ExportForeignError(ExportError):
    """The file is not an export of DingBridge. Gaps: path."""

    code = "export-foreign"
    title_text = N_("{path} is not a DingBridge export.")
    hint_text = N_("Choose the file that was exported on the old computer.")


class ExportNewerError(ExportError):
    """The file was written by a newer version. Gaps: path."""

    code = "export-newer"
    title_text = N_("{path} was exported by a newer version of DingBridge.")
    hint_text = N_("Install that version or a newer one on this computer, then import again.")


class ExportDamagedError(ExportError):
    """The file was changed or cut off after it was written. Gaps: path."""

    code = "export-damaged"
    title_text = N_("{path} is damaged or incomplete.")
    hint_text = N_("Nothing was changed. Copy the file again, or export again.")
