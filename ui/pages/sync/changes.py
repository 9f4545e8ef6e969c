"""A run's changes: a table with its groups to choose from, and the selected one in full."""

import tkinter as tk
from collections.abc import Callable, Sequence
from tkinter import ttk
from typing import cast

from server.api.status import ChangeView
from ui.assets.theme import AMBER, GREEN, GREY, RED
from ui.feeds.change_feed import ChangeFeed, ChangeRow, Extract
from ui.state.session import Session
from ui.widgets.table import Column, Row, Source, VirtualTable
from ui.widgets.textbox import Details
from ui.words.change_words import GROUPS, action_words, arrow, field_lines, result_words, who

_TABLE_ROWS = 5
_DETAIL_LINES = 4


class ChangesPane(ttk.Frame):
    """Shows what `show` was told last; `on_change` is called when more of it is known."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent)
        self.session = session
        self.texts, self.theme = session.texts, session.theme
        self.on_change: Callable[[], object] = lambda: None
        self._groups: list[str | None] = [None]
        self._wanted_group: str | None = None
        self._none = ""
        self._is_rejected = False
        self._introduction: tuple[str, str] = ("", "")
        self.feed = ChangeFeed(session, self._changed)
        self.head = row = ttk.Frame(self)
        row.pack(fill="x", pady=self.theme.pad(0, 6))
        self.group_choice = ttk.Combobox(row, state="readonly", width=30)
        self.group_choice.pack(side="left")
        self.group_choice.bind("<<ComboboxSelected>>", lambda _: self._choose())
        self.summary = ttk.Label(row, style="Hint.TLabel")
        self.summary.pack(side="left", padx=self.theme.pad(10, 0))
        panes = ttk.PanedWindow(self, orient="vertical")
        panes.pack(fill="both", expand=True)
        self._add_table(panes)
        self.details = Details(panes, self.theme, height=_DETAIL_LINES, text_font="TkTextFont")
        panes.add(self.details, weight=2)
        self._changed()

    def show(
        self,
        extract: Extract | None,
        none: str,
        introduction: tuple[str, str],
        *,
        is_rejected: bool = False,
    ) -> None:
        """Show some changes of a run, and `none` where there are none.

        `introduction`, a title and text, stands in the place of the details until one is selected.
        `is_rejected`: what was held of them waits for nobody any more.
        """
        self._is_rejected = is_rejected
        self._none, is_new = none, extract != self.feed.extract
        self._introduction = introduction
        if is_new:
            self.table.selected_key = None
            self.table.first = 0
            self._wanted_group = None
            self.feed.use(None)
            self.feed.show(extract)
        if self.table.selected_key is None:
            self.details.show(*introduction)
        self._changed()

    def choose_group(self, group: str) -> None:
        """Show one group only, now and as more is loaded."""
        self._wanted_group = group
        self.table.first = 0
        self.feed.use(group)

    # --- building

    def _add_table(self, panes: ttk.PanedWindow) -> None:
        texts = self.texts
        columns = (
            Column("what", texts("Action"), 130),
            Column("who", texts("Who"), 130),
            Column("brief", texts("Changes"), 300, is_stretched=True),
            Column("result", texts("Result"), 150),
        )
        source = Source(
            lambda: len(self.feed.rows), lambda number: self.feed.rows[number], self._cells
        )
        self.table = VirtualTable(panes, self.theme, columns, source)
        self.table.tree.configure(height=_TABLE_ROWS)
        for tag, colour in (
            ("failed", RED),
            ("skipped", RED),
            ("held", AMBER),
            ("done", GREEN),
            ("planned", GREY),
        ):
            self.table.tree.tag_configure(tag, foreground=colour)
        self.table.on_select = self._select
        panes.add(self.table, weight=3)

    # --- the table

    def _cells(self, row: Row) -> tuple[Sequence[str], str]:
        change = cast("ChangeRow", row)
        if change.result == "held" and self._is_rejected:
            return (change.action, change.who, change.brief, self.texts("Rejected")), "planned"
        result = result_words(change.result, self.texts)
        return (change.action, change.who, change.brief, result), change.result

    def _changed(self) -> None:
        if not self.winfo_exists():
            return
        self.table.redraw()
        self._show_groups()
        count = f"{len(self.feed.rows):,}"
        if not self.feed.is_complete:
            text = self.texts("{count} so far, loading…", count=count)
        else:
            text = "" if self.feed.counts else self._none
        self.summary.configure(text=text)
        self.on_change()

    def _show_groups(self) -> None:
        counts = self.feed.counts
        present = [group for group in GROUPS if counts[group]]
        self._groups = [None, *present]
        words = [self.texts("All ({count})", count=f"{counts.total():,}")]
        for group in present:
            name, count = self.texts(GROUPS[group]), f"{counts[group]:,}"
            words.append(self.texts("{group} ({count})", group=name, count=count))
        self.group_choice.configure(values=words)
        wanted = self._wanted_group
        self.group_choice.current(self._groups.index(wanted) if wanted in self._groups else 0)

    def _choose(self) -> None:
        self._wanted_group = self._groups[self.group_choice.current()]
        self.table.first = 0
        self.feed.use(self._wanted_group)
        self.group_choice.selection_clear()

    # --- one change

    def _select(self, number: int) -> None:
        extract, key = self.feed.extract, self.feed.rows[number].key
        if extract is None:
            return
        mirror, run_id = self.session.app.mirror, extract.run_id
        self.session.ask(
            lambda: mirror.changes(run_id, 1, key - 1),
            lambda found: self._show_change(key, found),
        )

    def _show_change(self, key: int, found: Sequence[ChangeView]) -> None:
        if not self.winfo_exists() or self.table.selected_key != key or not found:
            return
        change = found[0]
        texts = self.texts
        words = texts("{what}: {who}", what=action_words(change, texts), who=who(change))
        self.details.show(words, "\n".join(self._lines(change)))

    def _lines(self, change: ChangeView) -> list[str]:
        texts = self.texts
        lines = []
        if change.error is not None:
            lines += [texts.of(change.error.title), f"→ {texts.of(change.error.hint)}", ""]
        lines += [f"! {texts.of(warning)}" for warning in change.warnings]
        lines += [arrow(words, texts) for words in field_lines(change, texts)]
        lines.append(
            texts(
                "DingTalk id {dingtalk_id}, WeCom id {wecom_id}",
                dingtalk_id=change.dingtalk_id,
                wecom_id=change.wecom_id or "–",
            )
        )
        return lines
