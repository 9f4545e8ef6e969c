"""The words of the command line: which commands there are, and what each takes.

Imports nothing of the program but its version, so that a mistake in usage is told at once.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from server.version import VERSION

_Parser = argparse.ArgumentParser
_AddCommand = Callable[[str, str], _Parser]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line; without a command, `command` is None."""
    folder = _Parser(add_help=False)
    # Taken before or after the command word; a later default must not undo an earlier value.
    folder.add_argument(
        "--data-dir",
        type=_folder,
        default=argparse.SUPPRESS,
        metavar="DIR",
        help="the folder of settings, database and log",
    )
    whole = _Parser(
        prog="DingBridge",
        parents=[folder],
        allow_abbrev=False,
        description="Receives DingTalk's events and syncs its directory to WeCom.",
    )
    whole.add_argument("--version", action="version", version=VERSION)
    whole.add_argument(
        "--background",
        action="store_true",
        help="start without opening a window; the icon next to the clock is shown",
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND")

    def command(name: str, text: str) -> _Parser:
        return commands.add_parser(
            name, parents=[folder], help=text, description=text, allow_abbrev=False
        )

    def with_json(name: str, text: str) -> _Parser:
        added = command(name, text)
        added.add_argument("--json", action="store_true", help="print one JSON document")
        return added

    _add_service(command, with_json)
    _add_platforms(with_json)
    _add_moving(command)
    command("demo", "show everything on this computer alone; no account needed")
    return whole


def _add_service(command: _AddCommand, with_json: _AddCommand) -> None:
    serve = command("serve", "receive callbacks without a window, until stopped")
    serve.add_argument(
        "--host", type=_text, help="the address to listen on, instead of callback.host"
    )
    serve.add_argument("--port", type=_port, help="the port, instead of callback.port; 0: any")
    configure = command("configure", "merge a JSON object of settings; all or nothing")
    configure.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="a file; standard input by default"
    )
    with_json("status", "show the service, credentials in use, last contact and counts")
    events = with_json("events", "list events, newest first")
    events.add_argument(
        "--limit", type=_count, default=50, metavar="N", help="at most N (default: 50)"
    )
    events.add_argument(
        "--type", dest="event_type", type=_text, metavar="T", help="only events of this type"
    )
    with_json("self-test", "make a check_url round trip through the real socket")


def _add_platforms(with_json: _AddCommand) -> None:
    sync = with_json("sync", "compare the whole directory and make WeCom match it")
    how = sync.add_mutually_exclusive_group()
    how.add_argument("--preview", action="store_true", help="only show what would be changed")
    how.add_argument(
        "--allow", type=_text, metavar="DIGEST", help="approve the list with this digest"
    )
    how.add_argument(
        "--reject", type=_text, metavar="DIGEST", help="reject the list with this digest"
    )
    subscription = with_json(
        "subscription", "compare with the subscription registered with DingTalk"
    )
    way = subscription.add_mutually_exclusive_group()
    way.add_argument("--take", action="store_true", help="use DingTalk's token and aes_key here")
    way.add_argument("--register", action="store_true", help="write your values to DingTalk")
    tried = with_json("test-connection", "test the DingTalk and WeCom accounts; writes nothing")
    tried.add_argument("vendor", nargs="?", choices=("dingtalk", "wecom"), help="only this one")


def _add_moving(command: _AddCommand) -> None:
    for name, text in (
        ("export", "write everything into one encrypted file, for another computer"),
        ("import", "replace this data folder's files with an export"),
    ):
        moved = command(name, text)
        moved.add_argument("file", type=Path, metavar="FILE", help="the encrypted file")
        moved.add_argument(
            "--passphrase-file",
            type=Path,
            metavar="PFILE",
            help="the passphrase is its first line; by default you type it",
        )


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _folder(text: str) -> Path:
    # An unset variable in a script would make it the folder one happens to be in.
    if not text.strip():
        raise argparse.ArgumentTypeError("a folder is expected")
    return Path(text)


def _text(text: str) -> str:
    if not text.isascii() and text.encode("utf-8", "replace").decode() != text:
        raise argparse.ArgumentTypeError("this is not text in the encoding of this system")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number of 1 or more is expected")
    return int(text)
