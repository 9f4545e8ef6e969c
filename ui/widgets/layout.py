"""Layout: text that wraps with its window, a page that scrolls, a row of buttons."""

import sys
import tkinter as tk
from collections.abc import Callable
from dataclasses import dataclass
from tkinter import font, ttk

from ui.assets.theme import Theme, bind_mnemonics, mnemonic
from ui.widgets.wrapping import is_chinese, wrap


class Wrapped(ttk.Label):
    """A label whose lines break where its width ends, whatever that is at the moment."""

    def __init__(self, parent: tk.Misc, text: str = "", style: str = "TLabel") -> None:
        super().__init__(parent, text=text, style=style, justify="left", anchor="w")
        self.full_text = text
        self._width = 0
        self.bind("<Configure>", self._resized)

    def show(self, text: str, style: str | None = None) -> None:
        """Show another text, in another style where one is given."""
        is_restyled = style is not None and str(self.cget("style")) != style
        if is_restyled:
            self.configure(style=style or "")
        if self.full_text != text or is_restyled:
            self.full_text = text
            self._wrap()

    def _resized(self, event: "tk.Event[tk.Misc]") -> None:
        if event.width != self._width:
            self._width = event.width
            self._wrap()

    def _wrap(self) -> None:
        width = max(self._width - 4, 40)
        text = self.full_text
        if self._width > 1 and is_chinese(text):
            style = ttk.Style(self).lookup(str(self.cget("style")), "font") or "TkDefaultFont"
            measure = font.nametofont(style, self).measure
            self.configure(text=wrap(text, width, measure), wraplength=0)
        else:
            self.configure(text=text, wraplength=width if self._width > 1 else 0)


class TwoLines(ttk.Frame):
    """A line that stands out, and below it one that says more; both wrap."""

    def __init__(
        self, parent: tk.Misc, title: str = "", hint: str = "", style: str = "Strong.TLabel"
    ) -> None:
        super().__init__(parent)
        self.title = Wrapped(self, title, style)
        self.title.pack(fill="x")
        self.hint = Wrapped(self, hint, "Hint.TLabel")
        self.hint.pack(fill="x")


class Scrolled(ttk.Frame):
    """A frame that scrolls up and down where its content is higher; put widgets into `body`."""

    def __init__(self, parent: tk.Misc, theme: Theme, least: float | None = None) -> None:
        """With a `least` height, at 100 %, the body fills the frame, but never gets lower."""
        super().__init__(parent)
        self._least = None if least is None else theme.px(least)
        background = ttk.Style(self).lookup("TFrame", "background") or "SystemButtonFace"
        self._canvas = tk.Canvas(
            self, highlightthickness=0, borderwidth=0, background=background, takefocus=False
        )
        self._bar = ttk.Scrollbar(self, orient="vertical", command=self._canvas.yview)
        self._canvas.configure(yscrollcommand=self._bar.set, yscrollincrement=theme.px(24))
        self._canvas.pack(side="left", fill="both", expand=True)
        self.body = ttk.Frame(self._canvas)
        self._item = self._canvas.create_window(0, 0, anchor="nw", window=self.body)
        self.body.bind("<Configure>", lambda _: self._fit())
        self._canvas.bind("<Configure>", lambda _: self._fit())
        self.bind("<Map>", lambda _: self._listen(), add=True)
        self.bind("<Unmap>", lambda _: self._stop_listening(), add=True)
        self._focus_binding = ""

    def _fit(self) -> None:
        wanted = self.body.winfo_reqheight() if self._least is None else self._least
        is_needed = wanted > self._canvas.winfo_height() > 1
        # From the frame's own width: the canvas' is still the old one while the bar comes or goes.
        width = self.winfo_width() - (self._bar.winfo_reqwidth() if is_needed else 0)
        height = max(wanted, self._canvas.winfo_height())
        self._canvas.itemconfigure(self._item, width=max(width, 1))
        if self._least is not None:
            self._canvas.itemconfigure(self._item, height=height)
        self._canvas.configure(scrollregion=(0, 0, width, height))
        if is_needed and not self._bar.winfo_ismapped():
            self._bar.pack(side="right", fill="y", before=self._canvas)
        elif not is_needed and self._bar.winfo_ismapped():
            self._bar.pack_forget()

    def _listen(self) -> None:
        """Take the mouse wheel, and follow the focus: Tab must never lead out of sight."""
        top = self.winfo_toplevel()
        for event in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            top.bind(event, self._wheel)
        self._focus_binding = top.bind("<FocusIn>", self._follow, add=True)

    def _stop_listening(self) -> None:
        top = self.winfo_toplevel()
        for event in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
            top.unbind(event)
        top.unbind("<FocusIn>", self._focus_binding)

    def _wheel(self, event: "tk.Event[tk.Misc]") -> None:
        if not self._bar.winfo_ismapped() or isinstance(event.widget, (tk.Text, ttk.Treeview)):
            return
        if sys.platform == "win32":
            self._canvas.yview_scroll(-event.delta // 40, "units")
        else:
            self._canvas.yview_scroll(3 if event.num == 5 else -3, "units")

    def _follow(self, event: "tk.Event[tk.Misc]") -> None:
        widget = event.widget
        if not str(widget).startswith(str(self.body)) or not self._bar.winfo_ismapped():
            return
        top = widget.winfo_rooty() - self.body.winfo_rooty()
        seen_from = self._canvas.canvasy(0)
        seen_to = seen_from + self._canvas.winfo_height()
        if top < seen_from or top + widget.winfo_height() > seen_to:
            middle = top - self._canvas.winfo_height() / 2
            self._canvas.yview_moveto(max(0.0, middle / max(self.body.winfo_height(), 1)))


@dataclass(frozen=True, slots=True)
class Action:
    """A button to be: its label, `&` before its letter, and what it does."""

    label: str
    command: Callable[[], object]
    is_default: bool = False


class ButtonRow(ttk.Frame):
    """Buttons side by side, with their Alt letters bound in their window."""

    def __init__(self, parent: tk.Misc, theme: Theme, *actions: Action, side: str = "left") -> None:
        super().__init__(parent)
        self.buttons: list[ttk.Button] = []
        keys: list[tuple[str | None, tk.Misc]] = []
        for action in actions:
            shown, underline, letter = mnemonic(action.label)
            button = ttk.Button(
                self,
                text=shown,
                underline=underline,
                command=action.command,
                default="active" if action.is_default else "normal",
            )
            is_left = side == "left"
            button.pack(
                side="left" if is_left else "right",
                padx=theme.pad(0, 8) if is_left else theme.pad(8, 0),
            )
            # A button that has the focus is pressed by Enter, too, as people expect on Windows.
            button.bind("<Return>", lambda _, pressed=button: pressed.invoke())  # type: ignore[misc] # the default binds the loop's value
            self.buttons.append(button)
            keys.append((letter, button))
        self.bind("<Map>", lambda _: bind_mnemonics(self.winfo_toplevel(), keys), add=True)


def relabel(button: ttk.Button, label: str) -> None:
    """Give a button other words; its letter is the one that it was made with."""
    shown, underline, _ = mnemonic(label)
    button.configure(text=shown, underline=underline)


def heading(parent: tk.Misc, theme: Theme, title: str, hint: str = "") -> ttk.Frame:
    """Return the head of a page: its name and a line about it."""
    head = ttk.Frame(parent)
    ttk.Label(head, text=title, style="Title.TLabel").pack(anchor="w")
    if hint:
        Wrapped(head, hint, "Hint.TLabel").pack(fill="x", pady=theme.pad(2, 0))
    return head
