"""What is kept of a failure under Wine, where nobody can look again: who runs, and what was logged.

The credentials in these logs are made up.
"""

from collections.abc import Iterator
from pathlib import Path

from tests.tools.windows.program import command_lines

_LONGEST = 6000
_OF_WINE = (".exe", "wineserver", "Xvfb")


def gathered(folder: Path | None) -> Iterator[tuple[str, str]]:
    """Yield a title and a text each; `folder` is where the test kept its files."""
    yield "programs under Wine", "\n".join(_programs())
    for path in sorted(folder.rglob("logs/*")) if folder is not None else []:
        yield str(path), path.read_text(encoding="utf-8", errors="replace")[-_LONGEST:]


def _programs() -> Iterator[str]:
    for pid, line in command_lines():
        text = line.replace(b"\0", b" ").decode("utf-8", "replace")
        if any(mark in text for mark in _OF_WINE):
            yield f"{pid} {text}"
