"""What the programs do on a prompt, through pipes, and at their socket."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.version import VERSION
from tests.crypto.made_up import AES_KEYS, KEYS, TOKENS

BUILT = Path(os.environ["DINGBRIDGE_BUILT"]).resolve()
PROMPT = Path(__file__).parents[1] / "tools/windows/prompt.py"
SETTINGS = {
    "callback": {
        "host": "127.0.0.1",
        "port": 0,
        "token": TOKENS[0],
        "aes_key": AES_KEYS[0],
        "key": KEYS[0],
    },
    "ui": {"language": "en"},
}
_LIMIT_S = 100


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command did and said."""

    code: int
    out: str
    err: str


def _run(command: list[str], text: str = "") -> Finished:
    # Into files, and not to the end of pipes: what a program leaves running would hold those open.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(
            command, input=text.encode(), stdout=out, stderr=err, timeout=_LIMIT_S, check=False
        )
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read().decode().replace("\r\n", "\n"))
    return Finished(done.returncode, *said)


@dataclass(frozen=True, slots=True)
class Built:
    """One of the programs, on a data folder of its own."""

    exe: Path
    data: Path

    def run(self, *words: str, text: str = "") -> Finished:
        return _run([str(self.exe), "--data-dir", str(self.data), *words], text)

    def on_a_prompt(self, *words: str, stop_at: str = "") -> Any:
        """Return the exit code and what the console shows; Ctrl+C once it shows `stop_at`."""
        prompt = [sys.executable, str(PROMPT), stop_at, ""]
        done = _run([*prompt, str(self.exe), "--data-dir", str(self.data), *words])
        assert done.code == 0, done.err
        return json.loads(done.out)


@pytest.fixture(params=["DingBridge.exe", "DingBridge-portable/DingBridge.exe"])
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    one = Built(BUILT / str(request.param), tmp_path / "张 三" / "数据 文件夹")
    configured = one.run("configure", text=json.dumps(SETTINGS))
    assert (configured.code, configured.err) == (0, "")
    return one


def test_it_says_its_version(built: Built) -> None:
    assert built.run("--version").out == f"{VERSION}\n"


def test_a_command_prints_on_the_prompt_it_was_started_from(built: Built) -> None:
    shown = built.on_a_prompt("status")

    assert shown["code"] == 0
    assert shown["screen"].startswith("Service: not running")


def test_an_error_reaches_the_prompt_too(built: Built) -> None:
    shown = built.on_a_prompt("sing")

    assert shown["code"] == 2
    assert "invalid choice: 'sing'" in shown["screen"]


def test_a_callback_makes_its_round_trip(built: Built) -> None:
    done = built.run("self-test", "--json")

    assert done.code == 0, done.out
    assert json.loads(done.out)["passed"] is True


def test_ctrl_c_on_the_prompt_stops_the_service_in_order(built: Built) -> None:
    shown = built.on_a_prompt("serve", stop_at="listening on")

    assert shown["code"] == 0
    assert shown["screen"].startswith("listening on http://127.0.0.1:")
    log = (built.data / "logs/dingbridge.log").read_text("utf-8")
    assert log.rstrip().endswith("Stopped")


def test_secrets_are_sealed_by_windows(built: Built) -> None:
    stored = (built.data / "secrets.json").read_text("utf-8")

    assert TOKENS[0] not in stored
    assert AES_KEYS[0] not in stored
