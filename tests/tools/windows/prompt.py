"""A command prompt for one program: runs on the Windows Python under Wine, never on Debian's.

    python.exe prompt.py TEXT KEYS PROGRAM WORD…

Opens a console, starts the program as Windows starts a windowed one from a prompt: without streams,
and on no console until it asks for one. Types KEYS, escaped as in JSON. Presses Ctrl+C once the
console shows TEXT, where one is given, or, where TEXT is "?", once a line comes on standard input;
then it does not wait for the program. Prints as JSON the exit code, null where it still runs, and
what the console shows.
"""

import ctypes
import json
import subprocess
import sys
import time
from ctypes import wintypes

_READ_WRITE = 0xC0000000
_SHARED = 3
_OPEN = 3
_OUTPUT, _ERROR = -11, -12
_CTRL_C = 0
_DETACHED_PROCESS = 0x8
_LIMIT_S = 90
_KEY_EVENT = 1


class _KeyRecord(ctypes.Structure):
    # INPUT_RECORD with a KEY_EVENT_RECORD in it
    _fields_ = (
        ("type", wintypes.WORD),
        ("is_down", wintypes.BOOL),
        ("repeats", wintypes.WORD),
        ("key", wintypes.WORD),
        ("scan", wintypes.WORD),
        ("sign", wintypes.WCHAR),
        ("controls", wintypes.DWORD),
    )


def main() -> None:
    """Run the program named on the command line."""
    text, keys, program = sys.argv[1], json.loads(f'"{sys.argv[2]}"'), sys.argv[3:]
    result = sys.stdout
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined] # Windows
    screen = _open_console(kernel)
    # Wine would put even a windowed program on its parent's console; Windows does not.
    process = subprocess.Popen(program, close_fds=True, creationflags=_DETACHED_PROCESS)
    if keys:
        _type(keys, kernel)
    if text == "?":
        sys.stdin.readline()
    elif text:
        _await(text, kernel, screen)
    if text:
        kernel.SetConsoleCtrlHandler(None, 1)  # only the program is to hear it
        kernel.GenerateConsoleCtrlEvent(_CTRL_C, 0)
    code = process.poll() if text == "?" else process.wait(_LIMIT_S)
    json.dump({"code": code, "screen": _shown(kernel, screen)}, result)


def _await(text: str, kernel: ctypes.CDLL, screen: wintypes.HANDLE) -> None:
    end_s = time.monotonic() + _LIMIT_S
    while text not in _shown(kernel, screen):
        if time.monotonic() > end_s:
            raise TimeoutError(text)
        time.sleep(0.1)


def _type(keys: str, kernel: ctypes.CDLL) -> None:
    """Put keys into the console's queue, where whoever asks for them finds them."""
    for sign in keys:
        record = _KeyRecord(_KEY_EVENT, is_down=1, repeats=1, sign=sign)
        count = wintypes.DWORD()
        if not kernel.WriteConsoleInputW(
            _opened("CONIN$", kernel), ctypes.byref(record), 1, ctypes.byref(count)
        ):
            raise OSError(ctypes.get_last_error())  # type: ignore[attr-defined] # Windows


def _opened(name: str, kernel: ctypes.CDLL) -> wintypes.HANDLE:
    kernel.CreateFileW.restype = wintypes.HANDLE
    return wintypes.HANDLE(kernel.CreateFileW(name, _READ_WRITE, _SHARED, None, _OPEN, 0, None))


def _open_console(kernel: ctypes.CDLL) -> wintypes.HANDLE:
    kernel.FreeConsole()
    if not kernel.AllocConsole():
        raise OSError(ctypes.get_last_error())  # type: ignore[attr-defined] # Windows
    screen = _opened("CONOUT$", kernel)
    for stream in (_OUTPUT, _ERROR):
        kernel.SetStdHandle(stream, screen)
    return screen


def _shown(kernel: ctypes.CDLL, screen: wintypes.HANDLE) -> str:
    """Return the console's first lines."""
    width, lines = 80, 25
    text = ctypes.create_unicode_buffer(width * lines + 1)
    count = wintypes.DWORD()
    origin = wintypes.DWORD(0)  # COORD by value: column and row in one word
    kernel.ReadConsoleOutputCharacterW(screen, text, width * lines, origin, ctypes.byref(count))
    shown = text.value
    return "\n".join(shown[at : at + width].rstrip() for at in range(0, len(shown), width)).strip()


if __name__ == "__main__":
    main()
