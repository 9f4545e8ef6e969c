"""Windows fit the screens of an office, also where these are small and scaled up."""

import tkinter as tk

import pytest

from server.api.app import App
from tests.ui.stage import on_stage, open_main
from ui.assets.theme import Theme
from ui.widgets.layout import Scrolled

_ROOM = 16  # for a frame, at 100 %


@pytest.mark.parametrize(
    ("width", "height", "scale"), [(1024, 768, 1.0), (1366, 768, 1.5), (1920, 1080, 2.5)]
)
def test_the_windows_fit_a_small_screen(
    app: App,
    display: str,
    root: tk.Tk,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    height: int,
    scale: float,
) -> None:
    monkeypatch.setattr(tk.Misc, "winfo_screenwidth", lambda _: width)
    monkeypatch.setattr(tk.Misc, "winfo_screenheight", lambda _: height)

    with on_stage(app, display, root, scale) as stage:
        open_main(stage)
        stage.program.open_guide()
        guide = stage.program.guide
        assert guide is not None
        for window in (stage.root, guide.window):
            stage.hand.let_settle()
            assert window.winfo_x() >= 0
            assert window.winfo_x() + window.winfo_width() <= width - _ROOM * scale / 2
            assert window.winfo_y() + window.winfo_height() <= height - _ROOM * scale


def test_a_body_that_scrolls_never_lies_under_its_bar(root: tk.Tk) -> None:
    theme = Theme(root, 1.0)
    window = tk.Toplevel(root)
    window.geometry("300x200")
    area = Scrolled(window, theme)
    area.pack(fill="both", expand=True)
    for height in (100, 900, 100, 900):
        inner = tk.Frame(area.body, height=height, width=10)
        inner.pack(fill="x")
        for _ in range(5):
            root.update()
        bar = area._bar.winfo_width() if area._bar.winfo_ismapped() else 0
        assert bool(bar) == (height == 900)
        assert area.body.winfo_width() + bar == area.winfo_width()
        inner.destroy()
        area.body.configure(height=1)
    window.destroy()
