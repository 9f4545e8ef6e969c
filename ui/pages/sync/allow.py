"""The question before something held is done: how many people it disables and deletes."""

import tkinter as tk
from collections.abc import Callable, Iterator, Mapping, Sequence
from tkinter import ttk

from server.errors.message import N_, Message
from ui.help.opening import Topic
from ui.state.session import Session
from ui.widgets.dialogs import centre
from ui.widgets.layout import Action, ButtonRow, Wrapped

# Those who would lose something come first, and are told also where there are none.
_ALWAYS = (
    (("disable", "person"), N_("Members disabled: {count}")),
    (("delete", "person"), N_("Members deleted: {count}")),
)
_WHERE_ANY = (
    (("delete", "department"), N_("Departments deleted: {count}")),
    (("create", "person"), N_("New members: {count}")),
    (("adopt", "person"), N_("Members taken over: {count}")),
    (("update", "person"), N_("Members changed: {count}")),
    (("enable", "person"), N_("Members enabled: {count}")),
    (("create", "department"), N_("New departments: {count}")),
    (("adopt", "department"), N_("Departments taken over: {count}")),
    (("update", "department"), N_("Departments changed: {count}")),
)
_WIDTH = 440


class AllowDialog(tk.Toplevel):
    """Asks once; `allow` is called where somebody allows it. Enter and Esc decide against."""

    help_topic = Topic.CONFLICTS

    def __init__(
        self,
        session: Session,
        tally: Mapping[tuple[str, str], int],
        allow: Callable[[], object],
        unforeseen: Sequence[Message] = (),
    ) -> None:
        super().__init__(session.root)
        texts, theme = session.texts, session.theme
        self.title("DingBridge")
        self.transient(session.root)
        self.resizable(width=False, height=False)
        self._allow = allow
        body = ttk.Frame(self, padding=theme.px(18))
        body.pack(fill="both", expand=True)
        ttk.Frame(body, width=theme.px(_WIDTH)).pack()
        question = texts("Approve this list? The changes are made in WeCom at once:")
        Wrapped(body, question, "Strong.TLabel").pack(fill="x", pady=theme.pad(0, 8))
        for line, is_grave in _lines(tally, texts):
            style = "Bad.TLabel" if is_grave else "TLabel"
            ttk.Label(body, text=line, style=style).pack(anchor="w", padx=theme.pad(12, 0))
        for message in unforeseen:
            Wrapped(body, texts.of(message), "Hint.TLabel").pack(fill="x", pady=theme.pad(8, 0))
        hint = texts(
            "Disabled members can no longer use WeCom; a later sync can enable them again. "
            "Deleting cannot be undone and also deletes the WeCom mailbox."
        )
        if tally.get(("disable", "person")) or tally.get(("delete", "person")):
            Wrapped(body, hint, "Hint.TLabel").pack(fill="x", pady=theme.pad(8, 0))
        row = ButtonRow(
            body,
            theme,
            Action(texts("&Not now"), self.close, is_default=True),
            Action(texts("&Approve"), self._allowed),
            side="right",
        )
        row.pack(fill="x", pady=theme.pad(16, 0))
        self.refuse_button, self.allow_button = row.buttons
        self.bind("<Escape>", lambda _: self.close())
        self.protocol("WM_DELETE_WINDOW", self.close)
        centre(self, session.root)
        self.refuse_button.focus_set()
        self.grab_set()

    def close(self) -> None:
        """Go away; the focus is given back before, as tk stumbles over one that is gone."""
        self.grab_release()
        self.master.focus_set()
        self.destroy()

    def _allowed(self) -> None:
        self.close()
        self._allow()


def _lines(
    tally: Mapping[tuple[str, str], int], texts: Callable[..., str]
) -> Iterator[tuple[str, bool]]:
    for key, words in _ALWAYS:
        count = tally.get(key, 0)
        yield texts(words, count=f"{count:,}"), count > 0
    for key, words in _WHERE_ANY:
        count = tally.get(key, 0)
        if count:
            yield texts(words, count=f"{count:,}"), key[0] == "delete"
