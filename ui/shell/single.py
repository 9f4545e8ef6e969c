"""One set of windows a data folder: a second start brings the first one's window to the front.

The proof is a lock, which the system releases when its holder dies. Beside it lies where the
holder listens, on loopback only and with a secret word that only this account can read.
"""

import json
import logging
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path

from server.config.files import access_error, read_image, write_atomically
from server.config.locks import FileLock, LockHeldError
from server.config.paths import DataFolder
from server.errors.base import FileAccessError

_log = logging.getLogger(__name__)

_LOOPBACK = "127.0.0.1"
_ANSWER_S = 5.0
# Who asks for the window says so at once. Somebody who connects and is silent must not hold the
# door for long: five of them would outlast the patience of a second start.
_SILENT_S = 0.5
_AFTER_REFUSAL_S = 0.05
_LOCK_WAIT_S = 0.3
_SHOWN = b"shown\n"
_HIGHEST_PORT = 65_535
_WORD_MAX_BYTES = 200


@dataclass(frozen=True, slots=True)
class _Door:
    """Where the running program listens, and the word that opens."""

    port: int
    word: str
    pid: int


class SingleInstance:
    """Held by the program that shows the windows of a data folder."""

    def __init__(self, folder: DataFolder) -> None:
        self._lock = FileLock(folder.window_lock, wait_s=_LOCK_WAIT_S)
        self._door_path = folder.window_record
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def acquire(self) -> bool:
        """Become the one; False where another program is. Raises FileAccessError."""
        try:
            self._lock.acquire()
        except LockHeldError:
            return False
        except OSError as exc:
            raise access_error(self._door_path, exc) from exc
        return True

    def listen(self, pid: int, on_raise: Callable[[], object]) -> None:
        """Call `on_raise`, on a thread of its own, whenever a second start asks for the window.

        Raises FileAccessError, or OSError for the socket; without a door a second start only says
        that this one runs.
        """
        word = secrets.token_urlsafe(24)
        listening = socket.create_server((_LOOPBACK, 0))
        self._socket = listening
        door = {"port": listening.getsockname()[1], "word": word, "pid": pid}
        write_atomically(self._door_path, json.dumps(door).encode())
        self._thread = threading.Thread(
            target=_answer,
            args=(listening, word, on_raise, self._closing),
            name="dingbridge-raise",
            daemon=True,
        )
        self._thread.start()

    def release(self) -> None:
        """Close the door and let another program be the one."""
        self._closing.set()
        if self._socket is not None:
            # On Linux only this wakes a thread that waits in accept; on Windows closing does.
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
        if self._thread is not None:
            self._thread.join(1.0)
        with suppress(OSError):  # without the lock nobody believes what is written there
            self._door_path.unlink(missing_ok=True)
        self._lock.release()

    def ask_to_raise(self) -> bool:
        """Ask the running program for its window; False where it does not answer in time."""
        door = _read_door(self._door_path)
        if door is None:
            return False
        _let_come_to_front(door.pid)
        try:
            with socket.create_connection((_LOOPBACK, door.port), _ANSWER_S) as connection:
                connection.settimeout(_ANSWER_S)
                connection.sendall(f"{door.word}\n".encode())
                return connection.recv(len(_SHOWN)) == _SHOWN
        except OSError as exc:
            _log.debug("The running program does not answer: %s", exc)
            return False


def _answer(
    listening: socket.socket,
    word: str,
    on_raise: Callable[[], object],
    closing: threading.Event,
) -> None:
    while not closing.is_set():
        try:
            connection, _ = listening.accept()
        except OSError:  # the door was closed; or who came has gone again, or files are short
            closing.wait(_AFTER_REFUSAL_S)
            continue
        with connection, suppress(OSError):  # whoever asked has gone
            connection.settimeout(_SILENT_S)
            asked = connection.recv(_WORD_MAX_BYTES).strip()
            if compare_digest(asked, word.encode()):
                on_raise()
                connection.sendall(_SHOWN)


def _read_door(path: Path) -> _Door | None:
    try:
        door = _Door(**json.loads(read_image(path).content or b""))
    except (FileAccessError, ValueError, TypeError, RecursionError):
        return None
    is_sound = type(door.port) is int and type(door.pid) is int and isinstance(door.word, str)
    return door if is_sound and 0 < door.port <= _HIGHEST_PORT else None


def _let_come_to_front(pid: int) -> None:
    """Hand on the right to the foreground, which Windows gave to what was just double-clicked."""
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows only

        ctypes.windll.user32.AllowSetForegroundWindow(pid)
