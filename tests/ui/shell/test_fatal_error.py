import sys
from pathlib import Path

import pytest

from ui.shell.fatal_error import show_fatal_error

MISTAKE = ImportError("DLL load failed while importing _tkinter")


def test_the_reason_is_shown_in_one_line_and_the_rest_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_fatal_error(MISTAKE, tmp_path / "logs")

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

    show_fatal_error(MISTAKE, tmp_path / "file" / "logs")

    shown = capsys.readouterr().err
    assert "_tkinter" in shown
    assert "crash.txt" not in shown


def test_the_report_is_kept_where_there_is_no_standard_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)

    show_fatal_error(MISTAKE, tmp_path)

    assert str(MISTAKE) in (tmp_path / "crash.txt").read_text("utf-8")
