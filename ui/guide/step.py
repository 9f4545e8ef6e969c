"""What all steps of the guide have in common."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import ClassVar

from ui.help.opening import Topic
from ui.state.session import Session
from ui.widgets.layout import Wrapped


class Step(ttk.Frame):
    """A step: its name in the list, its content, and whether one may go on from it."""

    name: ClassVar[str]
    help_topic: ClassVar[Topic]

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent)
        self.session = session
        self.texts = session.texts
        self.theme = session.theme
        self.on_change: Callable[[], object] = lambda: None

    @property
    def is_ready(self) -> bool:
        """Whether one may go on."""
        return True

    @property
    def first_field(self) -> tk.Misc | None:
        """Where typing begins; None where there is nothing to be entered, and Enter goes on."""
        return None

    def changed(self) -> None:
        """Tell whoever listens that something else is entered."""
        self.on_change()

    def entered(self) -> None:
        """Show what is new; called each time the step comes up."""

    def save(self, then: Callable[[], object]) -> None:
        """Keep what was entered, then go on; where it cannot be kept, stay."""
        then()

    def ask_to_save(self, job: Callable[[], object], saved: Callable[[], object]) -> None:
        """Have `job` keep what was entered, then call `saved`; where it fails, try again.

        A dialog says why it could not be kept.
        """
        self.session.ask(job, lambda _: saved(), ended=self._ended_saving)

    def _ended_saving(self) -> None:
        if self.winfo_exists():
            self.on_change()

    def add_title(self, title: str) -> None:
        """Put the step's headline at its top."""
        ttk.Label(self, text=title, style="Title.TLabel").pack(
            anchor="w", pady=self.theme.pad(0, 8)
        )

    def add_text(self, text: str, style: str = "TLabel") -> Wrapped:
        """Add a paragraph."""
        paragraph = Wrapped(self, text, style)
        paragraph.pack(fill="x", pady=self.theme.pad(0, 8))
        return paragraph
