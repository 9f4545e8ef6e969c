"""An entry for one value that is judged while it is typed, and, where it is secret, masked."""

import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from tkinter import ttk

from ui.assets.theme import Theme
from ui.widgets.layout import Wrapped
from ui.words.text import Texts

_BULLET = "•"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of an entered text: its usable form, and what is wrong with it, if anything."""

    value: str
    problem: str = ""


class ValueEntry(ttk.Frame):
    """A label, an entry, maybe "Show", and a line with the verdict below."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        texts: Texts,
        label: str,
        judge: Callable[[str], Judged],
        *,
        is_secret: bool = False,
        hint: str = "",
        is_praised: bool = True,
    ) -> None:
        """Judge with `judge`; unless `is_praised`, nothing is said of what is right."""
        super().__init__(parent)
        self._texts = texts
        self._is_praised = is_praised
        self._judge = judge
        self._hint = hint
        self.text = tk.StringVar(self)
        self.on_change: Callable[[], object] = lambda: None
        self.columnconfigure(0, weight=1)
        ttk.Label(self, text=label, style="Strong.TLabel").grid(sticky="w", columnspan=3)
        self.entry = ttk.Entry(self, textvariable=self.text, show=_BULLET if is_secret else "")
        self.entry.grid(row=1, column=0, sticky="ew", pady=theme.pad(2, 2))
        self._extras = 1
        if is_secret:
            self.add_button(texts("Show"), self._toggle, theme)
        self._verdict = Wrapped(self, hint, "Hint.TLabel")
        self._verdict.grid(row=2, column=0, columnspan=3, sticky="ew")
        self.text.trace_add("write", lambda *_: self._changed())

    def add_button(self, label: str, command: Callable[[], object], theme: Theme) -> ttk.Button:
        """Put a button at the right of the entry."""
        button = ttk.Button(self, text=label, command=command)
        button.grid(row=1, column=self._extras, padx=theme.pad(6, 0))
        self._extras += 1
        if self._extras == 2:
            self._show_button = button
        return button

    @property
    def judged(self) -> Judged:
        """The verdict on what is entered now."""
        return self._judge(self.text.get())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is entered."""
        return not self.text.get().strip()

    def _changed(self) -> None:
        judged = self.judged
        if self.is_empty or not (judged.problem or self._is_praised):
            self._verdict.show(self._hint, "Hint.TLabel")
        elif judged.problem:
            self._verdict.show(judged.problem, "Bad.TLabel")
        else:
            self._verdict.show(self._texts("✓ Looks right."), "Good.TLabel")
        self.on_change()

    def _toggle(self) -> None:
        is_hidden = bool(str(self.entry.cget("show")))
        self.entry.configure(show="" if is_hidden else _BULLET)
        self._show_button.configure(text=self._texts("Hide") if is_hidden else self._texts("Show"))
