"""Looks: the system's own theme, sharp at every scaling, and the few styles added to it."""

import sys
import tkinter as tk
from collections.abc import Sequence
from dataclasses import dataclass
from tkinter import font, ttk

from ui.assets.icon import draw
from ui.assets.icons import png, state_image
from ui.words.health import Health

GREY = "#5f6672"
RED = "#b91c1c"
GREEN = "#15803d"
AMBER = "#92400e"
LINE = "#d5d9e0"
ACCENT = "#1664d9"
WHITE = "#ffffff"
_BACKGROUND = "#f4f6f9"
_TEXT = "#1b1f27"
_SELECTED = "#dbe8fb"
# Without Windows: what draws Chinese well, in order of liking.
_FAMILIES = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei")
_POINTS_PER_INCH = 72
_DPI_AT_100 = 96


def make_dpi_aware() -> None:
    """Tell Windows that this program scales by itself; else its windows are blown up, blurred.

    To be called before the first window. "System" awareness: tk 8.6 does not follow a change of
    scaling while it runs.
    """
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows only

        system_aware = 1
        try:
            ctypes.windll.shcore.SetProcessDpiAwareness(system_aware)
        except (AttributeError, OSError):  # before Windows 8.1
            ctypes.windll.user32.SetProcessDPIAware()


@dataclass(frozen=True, slots=True)
class Pictures:
    """The pictures in use; tk shows a picture only as long as somebody holds it."""

    states: dict[Health, tk.PhotoImage]
    small_states: dict[Health, tk.PhotoImage]
    app: tk.PhotoImage
    window: tuple[tk.PhotoImage, ...]


class Theme:
    """Sizes, fonts and styles of one root window."""

    def __init__(self, root: tk.Tk, scale: float | None = None) -> None:
        """`scale` is 1.0 at 100 %; None takes the system's."""
        self._root = root
        self._fonts: list[font.Font] = []
        if scale is not None:
            root.tk.call("tk", "scaling", scale * _DPI_AT_100 / _POINTS_PER_INCH)
        self.scale = float(root.tk.call("tk", "scaling")) * _POINTS_PER_INCH / _DPI_AT_100
        self._set_up_fonts()
        self._set_up_styles()
        self.pictures = self._drawn()
        root.iconphoto(True, *self.pictures.window)  # noqa: FBT003 - tk's own signature

    def px(self, size: float) -> int:
        """Return a length given for 100 % in pixels of this screen."""
        return round(size * self.scale)

    def pad(self, before: float, after: float) -> tuple[int, int]:
        """Return two lengths at once, for paddings."""
        return self.px(before), self.px(after)

    def _set_up_fonts(self) -> None:
        default = font.nametofont("TkDefaultFont", self._root)
        if sys.platform != "win32":
            known = set(font.families(self._root))
            family = next((name for name in _FAMILIES if name in known), None)
            for name in ("TkDefaultFont", "TkTextFont", "TkMenuFont", "TkHeadingFont"):
                one = font.nametofont(name, self._root)
                one.configure(family=family or one.actual("family"), size=10, weight="normal")
            font.nametofont("TkFixedFont", self._root).configure(size=10)
        size = int(default.actual("size"))
        self._font("DingStrong", default, weight="bold")
        self._font("DingTitle", default, size=size + 6, weight="bold")
        self._font("DingBig", default, size=size + 9, weight="bold")
        self._font("DingSmall", default, size=size - 1)

    def _font(self, name: str, like: font.Font, **changes: object) -> None:
        """Make a named font; one of that name is there where a language change rebuilds all."""
        options = {**like.actual(), **changes}
        made = font.Font(self._root, name=name, exists=name in font.names(self._root))
        made.configure(**options)  # type: ignore[arg-type] # as actual() gave them
        self._fonts.append(made)  # tk forgets a named font with the object that made it

    def _set_up_styles(self) -> None:
        style = ttk.Style(self._root)
        if "vista" in style.theme_names():
            style.theme_use("vista")
        else:
            self._lighten(style)
        row = font.nametofont("TkDefaultFont", self._root).metrics("linespace") + self.px(8)
        style.configure("Treeview", rowheight=row)
        style.configure("Treeview.Heading", padding=self.pad(6, 4))
        style.configure("TButton", padding=self.pad(10, 3))
        style.configure("TNotebook.Tab", padding=self.pad(12, 5))
        style.configure("TLabelframe.Label", font="DingStrong")
        style.configure("Title.TLabel", font="DingTitle")
        style.configure("Big.TLabel", font="DingBig")
        style.configure("Strong.TLabel", font="DingStrong")
        style.configure("Hint.TLabel", foreground=GREY)
        style.configure("Bad.TLabel", foreground=RED)
        style.configure("Good.TLabel", foreground=GREEN)
        style.configure("Mono.TLabel", font="TkFixedFont")
        style.configure("Nav.Toolbutton", padding=self.pad(12, 8), anchor="w")
        style.map("Nav.Toolbutton", font=[("selected", "DingStrong")])

    def _lighten(self, style: ttk.Style) -> None:
        """Make clam, the best of what X11 has, look like a light desktop of today."""
        style.theme_use("clam")
        style.configure(
            ".",
            background=_BACKGROUND,
            foreground=_TEXT,
            bordercolor=LINE,
            lightcolor=_BACKGROUND,
            darkcolor=LINE,
            troughcolor="#e6e9ee",
            selectbackground=ACCENT,
            selectforeground=WHITE,
            focuscolor=ACCENT,
        )
        self._root.configure(background=_BACKGROUND)
        self._root.option_add("*Toplevel.background", _BACKGROUND)
        style.configure("TButton", background=WHITE, lightcolor=WHITE)
        style.map("TButton", background=[("disabled", _BACKGROUND), ("active", _SELECTED)])
        style.configure("TEntry", fieldbackground=WHITE, padding=self.pad(4, 3))
        style.map("TCombobox", fieldbackground=[("readonly", WHITE)])
        style.configure("TCombobox", padding=self.pad(4, 3), arrowsize=self.px(12))
        style.configure("Treeview", background=WHITE, fieldbackground=WHITE, borderwidth=1)
        style.map("Treeview", background=[("selected", ACCENT)], foreground=[("selected", WHITE)])
        style.configure("TCheckbutton", indicatorsize=self.px(14))
        style.map("TCheckbutton", background=[("active", _BACKGROUND)])
        style.configure("TNotebook", tabmargins=(0, 0, 0, 0))
        style.configure("TNotebook.Tab", background="#e6e9ee", lightcolor="#e6e9ee")
        style.map(
            "TNotebook.Tab",
            background=[("selected", _BACKGROUND), ("active", _SELECTED)],
            lightcolor=[("selected", _BACKGROUND)],
            padding=[("selected", self.pad(12, 5))],
            expand=[("selected", (0, 0, 0, 0))],
        )
        style.configure("Nav.Toolbutton", relief="flat", borderwidth=0)
        style.map("Nav.Toolbutton", background=[("selected", _SELECTED), ("active", "#e9eef6")])
        style.configure("Vertical.TScrollbar", arrowsize=self.px(13))

    def _drawn(self) -> Pictures:
        def photo(data: bytes) -> tk.PhotoImage:
            return tk.PhotoImage(master=self._root, data=data)

        def states(size: int) -> dict[Health, tk.PhotoImage]:
            return {one: photo(png(state_image(one, self.px(size)))) for one in Health}

        return Pictures(
            states(40),
            states(18),
            photo(png(draw(self.px(56)))),
            tuple(photo(png(draw(size))) for size in (64, 32, 16)),
        )


def mnemonic(text: str) -> tuple[str, int, str | None]:
    """Take the `&` out of a label; returns the label, the place to underline, and the letter.

    The place is -1 and the letter None where there is none.
    """
    place = text.find("&")
    if place < 0 or place + 1 >= len(text):
        return text, -1, None
    return text[:place] + text[place + 1 :], place, text[place + 1].lower()


def bind_mnemonics(window: tk.Misc, actions: Sequence[tuple[str | None, tk.Misc]]) -> None:
    """Have Alt and the letter press the button that belongs to it."""
    for letter, widget in actions:
        if letter is not None:
            bind_press(window, f"<Alt-{letter}>", widget)


def bind_press(window: tk.Misc, event: str, widget: tk.Misc) -> None:
    """Have an event of a window press a button; nothing happens while that cannot be seen."""

    def press(_: "tk.Event[tk.Misc]") -> str:
        if not widget.winfo_viewable():  # on a page that was left, or in a window that is closed
            return ""
        if isinstance(widget, (ttk.Button, ttk.Radiobutton, ttk.Checkbutton)):
            widget.invoke()
        else:
            widget.focus_set()
        return "break"

    window.bind(event, press)
