import gc
import os
import tkinter as tk
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tkinter import messagebox

import pytest

from server.api.app import App
from tests.ui.office import office
from tests.ui.screen import HAS_XVFB, screen
from tests.ui.stage import Stage, on_stage, open_main

# Its X11 backend wants a screen as soon as it is imported, and has no menu.
os.environ["PYSTRAY_BACKEND"] = "dummy"


@pytest.fixture(autouse=True, scope="module")
def _only_the_young() -> Iterator[None]:
    """Let a collection look at nothing older than its test.

    The program makes several, and each test some more; late in a long run, with all that the other
    tests have left, each would take a good part of a second.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "unfreeze", lambda: None)
        yield
    gc.unfreeze()
    gc.collect()


@pytest.fixture(autouse=True)
def _collect_on_this_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "display" in request.fixturenames:
        gc.collect()


@pytest.fixture(autouse=True)
def _no_notification_area(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.ui.icon import FakeIcon  # noqa: PLC0415 - imports pystray, which asks for its backend

    monkeypatch.setattr("pystray.Icon", FakeIcon)
    monkeypatch.setattr(FakeIcon, "made", [])


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What message boxes said; a test that expects one takes it out of the list."""
    told: list[str] = []
    for name in ("showerror", "showwarning", "showinfo"):
        monkeypatch.setattr(messagebox, name, lambda _, text, **__: told.append(text))
    yield told
    assert told == []


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """One screen for all tests: tk never lets go of a screen, and dies with it."""
    if not HAS_XVFB:
        pytest.skip("needs Xvfb, a screen without a monitor")
    with screen(1400, 1000) as name:
        yield name


@pytest.fixture(params=["en", "zh-CN"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(tmp_path: Path, language: str) -> App:
    return office(tmp_path / "data", language)


@pytest.fixture(scope="session")
def root(display: str) -> Iterator[tk.Tk]:
    """One for all tests, as the program has one: tk does not survive many in one process."""
    del display
    root = tk.Tk()
    yield root
    root.destroy()


@pytest.fixture
def stage(app: App, display: str, root: tk.Tk) -> Iterator[Stage]:
    """The program with its main window open."""
    with on_stage(app, display, root) as stage:
        open_main(stage)
        yield stage


@pytest.fixture
def staged(display: str, root: tk.Tk) -> Callable[[App], AbstractContextManager[Stage]]:
    """Run a program that has to be prepared by the test."""
    return lambda app: on_stage(app, display, root)
