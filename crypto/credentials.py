"""The three values of a subscription, and the sets of them that are in force.

A new set is *pending* beside the *active* one until DingTalk uses it. Then it becomes active, and
the old one *previous*, accepted for a grace period. So the admin can change values here first and
in the console later, or the other way round, without losing an event.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from crypto.secret import Secret


class CredentialField(StrEnum):
    """The three values, by the names that DingTalk's console and documents use."""

    TOKEN = "token"  # noqa: S105 - a field's name
    AES_KEY = "aes_key"
    KEY = "key"


class Role(StrEnum):
    """What a set of credentials is used for now."""

    ACTIVE = "active"
    PENDING = "pending"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Credentials:
    """token, aes_key and key of one subscription; `key` is AppKey, CorpId or SuiteKey."""

    token: Secret
    aes_key: Secret
    key: str

    @classmethod
    def of(cls, token: str, aes_key: str, key: str) -> Self:
        """Build a set from strings that `crypto.credential_input` has cleaned and judged."""
        return cls(Secret(token), Secret(aes_key), key)

    @property
    def fingerprint(self) -> str:
        """A name for this set that reveals nothing of it: 16 hex digits of a hash of all three.

        The aes_key's 256 bits go into the hash, so the other values cannot be guessed from it.
        """
        joined = f"{self.token.reveal()}\0{self.aes_key.reveal()}\0{self.key}"
        return hashlib.sha256(joined.encode()).hexdigest()[:16]

    def has_same_secrets(self, other: "Credentials") -> bool:
        """Whether token and aes_key are the same, whatever the key."""
        return (self.token, self.aes_key) == (other.token, other.aes_key)


@dataclass(frozen=True, slots=True)
class Keyring:
    """The sets in force. Immutable: a change makes a new keyring, so no request sees half of one.

    `previous_until_ms` is when `previous` stops being accepted, in milliseconds since 1970.
    """

    active: Credentials | None = None
    pending: Credentials | None = None
    previous: Credentials | None = None
    previous_until_ms: int = 0

    def sets(self, now_ms: int) -> Iterator[tuple[Role, Credentials]]:
        """Yield the sets that may verify a request, the likeliest first."""
        if self.active is not None:
            yield Role.ACTIVE, self.active
        if self.pending is not None:
            yield Role.PENDING, self.pending
        if self.previous is not None and now_ms < self.previous_until_ms:
            yield Role.PREVIOUS, self.previous

    def entered(self, credentials: Credentials) -> "Keyring":
        """Return the keyring after the admin entered a set.

        The first set ever is active at once. Entering the active set again withdraws the pending
        one.
        """
        if self.active is None:
            return replace(self, active=credentials, pending=None)
        if credentials == self.active:
            return replace(self, pending=None)
        return replace(self, pending=credentials)

    def promoted(self, now_ms: int, grace_ms: int) -> "Keyring":
        """Return the keyring after DingTalk used the pending set at `now_ms`.

        The old active set stays accepted for `grace_ms`. Without a pending set nothing changes.
        """
        if self.pending is None:
            return self
        return Keyring(
            active=self.pending,
            pending=None,
            previous=self.active,
            previous_until_ms=now_ms + grace_ms,
        )

    def overtaken_by(self, promoted: "Keyring") -> "Keyring":
        """Return `promoted`, keeping as pending a set that was entered here in the meantime."""
        entered = None if self.pending == promoted.active else self.pending
        return replace(promoted, pending=entered)

    def prolonged(self, until_ms: int) -> "Keyring":
        """Return the keyring with the grace period ending at `until_ms`, if one is running."""
        return self if self.previous is None else replace(self, previous_until_ms=until_ms)

    def expired(self, now_ms: int) -> "Keyring":
        """Return the keyring without a previous set whose grace period is over."""
        if self.previous is None or now_ms < self.previous_until_ms:
            return self
        return replace(self, previous=None, previous_until_ms=0)
