from collections.abc import Callable
from pathlib import Path

import pytest

from server.config.settings import Language
from server.errors.base import SettingsError
from ui.console import passphrase as module
from ui.console.passphrase import passphrase
from ui.words.text import Texts

TEXTS = Texts(Language.ENGLISH)
Typist = Callable[..., None]


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Typist:
    """Somebody at the keyboard, who types these lines."""

    def types(*lines: str) -> None:
        waiting = list(lines)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr(module, "_typed", lambda _: waiting.pop(0))

    return types


def _problem(source: Path | None, *, is_new: bool = False) -> str:
    with pytest.raises(SettingsError) as caught:
        passphrase(source, TEXTS, is_new=is_new)
    (problem,) = caught.value.problems
    return f"{problem.name} {problem.message}"


def test_a_new_one_is_typed_twice_and_an_old_one_once(typist: Typist) -> None:
    typist("four made up words", "four made up words")
    assert passphrase(None, TEXTS, is_new=True) == "four made up words"
    typist("four made up words")
    assert passphrase(None, TEXTS, is_new=False) == "four made up words"


def test_two_entries_that_differ_are_refused_without_showing_them(typist: Typist) -> None:
    typist("four made up words", "four made up swords")

    said = _problem(None, is_new=True)
    assert "differ" in said
    assert "four" not in said


def test_where_nobody_can_type_the_option_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert _problem(None).startswith("--passphrase-file")


@pytest.mark.parametrize(
    "content",
    [
        "口令 with words".encode(),
        "口令 with words\r\nmore\r\n".encode(),
        "\ufeff口令 with words\n".encode(),
        "\ufeff口令 with words\r\n".encode("utf-16-le"),
        "\ufeff口令 with words\r\n".encode("utf-16-be"),
    ],
)
def test_the_first_line_of_a_file_counts_however_windows_wrote_it(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "phrase.txt"
    path.write_bytes(content)

    assert passphrase(path, TEXTS, is_new=True) == "口令 with words"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in _problem(tmp_path / "none.txt")
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in _problem(path)
    path.write_bytes(b"")
    assert passphrase(path, TEXTS, is_new=False) == ""
