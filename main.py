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
    from ui.text import Texts

    Command = Callable[[App, Texts, argparse.Namespace], int]

FAILED = 1


def _parser() -> argparse.ArgumentParser:
    from server.version import VERSION

    folder = argparse.ArgumentParser(add_help=False)
    # Taken before or after the command word; a later default must not undo an earlier value.
    folder.add_argument(
        "--data-dir",
        type=_folder,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="where settings, database and log lie",
    )
    parser = argparse.ArgumentParser(
        prog="DingBridge",
        parents=[folder],
        allow_abbrev=False,
        description="Receives DingTalk's event callbacks and mirrors its directory into WeCom.",
    )
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument(
        "--background",
        action="store_true",
        help="start without opening a window (the icon beside the clock is there)",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, parents=[folder], help=text, description=text, allow_abbrev=False
        )

    def with_json(name: str, text: str) -> argparse.ArgumentParser:
        added = command(name, text)
        added.add_argument("--json", action="store_true", help="print one JSON document")
        return added

    _add_serve(command("serve", "receive callbacks without a window, until stopped"))
    configure = command("configure", "merge a JSON object of settings; all or nothing")
    configure.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="a file; else standard input"
    )
    with_json("status", "show the service, credentials in use, last contact and counts")
    events = with_json("events", "list events, newest first")
    events.add_argument("--limit", type=_count, default=50, metavar="N", help="at most N (50)")
    events.add_argument(
        "--type", dest="event_type", type=_text, metavar="T", help="only of this type"
    )
    with_json("self-test", "make a check_url round trip through the real socket")
    _add_sync(with_json("sync", "compare the whole directory and bring WeCom in step with it"))
    command("demo", "show it all on this computer alone; no account needed")
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument(
        "--host", type=_text, help="the address to listen on, in place of callback.host"
    )
    serve.add_argument("--port", type=_port, help="the port, in place of callback.port; 0: any")


def _add_sync(sync: argparse.ArgumentParser) -> None:
    how = sync.add_mutually_exclusive_group()
    how.add_argument("--preview", action="store_true", help="only show what would be changed")
    how.add_argument(
        "--allow", type=_text, metavar="DIGEST", help="approve what is held under this digest"
    )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _folder(text: str) -> Path:
    if (
        not text.strip()
    ):  # an unset variable in a script; it would be the folder one happens to be in
        raise argparse.ArgumentTypeError("a folder is expected")
    return Path(text)


def _text(text: str) -> str:
    if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
        raise argparse.ArgumentTypeError("this is no text in the encoding of this system")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number of 1 or more is expected")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    return _delivered(lambda: _run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    from ui.console.attach import connect_streams

    connect_streams()
    _make_output_safe()
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as end:  # it has printed the help, or what is wrong
        return int(end.code or 0)

    from server.app import App
    from server.config.paths import DataFolder, default_root
    from server.errors import DingBridgeError
    from ui.console import commands

    root = getattr(options, "data_dir", None) or default_root(os.environ, sys.platform)
    app = App(DataFolder(root.absolute()))
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
    from ui.console.commands import say

    say(f"The output could not be written: {failure.strerror}.")


def _command(options: argparse.Namespace) -> "Command":
    from ui.console import commands

    by_name: dict[str | None, Command] = {
        "serve": commands.serve,
        "configure": commands.configure,
        "status": commands.status,
        "events": commands.events,
        "self-test": commands.self_test,
        "sync": commands.sync,
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

        from ui.program import Start
        from ui.starting import run_program
    except ImportError:  # a Python without tk
        return _without_window(app, texts, options)
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


def _without_window(app: "App", texts: "Texts", options: argparse.Namespace) -> int:
    from ui.console import commands

    commands.say(texts("There is no window here; running as “serve”."))
    options.host = options.port = None
    return commands.serve(app, texts, options)


def _make_output_safe() -> None:
    """Never fail for a character that a console's code page lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
