"""The open connections of a session: cut by a stop, and each answer bounded in time.

Nothing else wakes a thread that waits in a socket: closing a session leaves the connections alone
that are in use. And the timeout of a socket bounds a single wait: a server that sends a byte a
second, in a header or between two pieces of a body, would be waited for without end.
"""

import io
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPResponse
from typing import IO, Any
from weakref import WeakSet

from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class OpenConnections:
    """Connections from the moment they are open. Safe to use from several threads.

    An answer that takes longer than `total_s` by `clock` fails with TimeoutError.
    """

    def __init__(self, clock: Callable[[], float], total_s: float) -> None:
        self._clock = clock
        self._total_s = total_s
        self._lock = threading.Lock()
        self._open: WeakSet[HTTPConnection] = WeakSet()
        self._is_aborted = False

    def watch(self, manager: PoolManager) -> None:
        """Learn of every connection that `manager` opens from now on."""
        manager.pool_classes_by_scheme = {"http": _plain(self), "https": _secure(self)}

    def add(self, connection: HTTPConnection) -> None:
        """Learn of an open connection; it is cut at once where all are."""
        with self._lock:
            self._open.add(connection)
            if self._is_aborted:
                _cut(connection)

    def response(self, line: socket.socket, *args: Any, **options: Any) -> HTTPResponse:
        """Return the reader of an answer that begins now; `http.client` calls it for each."""
        bounded = _Bounded(line, self._clock, self._clock() + self._total_s)
        return HTTPResponse(bounded, *args, **options)  # type: ignore[arg-type]  # only makefile

    def is_aborted(self) -> bool:
        """Whether `cut` was called."""
        return self._is_aborted

    def abort(self) -> None:
        """End all exchanges; those that wait for an answer fail now."""
        with self._lock:
            self._is_aborted = True
            for connection in list(self._open):
                _cut(connection)


class _Bounded:
    """A socket whose file reads until `ends_at` and no longer."""

    def __init__(self, line: socket.socket, clock: Callable[[], float], ends_at: float) -> None:
        self._line = line
        self._clock = clock
        self._ends_at = ends_at

    def makefile(self, mode: str) -> IO[bytes]:
        """Open it as `http.client` does."""
        raw = self._line.makefile(mode, buffering=0)  # type: ignore[call-overload]  # "rb" it is
        return io.BufferedReader(_BoundedFile(raw, self._line, self._left_s))

    def _left_s(self) -> float:
        left_s = self._ends_at - self._clock()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _BoundedFile(io.RawIOBase):
    """A raw file of a socket that waits no longer than `left_s` says, at each read anew."""

    def __init__(self, raw: io.RawIOBase, line: socket.socket, left_s: Callable[[], float]) -> None:
        self._raw = raw
        self._line = line
        self._left_s = left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        patience_s, left_s = self._line.gettimeout(), self._left_s()
        self._line.settimeout(left_s if patience_s is None else min(patience_s, left_s))
        try:
            return self._raw.readinto(buffer)
        finally:
            self._line.settimeout(patience_s)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _cut(connection: HTTPConnection) -> None:
    line = connection.sock
    if line is not None:
        with suppress(OSError):  # it ended by itself meanwhile
            # Not the method of a TLS socket: that one takes its state away from under the reader.
            socket.socket.shutdown(line, socket.SHUT_RDWR)


def _plain(lines: OpenConnections) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        def connect(self) -> None:
            # Before, for a proxy answers while it connects. It is only called, never subclassed.
            self.response_class = lines.response  # type: ignore[assignment]
            super().connect()
            lines.add(self)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool


def _secure(lines: OpenConnections) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def connect(self) -> None:
            # Before, for a proxy answers while it connects. It is only called, never subclassed.
            self.response_class = lines.response  # type: ignore[assignment]
            super().connect()
            lines.add(self)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool
