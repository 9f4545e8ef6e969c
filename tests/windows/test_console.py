import json
from pathlib import Path

import pytest

from tests.tools.windows.console import Prompt
from tests.tools.windows.program import Program, until
from tests.tools.windows.wine import outcome


@pytest.fixture
def prompt(python: Path) -> Prompt:
    return Prompt(python)


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


def test_ctrl_c_on_the_prompt_stops_the_service_in_order(one_file: Program, prompt: Prompt) -> None:
    shown = prompt.run(one_file, "serve", stop_at="listening on")
    assert shown["code"] == 0
    assert shown["screen"].startswith("listening on http://127.0.0.1:")
    assert one_file.log().rstrip().endswith("Stopped")
    assert not one_file.pids()


def test_the_prompts_end_is_not_the_end_of_the_program_with_windows(
    one_file: Program, prompt: Prompt
) -> None:
    started = prompt.start(one_file, stop_at="?")
    try:
        assert until(lambda: bool(one_file.run("status", "--json").document["service"]["address"]))
        out, err = outcome(started, b"\n", 60)
        assert out, err
        assert json.loads(out) == {"code": None, "screen": ""}
        assert not until(lambda: not one_file.pids(), 2)
    finally:
        one_file.end()
        started.kill()
