"""Before the first window: what keeps the program from starting is shown, not printed."""

import tkinter as tk
from pathlib import Path

import pytest

from server.api.app import App
from server.config.paths import DataFolder
from server.config.settings import Language
from ui.shell.program import Start
from ui.shell.single import SingleInstance
from ui.shell.starting import run_program
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)


@pytest.fixture(autouse=True)
def _one_root(monkeypatch: pytest.MonkeyPatch, root: tk.Tk) -> None:
    monkeypatch.setattr("ui.shell.starting.tk.Tk", lambda **_: root)


def test_a_data_folder_that_cannot_be_used_is_shown_with_its_path(
    tmp_path: Path, told: list[str]
) -> None:
    (tmp_path / "file").touch()
    folder = DataFolder(tmp_path / "file" / "data")

    assert run_program(App(folder), ENGLISH, Start()) == 1

    (text,) = told
    told.clear()
    assert str(folder.root) in text
    assert "--data-dir" in text


def test_a_first_program_that_does_not_answer_is_told(tmp_path: Path, told: list[str]) -> None:
    first = SingleInstance(DataFolder(tmp_path))
    assert first.acquire()

    assert run_program(App(DataFolder(tmp_path)), ENGLISH, Start()) == 1

    first.release()
    assert "does not respond" in told.pop()
