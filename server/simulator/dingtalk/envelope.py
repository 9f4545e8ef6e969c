"""The platform's side of the callback envelope, written from DingTalk's documents alone.

It shares no line with the program's own `crypto`, so that each is tested against the other. Being
the stricter of the two does no harm here: what this one refuses, the program must not send.
Source: DingTalk's documents on event subscription (open.dingtalk.com) and its official demos
(github.com/open-dingtalk/DingTalk-Callback-Crypto).
"""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from enum import StrEnum

from Crypto.Cipher import AES
from Crypto.Cipher._mode_cbc import CbcMode

RANDOM_BYTES = 16
HEADER_BYTES = RANDOM_BYTES + 4
PADDING_BLOCK_BYTES = 32
CIPHER_BLOCK_BYTES = 16


class EnvelopeFault(StrEnum):
    """Why a signed text is no genuine envelope; the names are those of the test vectors."""

    WRONG_SIGNATURE = "wrong_signature"
    BAD_BASE64 = "bad_base64"
    TOO_SHORT = "too_short"
    UNALIGNED = "unaligned"
    BAD_PADDING = "bad_padding"
    BAD_LENGTH = "bad_length"
    BAD_TAIL = "bad_tail"


class EnvelopeError(ValueError):
    """A signed text is no genuine envelope; `fault` says why. Carries none of its content."""

    def __init__(self, fault: EnvelopeFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class SignedText:
    """What travels, in both directions: the encrypted text and what its signature covers."""

    signature: str
    timestamp: str
    nonce: str
    encrypt: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What an envelope held: its random bytes, the message, and the key at its end."""

    random16: bytes
    message: bytes
    key: str


def framed(random16: bytes, message: bytes, tail: bytes, *, length: int | None = None) -> bytes:
    """Return random, big-endian byte length, message and tail in a row, not yet padded.

    `length` puts another 32-bit figure in the place of the true one, to make damaged envelopes.
    """
    if len(random16) != RANDOM_BYTES:
        raise ValueError("the random part has 16 bytes")
    stated = len(message) if length is None else length
    return random16 + struct.pack(">I", stated) + message + tail


def padded(plain: bytes) -> bytes:
    """Return `plain` filled up to whole blocks of 32 bytes, with one byte of padding at least."""
    count = PADDING_BLOCK_BYTES - len(plain) % PADDING_BLOCK_BYTES
    return plain + bytes([count]) * count


def unpadded(plain: bytes) -> bytes:
    """Return `plain` without its padding; raise `EnvelopeError` where a padding byte is wrong."""
    count = plain[-1]
    if not 1 <= count <= PADDING_BLOCK_BYTES or plain[-count:] != bytes([count]) * count:
        raise EnvelopeError(EnvelopeFault.BAD_PADDING)
    return plain[:-count]


def unframed(plain: bytes) -> Opened:
    """Take an unpadded plaintext apart; raise `EnvelopeError` where its framing is wrong."""
    if len(plain) < HEADER_BYTES:
        raise EnvelopeError(EnvelopeFault.BAD_LENGTH)
    (length,) = struct.unpack_from(">I", plain, RANDOM_BYTES)
    end = HEADER_BYTES + length
    if end > len(plain):
        raise EnvelopeError(EnvelopeFault.BAD_LENGTH)
    return Opened(plain[:RANDOM_BYTES], plain[HEADER_BYTES:end], _tail_text(plain[end:]))


def _tail_text(tail: bytes) -> str:
    try:
        text = tail.decode()
    except UnicodeDecodeError as exc:
        raise EnvelopeError(EnvelopeFault.BAD_TAIL) from exc
    if not text:
        raise EnvelopeError(EnvelopeFault.BAD_TAIL)
    return text


class Envelope:
    """Seals and opens with one subscription's token, aes_key and key. Safe in many threads.

    `key` is what stands at the end of every plaintext: AppKey, CorpId or SuiteKey. aes_key's last
    character may carry bits that belong to no byte, as most real keys do; they are dropped.
    """

    def __init__(self, token: str, aes_key: str, key: str) -> None:
        self._token = token
        self._secret = base64.b64decode(aes_key + "=")
        self.key = key

    def sign(self, timestamp: str, nonce: str, encrypt: str) -> str:
        """Return the signature over token, timestamp, nonce and encrypted text, sorted."""
        joined = "".join(sorted((self._token, timestamp, nonce, encrypt)))
        # SHA-1 is what the platform prescribes.
        return hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324

    def encrypt(self, padded_plain: bytes) -> str:
        """Return whole cipher blocks encrypted, as one line of base64."""
        return base64.b64encode(self._cipher().encrypt(padded_plain)).decode()

    def seal(self, message: bytes, *, random16: bytes, timestamp: str, nonce: str) -> SignedText:
        """Return the message framed, encrypted and signed."""
        plain = framed(random16, message, self.key.encode())
        return self.signed(self.encrypt(padded(plain)), timestamp=timestamp, nonce=nonce)

    def signed(self, encrypt: str, *, timestamp: str, nonce: str) -> SignedText:
        """Return any encrypted text, sound or not, under a right signature."""
        return SignedText(self.sign(timestamp, nonce, encrypt), timestamp, nonce, encrypt)

    def open(self, text: SignedText) -> Opened:
        """Check the signature, decrypt and take apart; raise `EnvelopeError` on any fault.

        The key at the end is returned and not judged: which keys are right is the caller's matter.
        """
        if text.signature != self.sign(text.timestamp, text.nonce, text.encrypt):
            raise EnvelopeError(EnvelopeFault.WRONG_SIGNATURE)
        return unframed(unpadded(self.decrypt(text.encrypt)))

    def decrypt(self, encrypt: str) -> bytes:
        """Return the padded plaintext; raise `EnvelopeError` where there are no whole blocks.

        The platform's padding makes blocks of 32 bytes, so 16 bytes that AES would take are none.
        """
        try:
            encrypted = base64.b64decode(encrypt, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise EnvelopeError(EnvelopeFault.BAD_BASE64) from exc
        if len(encrypted) < PADDING_BLOCK_BYTES:
            raise EnvelopeError(EnvelopeFault.TOO_SHORT)
        if len(encrypted) % PADDING_BLOCK_BYTES:
            raise EnvelopeError(EnvelopeFault.UNALIGNED)
        return self._cipher().decrypt(encrypted)

    def _cipher(self) -> CbcMode:
        return AES.new(self._secret, AES.MODE_CBC, iv=self._secret[:CIPHER_BLOCK_BYTES])
