"""What the windows remember from one start to the next: places, sizes, how far the guide got.

Lies in `ui-state.json` in the data folder, apart from the settings: nobody misses it when it is
gone, so a file that cannot be read counts as none.
"""

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from server.config.files import read_image, write_atomically
from server.errors.base import FileAccessError

_log = logging.getLogger(__name__)

_GEOMETRY = re.compile(r"(\d{1,5})x(\d{1,5})([+-]-?\d{1,5})([+-]-?\d{1,5})")
# So much of a window must be on a screen for its title bar to be caught with the mouse.
_CATCH_PX = 80


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept. `windows` maps a window's name to its geometry as tk writes it."""

    windows: Mapping[str, str] = field(default_factory=dict)
    guide_step: int = 0
    is_guide_done: bool = False
    is_tray_explained: bool = False

    def with_window(self, name: str, geometry: str) -> "Remembered":
        """Return this with the place of one window."""
        return replace(self, windows={**self.windows, name: geometry})


def load(path: Path) -> Remembered:
    """Read the file; what is missing or strange is left at its default. Never fails."""
    try:
        found = json.loads(read_image(path).content or b"{}")
    except (FileAccessError, ValueError, RecursionError) as exc:
        _log.warning("The windows' places could not be read: %s", exc)
        return Remembered()
    return _parsed(found) if isinstance(found, dict) else Remembered()


def _parsed(found: dict[str, object]) -> Remembered:
    windows, step = found.get("windows"), found.get("guide_step")
    return Remembered(
        windows={
            name: text
            for name, text in (windows.items() if isinstance(windows, dict) else ())
            if isinstance(name, str) and isinstance(text, str) and _GEOMETRY.fullmatch(text)
        },
        guide_step=step if type(step) is int and step >= 0 else 0,
        is_guide_done=found.get("is_guide_done") is True,
        is_tray_explained=found.get("is_tray_explained") is True,
    )


def save(path: Path, remembered: Remembered) -> None:
    """Write the file. Raises FileAccessError."""
    write_atomically(path, json.dumps(asdict(remembered), indent=1).encode())


@dataclass(frozen=True, slots=True)
class Area:
    """A rectangle of the desktop in pixels; all screens together may begin left of 0."""

    left: int
    top: int
    width: int
    height: int


def fitted(geometry: str, screen: Area) -> str | None:
    """Return `geometry` moved and shrunk so that it can be seen and caught, None if it is none.

    A window that was on a screen which is gone comes back on the one that is left.
    """
    match = _GEOMETRY.fullmatch(geometry)
    if match is None:
        return None
    width = min(int(match[1]), screen.width)
    height = min(int(match[2]), screen.height)
    right, bottom = screen.left + screen.width, screen.top + screen.height
    x = _within(_offset(match[3]), screen.left - width + _CATCH_PX, right - _CATCH_PX)
    y = _within(_offset(match[4]), screen.top, bottom - _CATCH_PX)
    return f"{width}x{height}{x:+d}{y:+d}"


def _offset(text: str) -> int:
    """Read tk's `+10`, `+-10`; `-10` counts from the other edge, which nothing here writes."""
    return int(text[1:]) if text.startswith("+") else int(text)


def _within(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
