"""The guide's window: the steps at the left, one of them at the right, Back and Next below."""

import tkinter as tk
from collections.abc import Callable
from dataclasses import replace
from tkinter import ttk

from ui.assets.theme import GREY, mnemonic
from ui.guide.step import Step
from ui.guide.steps import AddressStep, CheckStep, ValuesStep, WelcomeStep
from ui.guide.waiting import WaitingStep
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.state.window_geometry import WindowGeometry
from ui.widgets.layout import Action, ButtonRow

_STEPS: tuple[type[Step], ...] = (WelcomeStep, ValuesStep, AddressStep, CheckStep, WaitingStep)
_SIZE = (820, 640)  # at 100 %
_LEAST = (720, 560)
_PLACE = "guide"


class GuideWindow:
    """Opens at the step where it was left. Closing it keeps what was entered."""

    def __init__(
        self, session: Session, geometry: WindowGeometry, closed: Callable[[], object]
    ) -> None:
        self._session = session
        self._geometry = geometry
        self._closed = closed
        theme, texts = session.theme, session.texts
        self.window = tk.Toplevel(session.root)
        self.window.title(texts("Set up DingBridge"))
        geometry.put(self.window, _PLACE, _SIZE, _LEAST)
        self._add_buttons()
        column = ttk.Frame(self.window, padding=theme.px(16))
        column.pack(side="left", fill="y")
        ttk.Separator(self.window, orient="vertical").pack(side="left", fill="y")
        content = ttk.Frame(self.window, padding=theme.px(20))
        content.pack(side="left", fill="both", expand=True)
        self.steps = [make(content, session) for make in _STEPS]
        self._names = [self._add_name(column, step.name) for step in self.steps]
        for step in self.steps:
            step.on_change = self._update
        self.number = -1
        self.show(min(session.remembered.guide_step, len(self.steps) - 1))
        self.window.protocol("WM_DELETE_WINDOW", self.leave)
        self.window.bind("<Escape>", lambda _: self.leave())

    @property
    def step(self) -> Step:
        """The step that is shown."""
        return self.steps[self.number]

    def show(self, number: int) -> None:
        """Show a step, and remember that it was reached."""
        if self.number >= 0:
            self.step.pack_forget()
        self.number = number
        self.step.pack(fill="both", expand=True)
        self.step.entered()
        self._update()
        self.window.update_idletasks()  # what is not on the screen yet takes no keys
        # Never left where it was: that step is out of sight, and would take what is typed.
        (self.step.first_field or self.window).focus_set()
        self._geometry.keep(replace(self._session.remembered, guide_step=number))

    def leave(self) -> None:
        """Keep what was entered, and close."""
        self.step.save(self._left)

    def close(self) -> None:
        """Close as it is."""
        self._geometry.note(self.window, _PLACE)
        self.window.destroy()
        self._closed()

    def _left(self) -> None:
        self.close()
        self._session.windows.open_page(PageName.OVERVIEW)

    def _add_name(self, column: ttk.Frame, name: str) -> tuple[ttk.Label, ttk.Label]:
        row, padding = column.grid_size()[1], self._session.theme.px(4)
        mark = ttk.Label(column, width=2, anchor="center", padding=padding)
        mark.grid(row=row, column=0)
        label = ttk.Label(column, text=self._session.texts(name), width=18, padding=padding)
        label.grid(row=row, column=1, sticky="w")
        return mark, label

    def _add_buttons(self) -> None:
        texts, theme = self._session.texts, self._session.theme
        bar = ttk.Frame(self.window, padding=theme.px(12))
        bar.pack(side="bottom", fill="x")
        ttk.Separator(self.window).pack(side="bottom", fill="x")
        later = ButtonRow(
            bar,
            theme,
            Action(texts("&Later"), self.leave),
            Action(texts("?   Help (F1)"), self._session.windows.open_help),
        )
        later.pack(side="left")
        self.later_button = later.buttons[0]
        moves = ButtonRow(
            bar,
            theme,
            Action(texts("&Next"), self._next, is_default=True),
            Action(texts("&Back"), self._back),
            side="right",
        )
        moves.pack(side="right")
        self.next_button, self.back_button = moves.buttons
        self.window.bind("<Return>", self._entered)

    def _entered(self, event: "tk.Event[tk.Misc]") -> None:
        """Let Enter go on, but not where it has a meaning of its own."""
        if not isinstance(event.widget, (ttk.Button, tk.Text)):
            self.next_button.invoke()

    def _back(self) -> None:
        self.show(self.number - 1)

    def _next(self) -> None:
        if self.number == len(self.steps) - 1:
            self._geometry.keep(replace(self._session.remembered, is_guide_done=True, guide_step=0))
            self._left()
            return
        self.next_button.configure(state="disabled")  # one press is one step
        following = self.number + 1
        self.step.save(lambda: self._saved(following))

    def _saved(self, following: int) -> None:
        if self.window.winfo_exists():
            self.show(following)

    def _update(self) -> None:
        """Bring buttons and the list of steps up to date."""
        if self.number < 0:
            return
        texts = self._session.texts
        is_last = self.number == len(self.steps) - 1
        self.back_button.configure(state="normal" if self.number else "disabled")
        shown, underline, _ = mnemonic(texts("Fi&nish") if is_last else texts("&Next"))
        self.next_button.configure(
            text=shown,
            underline=underline,
            state="normal" if self.step.is_ready else "disabled",
        )
        for number, (mark, label) in enumerate(self._names):
            mark.configure(
                text="✓" if number < self.number else "●" if number == self.number else "○"
            )
            label.configure(
                font="DingStrong" if number == self.number else "TkDefaultFont",
                foreground=GREY if number > self.number else "",
            )
