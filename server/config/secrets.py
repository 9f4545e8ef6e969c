"""The secrets that the program needs, and their form in secrets.json.

`server.config.sealing` protects the single values on the disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from crypto.credentials import CredentialField, Credentials, Keyring
from crypto.secret import Secret
from server.config.files import JsonObject, damaged
from server.config.sealing import MalformedError, Sealer, UnsealError
from server.errors.base import SecretsLockedError

_UNSET = Secret("")
_SETS = ("active", "pending", "previous")


@dataclass(frozen=True, slots=True)
class Draft:
    """Incomplete credentials, which are not in force; an empty value is missing."""

    token: Secret = _UNSET
    aes_key: Secret = _UNSET
    key: str = ""

    @classmethod
    def of(cls, credentials: Credentials) -> "Draft":
        """Build a draft from a complete set."""
        return cls(credentials.token, credentials.aes_key, credentials.key)

    @property
    def missing(self) -> tuple[CredentialField, ...]:
        """The values still to be entered."""
        return tuple(name for name, text in self.texts().items() if not text)

    def texts(self) -> dict[CredentialField, str]:
        """Return the values unmasked; never show them."""
        return {
            CredentialField.TOKEN: self.token.reveal(),
            CredentialField.AES_KEY: self.aes_key.reveal(),
            CredentialField.KEY: self.key,
        }

    def with_values(self, values: Mapping[CredentialField, str]) -> "Draft":
        """Return the draft with these values, which have been cleaned and judged."""
        texts = self.texts() | dict(values)
        return Draft(
            Secret(texts[CredentialField.TOKEN]),
            Secret(texts[CredentialField.AES_KEY]),
            texts[CredentialField.KEY],
        )

    def completed(self) -> Credentials | None:
        """Return the complete set, None while a value is missing."""
        return None if self.missing else Credentials(self.token, self.aes_key, self.key)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Everything in secrets.json; an empty Secret was never entered."""

    keyring: Keyring = field(default_factory=Keyring)
    draft: Draft = field(default_factory=Draft)
    app_secret: Secret = _UNSET
    contact_secret: Secret = _UNSET

    def all(self) -> tuple[Secret, ...]:
        """Return every secret that is set; the log masks them."""
        ring = self.keyring
        sets = [one for one in (ring.active, ring.pending, ring.previous, self.draft) if one]
        values = [value for one in sets for value in (one.token, one.aes_key)]
        return tuple(value for value in (*values, self.app_secret, self.contact_secret) if value)


def render_secrets(secrets: Secrets, sealer: Sealer) -> JsonObject:
    """Return the secrets as JSON. Raises OSError if the system cannot seal them."""
    ring = secrets.keyring
    drafts = {
        **{name: cast("Credentials | None", getattr(ring, name)) for name in _SETS},
        "draft": secrets.draft if any(secrets.draft.texts().values()) else None,
    }
    return {
        **{name: draft and _render_set(draft, sealer) for name, draft in drafts.items()},
        "previous_until_ms": ring.previous_until_ms,
        "app_secret": _sealed(secrets.app_secret, sealer),
        "contact_secret": _sealed(secrets.contact_secret, sealer),
    }


def _render_set(values: Credentials | Draft, sealer: Sealer) -> JsonObject:
    return {
        "token": _sealed(values.token, sealer),
        "aes_key": _sealed(values.aes_key, sealer),
        "key": values.key,
    }


def _sealed(secret: Secret, sealer: Sealer) -> str:
    return sealer.seal(secret.reveal()) if secret else ""


def parse_secrets(document: JsonObject, path: Path, sealer: Sealer) -> Secrets:
    """Parse secrets.json; `path` is only for the errors.

    Raises FileDamagedError for a value that `render_secrets` does not write, and
    SecretsLockedError if another account or computer sealed the values.
    """
    try:
        return _Reader(document, sealer).secrets()
    except UnsealError as exc:
        raise SecretsLockedError(path=str(path)) from exc
    except _ShapeError as exc:
        raise damaged(path, str(exc)) from exc


class _ShapeError(Exception):
    """This program does not write such a value in secrets.json; names it, never shows it."""


class _Reader:
    """Reads values by name, and names the one that is wrong."""

    def __init__(self, document: JsonObject, sealer: Sealer) -> None:
        self._document = document
        self._sealer = sealer

    def secrets(self) -> Secrets:
        until_ms = self._document.get("previous_until_ms", 0)
        if type(until_ms) is not int:
            raise _ShapeError('"previous_until_ms" is not an integer')
        active, pending, previous = (self._credentials(name) for name in _SETS)
        return Secrets(
            Keyring(active, pending, previous, until_ms),
            self._draft("draft") or Draft(),
            self._secret(self._document, "app_secret"),
            self._secret(self._document, "contact_secret"),
        )

    def _credentials(self, name: str) -> Credentials | None:
        draft = self._draft(name)
        if draft is not None and draft.missing:
            raise _ShapeError(f'"{name}" is not complete')
        return None if draft is None else draft.completed()

    def _draft(self, name: str) -> Draft | None:
        content = self._document.get(name)
        if content is None:
            return None
        if not isinstance(content, dict):
            raise _ShapeError(f'"{name}" is not an object')
        values = cast("JsonObject", content)
        return Draft(
            self._secret(values, "token"),
            self._secret(values, "aes_key"),
            self._text(values, "key"),
        )

    def _secret(self, values: JsonObject, name: str) -> Secret:
        stored = self._text(values, name)
        try:
            return Secret(self._sealer.unseal(stored) if stored else "")
        except MalformedError as exc:
            raise _ShapeError(f'"{name}" is not a stored secret') from exc

    @staticmethod
    def _text(values: JsonObject, name: str) -> str:
        text = values.get(name, "")
        if not isinstance(text, str):
            raise _ShapeError(f'"{name}" is not text')
        return text
