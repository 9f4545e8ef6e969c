import pytest

from crypto.callback import (
    SUCCESS,
    CallbackRejectedError,
    CallbackVerifier,
    SealedCallback,
    Verifier,
)
from crypto.credentials import Credentials, Keyring, Role
from server.simulator.dingtalk.envelope import Envelope as DingTalkEnvelope
from server.simulator.dingtalk.envelope import SignedText
from tests.crypto.made_up import (
    ACTIVE,
    AES_KEYS,
    KEYS,
    PENDING,
    PREVIOUS,
    RANDOM16,
    TOKENS,
    sent_with,
)
from tests.crypto.vectors import VECTORS, Vector, plaintext

KEYRING = Keyring(ACTIVE, PENDING, PREVIOUS, previous_until_ms=100)


@pytest.mark.parametrize("vector", VECTORS["verify"], ids=lambda vector: vector["id"])
def test_every_published_callback_opens(vector: Vector) -> None:
    one = Credentials.of(vector["token"], vector["aes_key"], vector["key"])
    opened = CallbackVerifier(Keyring(one)).open(sealed(vector), now_ms=0)
    assert (plaintext(vector), one) == (opened.message, opened.opened_with.credentials)


@pytest.mark.parametrize("vector", VECTORS["invalid"], ids=lambda vector: vector["id"])
def test_every_invalid_callback_is_rejected(vector: Vector) -> None:
    one = Credentials.of(vector["token"], vector["aes_key"], vector["key"])
    with pytest.raises(CallbackRejectedError):
        CallbackVerifier(Keyring(one)).open(sealed(vector), now_ms=0)


def sealed(vector: Vector) -> SealedCallback:
    return SealedCallback(
        vector["signature"], vector["timestamp"], vector["nonce"], vector["encrypt"]
    )


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_callback_opens_with_the_set_it_was_sent_under(index: int) -> None:
    opened = CallbackVerifier(KEYRING).open(
        sent_with(TOKENS[index], AES_KEYS[index], KEYS[index]), 99
    )
    assert list(Role)[index] is opened.opened_with.role


def test_the_previous_set_is_rejected_from_its_end_on() -> None:
    with pytest.raises(CallbackRejectedError):
        CallbackVerifier(KEYRING).open(sent_with(TOKENS[2], AES_KEYS[2], KEYS[2]), 100)


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_one_value_of_another_set_is_rejected(wrong: int) -> None:
    token, aes_key, key = (
        values[1 if place == wrong else 0] for place, values in enumerate((TOKENS, AES_KEYS, KEYS))
    )
    with pytest.raises(CallbackRejectedError):
        CallbackVerifier(KEYRING).open(sent_with(token, aes_key, key), 0)


def test_dingtalk_accepts_the_sealed_answer() -> None:
    reply = Verifier(Role.ACTIVE, ACTIVE).seal(
        SUCCESS, timestamp_ms=1_700_000_000_123, nonce="n0nce", random16=RANDOM16
    )
    text = SignedText(reply.msg_signature, reply.timestamp, reply.nonce, reply.encrypt)
    opened = DingTalkEnvelope(TOKENS[0], AES_KEYS[0], KEYS[0]).open(text)
    assert (b"success", KEYS[0], RANDOM16) == (opened.message, opened.key, opened.random16)
    assert reply.timestamp == "1700000000123"
