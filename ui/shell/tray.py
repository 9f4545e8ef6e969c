"""The icon in the notification area: its state, its menu, its messages.

Clicks arrive on the tray's own thread; they are handed on as a command and nothing more.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from server.config.settings import Language
from ui.assets.icons import state_image
from ui.words.health import HEALTH_WORDS, Health, Verdict
from ui.words.text import Texts

_log = logging.getLogger(__name__)

# What NOTIFYICONDATAW holds, in UTF-16 units with the NUL at the end; pystray raises above.
TIP_UNITS, MESSAGE_UNITS, TITLE_UNITS = 127, 255, 63
_IMAGE_PX = 64


class Command(StrEnum):
    """What can be chosen in the menu."""

    OPEN = "open"
    CREDENTIALS = "credentials"
    SELF_TEST = "self-test"
    EVENTS = "events"
    TOGGLE_SYNC = "toggle-sync"
    PREVIEW_SYNC = "preview-sync"
    COPY_URL = "copy-url"
    OPEN_LOGS = "open-logs"
    TOGGLE_AUTOSTART = "toggle-autostart"
    LANGUAGE_AUTO = "language-auto"
    LANGUAGE_CHINESE = "language-zh-CN"
    LANGUAGE_ENGLISH = "language-en"
    ABOUT = "about"
    QUIT = "quit"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the menu; without a command it only tells, with `entries` it leads on.

    `is_ticked` is None where there is nothing to tick.
    """

    label: str
    command: Command | None = None
    is_ticked: bool | None = None
    is_default: bool = False
    entries: tuple["Entry", ...] = ()


SEPARATOR = Entry("")


@dataclass(frozen=True, slots=True)
class Switches:
    """What is ticked. `sync` and `autostart` are None where there is nothing to switch."""

    language: Language
    sync: bool | None = None
    autostart: bool | None = None


@dataclass(frozen=True, slots=True)
class TrayState:
    """All that the tray shows at one moment."""

    health: Health
    tip: str
    menu: tuple[Entry, ...]


def tray_state_of(verdict: Verdict, switches: Switches, texts: Texts) -> TrayState:
    """Return what the tray shows for a state of things."""
    headline = texts.of(verdict.headline)
    return TrayState(
        verdict.health,
        cut(f"DingBridge: {headline}", TIP_UNITS),
        tuple(_menu(verdict.health, switches, texts)),
    )


def cut(text: str, units: int) -> str:
    """Return `text` with at most so many UTF-16 units, an ellipsis at its end where it was cut."""
    if len(text.encode("utf-16-le")) // 2 <= units:
        return text
    while len(text.encode("utf-16-le")) // 2 > units - 1:
        text = text[:-1]
    return f"{text}…"


def _menu(health: Health, switches: Switches, texts: Texts) -> Sequence[Entry]:
    sync = [] if switches.sync is None else [
        Entry(texts("Sync automatically"), Command.TOGGLE_SYNC, switches.sync),
        Entry(texts("Preview sync…"), Command.PREVIEW_SYNC),
        SEPARATOR,
    ]  # fmt: skip
    autostart = [] if switches.autostart is None else [
        Entry(texts("Start when I sign in"), Command.TOGGLE_AUTOSTART, switches.autostart),
    ]  # fmt: skip
    return [
        Entry(texts(HEALTH_WORDS[health])),
        SEPARATOR,
        Entry(texts("Open DingBridge"), Command.OPEN, is_default=True),
        Entry(texts("Edit credentials…"), Command.CREDENTIALS),
        Entry(texts("Self-test"), Command.SELF_TEST),
        Entry(texts("Recent events…"), Command.EVENTS),
        SEPARATOR,
        *sync,
        Entry(texts("Copy callback address"), Command.COPY_URL),
        Entry(texts("Open log folder"), Command.OPEN_LOGS),
        SEPARATOR,
        *autostart,
        Entry(texts("Language"), entries=tuple(_languages(switches.language, texts))),
        Entry(texts("About"), Command.ABOUT),
        SEPARATOR,
        Entry(texts("Quit"), Command.QUIT),
    ]


def _languages(chosen: Language, texts: Texts) -> Sequence[Entry]:
    names = (
        (texts("As the system"), Command.LANGUAGE_AUTO, Language.AUTO),
        ("简体中文", Command.LANGUAGE_CHINESE, Language.CHINESE),
        ("English", Command.LANGUAGE_ENGLISH, Language.ENGLISH),
    )
    return [Entry(name, command, chosen is language) for name, command, language in names]


class Tray:
    """pystray behind a lock; where the system has no notification area, nothing is shown.

    Any thread may call its methods; they can wait for the disk, since Windows reads the icon from
    a file, so the tk thread leaves them to a worker.
    """

    def __init__(self, on_command: Callable[[Command], object]) -> None:
        self._on_command = on_command
        self._lock = threading.Lock()
        self._icon: Any = None
        self._state: TrayState | None = None
        self._has_ended = False

    def start(self, state: TrayState) -> bool:
        """Show the icon; returns whether this system can, and nobody stopped it before."""
        try:
            import pystray  # noqa: PLC0415 - its import fails where there is no notification area
        except Exception as exc:  # noqa: BLE001 - each of its backends fails with errors of its own
            _log.warning("There is no notification area: %s", exc)
            return False
        if not pystray.Icon.HAS_MENU:  # X11 without an indicator: an icon that cannot be used
            return False
        with self._lock:
            if self._has_ended:  # quit while the program was still starting
                return False
            self._state = state
            self._icon = pystray.Icon(
                "DingBridge",
                icon=state_image(state.health, _IMAGE_PX),
                title=state.tip,
                menu=pystray.Menu(lambda: self._items(self.menu)),
            )
            self._icon.run_detached(lambda icon: self._appear(icon, state))
        return True

    def _appear(self, icon: Any, drawn: TrayState) -> None:
        """Show the icon, on pystray's thread; it shows no change that came before it was there."""
        icon.visible = True
        with self._lock:
            state = self._state
            if self._icon is icon and state is not None and state != drawn:
                self._draw(icon, drawn, state)

    def show(self, state: TrayState) -> None:
        """Show another state; what stays is left alone, so that an open menu is not disturbed."""
        with self._lock:
            before, self._state = self._state, state
            if self._icon is None or before is None or state == before:
                return
            self._draw(self._icon, before, state)

    def _draw(self, icon: Any, before: TrayState, state: TrayState) -> None:
        if state.health is not before.health:
            icon.icon = state_image(state.health, _IMAGE_PX)
        icon.title = state.tip
        if state.menu != before.menu:
            icon.update_menu()

    def notify(self, title: str, message: str) -> None:
        """Show a message beside the icon."""
        with self._lock:
            if self._icon is not None and self._icon.HAS_NOTIFICATION:
                self._icon.notify(cut(message, MESSAGE_UNITS), cut(title, TITLE_UNITS))

    def stop(self) -> None:
        """Take the icon away and end its thread; it does not come back."""
        with self._lock:
            self._has_ended = True
            icon, self._icon = self._icon, None
        if icon is not None:
            icon.stop()

    @property
    def menu(self) -> tuple[Entry, ...]:
        """What can be chosen now."""
        return self._state.menu if self._state is not None else ()

    def choose(self, command: Command) -> None:
        """Do what an entry of the menu stands for."""
        self._on_command(command)

    def _items(self, entries: Sequence[Entry]) -> list[Any]:
        return [self._item(entry) for entry in entries]

    def _item(self, entry: Entry) -> Any:
        import pystray  # noqa: PLC0415 - see start

        if entry is SEPARATOR:
            return pystray.Menu.SEPARATOR
        if entry.entries:
            return pystray.MenuItem(entry.label, pystray.Menu(*self._items(entry.entries)))
        command, ticked = entry.command, entry.is_ticked
        return pystray.MenuItem(
            entry.label,
            None if command is None else lambda: self.choose(command),
            checked=None if ticked is None else lambda _: ticked,
            radio=command is not None and command.startswith("language-"),
            default=entry.is_default,
            enabled=command is not None,
        )
