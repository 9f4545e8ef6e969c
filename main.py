"""The program's entry: reads the command line, builds the parts, and hands over to them.

Knows no rules of the business. `python main.py --help` lists the commands.
"""

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.app import App
    from server.config.paths import DataFolder
    from ui.text import Texts

    Command = Callable[[App, Texts, argparse.Namespace], int]

FAILED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return _delivered(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    from ui.console.arguments import parser
    from ui.console.attach import connect_streams

    connect_streams()
    _make_output_safe()
    try:
        options = parser().parse_args(arguments)
    except SystemExit as end:  # it has printed the help, or what is wrong
        return int(end.code or 0)
    if options.command is not None:
        return _carry_out(options)
    try:
        return _carry_out(options)
    except Exception as mistake:  # noqa: BLE001 - whatever it was: a double-click shows no console
        return _told(mistake, options)


def _told(mistake: Exception, options: argparse.Namespace) -> int:
    """Show why the program with windows cannot go on, without anything that may be broken."""
    from ui.last_word import show_mistake

    try:
        logs: Path | None = _data_folder(options).logs
    except ImportError:
        logs = None
    show_mistake(mistake, logs)
    return FAILED


def _data_folder(options: argparse.Namespace) -> "DataFolder":
    from server.config.paths import DataFolder, default_root

    root = getattr(options, "data_dir", None) or default_root(os.environ, sys.platform)
    return DataFolder(root.absolute())


def _carry_out(options: argparse.Namespace) -> int:
    from server.app import App
    from server.errors import DingBridgeError
    from ui.console import commands

    app = App(_data_folder(options))
    texts = commands.texts_for(app)
    try:
        return _command(options)(app, texts, options)
    except DingBridgeError as failure:
        as_json = getattr(options, "json", False)
        return commands.report_error(failure, texts, as_json=as_json)


def _delivered(run: Callable[[], int]) -> int:
    """Return the exit code of `run`, or FAILED where what it printed did not arrive."""
    try:
        code = run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return FAILED
    except OSError as failure:
        if failure.filename is not None:  # not about an open stream; this is something else
            raise
        # Whoever read our output (head, a closed window) has seen enough; the interpreter, which
        # flushes once more at its end, must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(failure, BrokenPipeError):
            _complain(failure)
        return FAILED
    return code


def _complain(failure: OSError) -> None:
    from ui.console.output import say

    say(f"The output could not be written: {failure.strerror}.")


def _command(options: argparse.Namespace) -> "Command":
    from ui.console import commands, connections, moving, subscription

    by_name: dict[str | None, Command] = {
        "serve": _serve,
        "configure": commands.configure,
        "status": commands.status,
        "events": commands.events,
        "self-test": commands.self_test,
        "sync": commands.sync,
        "test-connection": connections.test_connection,
        "export": moving.export,
        "import": moving.import_,
        "subscription": subscription.subscription,
        "demo": _demo,
        None: _with_windows,
    }
    return by_name[options.command]


def _demo(app: "App", texts: "Texts", options: argparse.Namespace) -> int:
    from server.simulator.demo import run_demo

    del app, options
    return run_demo(texts)


def _with_windows(app: "App", texts: "Texts", options: argparse.Namespace) -> int:
    try:
        import tkinter as tk
    except ImportError:
        if sys.platform == "win32":
            raise  # every Python for Windows has tk: something took it away
        return _without_window(app, texts, options)
    from ui.console.attach import leave_console
    from ui.leftovers import sweep_soon
    from ui.program import Start
    from ui.starting import run_program

    leave_console()
    sweep_soon()
    try:
        return run_program(app, texts, Start(options.background, _autostart_command(options)))
    except tk.TclError:
        if sys.platform == "win32" or os.environ.get("DISPLAY"):
            raise  # there is a screen: this is something else
        return _without_window(app, texts, options)


def _autostart_command(options: argparse.Namespace) -> str:
    from ui.autostart import command_line

    is_frozen = getattr(sys, "frozen", False)
    script = None if is_frozen else str(Path(__file__).resolve())
    return command_line(sys.executable, script, getattr(options, "data_dir", None))


def _serve(app: "App", texts: "Texts", options: argparse.Namespace) -> int:
    from ui.console import commands
    from ui.leftovers import sweep_soon

    sweep_soon()
    return commands.serve(app, texts, options)


def _without_window(app: "App", texts: "Texts", options: argparse.Namespace) -> int:
    from ui.console import commands
    from ui.console.output import say

    say(texts("There is no window here; running as “serve”."))
    options.host = options.port = None
    return commands.serve(app, texts, options)


def _make_output_safe() -> None:
    """Never fail for a character that a console's code page lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
