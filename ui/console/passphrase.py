"""How a command learns a passphrase: from a file, or from the keyboard without showing it.

Never from the command line, which other programs of this computer can see.
"""

import sys
from pathlib import Path

from server.errors.base import Problem, SettingsError
from server.errors.message import N_, Message
from ui.console.output import say
from ui.words.text import Texts

_OPTION = "--passphrase-file"
_LONGEST_FILE_BYTES = 64 * 1024

if sys.platform == "win32":
    import msvcrt

    # Not getpass: with the console that a windowed program opens by itself it shows what is typed.
    def _typed(prompt: str) -> str:
        say(prompt)
        signs: list[str] = []
        while (sign := msvcrt.getwch()) not in "\r\n":
            if sign == "\x03":
                raise KeyboardInterrupt
            if sign == "\b":
                del signs[-1:]
            else:
                signs.append(sign)
        return "".join(signs)
else:
    from getpass import getpass

    def _typed(prompt: str) -> str:
        return getpass(f"{prompt} ")


def passphrase(source: Path | None, texts: Texts, *, is_new: bool) -> str:
    """Return the first line of `source`, or what is typed; a new one is typed twice.

    Raises SettingsError where neither is possible, or the two entries differ.
    """
    if source is not None:
        return _first_line(source)
    if sys.stdin is None or not sys.stdin.isatty():
        raise _problem(N_("is required where nobody can type the passphrase"))
    entered = _typed(texts("Passphrase:"))
    if is_new and _typed(texts("Once more:")) != entered:
        raise _problem(N_("the two entries differ"), texts("Passphrase"))
    return entered


def _first_line(source: Path) -> str:
    try:
        with source.open("rb") as stream:
            content = stream.read(_LONGEST_FILE_BYTES)
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise _problem(N_("it cannot be read: {reason}"), reason=reason) from exc
    # Windows' own PowerShell writes UTF-16, Notepad a mark before UTF-8.
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        lines = content.decode(encoding).splitlines()
    except UnicodeDecodeError as exc:
        raise _problem(N_("it is not UTF-8 text")) from exc
    return lines[0] if lines else ""


def _problem(text: str, name: str = _OPTION, **values: str) -> SettingsError:
    return SettingsError([Problem(name, Message(text, values))])
