"""The events: a live table of any length, filters, and the one that is selected in full."""

import tkinter as tk
from collections.abc import Sequence
from pathlib import Path
from tkinter import filedialog, messagebox, ttk
from typing import cast

from server.api.status import EventView
from ui.assets.theme import AMBER, GREY, RED
from ui.export.exporting import export
from ui.feeds.event_feed import EventFeed, EventFilter, EventRow
from ui.help.opening import Topic
from ui.pages.page import Page
from ui.state.session import Session
from ui.widgets.layout import Action, ButtonRow, heading
from ui.widgets.table import Column, Row, Source, VirtualTable
from ui.widgets.textbox import Details
from ui.words.event_words import STATES, TYPES, payload_words, state_words, type_words
from ui.words.health import StatusSnapshot

_TYPING_MS = 350


class EventsPage(Page):
    """Follows the journal while it is seen."""

    help_topic = Topic.EVENTS

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, session)
        texts, theme = self.texts, self.theme
        self._search_timer = ""
        self._is_seen = False
        self._selected: EventView | None = None
        self.feed = EventFeed(session, self._changed)
        hint = texts("All events that DingTalk has sent, newest first.")
        heading(self, theme, texts("Events"), hint).pack(fill="x")
        self._add_filters()
        self._summary = ttk.Label(self, style="Hint.TLabel")
        panes = ttk.PanedWindow(self, orient="vertical")
        self._add_table(panes)
        self._add_details(panes)
        self._add_buttons()
        self._summary.pack(side="bottom", fill="x", pady=theme.pad(4, 0))
        panes.pack(fill="both", expand=True)
        session.watch(self, self._take)

    def shown(self) -> None:
        """Load what is not loaded yet, and follow."""
        self._is_seen = True
        self.feed.resume()
        self.table.redraw()

    def left(self) -> None:
        """Stop following."""
        self._is_seen = False
        self.feed.pause()

    # --- building

    def _add_filters(self) -> None:
        texts, theme = self.texts, self.theme
        row = ttk.Frame(self)
        row.pack(fill="x", pady=theme.pad(10, 8))
        self.type_choice = self._choice(
            row, texts("All types"), [texts(words) for words in TYPES.values()]
        )
        self.state_choice = self._choice(
            row, texts("All states"), [texts(words) for words in STATES.values()]
        )
        ttk.Label(row, text=texts("Search:")).pack(side="left", padx=theme.pad(8, 4))
        self.search = ttk.Entry(row)
        self.search.pack(side="left", fill="x", expand=True)
        self.search.bind("<KeyRelease>", lambda _: self._search_soon())
        self.search.bind("<Escape>", lambda _: self._clear_search())
        self.bind_all("<Control-f>", lambda _: self._to_search())

    def _choice(self, row: ttk.Frame, first: str, words: Sequence[str]) -> ttk.Combobox:
        values = [first, *words]
        box = ttk.Combobox(row, values=values, state="readonly", width=max(map(_columns, values)))
        box.current(0)
        box.pack(side="left", padx=self.theme.pad(0, 8))
        box.bind("<<ComboboxSelected>>", lambda _: self._apply_filter())
        return box

    def _add_table(self, panes: ttk.PanedWindow) -> None:
        texts = self.texts
        columns = (
            Column("time", texts("Received"), 150),
            Column("type", texts("Event"), 170),
            Column("about", texts("About whom"), 240, is_stretched=True),
            Column("state", texts("State"), 100),
        )
        source = Source(
            lambda: len(self.feed.rows), lambda number: self.feed.rows[number], self._cells
        )
        self.table = VirtualTable(panes, self.theme, columns, source)
        self.table.tree.tag_configure("failed", foreground=RED)
        self.table.tree.tag_configure("pending", foreground=AMBER)
        self.table.tree.tag_configure("ignored", foreground=GREY)
        self.table.on_select = self._select
        self.table.on_scroll = lambda: self.feed.want(self.table.first + self.table.visible)
        panes.add(self.table, weight=3)

    def _add_details(self, panes: ttk.PanedWindow) -> None:
        self.details = Details(panes, self.theme, height=8, text_font="TkFixedFont")
        panes.add(self.details, weight=2)
        self._show_none()

    def _add_buttons(self) -> None:
        texts = self.texts
        row = ButtonRow(
            self,
            self.theme,
            Action(texts("Copy &JSON"), self._copy),
            Action(texts("&Process again"), self._again),
            Action(texts("Process all &failed again"), self._all_failed_again),
            Action(texts("E&xport…"), self._export),
        )
        row.pack(side="bottom", fill="x", pady=self.theme.pad(8, 0))
        self.copy_button, self.again_button, self.failed_button, self.export_button = row.buttons
        for button in (self.copy_button, self.again_button):
            button.configure(state="disabled")

    # --- the table

    def _cells(self, row: Row) -> tuple[Sequence[str], str]:
        event = cast("EventRow", row)
        moment = self.texts.moment(event.at_ms)
        state = state_words(event.state, self.texts)
        return (moment, event.kind, event.about, state), event.state

    def _changed(self, on_top: int) -> None:
        """Show changed rows; whoever has scrolled down keeps the rows he reads."""
        if not self.winfo_exists():
            return
        if self.table.first > 0:
            self.table.first += on_top
        self.table.redraw()
        self._summarise()

    def _summarise(self) -> None:
        shown = f"{len(self.feed.rows):,}"
        if self.feed.is_complete and not self.feed.rows:
            text = (
                self.texts("No event fits the filter.")
                if self._filter() != EventFilter()
                else self.texts("No event has arrived yet.")
            )
        elif self.feed.is_complete:
            text = self.texts("Events: {shown}", shown=shown)
        elif self.feed.has_enough:
            text = self.texts("The newest events: {shown}; scroll down for older ones", shown=shown)
        else:
            text = self.texts("Events so far: {shown}, loading…", shown=shown)
        self._summary.configure(text=text)

    def _take(self, snapshot: StatusSnapshot) -> None:
        has_failed = snapshot.status.events.failed > 0
        self.failed_button.configure(state="normal" if has_failed else "disabled")
        if self._is_seen:
            self.feed.look(self.table.first, self.table.first + self.table.visible)

    # --- filters

    def _filter(self) -> EventFilter:
        kind, state = self.type_choice.current(), self.state_choice.current()
        return EventFilter(
            list(TYPES)[kind - 1] if kind > 0 else None,
            list(STATES)[state - 1] if state > 0 else None,
            self.search.get().strip() or None,
        )

    def _apply_filter(self) -> None:
        self._search_timer = ""
        self.table.first = 0
        self.feed.use(self._filter())

    def _search_soon(self) -> None:
        if self._search_timer:
            self.after_cancel(self._search_timer)
        self._search_timer = self.after(_TYPING_MS, self._apply_filter)

    def _clear_search(self) -> None:
        self.search.delete(0, "end")
        self._apply_filter()

    def _to_search(self) -> None:
        if self.winfo_viewable():
            self.search.focus_set()
            self.search.selection_range(0, "end")

    # --- one event

    def _select(self, number: int) -> None:
        event_id = self.feed.rows[number].key
        self.session.ask(lambda: self.session.app.event(event_id), self._show)

    def _show(self, event: EventView | None) -> None:
        if not self.winfo_exists():
            return
        self._selected = event
        for button in (self.copy_button, self.again_button):
            button.configure(state="disabled" if event is None else "normal")
        if event is None:
            self._show_none()
            return
        texts = self.texts
        words = type_words(event.event_type, texts)
        title = f"{words} ({event.event_type})" if event.event_type else words
        lines = [payload_words(event.payload)]
        if event.error:
            lines.insert(0, texts("Failed: {error}", error=event.error) + "\n")
        self.details.show(title, "\n".join(lines))

    def _show_none(self) -> None:
        self.details.show(self.texts("Select an event to see its details."), "")

    def _copy(self) -> None:
        if self._selected is not None:
            self.session.copy(payload_words(self._selected.payload), self.texts("Copied"))

    def _again(self) -> None:
        if self._selected is not None:
            ids = [self._selected.id]
            self.session.ask(lambda: self.session.app.process_again(ids), self._requeued)

    def _all_failed_again(self) -> None:
        question = self.texts("Process all failed events again?")
        if messagebox.askokcancel("DingBridge", question, parent=self):
            self.session.ask(self.session.app.process_failed_again, self._requeued)

    def _requeued(self, count: int) -> None:
        if count:
            text = self.texts("Events queued for processing: {count}.", count=f"{count:,}")
        else:
            text = self.texts("Nothing to do: the event is already waiting to be processed.")
        self.session.windows.tell(text)
        self.session.windows.refresh()

    def _export(self) -> None:
        texts = self.texts
        name = filedialog.asksaveasfilename(
            parent=self,
            defaultextension=".csv",
            initialfile="dingbridge-events.csv",
            filetypes=[(texts("Table (CSV)"), "*.csv"), ("JSON", "*.json")],
        )
        if not name:
            return
        path, wanted = Path(name), self._filter()

        def done(count: int) -> None:
            told = texts("Exported events: {count}, to {path}", count=f"{count:,}", path=str(path))
            self.session.windows.tell(told)

        self.session.ask(lambda: export(self.session.app, wanted, path, texts), done)


def _columns(text: str) -> int:
    """Return how many average characters wide a text is; a Chinese one takes two."""
    return sum(2 if ord(sign) > 0x2E80 else 1 for sign in text) + 1
