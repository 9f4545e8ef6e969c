"""Boxes for texts of several lines: to type into, to read in, and with a name above."""

import tkinter as tk
from tkinter import ttk
from typing import Literal

from ui.assets.theme import ACCENT, LINE, Theme


class TextBox(tk.Text):
    """Several lines of text in a frame like an entry's."""

    def __init__(
        self, parent: tk.Misc, *, height: int, text_font: str, wrap: Literal["none", "word"]
    ) -> None:
        super().__init__(
            parent,
            height=height,
            font=text_font,
            wrap=wrap,
            relief="flat",
            borderwidth=0,
            highlightthickness=1,
            highlightbackground=LINE,
            highlightcolor=ACCENT,
            padx=4,
            pady=3,
        )


class ReadingBox(TextBox):
    """Text to read, select and copy, which nobody changes by typing."""

    def __init__(
        self, parent: tk.Misc, *, height: int, text_font: str, wrap: Literal["none", "word"]
    ) -> None:
        super().__init__(parent, height=height, text_font=text_font, wrap=wrap)
        self.configure(state="disabled")

    def show(self, text: str) -> None:
        """Show another text."""
        self.configure(state="normal")
        self.delete("1.0", "end")
        self.insert("1.0", text)
        self.configure(state="disabled")


class Details(ttk.Frame):
    """All about one thing: a line that names it, and a text of any length, which scrolls."""

    def __init__(self, parent: tk.Misc, theme: Theme, *, height: int, text_font: str) -> None:
        super().__init__(parent)
        self._title = ttk.Label(self, style="Strong.TLabel")
        self._title.pack(fill="x", pady=theme.pad(4, 2))
        bar = ttk.Scrollbar(self)
        bar.pack(side="right", fill="y")
        self.box = ReadingBox(self, height=height, text_font=text_font, wrap="word")
        self.box.configure(yscrollcommand=bar.set)
        bar.configure(command=self.box.yview)
        self.box.pack(fill="both", expand=True)

    def show(self, title: str, text: str) -> None:
        """Show another thing."""
        self._title.configure(text=title)
        self.box.show(text)
