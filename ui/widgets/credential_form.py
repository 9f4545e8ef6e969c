"""The entry of token, aes_key and key: one by one, or as one block copied from the console."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from server.api.app import App
from server.errors.message import N_
from ui.state.session import Session
from ui.widgets.layout import Wrapped
from ui.widgets.textbox import TextBox
from ui.widgets.values import Judged, ValueEntry

FIELDS = ("token", "aes_key", "key")
_HINTS = {
    "token": N_("Called Token or 签名 Token in the console."),
    "aes_key": N_("Called aes_key or 加密 aes_key in the console: 43 letters and digits."),
    "key": N_("Usually the app's Client ID (formerly AppKey)."),
}


class CredentialForm(ttk.Frame):
    """Judges while typing; knows nothing of saving."""

    def __init__(self, parent: tk.Misc, session: Session, *, can_generate: bool = False) -> None:
        super().__init__(parent)
        self._session = session
        self.on_change: Callable[[], object] = lambda: None
        texts, theme = session.texts, session.theme
        label = texts("Paste the whole text copied from the console here:")
        ttk.Label(self, text=label, style="Strong.TLabel").pack(anchor="w")
        self.block = TextBox(self, height=3, text_font="TkTextFont", wrap="word")
        self.block.pack(fill="x", pady=theme.pad(2, 2))
        self.block.bind("<<Modified>>", lambda _: self._block_changed())
        self.block.bind("<Tab>", self._leave_block)
        self._found = Wrapped(self, texts("Or enter the values one by one:"), "Hint.TLabel")
        self._found.pack(fill="x", pady=theme.pad(0, 8))
        self.entries = {name: self._entry(name) for name in FIELDS}
        if can_generate:
            for name in ("token", "aes_key"):
                self._add_generator(name)

    def _entry(self, name: str) -> ValueEntry:
        texts, theme = self._session.texts, self._session.theme
        entry = ValueEntry(
            self,
            theme,
            texts,
            name,
            lambda text: _judged(self._session, name, text),
            is_secret=name != "key",
            hint=texts(_HINTS[name]),
        )
        entry.pack(fill="x", pady=theme.pad(0, 8))
        entry.on_change = self._changed
        return entry

    def _changed(self) -> None:
        self.on_change()

    def _add_generator(self, name: str) -> None:
        texts, theme = self._session.texts, self._session.theme
        entry = self.entries[name]

        def generate() -> None:
            value = App.generated_value(name)
            entry.text.set(value)
            self._session.copy(
                value, texts("A random {name} was generated, entered and copied.", name=name)
            )

        entry.add_button(texts("Generate and copy"), generate, theme)

    @property
    def values(self) -> dict[str, str]:
        """What is entered and can be used."""
        filled = {name: one.judged for name, one in self.entries.items() if not one.is_empty}
        return {name: one.value for name, one in filled.items() if not one.problem}

    @property
    def has_problem(self) -> bool:
        """Whether something is entered that cannot be used."""
        return any(not one.is_empty and one.judged.problem for one in self.entries.values())

    def clear(self) -> None:
        """Empty all, which also takes the secrets off the screen."""
        self.block.delete("1.0", "end")
        for entry in self.entries.values():
            entry.text.set("")
        self._found.show(self._session.texts("Or enter the values one by one:"), "Hint.TLabel")

    def _block_changed(self) -> None:
        if not self.block.edit_modified():
            return
        self.block.edit_modified(False)  # noqa: FBT003 - tk's own signature
        text = self.block.get("1.0", "end").strip()
        if not text:
            return
        found = self._session.app.split_pasted(text)
        for name, value in found.items():
            self.entries[name].text.set(value)
        self._tell_found([name for name in FIELDS if name in found])

    def _tell_found(self, names: list[str]) -> None:
        texts = self._session.texts
        if not names:
            text = texts("None of the three values was recognised.")
            self._found.show(text, "Bad.TLabel")
        elif len(names) < len(FIELDS):
            missing = texts(", ").join(name for name in FIELDS if name not in names)
            found = texts(", ").join(names)
            text = texts("Found {names}. Enter {missing} below.", names=found, missing=missing)
            self._found.show(text, "Strong.TLabel")
        else:
            self._found.show(texts("Found all three values."), "Good.TLabel")

    def _leave_block(self, event: "tk.Event[tk.Misc]") -> str:
        """Let Tab lead on, as it does everywhere else."""
        following = event.widget.tk_focusNext()
        if following is not None:
            following.focus_set()
        return "break"


def _judged(session: Session, name: str, text: str) -> Judged:
    value, problem = session.app.judge_value(name, text)
    return Judged(value, "" if problem is None else session.say(problem))
