"""The simulator's own envelope against what others published, and against itself."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.simulator.dingtalk.envelope import (
    Envelope,
    EnvelopeError,
    EnvelopeFault,
    SignedText,
    framed,
    padded,
    unpadded,
)
from tests.vectors.make_callback import CANONICAL, NON_CANONICAL, PATH, as_text

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(PATH.read_text(encoding="utf-8"))
PUBLISHED_PADDING = {"V1": 22, "V2": 22, "V4": 27, "V6": 17}


def each(group: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", VECTORS[group], ids=lambda vector: vector["id"])


def envelope_of(vector: dict[str, Any]) -> Envelope:
    return Envelope(vector["token"], vector["aes_key"], vector["key"])


def text_of(vector: dict[str, Any]) -> SignedText:
    names = ("signature", "timestamp", "nonce", "encrypt")
    return SignedText(*(vector[name] for name in names))


def test_the_file_of_vectors_is_what_its_maker_writes() -> None:
    assert PATH.read_text(encoding="utf-8") == as_text()


def test_every_vector_has_a_source_and_an_id_of_its_own() -> None:
    for group in VECTORS.values():
        assert all(one["source"] for one in group)
        assert len({one["id"] for one in group}) == len(group)


@each("generate")
def test_sealing_gives_the_text_and_the_signature_of_the_vector(vector: dict[str, Any]) -> None:
    message = (vector["plaintext"] * vector.get("times", 1)).encode()
    sealed = envelope_of(vector).seal(
        message,
        random16=bytes.fromhex(vector["random16_hex"]),
        timestamp=vector["timestamp"],
        nonce=vector["nonce"],
    )
    assert vector["signature"] == sealed.signature
    if "encrypt" in vector:
        assert vector["encrypt"] == sealed.encrypt
    else:
        assert vector["encrypt_sha256"] == hashlib.sha256(sealed.encrypt.encode()).hexdigest()
        assert vector["encrypt_length"] == len(sealed.encrypt)


@each("verify")
def test_opening_gives_the_message_and_the_key_of_the_vector(vector: dict[str, Any]) -> None:
    opened = envelope_of(vector).open(text_of(vector))
    assert (vector["plaintext"], vector["key"]) == (opened.message.decode(), opened.key)


@each("invalid")
def test_opening_a_bad_envelope_names_its_fault(vector: dict[str, Any]) -> None:
    with pytest.raises(EnvelopeError) as caught:
        envelope_of(vector).open(text_of(vector))
    assert vector["fault"] == caught.value.fault


def test_the_invalid_vectors_show_every_fault() -> None:
    assert set(EnvelopeFault) == {vector["fault"] for vector in VECTORS["invalid"]}


@pytest.mark.parametrize("vector", VECTORS["generate"][:4], ids=lambda vector: vector["id"])
def test_published_texts_have_the_random_bytes_and_padding_stated(vector: dict[str, Any]) -> None:
    plain = envelope_of(vector).decrypt(vector["encrypt"])
    assert vector["random16_hex"] == plain[:16].hex()
    assert PUBLISHED_PADDING[vector["id"]] == plain[-1]


def test_a_published_text_with_a_foreign_signature_is_sound_but_for_that() -> None:
    (v6b,) = (vector for vector in VECTORS["invalid"] if vector["id"] == "V6b")
    (signed,) = (vector for vector in VECTORS["verify"] if vector["id"] == "V6b-signed")
    assert v6b["encrypt"] == signed["encrypt"]
    assert v6b["signature"] != signed["signature"]


def test_sizes_reach_the_smallest_and_the_greatest_padding() -> None:
    paddings = {one["pad_bytes"] for one in VECTORS["generate"] if "pad_bytes" in one}
    assert {1, 32} <= paddings


def test_aes_keys_that_differ_in_unused_bits_only_are_one_key() -> None:
    sealed = CANONICAL.envelope().seal(b"success", random16=b"r" * 16, timestamp="1", nonce="n")
    assert CANONICAL.aes_key != NON_CANONICAL.aes_key
    assert NON_CANONICAL.envelope().open(sealed).message == b"success"


def test_a_text_padded_to_16_bytes_only_is_no_genuine_one() -> None:
    envelope = CANONICAL.envelope()
    with pytest.raises(EnvelopeError) as caught:
        envelope.decrypt(envelope.encrypt(b"x" * 48))
    assert caught.value.fault == EnvelopeFault.UNALIGNED


def test_the_random_part_must_have_16_bytes() -> None:
    with pytest.raises(ValueError, match="16"):
        framed(b"short", b"", b"key")


def test_an_error_holds_none_of_the_content() -> None:
    envelope = CANONICAL.envelope()
    text = envelope.signed("c2VjcmV0", timestamp="1", nonce="n")
    with pytest.raises(EnvelopeError) as caught:
        envelope.open(text)
    assert str(caught.value) == "too_short"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_unpadding_undoes_padding_to_whole_blocks(plain: bytes) -> None:
    assert len(padded(plain)) % 32 == 0
    assert plain == unpadded(padded(plain))


@settings(deadline=None)
@given(message=st.binary(max_size=300), random16=st.binary(min_size=16, max_size=16))
def test_opening_undoes_sealing(message: bytes, random16: bytes) -> None:
    envelope = CANONICAL.envelope()
    opened = envelope.open(envelope.seal(message, random16=random16, timestamp="1", nonce="n"))
    assert (random16, message, CANONICAL.key) == (opened.random16, opened.message, opened.key)
