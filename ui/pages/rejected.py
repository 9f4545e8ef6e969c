"""The calls that were turned away, and why: most often the way to a wrong value."""

import tkinter as tk
from collections.abc import Sequence
from tkinter import ttk

from server.api.status import RejectionView
from ui.assets.theme import GREY
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, Wrapped, heading, relabel
from ui.widgets.quick_fixes import adopt_key
from ui.words.health import StatusSnapshot


class RejectedPage(Page):
    """Lists at most the last 200 kinds of rejected calls, which is all that is kept."""

    help_topic = Topic.REJECTED

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self._calls: Sequence[RejectionView] = ()
        self._selected_first_ms = -1
        self._is_seen = False
        heading(
            self,
            theme,
            texts("Rejected requests"),
            texts(
                "Requests whose signature or content does not match the values entered here. An "
                "occasional request from a stranger is normal for a public address."
            ),
        ).pack(fill="x", pady=theme.pad(0, 10))
        self._add_details()
        self._add_table()
        session.watch(self, self._take)

    def shown(self) -> None:
        """Fetch the list at once."""
        self._is_seen = True
        self._fetch()

    def left(self) -> None:
        """Fetch no more."""
        self._is_seen = False

    def _add_table(self) -> None:
        texts, theme = self.texts, self.theme
        frame = ttk.Frame(self)
        frame.pack(fill="both", expand=True)
        self.tree = ttk.Treeview(
            frame, columns=("at", "from", "count", "why"), show="headings", selectmode="browse"
        )
        for name, title, width in (
            ("at", texts("Last time"), 150),
            ("from", texts("From"), 130),
            ("count", texts("Requests"), 60),
            ("why", texts("Cause"), 420),
        ):
            self.tree.heading(name, text=title, anchor="w")
            self.tree.column(name, width=theme.px(width), stretch=name == "why")
        self.tree.tag_configure("settled", foreground=GREY)
        bar = ttk.Scrollbar(frame, command=self.tree.yview)
        self.tree.configure(yscrollcommand=bar.set)
        bar.pack(side="right", fill="y")
        self.tree.pack(side="left", fill="both", expand=True)
        self.tree.bind("<<TreeviewSelect>>", lambda _: self._show_selected())

    def _add_details(self) -> None:
        texts, theme = self.texts, self.theme
        box = ttk.LabelFrame(self, text=texts("What to do"), padding=theme.px(12))
        box.pack(side="bottom", fill="x", pady=theme.pad(10, 0))
        self._title = Wrapped(box, style="Strong.TLabel")
        self._title.pack(fill="x")
        self.hint = Wrapped(box)
        self.hint.pack(fill="x", pady=theme.pad(2, 8))
        self._buttons = ButtonRow(box, theme, Action(texts("&Use this key"), self._adopt))
        self.adopt_button = self._buttons.buttons[0]
        self._show(None)

    def _take(self, snapshot: StatusSnapshot) -> None:
        del snapshot
        if self._is_seen:
            self._fetch()

    def _fetch(self) -> None:
        self.session.ask(self.session.app.rejected_calls, self._fetched)

    def _fetched(self, calls: Sequence[RejectionView]) -> None:
        if not self.winfo_exists() or calls == self._calls:
            return
        self._calls = calls
        self.tree.delete(*self.tree.get_children())
        for number, call in enumerate(calls):
            self.tree.insert(
                "",
                "end",
                str(number),
                values=(
                    self.texts.moment(call.at_ms),
                    call.remote,
                    f"{call.count:,}",
                    self.session.say(call.title),
                ),
                tags=("settled",) if call.is_settled else (),
            )
        chosen = [n for n, call in enumerate(calls) if call.first_at_ms == self._selected_first_ms]
        if calls:
            self.tree.selection_set(str(chosen[0] if chosen else 0))
        else:
            self._show(None)

    def _show_selected(self) -> None:
        chosen = self.tree.selection()
        self._show(self._calls[int(chosen[0])] if chosen else None)

    def _show(self, call: RejectionView | None) -> None:
        self._buttons.pack_forget()
        if call is None:
            self._title.show(self.texts("No request has been rejected."))
            self.hint.show("")
            return
        self._selected_first_ms = call.first_at_ms
        self._title.show(self.session.say(call.title))
        # What would have helped is no advice any more: all is entered as it should be.
        settled = self.texts("A genuine request came later: this is resolved.")
        self.hint.show(settled if call.is_settled else self.session.say(call.hint))
        if call.offered_key and not call.is_settled:
            label = self.texts("&Use the key {key}", key=call.offered_key)
            relabel(self.adopt_button, label)
            self._buttons.pack(fill="x")

    def _adopt(self) -> None:
        chosen = self.tree.selection()
        key = self._calls[int(chosen[0])].offered_key if chosen else None
        if key:
            adopt_key(self.session, key)
