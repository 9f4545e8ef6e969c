"""The encrypted envelope: AES-256-CBC over random, length, message and the owner's key.

    16 random bytes | 4-byte big-endian length | message | key      padded to blocks of 32 bytes

The padding is PKCS#7 with a block of 32, so 1 to 32 bytes, and always at least one. All lengths
count bytes. Source: DingTalk, "callback event message body encryption and decryption".
"""

from base64 import b64decode
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from enum import StrEnum
from typing import NamedTuple

from Crypto.Cipher import AES

RANDOM_BYTES = 16
AES_KEY_CHARACTERS = 43
_LENGTH_BYTES = 4
_HEADER_BYTES = RANDOM_BYTES + _LENGTH_BYTES
_CIPHER_BLOCK = 16
_PADDING_BLOCK = 32
_NOT_UTF_8 = "\N{REPLACEMENT CHARACTER}"


class EnvelopeFault(StrEnum):
    """What is wrong with an envelope that does not open."""

    BAD_BASE64 = "bad_base64"
    TOO_SHORT = "too_short"
    UNALIGNED = "unaligned"
    BAD_PADDING = "bad_padding"
    BAD_LENGTH = "bad_length"
    BAD_TAIL = "bad_tail"


class EnvelopeError(Exception):
    """An envelope does not open; `fault` says why. Never carries any content."""

    def __init__(self, fault: EnvelopeFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Plaintext(NamedTuple):
    """The content of an opened envelope: the message and the owner's key (the tail)."""

    message: bytes
    tail: str


class Envelope:
    """Opens and seals envelopes with one aes_key. Thread-safe."""

    __slots__ = ("_iv", "_key")

    def __init__(self, aes_key: str) -> None:
        """Take an EncodingAESKey: 43 characters of `[A-Za-z0-9]`.

        Raises ValueError for another length or characters outside base64's alphabet. The unused
        low bits of the last character may be set: in most real keys they are.
        """
        if len(aes_key) != AES_KEY_CHARACTERS or "=" in aes_key:
            raise ValueError("an aes_key has 43 characters")
        self._key = b64decode(aes_key + "=", validate=True)
        self._iv = self._key[:_CIPHER_BLOCK]

    def open(self, encrypt: str) -> Plaintext:
        """Return message and tail of `encrypt` (base64 text). Raises EnvelopeError.

        An error is raised last, after the same work as for a sound envelope: a sender who measures
        the time must not learn which ciphertexts have valid padding.
        """
        plain = self._decrypted(encrypt)
        padding = plain[-1]
        is_padded = 1 <= padding <= _PADDING_BLOCK
        is_padded &= plain.endswith(bytes((padding,)) * padding)
        content_end = len(plain) - padding * is_padded
        message_end = _HEADER_BYTES + int.from_bytes(plain[RANDOM_BYTES:_HEADER_BYTES], "big")
        # A negative length (sign bit set) reads as a huge one and fails the same check.
        is_long_enough = message_end <= content_end
        tail = plain[message_end:content_end].decode("utf-8", "replace")
        plaintext = Plaintext(plain[_HEADER_BYTES:message_end], tail)
        if not is_padded:
            raise EnvelopeError(EnvelopeFault.BAD_PADDING)
        if not is_long_enough:
            raise EnvelopeError(EnvelopeFault.BAD_LENGTH)
        if not tail or _NOT_UTF_8 in tail:
            raise EnvelopeError(EnvelopeFault.BAD_TAIL)
        return plaintext

    def seal(self, message: bytes, tail: str, random16: bytes) -> str:
        """Return the envelope of `message` as one line of base64.

        `random16` is 16 fresh random bytes; raises ValueError for another length.
        """
        if len(random16) != RANDOM_BYTES:
            raise ValueError("an envelope starts with 16 random bytes")
        content = random16 + len(message).to_bytes(_LENGTH_BYTES, "big") + message + tail.encode()
        padding = _PADDING_BLOCK - len(content) % _PADDING_BLOCK
        cipher = AES.new(self._key, AES.MODE_CBC, self._iv)
        sealed = cipher.encrypt(content + bytes((padding,)) * padding)
        return b2a_base64(sealed, newline=False).decode()

    def _decrypted(self, encrypt: str) -> bytes:
        sealed = _base64_bytes(encrypt)
        if len(sealed) % _CIPHER_BLOCK:
            raise EnvelopeError(EnvelopeFault.UNALIGNED)
        if len(sealed) < _PADDING_BLOCK:
            raise EnvelopeError(EnvelopeFault.TOO_SHORT)
        return AES.new(self._key, AES.MODE_CBC, self._iv).decrypt(sealed)


def _base64_bytes(encrypt: str) -> bytes:
    try:
        return a2b_base64(encrypt, strict_mode=True)
    except (Base64Error, ValueError):  # ValueError: characters outside ASCII
        raise EnvelopeError(EnvelopeFault.BAD_BASE64) from None
