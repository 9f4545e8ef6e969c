from pathlib import Path

import pytest

from ui.last_word import show_mistake

MISTAKE = ImportError("DLL load failed while importing _tkinter")


def test_the_reason_is_shown_in_one_line_and_the_rest_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_mistake(MISTAKE, tmp_path / "logs")

    shown = capsys.readouterr().err
    kept = tmp_path / "logs" / "crash.txt"
    assert "ImportError: DLL load failed while importing _tkinter" in shown
    assert "Traceback" not in shown
    assert str(kept) in shown
    assert str(MISTAKE) in kept.read_text("utf-8")


def test_it_is_shown_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    show_mistake(MISTAKE, tmp_path / "file" / "logs")

    shown = capsys.readouterr().err
    assert "_tkinter" in shown
    assert "crash.txt" not in shown
