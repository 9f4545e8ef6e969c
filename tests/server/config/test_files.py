import os
from contextlib import suppress
from pathlib import Path

import pytest

from server.config.files import (
    FileImage,
    JsonObject,
    parse_document,
    read_image,
    replace_files,
    write_atomically,
)
from server.errors.base import FileAccessError, FileNewerError


def rename_port(document: JsonObject) -> JsonObject:
    return {"port": document["prot"]}


def add_host(document: JsonObject) -> JsonObject:
    return {**document, "host": "pc"}


STEPS = (rename_port, add_host)
TODAY: JsonObject = {"version": 3, "port": 1, "host": "pc"}


@pytest.mark.parametrize(
    "stored",
    [
        b'{"prot": 1}',
        b'{"version": 1, "prot": 1}',
        b'{"version": 2, "port": 1}',
        b'{"version": 3, "port": 1, "host": "pc"}',
    ],
)
def test_older_formats_are_brought_forward_step_by_step(stored: bytes) -> None:
    assert parse_document(FileImage(Path("settings.json"), stored), STEPS) == TODAY


def test_a_format_of_the_future_is_refused() -> None:
    with pytest.raises(FileNewerError) as caught:
        parse_document(FileImage(Path("settings.json"), b'{"version": 4}'), STEPS)
    assert caught.value.values == {"path": "settings.json", "version": 4, "supported": 3}


def test_unchanged_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"same")
    before = path.stat()
    replace_files([(read_image(path), b"same")])
    assert path.stat() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_leftover_with_wide_rights_is_not_written_into(tmp_path: Path) -> None:
    leftover = tmp_path / "secrets.json.tmp"
    leftover.write_text("half")
    leftover.chmod(0o666)
    write_atomically(tmp_path / "secrets.json", b"whole")
    assert (tmp_path / "secrets.json").read_bytes() == b"whole"
    assert os.name == "nt" or (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


def test_when_one_of_two_files_does_not_fit_neither_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    genuine, calls = os.fsync, []

    def full_at_the_second(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        genuine(descriptor)

    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(FileAccessError) as caught:
        replace_files([(FileImage(one), b"1"), (FileImage(two), b"2")])
    assert caught.value.values == {"path": str(two), "reason": "No space left on device"}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_a_files_place_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        read_image(tmp_path)


@pytest.mark.parametrize(("refusals", "expected"), [(2, b"new"), (3, b"old")])
def test_windows_gets_a_few_attempts_while_a_scanner_holds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int, expected: bytes
) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    genuine, left = os.replace, [PermissionError(13, "in use")] * refusals

    def replace(source: Path, target: Path) -> None:
        if left:
            raise left.pop()
        genuine(source, target)

    monkeypatch.setattr("server.config.files._ATTEMPTS", 3)
    monkeypatch.setattr("server.config.files._PAUSE_S", 0)
    monkeypatch.setattr(os, "replace", replace)
    with suppress(FileAccessError):
        write_atomically(path, b"new")
    assert path.read_bytes() == expected


def test_when_the_second_of_two_files_cannot_be_replaced_the_first_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, new = tmp_path / "one", tmp_path / "two", tmp_path / "new"
    one.write_bytes(b"old one")
    two.write_bytes(b"old two")
    replace = Path.replace

    def refuse_two(source: Path, target: Path) -> Path:
        if target == two:
            raise PermissionError(13, "in use by another program")
        return replace(source, target)

    images = [(read_image(new), b"new"), (read_image(one), b"1"), (read_image(two), b"2")]
    monkeypatch.setattr("server.config.files._ATTEMPTS", 1)
    monkeypatch.setattr(Path, "replace", refuse_two)
    with pytest.raises(FileAccessError) as caught:
        replace_files(images)
    assert caught.value.values["path"] == str(two)
    assert (one.read_bytes(), two.read_bytes()) == (b"old one", b"old two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "one.bak", "two", "two.bak"]
