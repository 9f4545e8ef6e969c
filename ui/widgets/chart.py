"""A small column chart with a figure on each column, drawn on a canvas."""

import tkinter as tk
from collections.abc import Sequence

from ui.assets.theme import ACCENT, GREY, LINE, Theme


class ColumnChart(tk.Canvas):
    """Shows a few labelled counts side by side; redrawn when the width changes."""

    def __init__(self, parent: tk.Misc, theme: Theme, background: str) -> None:
        super().__init__(
            parent,
            height=theme.px(110),
            width=theme.px(240),
            highlightthickness=0,
            background=background,
            takefocus=False,
        )
        self._theme = theme
        self._columns: Sequence[tuple[str, int]] = ()
        self.bind("<Configure>", lambda _: self._draw())

    def show(self, columns: Sequence[tuple[str, int]]) -> None:
        """Show other counts, each with its label."""
        if columns != self._columns:
            self._columns = columns
            self._draw()

    def _draw(self) -> None:
        self.delete("all")
        if not self._columns:
            return
        width, height = self.winfo_width(), self.winfo_height()
        base = height - self._theme.px(20)
        room = base - self._theme.px(20)
        step = width / len(self._columns)
        most = max(1, *(count for _, count in self._columns))
        self.create_line(0, base, width, base, fill=LINE)
        for index, (label, count) in enumerate(self._columns):
            middle, half = step * (index + 0.5), min(step * 0.3, self._theme.px(22))
            top = base - room * count / most
            self.create_rectangle(middle - half, top, middle + half, base, fill=ACCENT, width=0)
            self.create_text(middle, top, text=f"{count:,}", anchor="s", font="DingSmall")
            self.create_text(
                middle,
                base + self._theme.px(3),
                text=label,
                anchor="n",
                fill=GREY,
                font="DingSmall",
            )
