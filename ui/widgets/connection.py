"""The connection test below a vendor's values: tried as they are typed, shown step by step."""

import tkinter as tk
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from threading import Event
from tkinter import ttk

from server.api.checks import SelfTestReport, Step
from server.errors.base import DingBridgeError
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, Wrapped
from ui.widgets.steps import StepList

_LOOK_EVERY_MS = 50


class ConnectionPanel(ttk.Frame):
    """A button, and what came of it. Ends by itself with its page."""

    def __init__(
        self,
        parent: tk.Misc,
        session: Session,
        vendor: str,
        changes: Callable[[], Mapping[str, object]],
        refused: Callable[[DingBridgeError], object],
    ) -> None:
        """Take what returns the values that are typed, and what shows which cannot be used."""
        super().__init__(parent)
        self._session = session
        self._vendor = vendor
        self._changes = changes
        self._refused = refused
        self._stop = Event()
        self._told: SimpleQueue[Step] = SimpleQueue()
        self._timer = ""
        texts, theme = session.texts, session.theme
        self.buttons = ButtonRow(
            self,
            theme,
            Action(texts("Test the co&nnection"), self.run),
            Action(texts("Sto&p"), self.give_up),
        )
        self.buttons.pack(fill="x")
        self.test_button, self.stop_button = self.buttons.buttons
        hint = texts("Tests these values with real API calls, saved or not. Nothing is written.")
        Wrapped(self, hint, "Hint.TLabel").pack(fill="x", pady=theme.pad(2, 6))
        self._progress = ttk.Progressbar(self, mode="indeterminate", length=theme.px(200))
        self.steps = StepList(self, theme, texts)
        self.steps.pack(fill="x")
        self._rest()
        self.bind("<Destroy>", lambda _: self._end())

    def run(self) -> None:
        """Test what is entered now."""
        changes, vendor = self._changes(), self._vendor
        stop, told = Event(), SimpleQueue[Step]()
        self._stop, self._told = stop, told
        self.forget()
        self.test_button.configure(state="disabled")
        self.stop_button.configure(state="normal")
        self._progress.pack(anchor="w", after=self.buttons)
        self._progress.start(15)
        connections = self._session.app.connections
        self._session.ask(
            lambda: connections.test(vendor, changes, stop, told.put),
            lambda report: self._done(stop, report),
            lambda failure: self._failed(stop, failure),
            lambda: self._ended(stop),
        )
        self._look()

    def give_up(self) -> None:
        """Stop: a call that is under way may end later, and nobody waits for it."""
        self._stop.set()
        self._show_told()
        self._rest()

    def _end(self) -> None:
        self._stop.set()
        if self._timer:
            self.after_cancel(self._timer)

    def forget(self) -> None:
        """Show nothing: what was found is not about what is entered now."""
        self.steps.clear()

    def _look(self) -> None:
        self._show_told()
        self._timer = self.after(_LOOK_EVERY_MS, self._look)

    def _show_told(self) -> None:
        while True:
            try:
                self.steps.add(self._told.get_nowait())
            except Empty:
                return

    def _ended(self, stop: Event) -> None:
        if not stop.is_set() and self.winfo_exists():
            self._show_told()
            self._rest()

    def _done(self, stop: Event, report: SelfTestReport) -> None:
        if stop.is_set() or not self.winfo_exists():
            return
        texts = self._session.texts
        good, bad = texts("All is well."), texts("The connection test failed.")
        self.steps.add_summary(good if report.is_passed else bad, is_good=report.is_passed)

    def _failed(self, stop: Event, failure: DingBridgeError) -> None:
        if stop.is_set() or not self.winfo_exists():
            return
        self._refused(failure)

    def _rest(self) -> None:
        if self._timer:
            self.after_cancel(self._timer)
            self._timer = ""
        self._progress.stop()
        self._progress.pack_forget()
        self.test_button.configure(state="normal")
        self.stop_button.configure(state="disabled")
