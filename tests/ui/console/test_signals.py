"""The program with windows, ended by the system: in order, as its menu ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.api.app import App
from tests.ui.office import office
from tests.waiting import PATIENCE_S, until

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def language() -> str:
    return "en"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a program without asking it")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_program_in_order(
    tmp_path: Path, display: str, number: signal.Signals
) -> None:
    del display
    app = office(tmp_path / "data")
    command = [sys.executable, "main.py", "--data-dir", str(app.folder.root)]
    # The tray of this system: pystray's dummy, which the other tests use, cannot run beside tk.
    environment = {name: value for name, value in os.environ.items() if name != "PYSTRAY_BACKEND"}
    with subprocess.Popen(command, cwd=PROJECT, env=environment) as process:
        try:
            until(lambda: _listens(app))
            process.send_signal(number)
            assert process.wait(PATIENCE_S) == 0
        finally:
            process.kill()
    assert app.folder.log_file.read_text("utf-8").rstrip().endswith("Stopped")
    assert not app.status().service.is_running


def _listens(app: App) -> bool:
    return bool(app.status().service.address)
