"""The self-test's steps, one line each, with what to do below the one that failed."""

import tkinter as tk
from tkinter import ttk

from server.api.checks import SelfTestReport, Step, StepState
from server.errors.message import N_
from ui.assets.theme import Theme
from ui.widgets.layout import Wrapped
from ui.words.health import Health
from ui.words.text import Texts

_MARKS = {
    StepState.PASSED: ("✓", "Good.TLabel"),
    StepState.FAILED: ("✗", "Bad.TLabel"),
    StepState.SKIPPED: ("–", "Hint.TLabel"),
    StepState.NOTE: ("i", "Strong.TLabel"),
}

_WORTH_TELLING_MS = 10

_GROUPS = {
    "check_url": N_("DingTalk's check of the address:"),
    "chinese_event": N_("An event with Chinese text:"),
    "public_url": N_("The same through the public address:"),
}


class StepList(ttk.Frame):
    """Shows a report, or steps as they come; empty until one of them is shown."""

    def __init__(self, parent: tk.Misc, theme: Theme, texts: Texts) -> None:
        super().__init__(parent)
        self._theme = theme
        self._texts = texts
        self.columnconfigure(1, weight=1)

    def clear(self) -> None:
        """Show nothing."""
        for child in self.winfo_children():
            child.destroy()

    def show(self, report: SelfTestReport) -> None:
        """Show the steps of a report."""
        self.clear()
        good, bad = self._texts("All is well."), self._texts("The self-test failed.")
        self.add_summary(good if report.is_passed else bad, is_good=report.is_passed)
        group = ""
        for step in report.steps:
            before, group = group, step.name.partition(".")[0]
            if group != before and group in _GROUPS:
                self._add_heading(self._texts(_GROUPS[group]))
            self.add(step)

    def _add_heading(self, text: str) -> None:
        ttk.Label(self, text=text, style="Hint.TLabel").grid(
            row=self.grid_size()[1],
            column=0,
            columnspan=2,
            sticky="w",
            pady=self._theme.pad(8, 2),
        )

    def add_summary(self, text: str, *, is_good: bool) -> None:
        """Add a line about the whole."""
        row = self.grid_size()[1]
        health = Health.WORKING if is_good else Health.BROKEN
        ttk.Label(self, image=self._theme.pictures.small_states[health]).grid(row=row, column=0)
        ttk.Label(self, text=text, style="Strong.TLabel").grid(
            row=row, column=1, sticky="w", padx=self._theme.pad(8, 0), pady=self._theme.pad(4, 8)
        )

    def add(self, step: Step) -> None:
        """Show one more step below the others."""
        row = self.grid_size()[1]
        mark, style = _MARKS[step.state]
        ttk.Label(self, text=mark, style=style, width=2, anchor="center").grid(
            row=row, column=0, sticky="n", pady=self._theme.pad(1, 1)
        )
        title = self._texts.of(step.title)
        is_done = step.state in {StepState.PASSED, StepState.FAILED}
        if is_done and step.elapsed_ms >= _WORTH_TELLING_MS:
            title = self._texts("{title} ({ms} ms)", title=title, ms=f"{step.elapsed_ms:.0f}")
        shown_style = style if step.state is StepState.FAILED else "TLabel"
        Wrapped(self, title, shown_style).grid(
            row=row, column=1, sticky="ew", padx=self._theme.pad(8, 0)
        )
        if step.hint is not None:
            Wrapped(self, self._texts.of(step.hint), "Hint.TLabel").grid(
                row=row + 1,
                column=1,
                sticky="ew",
                padx=self._theme.pad(8, 0),
                pady=self._theme.pad(0, 4),
            )
