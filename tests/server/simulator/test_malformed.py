"""Each kind of damage shows its own fault, whatever the message."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.simulator.dingtalk.envelope import EnvelopeError
from tests.server.simulator.malformed import FAULTS, OTHER_KEY, Damage, damaged
from tests.server.simulator.receiver import ENVELOPE


@pytest.mark.parametrize("damage", FAULTS)
@settings(deadline=None, max_examples=40)
@given(message=st.binary(max_size=120), random16=st.binary(min_size=16, max_size=16))
def test_damage_shows_its_fault(damage: Damage, message: bytes, random16: bytes) -> None:
    text = damaged(ENVELOPE, damage, message, random16=random16, timestamp="1", nonce="n")
    with pytest.raises(EnvelopeError) as caught:
        ENVELOPE.open(text)
    assert FAULTS[damage] == caught.value.fault


def test_another_tail_opens_and_shows_the_other_key() -> None:
    text = damaged(ENVELOPE, Damage.OTHER_TAIL, b"{}", random16=b"r" * 16, timestamp="1", nonce="n")
    assert ENVELOPE.open(text).key == OTHER_KEY


def test_only_another_tail_is_no_fault_of_the_envelope() -> None:
    assert set(Damage) - set(FAULTS) == {Damage.OTHER_TAIL}


def test_a_length_read_as_signed_would_be_negative() -> None:
    text = damaged(
        ENVELOPE, Damage.LENGTH_NEGATIVE, b"{}", random16=b"r" * 16, timestamp="1", nonce="n"
    )
    length = ENVELOPE.decrypt(text.encrypt)[16:20]
    assert int.from_bytes(length, "big", signed=True) == -4
