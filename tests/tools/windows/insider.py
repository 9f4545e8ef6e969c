"""Somebody inside the desktop: runs on the Windows Python under Wine, never on Debian's.

    python.exe insider.py PORT

Connects to the test on PORT and answers one JSON line with another: which windows there are and
what they say, what lies on the clipboard, which programs Windows starts at log-on. Starts programs
in a profile of the test's own, and can tell them that the task bar was made anew. All of it is
asked of Windows; nothing of the program under test.
"""

import ctypes
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from ctypes import wintypes
from importlib import import_module
from typing import Any

_BROADCAST = 0xFFFF
_WM_GETTEXT = 0x000D
_UNICODE_TEXT = 13
_LONGEST = 4000
_LIMIT_S = 60
_RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"

assert sys.platform == "win32"  # type checkers look no further elsewhere

_user, _kernel = ctypes.WinDLL("user32"), ctypes.WinDLL("kernel32")
_EachWindow = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
for _function in (_user.GetClipboardData, _kernel.GlobalLock):
    _function.restype = ctypes.c_void_p
_kernel.GlobalLock.argtypes = _kernel.GlobalUnlock.argtypes = (ctypes.c_void_p,)


def windows(_: Any) -> list[dict[str, Any]]:
    """Return the windows that can be seen, the foremost first."""
    return [_described(window) for window in _all() if _user.IsWindowVisible(window)]


def clipboard(_: Any) -> str:
    """Return the text on the clipboard."""
    if not _user.OpenClipboard(None):
        return ""
    try:
        handle = _user.GetClipboardData(_UNICODE_TEXT)
        return _text_at(handle) if handle else ""
    finally:
        _user.CloseClipboard()


def empty_clipboard(_: Any) -> None:
    """Leave nothing on the clipboard: all desktops of a Wine share it."""
    if not _user.OpenClipboard(None):
        raise ctypes.WinError()
    _user.EmptyClipboard()
    _user.CloseClipboard()


def task_bar_created(_: Any) -> None:
    """Tell all windows what Explorer tells them when it has started again."""
    message = _user.RegisterWindowMessageW("TaskbarCreated")
    _user.PostMessageW(wintypes.HWND(_BROADCAST), message, 0, 0)


def at_log_on(_: Any) -> dict[str, str]:
    """Return the values of this account's Run key."""
    registry: Any = import_module("winreg")
    with registry.CreateKey(registry.HKEY_CURRENT_USER, _RUN_KEY) as key:
        count = registry.QueryInfoKey(key)[1]
        return dict(registry.EnumValue(key, number)[:2] for number in range(count))


def _text_at(handle: int) -> str:
    place = _kernel.GlobalLock(handle)
    try:
        return ctypes.wstring_at(place)
    finally:
        _kernel.GlobalUnlock(handle)


def _all() -> list[int]:
    found: list[int] = []
    _user.EnumWindows(_EachWindow(lambda window, _: not found.append(window)), 0)
    return found


def _children(window: int) -> Iterator[int]:
    found: list[int] = []
    _user.EnumChildWindows(window, _EachWindow(lambda child, _: not found.append(child)), 0)
    yield from found


def _described(window: int) -> dict[str, Any]:
    place, kind = wintypes.RECT(), ctypes.create_unicode_buffer(200)
    pid = wintypes.DWORD()
    _user.GetWindowRect(window, ctypes.byref(place))
    _user.GetClassNameW(window, kind, len(kind))
    _user.GetWindowThreadProcessId(window, ctypes.byref(pid))
    is_dialog = kind.value == "#32770"
    return {
        "title": _title(window),
        "kind": kind.value,
        "pid": pid.value,
        "place": [place.left, place.top, place.right, place.bottom],
        # Only the system's own dialogs consist of windows with texts; tk draws its own.
        "says": [_asked_text(child) for child in _children(window)] if is_dialog else [],
    }


def _title(window: int) -> str:
    title = ctypes.create_unicode_buffer(_LONGEST)
    _user.GetWindowTextW(window, title, _LONGEST)
    return title.value


def _asked_text(window: int) -> str:
    text = ctypes.create_unicode_buffer(_LONGEST)
    _user.SendMessageW(window, _WM_GETTEXT, _LONGEST, text)
    return text.value


def start(order: Mapping[str, Any]) -> int:
    """Start a program as Explorer does: without streams, in the profile that is named."""
    environment = os.environ | order["environment"]
    return subprocess.Popen(order["command"], env=environment, close_fds=True).pid


def run(order: Mapping[str, Any]) -> dict[str, Any]:
    """Run a command to its end and return what it printed, as from a prompt on this desktop."""
    done = subprocess.run(
        order["command"],
        env=os.environ | order["environment"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_LIMIT_S,
        check=False,
    )
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def main() -> None:
    """Answer until the test hangs up."""
    answers: dict[str, Callable[[Any], Any]] = {
        "windows": windows,
        "clipboard": clipboard,
        "empty clipboard": empty_clipboard,
        "task bar created": task_bar_created,
        "at log-on": at_log_on,
        "start": start,
        "run": run,
    }
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        orders = connection.makefile("r", encoding="utf-8")
        for line in orders:
            name, argument = json.loads(line)
            answer = json.dumps(answers[name](argument)) + "\n"
            connection.sendall(answer.encode())


if __name__ == "__main__":
    main()
