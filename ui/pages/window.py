"""The main window: the list of pages at the left, the page at the right, a line at the bottom."""

import tkinter as tk
from collections.abc import Callable, Mapping
from tkinter import ttk

from ui.assets.theme import bind_mnemonics, bind_press, mnemonic
from ui.pages.page import Page
from ui.state.session import Session
from ui.state.window_api import PageName

_TOLD_MS = 6000
SIZE = (1020, 680)  # at 100 %
LEAST = (820, 560)


PageMaker = Callable[[tk.Misc, Session], Page]


class MainWindow:
    """Fills the root window. Pages are built when they are first shown."""

    def __init__(self, session: Session, pages: Mapping[PageName, tuple[str, PageMaker]]) -> None:
        self._session = session
        self.pages = pages
        self._built: dict[PageName, Page] = {}
        self._current = tk.StringVar(session.root, "")
        self._shown: PageName | None = None
        self._forget_told: str | None = None
        theme = session.theme
        self.frame = ttk.Frame(session.root)
        self.frame.pack(fill="both", expand=True)
        self._told = ttk.Label(self.frame, style="Hint.TLabel", padding=theme.pad(12, 4))
        self._told.pack(side="bottom", fill="x")
        ttk.Separator(self.frame).pack(side="bottom", fill="x")
        self._add_list()
        self._content = ttk.Frame(self.frame, padding=theme.px(18))
        self._content.pack(side="left", fill="both", expand=True)

    @property
    def page(self) -> PageName | None:
        """The page that is shown."""
        return self._shown

    def built(self, name: PageName) -> Page:
        """Return a page that has been shown."""
        return self._built[name]

    def show(self, name: PageName) -> None:
        """Show a page."""
        if name is self._shown:
            return
        if self._shown is not None:
            self._built[self._shown].pack_forget()
            self._built[self._shown].left()
        if name not in self._built:
            self._built[name] = self.pages[name][1](self._content, self._session)
        self._shown = name
        self._current.set(name)
        self._built[name].pack(fill="both", expand=True)
        self._built[name].shown()

    def tell(self, text: str) -> None:
        """Show a line at the bottom for a few seconds."""
        if self._forget_told is not None:
            self.frame.after_cancel(self._forget_told)
        self._told.configure(text=text)
        self._forget_told = self.frame.after(_TOLD_MS, lambda: self._told.configure(text=""))

    def destroy(self) -> None:
        """Take everything out of the root window, for another language."""
        if self._shown is not None:
            self._built[self._shown].left()
        if self._forget_told is not None:
            self.frame.after_cancel(self._forget_told)
        self.frame.destroy()

    def _add_list(self) -> None:
        theme = self._session.theme
        column = ttk.Frame(self.frame, padding=theme.px(8))
        column.pack(side="left", fill="y")
        ttk.Separator(self.frame, orient="vertical").pack(side="left", fill="y")
        keys: list[tuple[str | None, tk.Misc]] = []
        for number, (name, (label, _)) in enumerate(self.pages.items(), 1):
            button, letter = self._add_name(column, name, label)
            keys.append((letter, button))
            bind_press(self._session.root, f"<Control-Key-{number}>", button)
        bind_mnemonics(self._session.root, keys)
        self._add_help(column)

    def _add_help(self, column: ttk.Frame) -> None:
        """Add the `?`; F1 does the same wherever the focus is."""
        button = ttk.Button(
            column,
            text=self._session.texts("?   Help (F1)"),
            style="Nav.Toolbutton",
            command=self._session.windows.open_help,
        )
        button.pack(side="bottom", fill="x")

    def _add_name(
        self, column: ttk.Frame, name: PageName, label: str
    ) -> tuple[ttk.Radiobutton, str | None]:
        shown, underline, letter = mnemonic(label)
        button = ttk.Radiobutton(
            column,
            text=shown,
            underline=underline,
            value=name,
            variable=self._current,
            style="Nav.Toolbutton",
            width=18,
            command=lambda: self.show(name),
        )
        button.pack(fill="x", pady=self._session.theme.pad(0, 2))
        return button, letter
