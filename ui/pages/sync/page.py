"""The sync: how it stands, what would change, what waits for a decision, what was done."""

import tkinter as tk
from dataclasses import replace
from tkinter import ttk

from server.api.status import SyncView
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.pages.sync.conflicts import ConflictsPane
from ui.pages.sync.decision import DecisionPane
from ui.pages.sync.history import HistoryPane
from ui.pages.sync.proposal import proposal_of
from ui.pages.sync.setup_hint import SetupHintCard
from ui.pages.sync.state import StateCard
from ui.state.session import Session
from ui.widgets.layout import Scrolled, heading
from ui.words.health import StatusSnapshot

_LEAST = 560  # px at 100 %; below, the tables would show no row any more


class SyncPage(Page):
    """Follows the status; asks for lists only when the status says that they changed."""

    help_topic = Topic.MIRROR

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self._missing: tuple[str, ...] | None = None
        self._known: object = None
        self._is_seen = False
        hint = texts("Keeps people and departments in WeCom the same as in DingTalk.")
        area = Scrolled(self, theme, _LEAST)
        area.pack(fill="both", expand=True)
        body = area.body
        heading(body, theme, texts("Sync"), hint).pack(fill="x", pady=theme.pad(0, 10))
        self.head = StateCard(body, session)
        self.head.pack(fill="x")
        self.setup_hint = SetupHintCard(body, session)
        self.setup_hint.pack(fill="x")
        self.tabs = ttk.Notebook(body)
        self.tabs.pack(fill="both", expand=True, pady=theme.pad(12, 0))
        self.decision = DecisionPane(self.tabs, session)
        self.conflicts = ConflictsPane(self.tabs, session)
        self.history = HistoryPane(self.tabs, session)
        self.history.on_runs = self._show
        self.tabs.add(self.decision, text=texts("Pending changes"))
        self.tabs.add(self.conflicts, text=texts("Conflicts"))
        self.tabs.add(self.history, text=texts("History"))
        session.watch(self, self._take)

    def shown(self) -> None:
        """Look for all that may have changed while nobody looked."""
        self._is_seen = True
        self._known = None
        self.session.ask(self.session.app.mirror.missing, self._found_missing, lambda _: None)
        if self.session.snapshot is not None:
            self._take(self.session.snapshot)

    def open_part(self, part: str) -> None:
        """Show the `conflicts`, or who was `left-out` by the last full sync."""
        tab = self.conflicts if part == "conflicts" else self.history
        self.tabs.select(tab)  # type: ignore[no-untyped-call] # as the library's stubs have it
        sync = self._sync()
        if part == "left-out" and sync is not None and sync.last_full_run is not None:
            self.history.choose(sync.last_full_run, "problems")

    def left(self) -> None:
        """Stop following."""
        self._is_seen = False

    # --- what is new

    def _sync(self) -> SyncView | None:
        snapshot = self.session.snapshot
        if snapshot is None:
            return None
        return replace(snapshot.status.sync, is_enabled=self.session.sync_switch.is_on(snapshot))

    def _take(self, snapshot: StatusSnapshot) -> None:
        if not self._is_seen:
            return
        sync = snapshot.status.sync
        current = sync.current_run.id if sync.current_run else None
        last = sync.last_run.id if sync.last_run else None
        known = (current, last, sync.conflicts, sync.held, self.session.sync_commands.answered)
        if known != self._known:
            self._known = known
            self.history.feed.refresh()
            self.conflicts.refresh()
        self.history.follow()
        self._show()

    def _show(self) -> None:
        sync = self._sync()
        if sync is None:
            return
        is_ready = self._missing == ()
        self.head.show(sync, is_ready=is_ready)
        self.setup_hint.show(sync, self._missing or ())
        conflicts = self.texts("Conflicts")
        if sync.conflicts:
            conflicts = self.texts("Conflicts ({count})", count=sync.conflicts)
        self.tabs.tab(self.conflicts, text=conflicts)  # type: ignore[no-untyped-call] # as the library's stubs have it
        if self.history.feed.is_loaded:
            proposal = proposal_of(sync, [row.run for row in self.history.feed.rows])
            is_free = (
                is_ready and sync.current_run is None and not self.session.sync_commands.is_waiting
            )
            self.decision.show(proposal, is_free=is_free)

    def _found_missing(self, missing: tuple[str, ...]) -> None:
        if self.winfo_exists():
            self._missing = missing
            self._show()
