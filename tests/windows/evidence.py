"""What is kept of a failure under Wine, where nobody can look again: who runs, and what was logged.

The credentials in these logs are made up.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 6000
_OF_WINE = (".exe", "wineserver", "Xvfb")


def gathered(folder: Path | None) -> Iterator[tuple[str, str]]:
    """Yield a title and a text each; `folder` is where the test kept its files."""
    yield "programs under Wine", _programs()
    for path in sorted(folder.rglob("logs/*")) if folder is not None else []:
        yield str(path), path.read_text(encoding="utf-8", errors="replace")[-_LONGEST:]


def _programs() -> str:
    """Return those that run, with their ages in seconds."""
    listed = subprocess.run(
        ["ps", "-eo", "pid,ppid,etimes,stat,args", "--width", "300"],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    )
    lines = listed.stdout.splitlines()
    return "\n".join(line for line in lines if any(mark in line for mark in _OF_WINE))
