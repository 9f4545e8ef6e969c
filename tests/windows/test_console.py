import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.windows.program import Program
from tests.windows.wine import windows_path

PROMPT = Path(__file__).with_name("prompt.py")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A console on a screen, for Windows opens none without."""

    python: Path
    screen: str

    def run(self, program: Program, *words: str, stop_at: str = "") -> Any:
        """What the console shows after the program was started on it, and the exit code."""
        command = (windows_path(program.exe), "--data-dir", windows_path(program.data), *words)
        started = program.wine.start(
            self.python,
            *(windows_path(PROMPT), stop_at, *command),
            extra={"DISPLAY": self.screen},
        )
        out, err = started.communicate(timeout=180)
        assert out, err
        return json.loads(out)


@pytest.fixture
def prompt(python: Path, screen: str) -> Prompt:
    return Prompt(python, screen)


def test_every_command_prints_on_the_prompt_it_was_started_from(
    either: Program, prompt: Prompt
) -> None:
    shown = prompt.run(either, "status")
    assert shown["code"] == 0
    assert shown["screen"].startswith("Service: not running")


def test_errors_reach_the_prompt_too(fresh: Program, prompt: Prompt) -> None:
    shown = prompt.run(fresh, "sing")
    assert shown["code"] == 2
    assert "invalid choice: 'sing'" in shown["screen"]


def test_ctrl_c_on_the_prompt_stops_the_service_in_order(program: Program, prompt: Prompt) -> None:
    shown = prompt.run(program, "serve", stop_at="listening on")
    assert shown["code"] == 0
    assert shown["screen"].startswith("listening on http://127.0.0.1:")
    assert program.log().rstrip().endswith("Stopped")
    assert not program.pids()
