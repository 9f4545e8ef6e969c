"""The callback's signature: SHA-1 over the sorted token, timestamp, nonce and encrypt.

Source: DingTalk, "callback event message body encryption and decryption", and its own samples.
SHA-1 is what the platform prescribes; it is not this program's choice.
"""

import hashlib
from hmac import compare_digest


def sign(token: str, timestamp: str, nonce: str, encrypt: str) -> str:
    """Return the signature as 40 lower-case hex digits.

    The four strings are sorted by code point and joined without a separator.
    """
    joined = "".join(sorted((token, timestamp, nonce, encrypt)))
    return hashlib.sha1(_bytes(joined), usedforsecurity=False).hexdigest()


def is_signed(signature: str, token: str, timestamp: str, nonce: str, encrypt: str) -> bool:
    """Check in constant time whether `signature` is that of these four strings."""
    expected = sign(token, timestamp, nonce, encrypt)
    return compare_digest(expected.encode(), _bytes(signature))


def _bytes(text: str) -> bytes:
    """Encode anything a stranger may send; JSON can carry half a surrogate pair."""
    return text.encode("utf-8", "surrogatepass")
