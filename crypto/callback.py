"""Opens a callback with whichever set in force fits, and seals the reply with the same set.

Knows no clock and no source of randomness: both come in as arguments.
"""

from collections.abc import Iterable
from typing import NamedTuple

from crypto.credentials import Credentials, Keyring, Role
from crypto.envelope import Envelope, EnvelopeError, EnvelopeFault
from crypto.signature import is_signed, sign

SUCCESS = b"success"


class SealedCallback(NamedTuple):
    """A callback as it came over the wire: the query's three values and the body's `encrypt`."""

    signature: str
    timestamp: str
    nonce: str
    encrypt: str


class SealedReply(NamedTuple):
    """The four fields DingTalk wants back; `timestamp` goes out as `timeStamp`."""

    msg_signature: str
    timestamp: str
    nonce: str
    encrypt: str


class CallbackRejectedError(Exception):
    """No set in force fits the callback; `crypto.doctor` says which value is wrong."""


class Verifier:
    """One set of credentials, prepared once for many callbacks. Thread-safe."""

    __slots__ = ("_envelope", "_key_text", "_token", "credentials", "fingerprint", "role")

    def __init__(self, role: Role, credentials: Credentials) -> None:
        """Prepare `credentials`. Raises ValueError for an invalid aes_key (see `Envelope`)."""
        self.role = role
        self.credentials = credentials
        self.fingerprint = credentials.fingerprint
        self._token = credentials.token.reveal()
        self._key_text = credentials.key
        self._envelope = Envelope(credentials.aes_key.reveal())

    def has_signed(self, callback: SealedCallback) -> bool:
        """Check in constant time whether the callback was signed with this set's token."""
        return is_signed(
            callback.signature, self._token, callback.timestamp, callback.nonce, callback.encrypt
        )

    def message_of(self, callback: SealedCallback) -> bytes | None:
        """Return the message if the callback is genuine under this set, else None."""
        if not self.has_signed(callback):
            return None
        try:
            plaintext = self._envelope.open(callback.encrypt)
            if plaintext.tail != self._key_text:
                # Must take as long as any other fault: see `Envelope.open`.
                raise EnvelopeError(EnvelopeFault.BAD_TAIL)  # noqa: TRY301 - that is the point
        except EnvelopeError:
            return None
        return plaintext.message

    def tail_of(self, callback: SealedCallback) -> str | None:
        """Return the tail if this set's aes_key opens the callback, signed or not, else None.

        Only for the doctor, and only after the caller has been answered: this takes a different
        time for each result of the decryption, and a caller who can measure it can read the
        plaintext (a padding oracle).
        """
        try:
            return self._envelope.open(callback.encrypt).tail
        except EnvelopeError:
            return None

    def seal(
        self, message: bytes, *, timestamp_ms: int, nonce: str, random16: bytes
    ) -> SealedReply:
        """Seal a reply to a callback of this set.

        `timestamp_ms` is milliseconds since 1970 and goes out as 13 digits: with seconds or any
        other form the console's check fails. `random16` is 16 fresh random bytes.
        """
        timestamp = str(timestamp_ms)
        encrypt = self._envelope.seal(message, self._key_text, random16)
        return SealedReply(sign(self._token, timestamp, nonce, encrypt), timestamp, nonce, encrypt)


class OpenedCallback(NamedTuple):
    """A genuine callback: its decrypted message and the set that opened it."""

    message: bytes
    opened_with: Verifier


class CallbackVerifier:
    """The sets of one keyring, ready to open callbacks. Immutable: replace it as a whole."""

    __slots__ = ("_previous_until_ms", "_sets", "keyring")

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring
        # As of time 0, so the previous set is included; `sets` leaves it out when it expires.
        self._sets = tuple(Verifier(role, one) for role, one in keyring.sets(0))
        self._previous_until_ms = keyring.previous_until_ms

    def sets(self, now_ms: int) -> Iterable[Verifier]:
        """Yield the sets in force at `now_ms` (milliseconds since 1970), the likeliest first."""
        for one in self._sets:
            if one.role is not Role.PREVIOUS or now_ms < self._previous_until_ms:
                yield one

    def open(self, callback: SealedCallback, now_ms: int) -> OpenedCallback:
        """Open a genuine callback. Raises CallbackRejectedError if no set fits."""
        for one in self.sets(now_ms):
            message = one.message_of(callback)
            if message is not None:
                return OpenedCallback(message, one)
        raise CallbackRejectedError
