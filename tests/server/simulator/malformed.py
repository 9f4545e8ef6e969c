"""Every way a callback can be damaged, made on purpose.

All of them but `WRONG_SIGNATURE` are signed rightly, so that the receiver's decryption is reached:
only somebody who knows the token can send these, yet a wrong aes_key produces the very same.
"""

from collections.abc import Callable
from enum import StrEnum

from server.simulator.dingtalk.envelope import (
    HEADER_BYTES,
    PADDING_BLOCK_BYTES,
    Envelope,
    EnvelopeFault,
    SignedText,
    framed,
    padded,
)


class Damage(StrEnum):
    """One kind of damage each."""

    BASE64_ALPHABET = "base64_alphabet"
    BASE64_NOT_ASCII = "base64_not_ascii"
    BASE64_NEWLINE = "base64_newline"
    BASE64_CUT = "base64_cut"
    EMPTY = "empty"
    ONE_BLOCK = "one_block"
    HEADER_CUT = "header_cut"
    NOTHING_BUT_PADDING = "nothing_but_padding"
    UNALIGNED = "unaligned"
    PAD_0 = "pad_0"
    PAD_33 = "pad_33"
    PAD_255 = "pad_255"
    PAD_UNEQUAL = "pad_unequal"
    LENGTH_BEYOND = "length_beyond"
    LENGTH_HUGE = "length_huge"
    LENGTH_NEGATIVE = "length_negative"
    TAIL_MISSING = "tail_missing"
    TAIL_SWALLOWED = "tail_swallowed"
    TAIL_NOT_UTF8 = "tail_not_utf8"
    WRONG_SIGNATURE = "wrong_signature"
    OTHER_TAIL = "other_tail"


OTHER_KEY = "dingotherkey00000001"

# `OTHER_TAIL` is missing: it is a sound envelope, only of somebody else's subscription.
FAULTS = {
    Damage.BASE64_ALPHABET: EnvelopeFault.BAD_BASE64,
    Damage.BASE64_NOT_ASCII: EnvelopeFault.BAD_BASE64,
    Damage.BASE64_NEWLINE: EnvelopeFault.BAD_BASE64,
    Damage.BASE64_CUT: EnvelopeFault.BAD_BASE64,
    Damage.EMPTY: EnvelopeFault.TOO_SHORT,
    Damage.ONE_BLOCK: EnvelopeFault.TOO_SHORT,
    Damage.HEADER_CUT: EnvelopeFault.BAD_LENGTH,
    Damage.NOTHING_BUT_PADDING: EnvelopeFault.BAD_LENGTH,
    Damage.UNALIGNED: EnvelopeFault.UNALIGNED,
    Damage.PAD_0: EnvelopeFault.BAD_PADDING,
    Damage.PAD_33: EnvelopeFault.BAD_PADDING,
    Damage.PAD_255: EnvelopeFault.BAD_PADDING,
    Damage.PAD_UNEQUAL: EnvelopeFault.BAD_PADDING,
    Damage.LENGTH_BEYOND: EnvelopeFault.BAD_LENGTH,
    Damage.LENGTH_HUGE: EnvelopeFault.BAD_LENGTH,
    Damage.LENGTH_NEGATIVE: EnvelopeFault.BAD_LENGTH,
    Damage.TAIL_MISSING: EnvelopeFault.BAD_TAIL,
    Damage.TAIL_SWALLOWED: EnvelopeFault.BAD_TAIL,
    Damage.TAIL_NOT_UTF8: EnvelopeFault.BAD_TAIL,
    Damage.WRONG_SIGNATURE: EnvelopeFault.WRONG_SIGNATURE,
}


def damaged(
    envelope: Envelope,
    damage: Damage,
    message: bytes,
    *,
    random16: bytes,
    timestamp: str,
    nonce: str,
) -> SignedText:
    """Return the message sealed with one kind of damage.

    The same arguments give the same text.
    """
    encrypt = _encrypt(envelope, damage, message, random16)
    text = envelope.signed(encrypt, timestamp=timestamp, nonce=nonce)
    if damage is Damage.WRONG_SIGNATURE:
        return SignedText(_altered(text.signature), timestamp, nonce, encrypt)
    return text


def _encrypt(envelope: Envelope, damage: Damage, message: bytes, random16: bytes) -> str:
    key = envelope.key.encode()
    if damage in _TEXTS:
        return _TEXTS[damage](envelope.encrypt(padded(framed(random16, message, key))))
    if damage in _PADDINGS:
        return envelope.encrypt(_PADDINGS[damage](framed(random16, message, key)))
    return envelope.encrypt(padded(_FRAMES[damage](random16, message, key)))


def _altered(signature: str) -> str:
    """Return the signature with its last digit changed."""
    return signature[:-1] + ("0" if signature[-1] != "0" else "1")


def _whole_blocks_ending(ending: bytes) -> Callable[[bytes], bytes]:
    """Return a padding that fills up with 'x' and then ends as given."""

    def pad(plain: bytes) -> bytes:
        fill = -(len(plain) + len(ending)) % PADDING_BLOCK_BYTES
        return plain + b"x" * fill + ending

    return pad


_TEXTS: dict[Damage, Callable[[str], str]] = {
    Damage.BASE64_ALPHABET: lambda encrypt: "!" + encrypt[1:],
    Damage.BASE64_NOT_ASCII: lambda encrypt: "钉" + encrypt[1:],
    Damage.BASE64_NEWLINE: lambda encrypt: f"{encrypt[:76]}\n{encrypt[76:]}\n",
    Damage.BASE64_CUT: lambda encrypt: encrypt[:-1],
    Damage.EMPTY: lambda _: "",
    Damage.ONE_BLOCK: lambda encrypt: encrypt[:21] + "A==",
    # One base64 group less is 1, 2 or 3 bytes less.
    Damage.UNALIGNED: lambda encrypt: encrypt[:-4],
    Damage.WRONG_SIGNATURE: lambda encrypt: encrypt,
}

_PADDINGS: dict[Damage, Callable[[bytes], bytes]] = {
    Damage.HEADER_CUT: lambda plain: padded(plain[: HEADER_BYTES - 1]),
    Damage.NOTHING_BUT_PADDING: lambda _: padded(b""),
    Damage.PAD_0: _whole_blocks_ending(b"\0"),
    Damage.PAD_33: _whole_blocks_ending(b"\x21" * 33),
    Damage.PAD_255: _whole_blocks_ending(b"\xff"),
    Damage.PAD_UNEQUAL: _whole_blocks_ending(b"\x04\x03\x04\x04"),
}

_FRAMES: dict[Damage, Callable[[bytes, bytes, bytes], bytes]] = {
    Damage.LENGTH_BEYOND: lambda random16, message, key: framed(
        random16, message, key, length=len(message) + len(key) + 1
    ),
    Damage.LENGTH_HUGE: lambda random16, message, key: framed(
        random16, message, key, length=0x7FFFFFFF
    ),
    # A receiver that reads the length as signed sees -4 here.
    Damage.LENGTH_NEGATIVE: lambda random16, message, key: framed(
        random16, message, key, length=0xFFFFFFFC
    ),
    Damage.TAIL_MISSING: lambda random16, message, _: framed(random16, message, b""),
    Damage.TAIL_SWALLOWED: lambda random16, message, key: framed(
        random16, message, key, length=len(message) + len(key)
    ),
    Damage.TAIL_NOT_UTF8: lambda random16, message, key: framed(
        random16, message, key[:-1] + b"\xff"
    ),
    Damage.OTHER_TAIL: lambda random16, message, _: framed(random16, message, OTHER_KEY.encode()),
}
