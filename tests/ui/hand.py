"""A hand on mouse and keyboard: real X11 events, through the XTEST extension."""

import time
import tkinter as tk
from collections.abc import Callable
from tkinter import ttk

from Xlib import XK, X, display  # type: ignore[import-untyped] # it ships no types
from Xlib.ext import xtest  # type: ignore[import-untyped] # as above

from ui.assets.theme import mnemonic

PATIENCE_S = 8.0
_SIGNS = {" ": "space", ".": "period", "-": "minus", "/": "slash", ":": "colon", ",": "comma"}


class Hand:
    """Clicks and types, and lets tk work meanwhile; call it from the thread that owns tk."""

    def __init__(self, root: tk.Tk, display_name: str) -> None:
        self._root = root
        self._display = display.Display(display_name)

    def close(self) -> None:
        self._display.close()

    def wait_for(self, condition: Callable[[], object], what: str = "") -> None:
        until_s = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until_s, what or "it did not happen in time"
            self._root.update()
            time.sleep(0.005)

    def let_settle(self) -> None:
        for _ in range(3):
            self._root.update()
            time.sleep(0.01)

    def click(self, widget: tk.Misc, x: int | None = None, y: int | None = None) -> None:
        self.wait_for(widget.winfo_viewable, f"{widget} cannot be seen")
        self.let_settle()
        left = widget.winfo_rootx() + (widget.winfo_width() // 2 if x is None else x)
        top = widget.winfo_rooty() + (widget.winfo_height() // 2 if y is None else y)
        xtest.fake_input(self._display, X.MotionNotify, x=left, y=top)
        self._press(X.ButtonPress, X.ButtonRelease, 1)
        self.let_settle()

    def click_button(self, parent: tk.Misc, label: str) -> None:
        self.click(button(parent, label))

    def type(self, text: str) -> None:
        for sign in text:
            self._strike(_SIGNS.get(sign, sign))
        self.let_settle()

    def key(self, name: str, *, with_alt: bool = False, with_control: bool = False) -> None:
        self._strike(name, with_alt=with_alt, with_control=with_control)
        self.let_settle()

    def _strike(self, name: str, *, with_alt: bool = False, with_control: bool = False) -> None:
        code = self._display.keysym_to_keycode(XK.string_to_keysym(name))
        is_shifted = self._display.keycode_to_keysym(code, 0) != XK.string_to_keysym(name)
        held = [
            self._display.keysym_to_keycode(keysym)
            for keysym, is_held in (
                (XK.XK_Shift_L, is_shifted),
                (XK.XK_Alt_L, with_alt),
                (XK.XK_Control_L, with_control),
            )
            if is_held
        ]
        for modifier in held:
            xtest.fake_input(self._display, X.KeyPress, modifier)
        self._press(X.KeyPress, X.KeyRelease, code)
        for modifier in held:
            xtest.fake_input(self._display, X.KeyRelease, modifier)
        self._display.sync()
        self._root.update()

    def _press(self, down: int, up: int, detail: int) -> None:
        xtest.fake_input(self._display, down, detail)
        xtest.fake_input(self._display, up, detail)
        self._display.sync()


def every(parent: tk.Misc) -> list[tk.Misc]:
    """Return a widget and all below it."""
    return [parent, *(found for child in parent.winfo_children() for found in every(child))]


def button(parent: tk.Misc, label: str) -> ttk.Button | ttk.Radiobutton:
    """Return the button with this label that can be seen; the label may name its letter."""
    label, _, _ = mnemonic(label)
    found = [
        one
        for one in every(parent)
        if isinstance(one, (ttk.Button, ttk.Radiobutton))
        and str(one.cget("text")) == label
        and one.winfo_viewable()
    ]
    assert len(found) == 1, f"{label!r}: {len(found)} buttons"
    return found[0]


def shown_texts(parent: tk.Misc) -> list[str]:
    """Return every text that can be seen."""
    return [
        str(one.cget("text"))
        for one in every(parent)
        if isinstance(one, (ttk.Label, ttk.Button, ttk.LabelFrame)) and one.winfo_viewable()
    ]
