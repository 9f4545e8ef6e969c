"""What the commands print where; whole processes are tested in tests/e2e."""

import sys
from pathlib import Path

import pytest

from server.api.app import App
from server.config.paths import DataFolder
from server.config.settings import Language
from server.errors.base import (
    AlreadyRunningError,
    DingBridgeError,
    FileDamagedError,
    PortInUseError,
    SettingsError,
)
from ui.console.commands import report_error, texts_for
from ui.console.output import say
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (SettingsError([]), 2),
        (FileDamagedError(path="p", reason="r"), 2),
        (PortInUseError(port=1, holder="x"), 1),
        (AlreadyRunningError(pid=1, address="a", path="p"), 1),
        (DingBridgeError(), 1),
    ],
)
def test_wrong_settings_are_2_and_failures_1(
    failure: DingBridgeError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_error(failure, ENGLISH, as_json=False) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[0] == str(failure.title)
    assert report_error(failure, ENGLISH, as_json=True) == code
    assert capsys.readouterr().out.startswith("{")


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("a\x1b[2Jb\r\n\u202ec")
    assert capsys.readouterr().err == "a [2Jb   c\n"


def test_without_standard_error_nothing_is_said_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    say("lost")
    assert capsys.readouterr().out == ""


def test_the_language_of_settings_that_cannot_be_read_is_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    app = App(DataFolder(tmp_path))
    app.configure({"ui": {"language": "zh-CN"}})
    assert texts_for(app).language is Language.CHINESE
    app.folder.settings.write_text("{")
    assert texts_for(app).language is Language.ENGLISH
