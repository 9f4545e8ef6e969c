"""From a double-click to a running program: one a data folder, the log, the first window."""

import tkinter as tk
from tkinter import messagebox

from server.api.app import App
from server.errors.base import DingBridgeError
from ui.assets.theme import make_dpi_aware
from ui.shell.program import Program, Start
from ui.shell.single import SingleInstance
from ui.widgets.dialogs import error_lines
from ui.words.text import Texts


def run_program(app: App, texts: Texts, start: Start) -> int:
    """Show the windows of a data folder until the admin quits; returns the exit code.

    A second start brings the first one's window up and returns. What keeps the program from
    starting is shown in a message box. Raises tk.TclError where there is no screen.
    """
    make_dpi_aware()
    root = tk.Tk(className="DingBridge")
    root.withdraw()
    single = SingleInstance(app.folder)
    try:
        app.folder.ensure()
        is_first = single.acquire()
    except DingBridgeError as failure:
        messagebox.showerror("DingBridge", error_lines(failure, texts))
        return 1
    if not is_first:
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
            "DingBridge is already running, but does not respond. End “DingBridge” in Task "
            "Manager, then start it again."
        ),
    )
    return 1
