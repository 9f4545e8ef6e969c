"""What the program with windows says when it cannot go on, and its windows perhaps cannot open.

Needs nothing but the standard library: the rest of the program may be what is broken. It does not
know the reader's language for the same reason, and says the little it has to say in both.
"""

import sys
import traceback
from contextlib import suppress
from pathlib import Path

from server.version import VERSION

_TITLE = "DingBridge 钉桥"
_LONGEST = 600  # Windows makes a message box as high as its text


def show_fatal_error(mistake: BaseException, logs: Path | None) -> None:
    """Show what happened and where the report lies; on Windows in a message box of the system.

    Elsewhere on standard error: without its windows, a program there has nothing else. `logs` is
    the folder for the report, None where that is not known.
    """
    report = "".join(traceback.format_exception(mistake))
    reason = "".join(traceback.format_exception_only(mistake)).strip()[:_LONGEST]
    lines = ["DingBridge cannot go on.", "钉桥无法继续运行。", "", reason]
    path = _kept(report, logs)
    if path is not None:
        lines += ["", f"Report 详细报告: {path}"]
    if sys.platform == "win32":
        _show("\n".join(lines))
    elif sys.stderr is not None:
        with suppress(OSError):  # nobody reads it any more; the report is kept all the same
            sys.stderr.write("\n".join([*lines, ""]))


def _kept(report: str, logs: Path | None) -> Path | None:
    """Write the report beside the log; returns where, None where nothing can be written."""
    if logs is None:
        return None
    path = logs / "crash.txt"
    try:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(f"DingBridge {VERSION}, {sys.platform}\n\n{report}", encoding="utf-8")
    except OSError:
        return None
    return path


if sys.platform == "win32":
    import ctypes

    _ICON_ERROR, _TO_FRONT = 0x10, 0x10000

    def _show(text: str) -> None:
        ctypes.windll.user32.MessageBoxW(None, text, _TITLE, _ICON_ERROR | _TO_FRONT)
