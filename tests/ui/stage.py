"""Puts the program on a screen and takes it off again, with a hand to work it."""

import gc
import threading
import tkinter as tk
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from server.api.app import App
from tests.ui.hand import Hand
from tests.waiting import until
from ui.shell.program import Program, Start
from ui.shell.single import SingleInstance
from ui.widgets.dialogs import CrashDialog
from ui.words.text import Texts


@dataclass(frozen=True, slots=True)
class Stage:
    """A running program, the facade under it, and a hand."""

    program: Program
    app: App
    hand: Hand
    root: tk.Tk

    @property
    def texts(self) -> Texts:
        return self.program.session.texts

    def look_again(self) -> None:
        """Have the status fetched twice: the first answer may have been under way already."""
        for _ in range(2):
            before = self.program.session.snapshot
            self.program.refresh()
            self.hand.wait_for(lambda: self.program.session.snapshot is not before)  # noqa: B023 - waited for before the next round


@contextmanager
def on_stage(app: App, display: str, root: tk.Tk, scale: float = 1.0) -> Iterator[Stage]:
    """Run the program; it is quit at the end as its menu does it. `root` serves many programs."""
    # What the last program left must not be collected on a worker: tk objects belong to a thread.
    gc.collect()
    hand = Hand(root, display)
    single = SingleInstance(app.folder)
    assert single.acquire()
    texts = Texts(app.config().settings.ui.language)
    others = _own_threads()  # those of simulated platforms, which outlive the program
    program = Program(app, texts, root, single, Start(scale=scale))
    program.start()
    try:
        yield Stage(program, app, hand, root)
    finally:
        program.quit()
        hand.wait_for(lambda: program.has_ended)
        hanging = program.finish()
        until(lambda: _own_threads() <= others)
        hand.close()
        for child in root.winfo_children():
            child.destroy()
        assert hanging == ()


def _own_threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name.startswith("dingbridge-")}


def shown_crash(stage: Stage) -> CrashDialog | None:
    """Return the dialog about a mistake of ours, None where none is shown."""
    found = [one for one in stage.root.winfo_children() if isinstance(one, CrashDialog)]
    return found[0] if found else None


def open_main(stage: Stage) -> None:
    """Wait until the program is up, and show the main window."""
    stage.hand.wait_for(lambda: stage.program.session.snapshot is not None)
    stage.hand.wait_for(lambda: stage.app.is_serving)
    if stage.program.guide is not None:
        stage.program.guide.close()
    stage.program.show_window()
    stage.hand.wait_for(stage.root.winfo_viewable)
