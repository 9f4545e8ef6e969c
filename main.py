"""The program's entry: reads the command line, builds the parts, and hands over to them.

Knows no rules of the business. `python main.py --help` lists the commands. Little is imported up
here: a Ctrl+C can be answered decently only after that.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from server.api.app import App
    from server.config.paths import DataFolder
    from ui.words.text import Texts

    Command = Callable[[App, Texts, argparse.Namespace], int]

FAILED = 1
_INTERRUPTED = "Ended by Ctrl+C."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return _delivered(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    from ui.console.arguments import parser
    from ui.console.attach import connect_streams

    if os.name == "posix":
        os.umask(0o077)  # whatever is written holds names, numbers and secrets of a company
    connect_streams()
    _make_output_safe()
    # Other programs set it for good. It would write the keys of our connections into a file, and
    # where that cannot be opened no connection could be made at all (python/cpython issue 90480).
    os.environ.pop("SSLKEYLOGFILE", None)
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


def _told(mistake: Exception, options: "argparse.Namespace") -> int:
    """Show why the program with windows cannot go on, without anything that may be broken."""
    from ui.shell.fatal_error import show_fatal_error

    try:
        logs: Path | None = _data_folder(options).logs
    except ImportError:
        logs = None
    show_fatal_error(mistake, logs)
    return FAILED


def _data_folder(options: "argparse.Namespace") -> "DataFolder":
    from server.config.paths import DataFolder, default_root

    root = getattr(options, "data_dir", None) or default_root(os.environ, sys.platform)
    return DataFolder(root.absolute())


def _carry_out(options: "argparse.Namespace") -> int:
    from server.api.app import App
    from server.errors.base import DingBridgeError
    from ui.console import commands

    app = App(_data_folder(options))
    texts = commands.texts_for(app)
    command = _command(options)
    _unwind_on_break()
    try:
        return command(app, texts, options)
    except DingBridgeError as failure:
        as_json = getattr(options, "json", False)
        return commands.report_error(failure, texts, as_json=as_json)


def _delivered(run: Callable[[], int]) -> int:
    """Return the exit code of `run`, or FAILED where what it printed did not arrive."""
    from ui.console.output import OutputLostError, discard, flush, say

    try:
        code = run()
        flush()
    except KeyboardInterrupt:
        say(_INTERRUPTED)
        return FAILED
    except OutputLostError as lost:
        discard()
        # Whoever closed our output (head, a closed window) has seen enough.
        if not isinstance(lost.refusal, BrokenPipeError):
            reason = lost.refusal.strerror or type(lost.refusal).__name__
            say(f"The output could not be written: {reason}.")
        return FAILED
    return code


def _end_on_break(code: int, told: str = "") -> None:
    """Have Ctrl+C end the process at once, where nothing has to be put in order before.

    The exception it raises elsewhere comes out of a half-done import as a traceback, and of the
    interpreter's end as well. Who started us in the background may have it ignored: so it stays.
    """

    def end(*_: object) -> None:
        if sys.stderr is not None:
            with suppress(OSError):  # not print: it may have been interrupted itself
                os.write(sys.stderr.fileno(), told.encode())
        os._exit(code)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, end)


def _unwind_on_break() -> None:
    """Have Ctrl+C leave a command through its own clean-up."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _command(options: "argparse.Namespace") -> "Command":
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


def _demo(app: "App", texts: "Texts", options: "argparse.Namespace") -> int:
    from server.demo.callback_demo import run_demo
    from ui.console.output import show_text

    del app, options
    return run_demo(texts, show_text)


def _with_windows(app: "App", texts: "Texts", options: "argparse.Namespace") -> int:
    try:
        import tkinter as tk
    except ImportError:
        if sys.platform == "win32":
            raise  # every Python for Windows has tk: something took it away
        return _without_window(app, texts, options)
    from ui.console.attach import leave_console
    from ui.shell.program import Start
    from ui.shell.starting import run_program
    from ui.shell.unpack_cleanup import sweep_soon

    leave_console()
    sweep_soon()
    try:
        return run_program(app, texts, Start(options.background, _autostart_command(options)))
    except tk.TclError:
        if sys.platform == "win32" or os.environ.get("DISPLAY"):
            raise  # there is a screen: this is something else
        return _without_window(app, texts, options)


def _autostart_command(options: "argparse.Namespace") -> str:
    from ui.shell.autostart import command_line

    is_frozen = getattr(sys, "frozen", False)
    script = None if is_frozen else os.path.realpath(__file__)
    return command_line(sys.executable, script, getattr(options, "data_dir", None))


def _serve(app: "App", texts: "Texts", options: "argparse.Namespace") -> int:
    from ui.console import commands
    from ui.shell.unpack_cleanup import sweep_soon

    sweep_soon()
    return commands.serve(app, texts, options)


def _without_window(app: "App", texts: "Texts", options: "argparse.Namespace") -> int:
    from ui.console import commands
    from ui.console.output import say

    say(texts("No desktop is available; running as “serve”."))
    options.host = options.port = None
    return commands.serve(app, texts, options)


def _make_output_safe() -> None:
    """Never fail for a character that a console's code page lacks."""
    import io

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    _end_on_break(FAILED, f"{_INTERRUPTED}\n")
    exit_code = main()
    _end_on_break(exit_code)
    sys.exit(exit_code)
