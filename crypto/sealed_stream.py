"""A stream of any length, sealed under a passphrase: scrypt, then AES-256-GCM chunk by chunk.

    header | chunk | chunk | … | last chunk        each chunk with its tag of 16 bytes

A chunk's nonce holds its number and whether it is the last, so a chunk that is missing, moved,
repeated or added does not open (the STREAM construction, https://eprint.iacr.org/2015/189). The
header is bound to every chunk. No nonce is used twice: the salt gives each stream its own key.
"""

import hashlib
from enum import StrEnum
from hmac import compare_digest
from typing import TYPE_CHECKING, Self
from unicodedata import normalize

from Crypto.Cipher import AES

from crypto.secret import Secret

if TYPE_CHECKING:
    from Crypto.Cipher._mode_gcm import GcmMode

SALT_BYTES = 16
CHUNK_BYTES = 1024 * 1024
SEALED_CHUNK_BYTES = CHUNK_BYTES + 16
COST = 17  # scrypt's N is 2^17: 128 MiB and half a second for each guess

_MAGIC = b"DingBridge export\n"
_FORMAT = 1
_KEY_BYTES = 32
_CHECK_BYTES = 16
_COUNTER_BYTES = 11
_PREFIX_BYTES = len(_MAGIC) + 2 + SALT_BYTES
HEADER_BYTES = _PREFIX_BYTES + _CHECK_BYTES


class StreamFault(StrEnum):
    """Why a stream does not open."""

    FOREIGN = "foreign"
    NEWER = "newer"
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a fault
    DAMAGED = "damaged"


class StreamError(Exception):
    """A sealed stream does not open; `fault` says why. Never carries any content."""

    def __init__(self, fault: StreamFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class StreamCipher:
    """Seals or opens the chunks of one stream in order. For one thread."""

    def __init__(self, header: bytes, key: bytes) -> None:
        self.header = header
        self._key = key
        self._number = 0

    @classmethod
    def new(cls, passphrase: Secret, salt: bytes, cost: int = COST) -> Self:
        """Begin a stream. `salt` is SALT_BYTES random bytes, never used for another stream."""
        prefix = _MAGIC + bytes((_FORMAT, cost)) + salt
        key, check = _derive(passphrase, salt, cost)
        return cls(prefix + check, key)

    @classmethod
    def of_header(cls, header: bytes, passphrase: Secret) -> Self:
        """Begin to open the stream that starts with `header`; raises StreamError."""
        if not header.startswith(_MAGIC):
            raise StreamError(StreamFault.FOREIGN)
        if len(header) != HEADER_BYTES:
            raise StreamError(StreamFault.DAMAGED)
        version, cost = header[len(_MAGIC)], header[len(_MAGIC) + 1]
        if version > _FORMAT:
            raise StreamError(StreamFault.NEWER)
        if version < _FORMAT or not 1 <= cost <= COST:  # a higher cost would only eat up memory
            raise StreamError(StreamFault.DAMAGED)
        salt = header[_PREFIX_BYTES - SALT_BYTES : _PREFIX_BYTES]
        key, check = _derive(passphrase, salt, cost)
        if not compare_digest(check, header[_PREFIX_BYTES:]):
            raise StreamError(StreamFault.PASSPHRASE)
        return cls(header, key)

    def seal(self, chunk: bytes, *, is_last: bool) -> bytes:
        """Seal the next chunk. All but the last have CHUNK_BYTES."""
        cipher = self._next(is_last=is_last)
        sealed, tag = cipher.encrypt_and_digest(chunk)
        return sealed + tag

    def open(self, sealed: bytes, *, is_last: bool) -> bytes:
        """Open the next chunk. Raises StreamError if it is not what was sealed there."""
        cipher = self._next(is_last=is_last)
        try:
            return cipher.decrypt_and_verify(sealed[:-16], sealed[-16:])
        except ValueError as exc:
            raise StreamError(StreamFault.DAMAGED) from exc

    def _next(self, *, is_last: bool) -> "GcmMode":
        nonce = self._number.to_bytes(_COUNTER_BYTES, "big") + bytes((is_last,))
        self._number += 1
        cipher = AES.new(self._key, AES.MODE_GCM, nonce=nonce)
        cipher.update(self.header)
        return cipher


def _derive(passphrase: Secret, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    """Return the key, and a check value that tells a wrong passphrase from a damaged file.

    NFC, because another keyboard may compose the same characters of other code points.
    """
    material = hashlib.scrypt(
        normalize("NFC", passphrase.reveal()).encode("utf-8", "surrogatepass"),
        salt=salt,
        n=1 << cost,
        r=8,
        p=1,
        maxmem=(1024 << cost) + 1024 * 1024,  # scrypt needs 128 · r · N bytes and a little more
        dklen=_KEY_BYTES + _CHECK_BYTES,
    )
    return material[:_KEY_BYTES], material[_KEY_BYTES:]
