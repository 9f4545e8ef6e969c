"""A desktop under Wine with task bar and notification area, and a hand for mouse and keyboard.

What is shown is asked of Windows where Windows knows it (windows, the texts of its own dialogs,
the clipboard: see insider.py); pixels are looked at only for what a program draws itself.
"""

import io
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import IO, Any, TypeVar

from PIL import Image, ImageChops

from server.config.settings import Language
from tests.tools.windows.program import Finished, kill, processes, until
from tests.tools.windows.wine import Wine, outcome, windows_path
from ui.assets.icons import _TRAY_FILLS
from ui.shell.tray import SEPARATOR, Command, Entry
from ui.words.health import Health

_INSIDER = Path(__file__).with_name("insider.py")
_TASK_BAR_PX = 30  # at 100 %, and a little more
_TOLERANCE = 28  # smooth edges, and what Windows does to a picture that it makes smaller
_LIMIT_S = 60.0
_AGAIN_S = 10.0  # then a person would click once more
T = TypeVar("T")
Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """A Windows: the language it speaks, and how large it draws."""

    language: Language
    locale: str
    dots_per_inch: int
    screen: str


@dataclass(frozen=True, slots=True)
class Window:
    """A window as Windows describes it. `says` holds the texts of a dialog of the system's own."""

    title: str
    kind: str
    pid: int
    place: tuple[int, int, int, int]
    says: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Desktop:
    """One running desktop."""

    screen: str
    scale: float
    _insider: IO[str]
    _steps: Iterator[int] = field(default_factory=count)

    # --- what Windows tells

    def windows(self) -> list[Window]:
        """Return the windows that can be seen, the foremost first."""
        found = self.ask("windows")
        return [
            Window(**{**one, "place": tuple(one["place"]), "says": tuple(one["says"])})
            for one in found
        ]

    def window(self, title: str) -> Window:
        """Wait for the window with this title."""
        return self.wait_for(
            lambda: next((one for one in self.windows() if one.title == title), None),
            f"the window {title}",
        )

    def is_open(self, title: str) -> bool:
        """Tell whether a window with this title can be seen."""
        return any(one.title == title for one in self.windows())

    def message_box(self) -> Window:
        """Wait for a message box of the system."""
        return self.wait_for(
            lambda: next((one for one in self.windows() if one.kind == "#32770"), None),
            "a message box",
        )

    def clipboard(self) -> str:
        """Return the text on the clipboard."""
        return str(self.ask("clipboard"))

    def ask(self, name: str, argument: object = None) -> Any:
        """Ask the insider."""
        self._insider.write(json.dumps([name, argument]) + "\n")
        self._insider.flush()
        return json.loads(self._insider.readline())

    def start(self, exe: Path, *words: str, profile: Path) -> None:
        """Start a program as a double-click does, for the user with this profile."""
        self.ask("start", _order(exe, words, profile))

    def run(self, exe: Path, *words: str, profile: Path) -> Finished:
        """Run a command to its end.

        From within: a program from outside would have Wine open a second desktop, which keeps
        that program's pipes and lives on.
        """
        return Finished(**self.ask("run", _order(exe, words, profile)))

    # --- mouse and keyboard

    def key(self, *names: str) -> None:
        """Press keys one after the other, such as `Tab` and `alt+n`."""
        self._do("key", "--delay", "60", *names)

    def key_in(self, window: Window, *names: str) -> None:
        """Press keys in a window; after one with Alt, Wine ignores a click elsewhere."""
        self.click_in(window)
        self.key(*names)
        self.click_in(window)

    def type(self, text: str) -> None:
        """Type text."""
        self._do("type", "--delay", "15", text)

    def click(self, x: int, y: int, button: int = 1) -> None:
        """Click a point of the screen."""
        self._do("mousemove", str(x), str(y), "click", str(button))

    def click_in(self, window: Window) -> None:
        """Click a window's title bar, which gives it the keyboard."""
        left, top, right, _ = window.place
        # Elsewhere than the last time: twice at one place would be a double-click.
        across = left + (right - left) // 3 + next(self._steps) % 9 * 20
        self.click(across, top + round(12 * self.scale))

    def close(self, window: Window) -> None:
        """Click the cross at a window's corner."""
        _, top, right, _ = window.place

        def is_closed() -> bool:
            self.click(right - round(14 * self.scale), top + round(13 * self.scale))
            return until(lambda: not self.is_open(window.title), _AGAIN_S)

        self.wait_for(is_closed, f"the end of {window.title}")

    def _do(self, *words: str) -> None:
        # xdotool's own waiting suits window managers; there is none here.
        environment = os.environ | {"DISPLAY": self.screen}
        subprocess.run(["xdotool", *words], env=environment, timeout=_LIMIT_S, check=True)

    # --- what is drawn

    def picture(self) -> Image.Image:
        """Return what the screen shows."""
        return picture_of(self.screen)

    def shows(self, colour: str, window: Window, *, at_least: int = 20) -> bool:
        """Tell whether a window has so many points of a colour."""
        return len(_points_of(self.picture().crop(window.place), colour)) >= at_least

    def tray_icon(self, health: Health) -> tuple[int, int]:
        """Wait until the notification area shows a state; returns where."""
        return self.wait_for(lambda: self.find_tray_icon(health), f"the icon {health}")

    def find_tray_icon(self, health: Health) -> tuple[int, int] | None:
        """Return where the notification area shows a state, None where it does not."""
        screen = self.picture()
        left, top = screen.width // 2, screen.height - round(_TASK_BAR_PX * self.scale)
        corner = screen.crop((left, top, screen.width, screen.height))
        found = _points_of(corner, _TRAY_FILLS[health])
        if len(found) < 20:
            return None
        across, down = [sorted(places) for places in zip(*found, strict=True)]
        return left + across[len(across) // 2], top + down[len(down) // 2]

    def choose(self, menu: Sequence[Entry], health: Health, command: Command) -> None:
        """Choose from the tray's menu with the mouse; Wine gives such a menu no keyboard."""

        def is_opened() -> bool:
            self.click(*self.tray_icon(health), button=3)
            return until(lambda: bool(self._menus()), _AGAIN_S)

        self.wait_for(is_opened, "the menu")
        seen: set[tuple[int, ...]] = set()
        for entries, chosen in _way_to(menu, command):
            place = self.wait_for(lambda: next(iter(self._menus() - seen), None), "the next menu")
            seen.add(place)
            self.click((place[0] + place[2]) // 2, _height_of(entries, chosen, place))

    def _menus(self) -> set[tuple[int, ...]]:
        return {one.place for one in self.windows() if one.kind == "#32768"}

    def wait_for(self, what: Callable[[], T | None], name: str = "") -> T:
        """Wait for something to be there, and return it."""
        found: list[T] = []

        def look() -> bool:
            result = what()
            if result:
                found.append(result)
            return bool(result)

        assert until(look, _LIMIT_S), f"{name or what} did not come; there are {self.windows()}"
        return found[-1]


def _order(exe: Path, words: Sequence[str], profile: Path) -> dict[str, object]:
    folders = dict.fromkeys(("LOCALAPPDATA", "TEMP", "TMP"), windows_path(profile))
    return {"command": [windows_path(exe), *words], "environment": folders}


def _way_to(menu: Sequence[Entry], command: Command) -> Sequence[tuple[Sequence[Entry], Entry]]:
    """Return the menus to open one after the other, each with what to click there."""
    for entry in menu:
        if entry.command is command:
            return [(menu, entry)]
        if below := _way_to(entry.entries, command):
            return [(menu, entry), *below]
    return []


def _height_of(menu: Sequence[Entry], chosen: Entry, place: tuple[int, ...]) -> int:
    """Return where an entry stands on the screen: a separator is half as high as the others."""
    heights = [1 if entry is SEPARATOR else 2 for entry in menu]
    at = next(number for number, entry in enumerate(menu) if entry is chosen)
    share = (sum(heights[:at]) + 1) / sum(heights)
    return place[1] + round(share * (place[3] - place[1]))


def _points_of(picture: Image.Image, colour: str) -> list[tuple[int, int]]:
    wanted = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    # Each colour's share of the picture, as a mask: far faster than to look at point by point.
    red, green, blue = (
        band.point([255 * (abs(level - near) <= _TOLERANCE) for level in range(256)])
        for band, near in zip(picture.split(), wanted, strict=True)
    )
    mask = ImageChops.darker(ImageChops.darker(red, green), blue).tobytes()
    return [divmod(at, picture.width)[::-1] for at, is_near in enumerate(mask) if is_near]


@contextmanager
def _drawing_at(wine: Wine, dots_per_inch: int) -> Iterator[None]:
    """Have Windows draw larger; programs take it up at their start."""

    def draw_at(value: int) -> None:
        place = (r"HKCU\Control Panel\Desktop", "/v", "LogPixels", "/t", "REG_DWORD")
        changing = wine.start("reg", "add", *place, "/d", str(value), "/f")
        _, errors = outcome(changing, b"", _LIMIT_S)
        assert changing.returncode == 0, errors

    draw_at(dots_per_inch)
    try:
        yield
    finally:
        draw_at(96)


def picture_of(screen: str) -> Image.Image:
    """Return what a screen shows."""
    shot = subprocess.run(
        ["import", "-display", screen, "-window", "root", "png:-"],
        capture_output=True,
        timeout=_LIMIT_S,
        check=True,
    )
    return Image.open(io.BytesIO(shot.stdout)).convert("RGB")


@contextmanager
def a_screen(size: str) -> Iterator[str]:
    """Run a screen without a monitor and yield its name."""
    with subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            number = server.stdout.readline().strip()
            assert number, "Xvfb did not start"
            yield f":{number}"
        finally:
            server.terminate()


@contextmanager
def desktop(wine: Wine, python: Path, look: Look) -> Iterator[Desktop]:
    """Open a desktop that fills a screen, with the insider in it, and close it."""
    with (
        a_screen(look.screen) as screen,
        _drawing_at(wine, look.dots_per_inch),
        socket.create_server(("127.0.0.1", 0)) as door,
        _shell(
            replace(wine, language=look.locale, display=screen),
            windows_path(python),
            look.screen,
            door.getsockname()[1],
        ),
    ):
        door.settimeout(_LIMIT_S)
        connection, _ = door.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as insider:
            connection.settimeout(_LIMIT_S)
            opened = Desktop(screen, look.dots_per_inch / 96, insider)
            opened.ask("empty clipboard")
            yield opened


@contextmanager
def _shell(wine: Wine, python: str, size: str, port: int) -> Iterator[None]:
    inside = (python, windows_path(_INSIDER), str(port))
    shell = wine.start("explorer", f"/desktop=shell,{size}", *inside)
    try:
        yield
    finally:
        # This desktop only: others may have theirs.
        kill(processes(b"/desktop=shell", str(port).encode()))
        for stream in (shell.stdin, shell.stdout, shell.stderr):
            if stream is not None:
                stream.close()
        shell.wait(_LIMIT_S)
