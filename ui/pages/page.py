"""What all pages have in common."""

import tkinter as tk
from tkinter import ttk
from typing import ClassVar

from ui.help.opening import Topic
from ui.state.session import Session


class Page(ttk.Frame):
    """A page of the main window. It is built once and shown and left many times."""

    help_topic: ClassVar[Topic]

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent)
        self.session = session
        self.texts = session.texts
        self.theme = session.theme

    def shown(self) -> None:
        """Show what is new; called each time the page comes up."""

    def open_part(self, part: str) -> None:
        """Show one of this page's parts, by a name of the page's own."""

    def left(self) -> None:
        """Stop what only matters while the page is seen."""
