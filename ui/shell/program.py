"""The program with windows: its parts put together, started, and stopped in order.

The tk thread owns every window; the tray, the workers and a second start post to the mailbox.
"""

import logging
import os
import tkinter as tk
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from tkinter import messagebox

from server.api.app import App
from server.api.status import Status
from server.config.settings import Language
from server.errors.base import AlreadyRunningError, DingBridgeError, FileAccessError
from ui.assets.theme import Theme
from ui.console.signals import stop_signals
from ui.guide.window import GuideWindow
from ui.help.opening import Topic
from ui.pages.catalogue import page_makers
from ui.pages.window import LEAST, SIZE, MainWindow
from ui.shell import autostart
from ui.shell.collector import Collector
from ui.shell.crashes import Crashes
from ui.shell.shutdown import Shutdown
from ui.shell.single import SingleInstance
from ui.shell.tray import Tray
from ui.shell.tray_commands import TrayCommands
from ui.shell.watch import Watch
from ui.state.mailbox import Mailbox
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.state.window_geometry import WindowGeometry
from ui.state.workers import Workers
from ui.widgets.dialogs import error_lines
from ui.words.text import Texts
from ui.words.window_texts import WindowTexts

_log = logging.getLogger(__name__)

_DELIVER_EVERY_MS = 25
_DELIVER_FOR_S = 0.01
_STOP_SERVICE_S = 3.5
_STOP_WORKERS_S = 0.5
_MAIN = "main"


@dataclass(frozen=True, slots=True)
class Start:
    """How the program was started.

    `is_quiet`: by Windows at log-on, so no window opens; `autostart_command` starts it that way.
    `scale` is 1.0 at 100 %, None for the system's.
    """

    is_quiet: bool = False
    autostart_command: str = ""
    scale: float | None = None


class Program:
    """One run of the windows. Build it on the main thread, then call `run`."""

    def __init__(
        self, app: App, texts: Texts, root: tk.Tk, single: SingleInstance, start: Start
    ) -> None:
        self._start = start
        self._root = root
        self._single = single
        self._collector = Collector(root)
        self._mailbox = Mailbox()
        self._workers = Workers(self._mailbox, self.show_crash)
        self.session = Session(
            app, WindowTexts(texts.language), root, Theme(root, start.scale), self._workers, self
        )
        self.tray = Tray(
            lambda command: self._mailbox.post(lambda: self._tray_commands.obey(command))
        )
        self._tray_commands = TrayCommands(
            self.session, start.autostart_command, self.show_window, self.quit
        )
        self._watch = Watch(self.session, self.tray, self._tray_commands.switches, self._is_seen)
        self._crashes = Crashes(self.session)
        self._shutdown = Shutdown(self.session, self.tray, single)
        self._has_tray = False
        self._restarting = Lock()
        self._deliver_timer = ""
        self.guide: GuideWindow | None = None
        root.withdraw()
        root.title("DingBridge")
        root.protocol("WM_DELETE_WINDOW", self.close_window)
        self.geometry = WindowGeometry(self.session)
        self.window = MainWindow(self.session, page_makers(self.session.texts))
        self.geometry.put(root, _MAIN, SIZE, LEAST)
        root.bind_all("<F1>", lambda event: self.open_help(event.widget))

    # --- life

    @property
    def has_ended(self) -> bool:
        """Whether everything was stopped."""
        return self._shutdown.has_ended

    def run(self) -> tuple[str, ...]:
        """Start everything and stay until the admin quits; returns what hung while stopping."""
        with stop_signals(lambda: self._mailbox.post(self.quit)):
            self.start()
            self._root.mainloop()
            return self.finish()

    def start(self) -> None:
        """Start everything; the windows come up once tk handles events."""
        self._collector.start()
        self._workers.start()
        self._deliver()
        self.session.ask(self._prepare, self._prepared)

    def finish(self) -> tuple[str, ...]:
        """End the workers, after `has_ended`; returns what hung while stopping."""
        self._root.after_cancel(self._deliver_timer)
        self.window.destroy()
        busy = self._workers.stop(_STOP_WORKERS_S)
        if busy:  # with a question that nobody waits for any more; they end with the process
            _log.info("Still at work: %s", ", ".join(busy))
        self._collector.stop()
        return self._shutdown.hanging

    def _deliver(self) -> None:
        self._deliver_timer = self._root.after(_DELIVER_EVERY_MS, self._deliver)
        self._mailbox.deliver(_DELIVER_FOR_S)

    def _prepare(self) -> tuple[bool | None, Language, DingBridgeError | None]:
        """Start what needs no window; on a worker."""
        app = self.session.app
        self._open_door()
        ticked, language, failure = _is_autostarted(), Language.AUTO, None
        try:
            language = app.config().settings.ui.language
            app.start()
        except DingBridgeError as refusal:
            failure = refusal
        except Exception as mistake:  # noqa: BLE001 - the windows come up all the same, and show it
            self._mailbox.post(partial(self.show_crash, mistake))
        return ticked, language, failure

    def _open_door(self) -> None:
        """Let a second start show this window; without that, callbacks are received as well."""
        try:
            self._single.listen(os.getpid(), lambda: self._mailbox.post(self.show_window))
        except (FileAccessError, OSError) as failure:
            _log.warning("A second start cannot bring up this window: %s", failure)

    def _prepared(self, found: tuple[bool | None, Language, DingBridgeError | None]) -> None:
        self._tray_commands.is_autostart, self._tray_commands.language, failure = found
        self._watch.failure = failure
        if failure is not None:
            self._tell_start_failed(failure)
        if isinstance(failure, AlreadyRunningError):
            self.quit()
            return
        state = self._watch.tray_state()
        self.session.ask(
            lambda: self.tray.start(state), self._tray_started, ended=self._ask_first_status
        )

    def _tell_start_failed(self, failure: DingBridgeError) -> None:
        """Say why the service does not run; the windows stay, for it can be mended there."""
        _log.error("The service did not start: %s", failure)
        texts = self.session.texts
        place = texts("Log file: {path}", path=str(self.session.app.folder.log_file))
        messagebox.showerror("DingBridge", f"{error_lines(failure, texts)}\n\n{place}")

    def _tray_started(self, has_tray: bool) -> None:  # noqa: FBT001 - a worker's answer
        self._has_tray = has_tray

    def _ask_first_status(self) -> None:
        self.session.ask(
            self.session.app.status,
            self._open_first_window,
            self._open_without_status,
            self._watch.look,
        )

    def _open_first_window(self, status: Status) -> None:
        """Open the guide where nothing is set up, else the main window; not at log-on."""
        is_set_up = status.credentials.active is not None
        if not is_set_up and self._watch.failure is None:
            self.open_guide()
        elif not self._start.is_quiet or not self._has_tray:
            self.show_window()

    def _open_without_status(self, failure: DingBridgeError) -> None:
        """Say what is wrong; nothing tells then whether anything is set up."""
        self.show_window()
        self.show_error(failure)

    def quit(self) -> None:
        """Stop everything in order; say so where something hangs."""
        if self._shutdown.has_begun:
            return
        self._watch.stop()
        self.session.sync_commands.give_up()
        self._close_guide()
        if self._root.state() != "withdrawn":
            self.geometry.note(self._root, _MAIN)
        self._root.withdraw()
        self._shutdown.begin()

    # --- windows

    def show_window(self) -> None:
        """Bring the guide to the front where it is open, else the main window."""
        if self._shutdown.has_begun:
            return
        window: tk.Tk | tk.Toplevel = self.guide.window if self.guide is not None else self._root
        if window is self._root and self.window.page is None:
            self.window.show(PageName.OVERVIEW)
        window.deiconify()
        window.lift()
        (window.focus_lastfor() or window).focus_force()
        self._watch.look()

    def close_window(self) -> None:
        """Close the main window; the tray stays, and the first time it says so."""
        self.geometry.note(self._root, _MAIN)
        if not self._has_tray:
            self.quit()
            return
        self._root.withdraw()
        if not self.session.remembered.is_tray_explained:
            self.geometry.keep(replace(self.session.remembered, is_tray_explained=True))
            texts = self.session.texts
            title = texts("DingBridge keeps running")
            text = texts(
                "Its icon is next to the clock, maybe behind the ^ arrow. Use its menu to quit."
            )
            self.session.ask(lambda: self.tray.notify(title, text), lambda _: None)

    def _is_seen(self) -> bool:
        return self.guide is not None or bool(self._root.winfo_viewable())

    # --- what pages ask for

    def open_page(self, page: PageName, part: str = "") -> None:
        """Show the main window with this page, and of it the part that the page knows."""
        self._close_guide()
        self.window.show(page)
        if part:
            self.window.built(page).open_part(part)
        self.show_window()

    def open_guide(self) -> None:
        """Show the guided set-up."""
        if self.guide is None:
            self.guide = GuideWindow(self.session, self.geometry, self._guide_closed)
        self.show_window()

    def open_help(self, near: object = None) -> None:
        """Show the handbook's page about the dialog that holds `near`, else about what is shown."""
        while isinstance(near, tk.Misc):
            if isinstance(topic := getattr(near, "help_topic", None), Topic):
                self.session.open_help(topic)
                return
            near = near.master
        if self.guide is not None:
            self.session.open_help(self.guide.step.help_topic)
        elif self.window.page is not None:
            self.session.open_help(self.window.built(self.window.page).help_topic)

    def restart_service(self) -> None:
        """Stop the service and start it with the settings as they are now."""
        app = self.session.app

        def restart() -> str:
            with self._restarting:  # pressed twice, the second would meet the first one's service
                app.stop(_STOP_SERVICE_S)
                return app.start()

        self.session.ask(restart, self._restarted, self._restart_failed)

    def use_language(self, language: Language) -> None:
        """Show everything in another language, and keep it."""
        app = self.session.app
        self.session.ask(
            lambda: app.configure({"ui": {"language": language.value}}),
            lambda _: self._speak(language),
        )

    def tell(self, text: str) -> None:
        """Show a line at the bottom of the main window for a few seconds."""
        self.window.tell(text)

    def show_error(self, failure: DingBridgeError) -> None:
        """Show what went wrong and what to do."""
        _log.warning("%s", failure)
        messagebox.showerror(
            "DingBridge", error_lines(failure, self.session.texts), parent=self._front()
        )

    def show_crash(self, mistake: BaseException) -> None:
        """Log a mistake of ours and show it, one at a time."""
        self._crashes.show(mistake)

    def refresh(self) -> None:
        """Ask for the status now rather than with the next second."""
        self._watch.look()

    def _front(self) -> tk.Misc:
        return self.guide.window if self.guide is not None else self._root

    def _restarted(self, address: str) -> None:
        self._watch.failure = None
        self.tell(self.session.texts("The service listens on {address}", address=address))
        self.refresh()

    def _restart_failed(self, failure: DingBridgeError) -> None:
        self._watch.failure = failure
        self.show_error(failure)
        self.refresh()

    def _speak(self, language: Language) -> None:
        """Build the windows anew in another language; the open page stays."""
        self._tray_commands.language = language
        self.session.texts = WindowTexts(language)
        page = self.window.page
        is_guide_open = self.guide is not None
        self._close_guide()
        self.window.destroy()
        self.window = MainWindow(self.session, page_makers(self.session.texts))
        if page is not None:
            self.window.show(page)
        if is_guide_open:
            self.open_guide()
        self.refresh()

    def _close_guide(self) -> None:
        if self.guide is not None:
            self.guide.close()

    def _guide_closed(self) -> None:
        self.guide = None


def _is_autostarted() -> bool | None:
    """Return whether Windows starts the program at log-on, None where nobody can tell."""
    try:
        return autostart.is_enabled() if autostart.is_supported() else None
    except FileAccessError as failure:
        _log.warning("Whether it starts with Windows is not known: %s", failure)
        return None
