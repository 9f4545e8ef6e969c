"""The entry of one setting: made for its type, judged by its own rule, explained in one line."""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import ClassVar

from server.api.app import App
from server.config.settings import SettingInfo
from server.errors.message import N_
from ui.state.session import Session
from ui.widgets.layout import Wrapped
from ui.words.setting_words import CHOICES, FORMATS, LABELS, from_text, shape_of, to_text

_BULLET = "•"
# What a change of these means outside this program.
_CONSEQUENCES = {
    name: N_("Change the address in the DingTalk console as well.")
    for name in ("callback.port", "callback.path", "callback.host")
}


class SettingField(ttk.Frame):
    """What all kinds of fields have in common; `text` holds what is entered, as text."""

    has_label: ClassVar[bool] = True

    def __init__(self, parent: tk.Misc, session: Session, info: SettingInfo) -> None:
        super().__init__(parent)
        self.setting = info
        self.problem = ""
        self.on_change: Callable[[], object] = lambda: None
        self._session = session
        self._stored = ""
        self.text = tk.StringVar(self)
        texts, theme = session.texts, session.theme
        self._label = texts(LABELS[info.name])
        if self.has_label:
            ttk.Label(self, text=self._label, style="Strong.TLabel").pack(anchor="w")
        self.control = self._make_control()
        self.control.pack(anchor="w", pady=theme.pad(2, 2))
        explained = texts(info.text)
        if (more := FORMATS.get(shape_of(info))) is not None:
            explained = texts.joined((explained, texts(more)))
        Wrapped(self, explained, "Hint.TLabel").pack(fill="x")
        self._verdict = Wrapped(self, "", "Bad.TLabel")
        self.text.trace_add("write", lambda *_: self._changed())

    def _make_control(self) -> tk.Widget:
        width = 12 if shape_of(self.setting) == "integer" else 52
        return ttk.Entry(self, textvariable=self.text, width=width)

    @property
    def value(self) -> object:
        """What is entered, as JSON has it."""
        return from_text(self.setting, self.text.get())

    @property
    def is_changed(self) -> bool:
        """Whether something else is entered than what is stored."""
        return self.text.get() != self._stored

    def load(self, value: object) -> None:
        """Show what is stored."""
        self._stored = to_text(value)
        self.text.set(self._stored)

    def complain(self, problem: str) -> None:
        """Say what is wrong with it."""
        self.problem = problem
        self._show(problem, "Bad.TLabel")

    def _changed(self) -> None:
        message = App.judge_setting(self.setting.name, self.value) if self.is_changed else None
        self.problem = "" if message is None else self._session.say(message)
        consequence = _CONSEQUENCES.get(self.setting.name)
        if self.problem:
            self._show(self.problem, "Bad.TLabel")
        elif self.is_changed and consequence:
            self._show(self._session.texts(consequence), "Strong.TLabel")
        else:
            self._verdict.pack_forget()
        self.on_change()

    def _show(self, text: str, style: str) -> None:
        self._verdict.show(f"{text[:1].upper()}{text[1:]}", style)  # rules begin small
        self._verdict.pack(fill="x")


class FlagField(SettingField):
    """A box to tick."""

    has_label = False

    def _make_control(self) -> tk.Widget:
        return ttk.Checkbutton(
            self, text=self._label, variable=self.text, onvalue="True", offvalue="False"
        )

    @property
    def value(self) -> object:
        """Whether it is ticked."""
        return self.text.get() == "True"


class ChoiceField(SettingField):
    """A list of words to choose from."""

    def _make_control(self) -> tk.Widget:
        self._choices = CHOICES[self.setting.name]
        words = [self._session.texts(word) for word in self._choices.values()]
        self._box = ttk.Combobox(self, values=words, state="readonly", width=30)
        self._box.bind("<<ComboboxSelected>>", lambda _: self._chosen())
        return self._box

    def _chosen(self) -> None:
        self.text.set(list(self._choices)[self._box.current()])

    def load(self, value: object) -> None:
        """Show what is stored."""
        super().load(value)
        self._box.current(list(self._choices).index(str(value)))


class SecretField(SettingField):
    """A secret: never shown again once it is stored, only replaced."""

    def _make_control(self) -> tk.Widget:
        frame = ttk.Frame(self)
        ttk.Entry(frame, textvariable=self.text, width=52, show=_BULLET).pack(side="left")
        self._state = ttk.Label(frame, style="Hint.TLabel")
        self._state.pack(side="left", padx=self._session.theme.pad(8, 0))
        return frame

    def load(self, value: object) -> None:
        """Empty the entry; a `value` of True says that a secret is stored."""
        super().load("")
        texts = self._session.texts
        stored, none = texts("Saved; type to replace it"), texts("Not entered yet")
        self._state.configure(text=stored if value else none)


def make_field(parent: tk.Misc, session: Session, info: SettingInfo) -> SettingField:
    """Return the field that suits a setting."""
    if info.is_secret:
        return SecretField(parent, session, info)
    if info.name in CHOICES:
        return ChoiceField(parent, session, info)
    if shape_of(info) == "flag":
        return FlagField(parent, session, info)
    return SettingField(parent, session, info)
