"""Where windows stand, from one start to the next; always where they can be seen."""

import logging
import sys
import tkinter as tk
from pathlib import Path
from threading import Lock

from ui.state import remembered
from ui.state.remembered import Area, Remembered
from ui.state.session import Session

_log = logging.getLogger(__name__)

# What the title bar, the frame and the taskbar take of a screen's height, at 100 %.
_AROUND_PX = 80
_BESIDE_PX = 16

Size = tuple[int, int]


class WindowGeometry:
    """Keeps what the windows remember, in memory and in the data folder."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._saving = Lock()
        self._path: Path = session.app.folder.window_places
        session.remembered = remembered.load(self._path)

    def put(self, window: tk.Tk | tk.Toplevel, name: str, size: Size, least: Size) -> None:
        """Put a window where it was last time, or in the middle of the screen.

        Both sizes are for 100 %. A window may be smaller than `least` where the screen is.
        """
        theme = self._session.theme
        room = (
            window.winfo_screenwidth() - theme.px(_BESIDE_PX),
            window.winfo_screenheight() - theme.px(_AROUND_PX),
        )
        window.minsize(*map(min, map(theme.px, least), room))
        kept = self._session.remembered.windows.get(name)
        geometry = None if kept is None else remembered.fitted(kept, screen_of(window))
        width, height = map(min, map(theme.px, size), room)
        window.geometry(geometry or _centred(window, width, height))

    def note(self, window: tk.Tk | tk.Toplevel, name: str) -> None:
        """Remember where a window is; a maximised one keeps the place it had before."""
        if window.state() == "normal":
            geometry = window.geometry()
            self.keep(self._session.remembered.with_window(name, geometry))

    def keep(self, kept: Remembered) -> None:
        """Remember something else, and write it down."""
        if kept == self._session.remembered:
            return
        self._session.remembered = kept
        self._session.ask(self._save, lambda _: None, lambda failure: _log.warning("%s", failure))

    def _save(self) -> None:
        """Write the newest state; on any worker, one at a time."""
        with self._saving:
            remembered.save(self._path, self._session.remembered)


def screen_of(window: tk.Misc) -> Area:
    """Return the rectangle of all screens together, in pixels."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows only

        virtual_screen = (76, 77, 78, 79)  # SM_XVIRTUALSCREEN and the three that follow
        return Area(*map(ctypes.windll.user32.GetSystemMetrics, virtual_screen))
    return Area(0, 0, window.winfo_screenwidth(), window.winfo_screenheight())


def _centred(window: tk.Misc, width: int, height: int) -> str:
    left = (window.winfo_screenwidth() - width) // 2
    top = (window.winfo_screenheight() - height) // 3
    return f"{width}x{height}+{left}+{max(top, 0)}"
