"""A notice in a frame of its own: how grave it is, what it says, and the buttons that help."""

import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

from ui.assets.theme import Theme
from ui.widgets.layout import Action, ButtonRow, TwoLines
from ui.words.health import Health


class NoticeCard(ttk.Frame):
    """Shows one notice; `buttons` are those of its actions."""

    def __init__(
        self,
        parent: tk.Misc,
        theme: Theme,
        health: Health,
        words: tuple[str, str],
        *actions: Action,
    ) -> None:
        super().__init__(parent, padding=theme.px(10), relief="solid", borderwidth=1)
        picture = theme.pictures.small_states[health]
        ttk.Label(self, image=picture).pack(side="left", anchor="n", padx=theme.pad(0, 10))
        self.buttons: Sequence[ttk.Button] = ()
        if actions:
            row = ButtonRow(self, theme, *actions, side="right")
            row.pack(side="right")
            self.buttons = row.buttons
        TwoLines(self, *words).pack(side="left", fill="x", expand=True)
