import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crypto.sealed_stream import (
    HEADER_BYTES,
    SALT_BYTES,
    StreamCipher,
    StreamError,
    StreamFault,
)
from crypto.secret import Secret

PASSPHRASE = Secret("correct horse battery staple")
SALT = bytes(range(SALT_BYTES))
CHEAP = 1


def sealed(chunks: list[bytes], passphrase: Secret = PASSPHRASE) -> tuple[bytes, list[bytes]]:
    cipher = StreamCipher.new(passphrase, SALT, CHEAP)
    last = len(chunks) - 1
    return cipher.header, [
        cipher.seal(chunk, is_last=number == last) for number, chunk in enumerate(chunks)
    ]


def opened(header: bytes, chunks: list[bytes], passphrase: Secret = PASSPHRASE) -> list[bytes]:
    cipher = StreamCipher.of_header(header, passphrase)
    last = len(chunks) - 1
    return [cipher.open(chunk, is_last=number == last) for number, chunk in enumerate(chunks)]


def fault_of(header: bytes, chunks: list[bytes], passphrase: Secret = PASSPHRASE) -> StreamFault:
    with pytest.raises(StreamError) as caught:
        opened(header, chunks, passphrase)
    return caught.value.fault


@given(st.lists(st.binary(max_size=64), min_size=1, max_size=5))
@settings(max_examples=40)
def test_what_was_sealed_opens(chunks: list[bytes]) -> None:
    assert opened(*sealed(chunks)) == chunks


def test_the_cost_is_the_recommended_one_by_default() -> None:
    header = StreamCipher.new(PASSPHRASE, SALT).header

    # N = 2^17, r = 8, p = 1: https://cheatsheetseries.owasp.org (password storage, scrypt)
    assert header[len(b"DingBridge export\n") + 1] == 17
    assert StreamCipher.of_header(header, PASSPHRASE).header == header


def test_any_other_order_or_number_of_chunks_is_refused() -> None:
    header, (first, second, last) = sealed([b"one", b"two", b"three"])

    kept = {(first, second, last)}
    for count in (1, 2, 3, 4):
        for chosen in itertools.product((first, second, last), repeat=count):
            if chosen not in kept:
                assert fault_of(header, list(chosen)) is StreamFault.DAMAGED


def test_a_stream_cut_at_a_chunk_is_refused_although_each_chunk_is_whole() -> None:
    header, chunks = sealed([b"one", b"two", b"three"])

    assert fault_of(header, chunks[:2]) is StreamFault.DAMAGED


def test_no_bit_can_be_changed() -> None:
    header, (chunk,) = sealed([b"one"])

    for place in range(len(chunk)):
        changed = bytearray(chunk)
        changed[place] ^= 1
        assert fault_of(header, [bytes(changed)]) is StreamFault.DAMAGED
    for place in range(HEADER_BYTES):
        changed = bytearray(header)
        changed[place] ^= 1
        with pytest.raises(StreamError):
            opened(bytes(changed), [chunk])


def test_chunks_of_another_stream_do_not_fit() -> None:
    header, _ = sealed([b"one"])
    other = StreamCipher.new(PASSPHRASE, bytes(SALT_BYTES), CHEAP).seal(b"one", is_last=True)

    assert fault_of(header, [other]) is StreamFault.DAMAGED


def test_a_wrong_passphrase_is_told_from_damage() -> None:
    header, chunks = sealed([b"one"])

    assert fault_of(header, chunks, Secret("correct horse")) is StreamFault.PASSPHRASE


def test_a_passphrase_typed_in_other_code_points_is_the_same() -> None:
    header, chunks = sealed([b"one"], Secret("caf\u00e9 and croissants"))

    assert opened(header, chunks, Secret("cafe\u0301 and croissants")) == [b"one"]


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b"", StreamFault.FOREIGN),
        (b"PK\x03\x04" + bytes(60), StreamFault.FOREIGN),
        (b"DingBridge export\n", StreamFault.DAMAGED),
        (b"DingBridge export\n\x02\x01" + bytes(32), StreamFault.NEWER),
        (b"DingBridge export\n\x00\x01" + bytes(32), StreamFault.DAMAGED),
        (b"DingBridge export\n\x01\x00" + bytes(32), StreamFault.DAMAGED),
        # A forged cost must not make us take all the memory.
        (b"DingBridge export\n\x01\x1e" + bytes(32), StreamFault.DAMAGED),
    ],
)
def test_what_is_no_export_of_ours_is_named(header: bytes, fault: StreamFault) -> None:
    with pytest.raises(StreamError) as caught:
        StreamCipher.of_header(header, PASSPHRASE)
    assert caught.value.fault is fault


def test_a_chunk_too_short_for_a_tag_is_damage() -> None:
    header, _ = sealed([b"one"])

    assert fault_of(header, [b"short"]) is StreamFault.DAMAGED
