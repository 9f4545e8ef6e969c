"""Credentials for tests; all of them made up."""

from crypto.callback import SealedCallback, Verifier
from crypto.credentials import Credentials, Role
from server.simulator.dingtalk.envelope import Envelope as DingTalkEnvelope

TOKENS = ("tokenOfActive1", "tokenOfPending2", "tokenOfPrevious3", "tokenOfNobody4")
AES_KEYS = tuple(f"{letter * 42}9" for letter in "AbCd")
KEYS = (
    "dingactive0000000001",
    "dingpending000000002",
    "dingprevious00000003",
    "dingnobody0000000004",
)
RANDOM16 = bytes(range(0xF0, 0x100))
SETS = tuple(
    Credentials.of(token, aes_key, key)
    for token, aes_key, key in zip(TOKENS[:3], AES_KEYS[:3], KEYS[:3], strict=True)
)
ACTIVE, PENDING, PREVIOUS = SETS


def open_sets() -> list[Verifier]:
    return [Verifier(role, one) for role, one in zip(Role, SETS, strict=True)]


def sent_with(
    token: str, aes_key: str, key: str, message: bytes = b'{"EventType":"check_url"}'
) -> SealedCallback:
    """A callback as DingTalk's side (written apart from `crypto`) would send it."""
    text = DingTalkEnvelope(token, aes_key, key).seal(
        message, random16=RANDOM16, timestamp="1700000000123", nonce="a1B2c3D4"
    )
    return SealedCallback(text.signature, text.timestamp, text.nonce, text.encrypt)
