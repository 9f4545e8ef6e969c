from pathlib import Path

import pytest

from crypto import sealed_stream
from crypto.sealed_stream import CHUNK_BYTES, HEADER_BYTES, SEALED_CHUNK_BYTES, StreamCipher
from crypto.secret import Secret
from server.config.export_file import read_export, write_export
from server.errors.base import DingBridgeError, FileAccessError
from server.errors.export import (
    ExportDamagedError,
    ExportForeignError,
    ExportNewerError,
    PassphraseWrongError,
)

PASSPHRASE = Secret("made-up passphrase")
HEAD: dict[str, object] = {"name": "张三", "settings": {"callback": {"port": 9090}}}


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    new = StreamCipher.new
    monkeypatch.setattr(
        "server.config.export_file.StreamCipher.new", lambda one, salt: new(one, salt, 1)
    )


def _content(size: int) -> bytes:
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


def _export(tmp_path: Path, size: int) -> Path:
    database, target = tmp_path / "source.db", tmp_path / "moved.dingbridge"
    database.write_bytes(_content(size))
    write_export(target, PASSPHRASE, HEAD, database)
    return target


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK_BYTES - 200, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7]
)
def test_what_was_exported_comes_back(tmp_path: Path, size: int) -> None:
    target = _export(tmp_path, size)

    assert read_export(target, PASSPHRASE, tmp_path / "back.db") == HEAD
    assert (tmp_path / "back.db").read_bytes() == _content(size)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "back.db",
        "moved.dingbridge",
        "source.db",
    ]


def test_a_stream_that_ends_with_a_full_chunk_comes_back(tmp_path: Path) -> None:
    whole = _export(tmp_path, 0).stat().st_size
    room = CHUNK_BYTES - (whole - HEADER_BYTES - 16)
    target = _export(tmp_path, room)

    assert target.stat().st_size == HEADER_BYTES + SEALED_CHUNK_BYTES
    assert read_export(target, PASSPHRASE, tmp_path / "back.db") == HEAD
    assert (tmp_path / "back.db").read_bytes() == _content(room)


def test_nothing_can_be_read_in_the_file(tmp_path: Path) -> None:
    content = _export(tmp_path, 100).read_bytes()

    for readable in ("callback", "9090", "张三", "0123456789"):
        assert readable.encode() not in content


def test_it_is_for_its_owner_only(tmp_path: Path) -> None:
    assert _export(tmp_path, 10).stat().st_mode & 0o077 == 0


def _error(target: Path, tmp_path: Path, passphrase: Secret = PASSPHRASE) -> DingBridgeError:
    with pytest.raises(DingBridgeError) as caught:
        read_export(target, passphrase, tmp_path / "back.db")
    assert caught.value.values["path"] == str(target)
    return caught.value


def test_a_wrong_passphrase_is_named(tmp_path: Path) -> None:
    target = _export(tmp_path, 10)

    assert type(_error(target, tmp_path, Secret("another one"))) is PassphraseWrongError


@pytest.mark.parametrize("size", [10, 2 * CHUNK_BYTES])
def test_a_file_that_was_cut_is_damaged_wherever_it_was_cut(tmp_path: Path, size: int) -> None:
    target = _export(tmp_path, size)
    content = target.read_bytes()

    chunks = {HEADER_BYTES + SEALED_CHUNK_BYTES * number for number in range(3)}
    for length in {30, HEADER_BYTES - 1, *chunks, len(content) - 1} - {len(content)}:
        target.write_bytes(content[:length])
        if length < len(content):
            assert type(_error(target, tmp_path)) is ExportDamagedError


def test_a_file_with_something_added_or_changed_is_damaged(tmp_path: Path) -> None:
    target = _export(tmp_path, 2 * CHUNK_BYTES)
    content = target.read_bytes()
    second = HEADER_BYTES + SEALED_CHUNK_BYTES
    swapped = bytearray(content)
    swapped[HEADER_BYTES:second], swapped[second : second + SEALED_CHUNK_BYTES] = (
        content[second : second + SEALED_CHUNK_BYTES],
        content[HEADER_BYTES:second],
    )

    for wrong in (content + b"x", content + content[second:], bytes(swapped)):
        target.write_bytes(wrong)
        assert type(_error(target, tmp_path)) is ExportDamagedError


def test_another_file_and_a_newer_one_are_named(tmp_path: Path) -> None:
    target = tmp_path / "picture.png"
    target.write_bytes(b"\x89PNG" + bytes(100))
    assert type(_error(target, tmp_path)) is ExportForeignError
    target.write_bytes(b"")
    assert type(_error(target, tmp_path)) is ExportForeignError

    content = bytearray(_export(tmp_path, 10).read_bytes())
    content[len(b"DingBridge export\n")] += 1
    target.write_bytes(content)
    assert type(_error(target, tmp_path)) is ExportNewerError


@pytest.mark.parametrize(
    "plain",
    [
        b"",
        b"\x00" * 7,
        (5).to_bytes(8, "big") + b"{}",
        (1 << 62).to_bytes(8, "big"),
        (2).to_bytes(8, "big") + b"[]",
        (2).to_bytes(8, "big") + b"{'",
        (2).to_bytes(8, "big") + b"\xff\xff",
    ],
)
def test_a_genuine_stream_with_nonsense_in_it_is_damaged(tmp_path: Path, plain: bytes) -> None:
    cipher = StreamCipher.new(PASSPHRASE, bytes(sealed_stream.SALT_BYTES))
    target = tmp_path / "nonsense"
    target.write_bytes(cipher.header + cipher.seal(plain, is_last=True))

    assert type(_error(target, tmp_path)) is ExportDamagedError


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    target = tmp_path / "nowhere" / "moved.dingbridge"

    with pytest.raises(FileAccessError) as caught:
        write_export(target, PASSPHRASE, HEAD, None)
    assert caught.value.values["path"] == str(target)


def test_a_full_disk_leaves_the_former_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = _export(tmp_path, 10)
    before = target.read_bytes()

    def full(*_: object, **__: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StreamCipher, "seal", full)
    with pytest.raises(FileAccessError):
        write_export(target, PASSPHRASE, HEAD, None)

    assert target.read_bytes() == before
    assert list(tmp_path.glob("*.tmp")) == []
