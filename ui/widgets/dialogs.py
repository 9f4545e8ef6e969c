"""Dialogs: what went wrong, for people; and a mistake of ours, with a report to copy."""

import platform
import tkinter as tk
import traceback
from collections.abc import Callable
from tkinter import ttk

from server.api.app import App
from server.errors.base import DingBridgeError, SettingsError
from server.version import VERSION
from ui.assets.theme import Theme, bind_mnemonics, mnemonic
from ui.help.opening import Topic
from ui.widgets.textbox import ReadingBox
from ui.words.text import Texts


def error_lines(failure: DingBridgeError, texts: Texts) -> str:
    """Return what went wrong and what to do, as the text of a message box."""
    lines = [texts.of(failure.title)]
    if isinstance(failure, SettingsError):
        lines += [f"• {one.name}: {texts.of(one.message)}" for one in failure.problems]
    return "\n\n".join([*lines, texts.of(failure.hint)])


def report_of(app: App, mistake: BaseException) -> str:
    """Return a report on a mistake of ours that holds no secret."""
    lines = "".join(traceback.format_exception(mistake))
    return app.masked(
        f"DingBridge {VERSION}, {platform.platform()}, Python {platform.python_version()}, "
        f"Tk {tk.TkVersion}\n\n{lines}"
    )


def centre(window: tk.Toplevel, parent: tk.Misc) -> None:
    """Put a dialog in the middle of its parent, or of the screen where that cannot be seen."""
    window.update_idletasks()
    width, height = window.winfo_reqwidth(), window.winfo_reqheight()
    if parent.winfo_viewable():
        left = parent.winfo_rootx() + (parent.winfo_width() - width) // 2
        top = parent.winfo_rooty() + (parent.winfo_height() - height) // 3
    else:
        left = (window.winfo_screenwidth() - width) // 2
        top = (window.winfo_screenheight() - height) // 3
    window.geometry(f"+{max(left, 0)}+{max(top, 0)}")


class CrashDialog(tk.Toplevel):
    """A mistake of ours: says that it was, and offers a report to copy."""

    help_topic = Topic.TROUBLESHOOTING

    def __init__(
        self, root: tk.Misc, report: str, texts: Texts, theme: Theme, open_logs: Callable[[], None]
    ) -> None:
        super().__init__(root)
        self.title("DingBridge")
        self._report = report
        self._texts = texts
        body = ttk.Frame(self, padding=theme.px(16))
        body.pack(fill="both", expand=True)
        wrap = theme.px(560)
        ttk.Label(
            body, text=texts("DingBridge ran into an internal error."), style="Strong.TLabel"
        ).pack(anchor="w")
        ttk.Label(
            body,
            text=texts(
                "Callbacks are still being received. Please send this report to your "
                "administrator; it contains no secrets."
            ),
            wraplength=wrap,
        ).pack(anchor="w", pady=theme.pad(4, 8))
        self._add_report(body)
        self._add_buttons(body, theme, open_logs)
        self.bind("<Escape>", lambda _: self.destroy())
        centre(self, root)

    def _add_report(self, body: ttk.Frame) -> None:
        text = ReadingBox(body, height=14, text_font="TkFixedFont", wrap="none")
        text.show(self._report)
        text.pack(fill="both", expand=True)

    def _add_buttons(self, body: ttk.Frame, theme: Theme, open_logs: Callable[[], None]) -> None:
        row = ttk.Frame(body)
        row.pack(fill="x", pady=theme.pad(12, 0))
        texts = self._texts
        labels: tuple[tuple[str, Callable[[], object]], ...] = (
            (texts("&Close"), self.destroy),
            (texts("Open log &folder"), open_logs),
            (texts("Copy &report"), self._copy),
        )
        keys: list[tuple[str | None, tk.Misc]] = []
        for label, action in labels:
            shown, underline, letter = mnemonic(label)
            button = ttk.Button(row, text=shown, underline=underline, command=action)
            button.pack(side="right", padx=theme.pad(8, 0))
            keys.append((letter, button))
        bind_mnemonics(self, keys)
        self.copy_button = button
        button.focus_set()

    def _copy(self) -> None:
        self.clipboard_clear()
        self.clipboard_append(self._report)
        self.copy_button.configure(text=self._texts("Copied"), underline=-1)
