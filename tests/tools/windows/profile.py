"""A program started in a Windows profile of the test's own."""

import json
from pathlib import Path
from typing import Any

from tests.tools.windows.program import Program
from tests.tools.windows.wine import outcome, windows_path

# Wine sets the folders of the profile itself; only who is started by a Windows program can be
# given others.
_IN_PROFILE = """
import json, os, subprocess, sys
profile, program, *words = sys.argv[1:]
folders = {"LOCALAPPDATA": profile, "TEMP": profile, "TMP": profile}
done = subprocess.run(
    [program, *words], env=os.environ | folders, capture_output=True, stdin=subprocess.PIPE
)
json.dump({"code": done.returncode, "out": done.stdout.decode("ascii", "replace")}, sys.stdout)
"""


def in_profile(program: Program, python: Path, profile: Path, *words: str) -> Any:
    """Return what the program did, started without --data-dir in a profile of its own."""
    command = (windows_path(profile), windows_path(program.exe), *words)
    out, err = outcome(program.wine.start(python, "-c", _IN_PROFILE, *command), b"", 120)
    assert out, err
    return json.loads(out)
