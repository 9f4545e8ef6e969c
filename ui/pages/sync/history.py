"""The runs that were made, each with its changes, and written to a file on demand."""

import tkinter as tk
from collections.abc import Callable, Sequence
from pathlib import Path
from tkinter import filedialog, ttk
from typing import cast

from server.api.status import RunSummary
from ui.assets.theme import AMBER, GREEN, GREY, RED
from ui.export.run_exporting import export_run
from ui.feeds.change_feed import Extract
from ui.feeds.run_feed import RunFeed, RunRow
from ui.pages.sync.changes import ChangesPane
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow
from ui.widgets.table import Column, Row, Source, VirtualTable
from ui.words.run_words import count_words, ending_lines, status_words

_TABLE_ROWS = 4
_COLOURS = {
    "success": GREEN,
    "partial": AMBER,
    "held": AMBER,
    "refused": AMBER,
    "failed": RED,
    "interrupted": RED,
    "preview": GREY,
}


class HistoryPane(ttk.Frame):
    """Holds the feed of runs; `on_runs` is called when there are others."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, padding=session.theme.px(10))
        self._session = session
        self.texts, theme = session.texts, session.theme
        self.on_runs: Callable[[], object] = lambda: None
        self._run: RunSummary | None = None
        self.feed = RunFeed(session, self._changed)
        panes = ttk.PanedWindow(self, orient="vertical")
        panes.pack(fill="both", expand=True)
        self._add_table(panes)
        frame = ttk.Frame(panes)
        self.pane = ChangesPane(frame, session)
        self.pane.pack(fill="both", expand=True, pady=theme.pad(8, 0))
        export = Action(self.texts("E&xport…"), self._export)
        row = ButtonRow(self.pane.head, theme, export, side="right")
        row.pack(side="right")
        self.export_button = row.buttons[0]
        panes.add(frame, weight=3)
        self._show_run()

    def _add_table(self, panes: ttk.PanedWindow) -> None:
        texts = self.texts
        columns = (
            Column("began", texts("Started"), 150),
            Column("why", texts("Trigger"), 170, is_stretched=True),
            Column("ending", texts("Result"), 150),
            Column("changes", texts("Changes"), 270),
        )
        source = Source(
            lambda: len(self.feed.rows), lambda number: self.feed.rows[number], self._cells
        )
        self.table = VirtualTable(panes, self._session.theme, columns, source)
        self.table.tree.configure(height=_TABLE_ROWS)
        for status, colour in _COLOURS.items():
            self.table.tree.tag_configure(status, foreground=colour)
        self.table.on_select = self._select
        self.table.on_scroll = lambda: self.feed.want(self.table.first + self.table.visible)
        panes.add(self.table, weight=2)

    def follow(self) -> None:
        """Fetch what the run that is shown has done since, where it is under way."""
        if self._run is not None and self._run.status is None:
            self.pane.feed.more()

    def choose(self, run: RunSummary, group: str) -> None:
        """Show one group of a run's changes."""
        self._run = run
        self.table.selected_key = run.id
        self.table.redraw()
        self._show_run()
        self.pane.choose_group(group)

    # --- the runs

    def _cells(self, row: Row) -> tuple[Sequence[str], str]:
        run, texts = cast("RunRow", row).run, self.texts
        cells = (
            texts.moment(run.started_at_ms),
            texts.of(run.cause),
            status_words(run, texts),
            count_words(run, texts),
        )
        return cells, run.status or ""

    def _changed(self) -> None:
        if not self.winfo_exists():
            return
        self.table.redraw()
        if self._run is None and self.feed.rows:
            self.table.select(0)
        shown = self._run.id if self._run else None
        found = [row.run for row in self.feed.rows if row.key == shown]
        if found and found[0] != self._run:
            was_under_way = self._run is not None and self._run.status is None
            self._run = found[0]
            self._show_run()
            if was_under_way:
                self.pane.feed.more()
        self.on_runs()

    def _select(self, number: int) -> None:
        self._run = self.feed.rows[number].run
        self._show_run()

    def _show_run(self) -> None:
        run, texts = self._run, self.texts
        self.export_button.configure(state="disabled" if run is None else "normal")
        if run is None:
            nothing = texts("Select a sync to see its changes.")
            self.pane.show(None, nothing, ("", ""))
            return
        title = texts(
            "Read from DingTalk: people {people}, departments {departments}.",
            people=f"{run.totals.people:,}",
            departments=f"{run.totals.departments:,}",
        )
        introduction = (title, "\n".join(ending_lines(run, texts)))
        self.pane.show(Extract(run.id), texts("Nothing was changed."), introduction)

    def _export(self) -> None:
        run, texts = self._run, self.texts
        if run is None:
            return
        name = filedialog.asksaveasfilename(
            parent=self,
            defaultextension=".csv",
            initialfile=f"dingbridge-sync-{run.id}.csv",
            filetypes=[(texts("Table (CSV)"), "*.csv"), ("JSON", "*.json")],
        )
        if not name:
            return
        path = Path(name)

        def done(count: int) -> None:
            told = texts("Exported changes: {count}, to {path}", count=f"{count:,}", path=str(path))
            self._session.windows.tell(told)

        self._session.ask(lambda: export_run(self._session.app, run, path, texts), done)
