"""How secrets are stored: sealed by Windows for this account, or plain in a 0600 file.

A stored value starts with its sealing method, so that a file moved between systems is understood,
or refused with the reason.
"""

import base64
import binascii
import sys
from collections.abc import Callable
from typing import Protocol


class UnsealError(Exception):
    """This account on this computer cannot unseal the value."""


class MalformedError(Exception):
    """No sealer wrote this value."""


class Sealer(Protocol):
    """Turns secrets into text for a file, and back."""

    def seal(self, text: str) -> str:
        """Return the stored form. Raises OSError if the system refuses."""

    def unseal(self, stored: str) -> str:
        """Return the secret; raises UnsealError, MalformedError."""


_PLAIN = "plain:"
_DPAPI = "dpapi:"


class PlainSealer:
    """Stores the text as it is; only the file's rights (0600) protect it."""

    def seal(self, text: str) -> str:
        """Mark the text as stored plainly."""
        return _PLAIN + text

    def unseal(self, stored: str) -> str:
        """Return the text. Raises UnsealError for a value sealed by Windows."""
        if stored.startswith(_PLAIN):
            return stored.removeprefix(_PLAIN)
        if stored.startswith(_DPAPI):
            raise UnsealError
        raise MalformedError


class DpapiSealer:
    """Stores the text sealed by Windows' data protection for the account that runs.

    `protect` and `unprotect` are those of `server.config.dpapi` or stand-ins; they raise OSError.
    Also reads plain values, of a folder moved here from elsewhere; the next save seals them.
    """

    def __init__(
        self, protect: Callable[[bytes], bytes], unprotect: Callable[[bytes], bytes]
    ) -> None:
        self._protect = protect
        self._unprotect = unprotect

    def seal(self, text: str) -> str:
        """Seal the text and mark it."""
        return _DPAPI + base64.b64encode(self._protect(text.encode())).decode("ascii")

    def unseal(self, stored: str) -> str:
        """Unseal a value. Raises UnsealError if another account or computer sealed it."""
        if not stored.startswith(_DPAPI):
            return PlainSealer().unseal(stored)
        try:
            blob = base64.b64decode(stored.removeprefix(_DPAPI), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise MalformedError from exc
        try:
            return self._unprotect(blob).decode()
        except (OSError, UnicodeDecodeError) as exc:
            raise UnsealError from exc


def system_sealer() -> Sealer:
    """Return the sealer that protects secrets best on this system."""
    if sys.platform == "win32":
        # Not at the top: the module loads Windows' own libraries.
        from server.config import dpapi  # noqa: PLC0415

        return DpapiSealer(dpapi.protect, dpapi.unprotect)
    else:  # noqa: RET505 - for mypy, which considers code after the branch unreachable on Windows
        return PlainSealer()
