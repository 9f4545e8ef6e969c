"""From a double-click to a running program: one a data folder, the log, the first window."""

import tkinter as tk
from tkinter import messagebox

from server.app import App
from ui.program import Program, Start
from ui.single import SingleInstance
from ui.text import Texts
from ui.theme import make_dpi_aware


def run_program(app: App, texts: Texts, start: Start) -> int:
    """Show the windows of a data folder until the admin quits; returns the exit code.

    A second start brings the first one's window up and returns. Raises tk.TclError where there is
    no screen, and FileAccessError where the data folder cannot be used.
    """
    make_dpi_aware()
    root = tk.Tk(className="DingBridge")
    root.withdraw()
    app.folder.ensure()
    single = SingleInstance(app.folder.root)
    if not single.acquire():
        return _raise_running(single, texts)
    log = app.set_up_logging()
    try:
        hanging = Program(app, texts, root, single, start).run()
    finally:
        root.destroy()
        log.close()
    return 1 if hanging else 0


def _raise_running(single: SingleInstance, texts: Texts) -> int:
    if single.ask_to_raise():
        return 0
    messagebox.showerror(
        "DingBridge",
        texts(
            "DingBridge is running already, but does not answer. End “DingBridge” in the Task "
            "Manager, then start it again."
        ),
    )
    return 1
