"""Who and what waits for the admin's decision, each with what to do about it."""

import tkinter as tk
from collections.abc import Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import cast

from server.api.status import ConflictView
from ui.state.session import Session
from ui.state.window_api import PageName
from ui.widgets.layout import Action, ButtonRow, Wrapped
from ui.widgets.table import Column, Row, Source, VirtualTable
from ui.widgets.textbox import ReadingBox


@dataclass(frozen=True, slots=True)
class _ConflictRow:
    key: int
    conflict: ConflictView


class ConflictsPane(ttk.Frame):
    """Looks again when it is told to."""

    def __init__(self, parent: tk.Misc, session: Session) -> None:
        super().__init__(parent, padding=session.theme.px(10))
        self._session = session
        self.texts, theme = session.texts, session.theme
        self._rows: list[_ConflictRow] = []
        hint = self.texts(
            "Each one waits until you decide in DingTalk, in the WeCom console or in the settings; "
            "everybody else is synced. Then press Sync now."
        )
        Wrapped(self, hint, "Hint.TLabel").pack(fill="x", pady=theme.pad(0, 8))
        row = ButtonRow(
            self,
            theme,
            Action(self.texts("Copy WeCom i&d"), self._copy),
            Action(
                self.texts("Open sett&ings"),
                lambda: session.windows.open_page(PageName.SETTINGS, "sync"),
            ),
        )
        row.pack(side="bottom", fill="x", pady=theme.pad(8, 0))
        self.copy_button = row.buttons[0]
        self.copy_button.configure(state="disabled")
        self._add_table()

    def _add_table(self) -> None:
        texts = self.texts
        columns = (
            Column("kind", texts("Kind"), 100),
            Column("dingtalk", texts("DingTalk id"), 150),
            Column("wecom", texts("WeCom id"), 150),
            Column("why", texts("Why"), 300, is_stretched=True),
        )
        panes = ttk.PanedWindow(self, orient="vertical")
        panes.pack(fill="both", expand=True)
        source = Source(lambda: len(self._rows), lambda number: self._rows[number], self._cells)
        self.table = VirtualTable(panes, self._session.theme, columns, source)
        self.table.on_select = self._select
        panes.add(self.table, weight=3)
        self.details = ReadingBox(panes, height=5, text_font="TkTextFont", wrap="word")
        panes.add(self.details, weight=1)
        self.details.show(texts("There are no conflicts."))

    def refresh(self) -> None:
        """Look for what waits now."""
        self._session.ask(self._session.app.mirror.conflicts, self._loaded, lambda _: None)

    def _loaded(self, found: Sequence[ConflictView]) -> None:
        rows = [_ConflictRow(number, one) for number, one in enumerate(found, 1)]
        if not self.winfo_exists() or (rows == self._rows and rows):
            return
        self._rows = rows
        self.table.selected_key = None
        self.table.redraw()
        self.copy_button.configure(state="disabled")
        texts = self.texts
        self.details.show(
            texts("Select one to see what to do.") if rows else texts("There are no conflicts.")
        )

    def _cells(self, row: Row) -> tuple[Sequence[str], str]:
        conflict = cast("_ConflictRow", row).conflict
        texts = self.texts
        kind = texts("Department") if conflict.kind == "department" else texts("Person")
        why = texts.of(conflict.error.title) if conflict.error else conflict.value
        return (kind, conflict.dingtalk_id, conflict.wecom_id or "–", why), ""

    def _select(self, number: int) -> None:
        conflict = self._rows[number].conflict
        self.copy_button.configure(state="normal" if conflict.wecom_id else "disabled")
        if conflict.error is None:
            self.details.show(self.texts("The next sync explains it again."))
            return
        texts = self.texts
        self.details.show(f"{texts.of(conflict.error.title)}\n→ {texts.of(conflict.error.hint)}")

    def _copy(self) -> None:
        number = self.table.selected_number()
        if number is not None:
            self._session.copy_and_repeat(self._rows[number].conflict.wecom_id)
