import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto.signature import is_signed, sign
from server.simulator.dingtalk.envelope import Envelope as DingTalkEnvelope
from tests.crypto.made_up import AES_KEYS
from tests.crypto.vectors import VECTORS, Vector

ANYTHING = st.text(st.characters())  # halves of surrogate pairs too


@pytest.mark.parametrize("vector", VECTORS["verify"], ids=lambda vector: vector["id"])
def test_every_published_signature_is_made_and_accepted(vector: Vector) -> None:
    parts = (vector["token"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert vector["signature"] == sign(*parts)
    assert is_signed(vector["signature"], *parts)


@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS["invalid"] if one["fault"] == "wrong_signature"],
    ids=lambda vector: vector["id"],
)
def test_every_wrong_signature_is_refused(vector: Vector) -> None:
    parts = (vector["token"], vector["timestamp"], vector["nonce"], vector["encrypt"])
    assert not is_signed(vector["signature"], *parts)


@given(parts=st.tuples(*[st.text(st.characters(codec="utf-8"))] * 4))
def test_it_signs_as_dingtalk_does(parts: tuple[str, str, str, str]) -> None:
    token, *rest = parts
    assert DingTalkEnvelope(token, AES_KEYS[0], "k").sign(*rest) == sign(*parts)


@given(signature=ANYTHING, parts=st.tuples(*[ANYTHING] * 4))
def test_no_text_at_all_makes_the_comparison_fail(
    signature: str, parts: tuple[str, str, str, str]
) -> None:
    assert (signature == sign(*parts)) == is_signed(signature, *parts)


def test_upper_case_is_another_signature() -> None:
    signature = sign("a", "b", "c", "d")
    assert not is_signed(signature.upper(), "a", "b", "c", "d")
