"""A command prompt: see prompt.py, which runs on Windows' side."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.tools.windows.program import Program
from tests.tools.windows.wine import outcome, windows_path

_SCRIPT = Path(__file__).with_name("prompt.py")
_LIMIT_S = 180


@dataclass(frozen=True, slots=True)
class Prompt:
    """A console."""

    python: Path

    def run(self, program: Program, *words: str, stop_at: str = "", keys: str = "") -> Any:
        """Return what the console shows after the program ran on it, and the exit code.

        `keys` are typed as soon as the program asks; once the console shows `stop_at`, Ctrl+C is
        pressed.
        """
        started = self.start(program, *words, stop_at=stop_at, keys=keys)
        out, err = outcome(started, b"", _LIMIT_S)
        assert out, err
        return json.loads(out)

    def start(
        self, program: Program, *words: str, stop_at: str = "", keys: str = ""
    ) -> "subprocess.Popen[bytes]":
        """Start the program on a console."""
        command = (windows_path(program.exe), "--data-dir", windows_path(program.data), *words)
        # A word of JSON: backspace and the like do not survive a command line.
        script = (windows_path(_SCRIPT), stop_at, json.dumps(keys).strip('"'))
        return program.wine.start(self.python, *script, *command)
