from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.envelope import Envelope, EnvelopeError, EnvelopeFault, Plaintext
from server.simulator.dingtalk.envelope import Envelope as DingTalkEnvelope
from server.simulator.dingtalk.envelope import framed, padded
from tests.crypto.made_up import AES_KEYS, RANDOM16
from tests.crypto.vectors import VECTORS, Vector, is_encrypt_of, plaintext
from tests.server.simulator.malformed import FAULTS, Damage, damaged

AES_KEY, KEY = AES_KEYS[0], "dingmadeupappkey0001"
MIXED_TEXT = st.text(st.sampled_from('aZ09 "\\{}\n钉桥企业微信😀👨‍👩‍👧é\0'), max_size=200)
RANDOM16S = st.binary(min_size=16, max_size=16)
DINGTALK = DingTalkEnvelope("token", AES_KEY, KEY)


def sealed_by_dingtalk(message: bytes, random16: bytes = RANDOM16, tail: str = KEY) -> str:
    return DINGTALK.encrypt(padded(framed(random16, message, tail.encode())))


@pytest.mark.parametrize("vector", VECTORS["generate"], ids=lambda vector: vector["id"])
def test_every_published_envelope_is_sealed_byte_by_byte(vector: Vector) -> None:
    sealed = Envelope(vector["aes_key"]).seal(
        plaintext(vector), vector["key"], bytes.fromhex(vector["random16_hex"])
    )
    assert is_encrypt_of(vector, sealed)


@pytest.mark.parametrize("vector", VECTORS["verify"], ids=lambda vector: vector["id"])
def test_every_published_envelope_opens(vector: Vector) -> None:
    opened = Envelope(vector["aes_key"]).open(vector["encrypt"])
    assert Plaintext(plaintext(vector), vector["key"]) == opened


@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS["invalid"] if one["fault"] in set(EnvelopeFault)],
    ids=lambda vector: vector["id"],
)
def test_every_invalid_envelope_is_refused_with_its_fault(vector: Vector) -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope(vector["aes_key"]).open(vector["encrypt"])
    assert vector["fault"] == caught.value.fault


@given(message=MIXED_TEXT.map(str.encode) | st.binary(max_size=300), random16=RANDOM16S)
def test_what_was_sealed_opens_as_it_was(message: bytes, random16: bytes) -> None:
    envelope = Envelope(AES_KEY)
    assert Plaintext(message, KEY) == envelope.open(envelope.seal(message, KEY, random16))


@given(size_bytes=st.integers(0, 64 * 1024), filling=st.sampled_from(["x", "钉", "😀", "\0"]))
@settings(max_examples=60)
def test_every_size_up_to_64_kib_opens_as_it_was(size_bytes: int, filling: str) -> None:
    message = (filling * size_bytes).encode()[:size_bytes]
    sealed = Envelope(AES_KEY).seal(message, KEY, RANDOM16)
    assert Plaintext(message, KEY) == Envelope(AES_KEY).open(sealed)
    assert sealed_by_dingtalk(message) == sealed


@given(messages=st.lists(st.tuples(MIXED_TEXT.map(str.encode), RANDOM16S), min_size=2, max_size=8))
def test_one_envelope_seals_the_same_after_any_earlier_seals(
    messages: list[tuple[bytes, bytes]],
) -> None:
    envelope = Envelope(AES_KEY)
    sealed = [envelope.seal(message, KEY, random16) for message, random16 in messages]
    assert [sealed_by_dingtalk(*one) for one in messages] == sealed


def test_ten_thousand_seals_later_it_still_seals_the_same() -> None:
    envelope = Envelope(AES_KEY)
    sealed = {envelope.seal(b"success", KEY, RANDOM16) for _ in range(10_000)}
    assert {sealed_by_dingtalk(b"success")} == sealed


def test_threads_seal_and_open_with_one_envelope() -> None:
    envelope = Envelope(AES_KEY)

    def work(worker: int) -> list[tuple[str, Plaintext]]:
        return [
            (sealed, envelope.open(sealed))
            for number in range(200)
            for sealed in [envelope.seal(f"{worker}:{number}".encode(), KEY, RANDOM16)]
        ]

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, range(8)))
    for worker, pairs in enumerate(results):
        messages = [f"{worker}:{number}".encode() for number in range(200)]
        assert [(sealed_by_dingtalk(one), Plaintext(one, KEY)) for one in messages] == pairs


def test_every_flipped_bit_is_refused_or_gives_another_letter() -> None:
    envelope = Envelope(AES_KEY)
    message = '{"EventType":"user_add_org","名":"😀"}'.encode()
    sealed = bytearray(b64decode(envelope.seal(message, KEY, RANDOM16)))
    for place in range(len(sealed)):
        for bit in (1, 0x10, 0x80):
            sealed[place] ^= bit
            opened = opened_or_none(envelope, b64encode(sealed).decode())
            sealed[place] ^= bit
            # A flipped random byte of the first block changes no message: that is CBC, and why
            # the signature is checked first.
            assert opened != Plaintext(message, KEY) or place < 2 * 16


def test_every_cut_and_every_extension_is_refused_or_gives_another_letter() -> None:
    envelope = Envelope(AES_KEY)
    sealed = envelope.seal(b"x" * 100, KEY, RANDOM16)
    raw = b64decode(sealed)
    for end in range(len(sealed)):
        assert opened_or_none(envelope, sealed[:end]) is None
    for end in range(len(raw)):
        assert opened_or_none(envelope, b64encode(raw[:end]).decode()) is None
    for extra in range(1, 65):
        opened = opened_or_none(envelope, b64encode(raw + bytes(extra)).decode())
        assert opened != Plaintext(b"x" * 100, KEY)


def opened_or_none(envelope: Envelope, encrypt: str) -> Plaintext | None:
    try:
        return envelope.open(encrypt)
    except EnvelopeError:
        return None


@given(encrypt=st.text() | st.from_regex(r"\A[A-Za-z0-9+/]{0,200}={0,2}\Z"))
@settings(max_examples=500)
def test_any_text_opens_or_is_refused_cleanly(encrypt: str) -> None:
    opened_or_none(Envelope(AES_KEY), encrypt)


@given(blocks=st.binary(min_size=32, max_size=320))
@settings(max_examples=500)
def test_any_bytes_in_the_right_place_open_or_are_refused_cleanly(blocks: bytes) -> None:
    whole = blocks[: len(blocks) // 16 * 16]
    opened_or_none(Envelope(AES_KEY), DINGTALK.encrypt(whole))


@pytest.mark.parametrize("damage", FAULTS.keys() - {Damage.WRONG_SIGNATURE})
def test_every_kind_of_damage_is_named(damage: Damage) -> None:
    text = damaged(DINGTALK, damage, b"x" * 50, random16=RANDOM16, timestamp="1", nonce="n")
    with pytest.raises(EnvelopeError) as caught:
        Envelope(AES_KEY).open(text.encrypt)
    assert FAULTS[damage].value == caught.value.fault.value


def test_a_refusal_carries_no_content() -> None:
    with pytest.raises(EnvelopeError) as caught:
        Envelope(AES_KEY).open("c2VjcmV0")
    assert str(caught.value) == "unaligned"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "aes_key", ["", "a" * 42, "a" * 44, "a" * 42 + "!", "a" * 42 + "钥", "a" * 42 + "="]
)
def test_what_is_no_aes_key_is_refused(aes_key: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - base64 and the cipher word it differently
        Envelope(aes_key)


def test_the_unused_bits_of_an_aes_key_change_nothing() -> None:
    sealed = {Envelope("a" * 42 + last).seal(b"m", KEY, RANDOM16) for last in "ABCD"}
    assert len(sealed) == 1


@pytest.mark.parametrize("size_bytes", [0, 15, 17])
def test_other_than_16_random_bytes_are_refused(size_bytes: int) -> None:
    with pytest.raises(ValueError, match="16 random bytes"):
        Envelope(AES_KEY).seal(b"m", KEY, bytes(size_bytes))
