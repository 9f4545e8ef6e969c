"""What would change, why it waits, and the admin's word on it: allow this list, or reject it."""

import tkinter as tk
from tkinter import ttk

from ui.feeds.change_feed import Extract
from ui.pages.sync.allow import AllowDialog
from ui.pages.sync.changes import ChangesPane
from ui.pages.sync.proposal import Proposal
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, TwoLines

_HELD = frozenset({"held"})


class DecisionPane(ttk.Frame):
    """Shows a proposal."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, padding=session.theme.px(10))
        self._session = session
        self.texts, theme = session.texts, session.theme
        self.proposal: Proposal | None = None
        self._is_free = False
        self.dialog: AllowDialog | None = None
        head = ttk.Frame(self)
        head.pack(fill="x", pady=theme.pad(0, 8))
        self._row = ButtonRow(
            head,
            theme,
            Action(self.texts("Re&ject"), self._reject),
            Action(self.texts("A&pprove…"), self._ask),
            side="right",
        )
        self.reject_button, self.allow_button = self._row.buttons
        words = TwoLines(head)
        words.pack(side="left", fill="x", expand=True)
        self.title, self.reason = words.title, words.hint
        self.pane = ChangesPane(self, session)
        self.pane.pack(fill="both", expand=True)
        self.pane.on_change = self._enable

    def show(self, proposal: Proposal | None, *, is_free: bool) -> None:
        """Show a proposal; `is_free`: no run is under way, so that it can be decided on."""
        self.proposal, self._is_free = proposal, is_free
        self.title.show(self._title(proposal))
        told = [
            self._reason(proposal),
            *map(self.texts.of, proposal.unforeseen if proposal else ()),
        ]
        self.reason.show("\n".join(told))
        if proposal is not None and proposal.digest is not None:
            self._row.pack(side="right", anchor="n", before=self.title.master)
        else:
            self._row.pack_forget()
        extract = None
        if proposal is not None:
            extract = Extract(proposal.run_id, None if proposal.is_preview else _HELD)
        nothing = self.texts("Nothing would change.") if proposal else ""
        introduction = self.texts("Select a change to see its details.") if proposal else ""
        is_rejected = proposal is not None and proposal.is_rejected
        self.pane.show(extract, nothing, (introduction, ""), is_rejected=is_rejected)
        self._enable()

    def _title(self, proposal: Proposal | None) -> str:
        texts = self.texts
        if proposal is None:
            return texts("Nothing is waiting for you.")
        moment = texts.moment(proposal.at_ms)
        if proposal.is_preview:
            return texts("Preview of {moment}: nothing has been written.", moment=moment)
        if proposal.is_rejected:
            return texts("Rejected: these stay as they are in WeCom.")
        return texts("Waiting for your approval since {moment}.", moment=moment)

    def _reason(self, proposal: Proposal | None) -> str:
        texts = self.texts
        if proposal is None:
            return texts("Preview shows what a sync would change, without writing anything.")
        if proposal.is_rejected:
            return texts(
                "You are not asked again unless the list changes. You can still approve it."
            )
        if proposal.reasons:
            return texts.joined(map(texts.of, proposal.reasons))
        if proposal.digest is not None:
            return texts("Changes that await approval are not made until you approve this list.")
        return texts("Press Sync now to make these changes.")

    def _enable(self) -> None:
        proposal = self.proposal
        is_known = self.pane.feed.is_complete and bool(self.pane.feed.tally)
        can_allow = proposal is not None and self._is_free and is_known
        self.allow_button.configure(state="normal" if can_allow else "disabled")
        can_reject = proposal is not None and proposal.is_held and not proposal.is_rejected
        self.reject_button.configure(state="normal" if can_reject else "disabled")

    # --- the word on it

    def _ask(self) -> None:
        proposal = self.proposal
        if proposal is None or proposal.digest is None:
            return
        digest, commands = proposal.digest, self._session.sync_commands
        self.dialog = AllowDialog(
            self._session,
            self.pane.feed.tally,
            lambda: commands.allow(digest),
            proposal.unforeseen,
        )

    def _reject(self) -> None:
        proposal = self.proposal
        if proposal is None or proposal.digest is None:
            return
        digest, mirror = proposal.digest, self._session.app.mirror
        self._session.ask(lambda: mirror.reject(digest), self._rejected)

    def _rejected(self, is_done: bool) -> None:  # noqa: FBT001 - a worker's answer
        if is_done:
            told = self.texts("Rejected: nobody on this list is disabled or deleted.")
        else:
            told = self.texts(
                "The list has changed in the meantime, so nothing was done. Check it again."
            )
        self._session.windows.tell(told)
        self._session.windows.refresh()
