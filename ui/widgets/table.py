"""A table of any length: tk holds only the rows that are seen, the rest is asked for by number."""

import tkinter as tk
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from tkinter import ttk
from typing import Protocol

from ui.assets.theme import Theme


class Row(Protocol):
    """A row, told apart from others by its key; equal rows look alike."""

    @property
    def key(self) -> int:
        """What stays the same while the row's content changes."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, its width at 100 % in pixels, and whether it takes what is left."""

    name: str
    heading: str
    width: int
    is_stretched: bool = False


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows come from.

    `count` says how many there are, `row` gives one by its number, `cells` its texts and the tag
    it is coloured with.
    """

    count: Callable[[], int]
    row: Callable[[int], Row]
    cells: Callable[[Row], tuple[Sequence[str], str]]


class VirtualTable(ttk.Frame):
    """Shows a window of the rows; call `redraw` after they changed."""

    def __init__(
        self, parent: tk.Misc, theme: Theme, columns: Sequence[Column], source: Source
    ) -> None:
        super().__init__(parent)
        self._source = source
        self._theme = theme
        self.first = 0
        self.selected_key: int | None = None
        self.on_select: Callable[[int], object] = lambda _: None
        self.on_scroll: Callable[[], object] = lambda: None
        names = [column.name for column in columns]
        self.tree = ttk.Treeview(self, columns=names, show="headings", selectmode="browse")
        for column in columns:
            self.tree.heading(column.name, text=column.heading, anchor="w")
            width = theme.px(column.width)
            self.tree.column(
                column.name, width=width, minwidth=width // 2, stretch=column.is_stretched
            )
        self._bar = ttk.Scrollbar(self, orient="vertical", command=self._scrolled)
        self._bar.pack(side="right", fill="y")
        self.tree.pack(side="left", fill="both", expand=True)
        self._items: list[str] = []
        self._drawn: list[tuple[Sequence[str], str]] = []
        self._bind()

    @property
    def visible(self) -> int:
        """How many rows fit."""
        row_height = int(ttk.Style(self).lookup("Treeview", "rowheight") or 20)
        heading = self.tree.bbox(self._items[0]) if self._items else ""
        top = int(heading[1]) if heading else row_height
        return max(1, (self.tree.winfo_height() - top - 2) // row_height)

    def redraw(self) -> None:
        """Show the rows as they are now."""
        count, visible = self._source.count(), self.visible
        self.first = max(0, min(self.first, count - visible))
        shown = range(self.first, min(self.first + visible, count))
        rows = [self._source.row(number) for number in shown]
        self._fill([self._source.cells(row) for row in rows])
        self._mark(rows)
        top = self.first / count if count else 0.0
        bottom = (self.first + visible) / count if count else 1.0
        self._bar.set(top, min(bottom, 1.0))

    def scroll_to(self, first: int) -> None:
        """Show other rows, the one with this number at the top."""
        self.first = first
        self.redraw()
        self.on_scroll()

    def select(self, number: int) -> None:
        """Select a row and bring it into sight."""
        count, visible = self._source.count(), self.visible
        if not count:
            return
        number = max(0, min(number, count - 1))
        self.selected_key = self._source.row(number).key
        if number < self.first:
            self.first = number
        elif number >= self.first + visible:
            self.first = number - visible + 1
        self.redraw()
        self.on_scroll()
        self.on_select(number)

    def selected_number(self) -> int | None:
        """Return the selected row's number where it is in sight."""
        for offset in range(len(self._items)):
            number = self.first + offset
            if number < self._source.count() and self._is_selected(number):
                return number
        return None

    def _is_selected(self, number: int) -> bool:
        return self._source.row(number).key == self.selected_key

    def _fill(self, cells: list[tuple[Sequence[str], str]]) -> None:
        """Write what changed into tk's rows; these are made once and used again."""
        while len(self._items) < len(cells):
            self._items.append(self.tree.insert("", "end"))
            self._drawn.append(((), ""))
        for item in self._items[len(cells) :]:
            self.tree.delete(item)
        del self._items[len(cells) :], self._drawn[len(cells) :]
        for place, (item, cell) in enumerate(zip(self._items, cells, strict=True)):
            if self._drawn[place] != cell:
                self.tree.item(item, values=tuple(cell[0]), tags=(cell[1],))
                self._drawn[place] = cell

    def _mark(self, rows: Sequence[Row]) -> None:
        chosen = [
            item
            for item, row in zip(self._items, rows, strict=True)
            if row.key == self.selected_key
        ]
        if list(self.tree.selection()) != chosen:
            self.tree.selection_set(chosen)
        if chosen:
            self.tree.focus(chosen[0])

    def _bind(self) -> None:
        tree = self.tree
        tree.bind("<Configure>", lambda _: self.redraw())
        tree.bind("<ButtonRelease-1>", self._clicked)
        tree.bind("<MouseWheel>", lambda event: self._by(-3 if event.delta > 0 else 3))
        tree.bind("<Button-4>", lambda _: self._by(-3))
        tree.bind("<Button-5>", lambda _: self._by(3))
        for key, move in (
            ("<Up>", lambda: self._step(-1)),
            ("<Down>", lambda: self._step(1)),
            ("<Prior>", lambda: self._step(-self.visible)),
            ("<Next>", lambda: self._step(self.visible)),
            ("<Home>", lambda: self.select(0)),
            ("<End>", lambda: self.select(self._source.count() - 1)),
        ):
            tree.bind(key, lambda _, made=move: _broken(made))  # type: ignore[misc] # the default binds the loop's value

    def _clicked(self, event: "tk.Event[tk.Misc]") -> None:
        item = self.tree.identify_row(event.y)
        if item in self._items:
            self.select(self.first + self._items.index(item))

    def _by(self, rows: int) -> str:
        self.scroll_to(self.first + rows)
        return "break"

    def _step(self, rows: int) -> None:
        number = self.selected_number()
        self.select(self.first if number is None else number + rows)

    def _scrolled(self, action: str, amount: str, unit: str = "") -> None:
        """Follow the scroll bar: `moveto 0.5`, or `scroll 1 units` and `pages`."""
        if action == "moveto":
            self.scroll_to(round(float(amount) * self._source.count()))
            return
        self.scroll_to(self.first + int(amount) * (self.visible if unit == "pages" else 1))


def _broken(move: Callable[[], object]) -> str:
    """Make the move, and keep tk's own handling of the key from making another."""
    move()
    return "break"
