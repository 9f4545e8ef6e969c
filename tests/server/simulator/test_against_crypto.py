"""Two implementations of one envelope, written apart: what either seals, the other opens."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import crypto.envelope
from crypto.signature import is_signed, sign
from server.simulator.dingtalk.envelope import EnvelopeFault, SignedText
from tests.server.simulator.malformed import FAULTS, Damage, damaged
from tests.server.simulator.receiver import AES_KEY, ENVELOPE, KEY, TOKEN

PROGRAM = crypto.envelope.Envelope(AES_KEY)
MESSAGES = st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode))
RANDOM16 = st.binary(min_size=16, max_size=16)
FIELDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20)


@settings(deadline=None)
@given(message=MESSAGES, random16=RANDOM16, nonce=FIELDS)
def test_the_program_opens_what_the_platform_seals(
    message: bytes, random16: bytes, nonce: str
) -> None:
    text = ENVELOPE.seal(message, random16=random16, timestamp="1700000000123", nonce=nonce)
    assert is_signed(text.signature, TOKEN, text.timestamp, text.nonce, text.encrypt)
    letter = PROGRAM.open(text.encrypt)
    assert (message, KEY) == (letter.message, letter.tail)


@settings(deadline=None)
@given(message=MESSAGES, random16=RANDOM16, nonce=FIELDS)
def test_the_platform_opens_what_the_program_seals(
    message: bytes, random16: bytes, nonce: str
) -> None:
    encrypt = PROGRAM.seal(message, KEY, random16)
    signature = sign(TOKEN, "1700000000123", nonce, encrypt)
    opened = ENVELOPE.open(SignedText(signature, "1700000000123", nonce, encrypt))
    assert (message, KEY, random16) == (opened.message, opened.key, opened.random16)


@pytest.mark.parametrize("damage", [one for one in FAULTS if one is not Damage.WRONG_SIGNATURE])
@settings(deadline=None, max_examples=40)
@given(message=MESSAGES, random16=RANDOM16)
def test_both_name_the_same_fault(damage: Damage, message: bytes, random16: bytes) -> None:
    text = damaged(ENVELOPE, damage, message, random16=random16, timestamp="1", nonce="n")
    with pytest.raises(crypto.envelope.EnvelopeError) as caught:
        PROGRAM.open(text.encrypt)
    assert FAULTS[damage] == EnvelopeFault(caught.value.fault.value)


def test_the_program_takes_a_changed_signature_for_none() -> None:
    text = damaged(
        ENVELOPE, Damage.WRONG_SIGNATURE, b"{}", random16=b"r" * 16, timestamp="1", nonce="n"
    )
    assert not is_signed(text.signature, TOKEN, text.timestamp, text.nonce, text.encrypt)
