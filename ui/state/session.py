"""What every page works with: the facade asked off the tk thread, texts, looks, the last status.

All of it belongs to the tk thread.
"""

import logging
import os
import subprocess
import sys
import tkinter as tk
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from server.api.app import App
from server.config.files import named
from server.errors.base import DingBridgeError
from server.errors.message import Message
from ui.assets.theme import Theme
from ui.help import opening
from ui.state.remembered import Remembered
from ui.state.sync_commands import SyncCommands
from ui.state.sync_switch import SyncSwitch
from ui.state.window_api import WindowApi
from ui.state.workers import Workers
from ui.words.health import StatusSnapshot
from ui.words.text import Texts

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Session:
    """Handed to every page and dialog."""

    def __init__(
        self,
        app: App,
        texts: Texts,
        root: tk.Tk,
        theme: Theme,
        workers: Workers,
        windows: WindowApi,
    ) -> None:
        self.app = app
        self.texts = texts
        self.root = root
        self.theme = theme
        self.windows = windows
        self.snapshot: StatusSnapshot | None = None
        self.remembered = Remembered()
        self.sync_commands = SyncCommands(app, self.ask, windows, lambda: self.texts)
        self.sync_switch = SyncSwitch(app, self.ask, windows, lambda: self.texts)
        self._workers = workers
        self._watchers: list[Callable[[StatusSnapshot], object]] = []

    def ask(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[DingBridgeError], object] | None = None,
        ended: Callable[[], object] | None = None,
    ) -> None:
        """Run `job` off the tk thread, then `done`; a refusal goes to `failed` or into a dialog.

        `ended` is called before, whatever came of it: also where a fault of ours ended the job.
        """
        self._workers.ask(job, done, failed or self.windows.show_error, ended)

    def watch(self, widget: tk.Misc, watcher: Callable[[StatusSnapshot], object]) -> None:
        """Call `watcher` with each new status for as long as `widget` lives."""
        self._watchers.append(watcher)

        def forget(event: "tk.Event[tk.Misc]") -> None:
            # A container hears of its children's ends, too.
            if event.widget is widget and watcher in self._watchers:
                self._watchers.remove(watcher)

        widget.bind("<Destroy>", forget, add=True)
        if self.snapshot is not None:
            watcher(self.snapshot)

    def take(self, snapshot: StatusSnapshot) -> None:
        """Take a new status and tell all who watch it."""
        self.snapshot = snapshot
        for watcher in tuple(self._watchers):
            watcher(snapshot)

    def say(self, message: Message) -> str:
        """Return a message of the server in the reader's language."""
        return self.texts.of(message)

    def copy(self, text: str, told: str) -> None:
        """Put `text` on the clipboard and tell so."""
        self.root.clipboard_clear()
        self.root.clipboard_append(text)
        self.windows.tell(told)

    def copy_and_repeat(self, text: str) -> None:
        """Put `text` on the clipboard and show it; not for secrets."""
        self.copy(text, self.texts("Copied: {url}", url=text))

    def open_path(self, path: Path) -> None:
        """Show a folder in the system's file manager."""
        self.ask(lambda: _open(path), lambda _: None)

    def open_address(self, address: str) -> None:
        """Open a web address or one of Windows' own (`ms-settings:`)."""
        self.ask(lambda: _open_address(address), lambda _: None)

    def open_help(self, topic: opening.Topic) -> None:
        """Show the handbook's page about a topic in the browser."""
        language = self.texts.language
        self.ask(lambda: opening.show(topic, language), lambda _: None)

    def callback_url(self) -> str:
        """Return the address to paste into the console, as far as it is known."""
        return self.snapshot.status.callback_url if self.snapshot else ""


def _open(path: Path) -> None:
    with named(path):
        path.mkdir(parents=True, exist_ok=True)
        if sys.platform == "win32":
            os.startfile(path)  # noqa: S606 - a folder of ours
        else:
            subprocess.run(["xdg-open", str(path)], check=False)


def _open_address(address: str) -> None:
    if sys.platform == "win32":
        with named(Path(address)):
            os.startfile(address)  # noqa: S606 - addresses of ours
    else:
        webbrowser.open(address)
