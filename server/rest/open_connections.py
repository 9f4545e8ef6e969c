"""The open connections of a session: a stop can shut them down, and each answer has a time limit.

Closing a session leaves connections in use alone, so nothing else wakes a thread that waits in a
socket. And a socket's timeout bounds only a single wait: a server that sends a byte a second would
hold a thread for ever.
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
    """The connections of a session while they are open. Thread-safe.

    An answer that takes longer than `total_s` by `clock` raises TimeoutError.
    """

    def __init__(self, clock: Callable[[], float], total_s: float) -> None:
        self._clock = clock
        self._total_s = total_s
        self._lock = threading.Lock()
        self._open: WeakSet[HTTPConnection] = WeakSet()
        self._is_aborted = False

    def watch(self, manager: PoolManager) -> None:
        """Track every connection that `manager` opens from now on."""
        manager.pool_classes_by_scheme = {"http": _plain(self), "https": _secure(self)}

    def add(self, connection: HTTPConnection) -> None:
        """Track an open connection; after `abort` it is shut down at once."""
        with self._lock:
            self._open.add(connection)
            if self._is_aborted:
                _shut_down(connection)

    def response(self, sock: socket.socket, *args: Any, **options: Any) -> HTTPResponse:
        """Return the reader of an answer that starts now; `http.client` calls this for each."""
        bounded = _Bounded(sock, self._clock, self._clock() + self._total_s)
        return HTTPResponse(bounded, *args, **options)  # type: ignore[arg-type]  # only makefile

    def is_aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._is_aborted

    def abort(self) -> None:
        """Shut down all connections; calls that wait for an answer fail now."""
        with self._lock:
            self._is_aborted = True
            for connection in list(self._open):
                _shut_down(connection)


class _Bounded:
    """A socket whose file cannot be read after `ends_at`."""

    def __init__(self, sock: socket.socket, clock: Callable[[], float], ends_at: float) -> None:
        self._sock = sock
        self._clock = clock
        self._ends_at = ends_at

    def makefile(self, mode: str) -> IO[bytes]:
        """Open the socket's file as `http.client` does."""
        raw = self._sock.makefile(mode, buffering=0)  # type: ignore[call-overload]  # "rb" it is
        return io.BufferedReader(_BoundedFile(raw, self._sock, self._left_s))

    def _left_s(self) -> float:
        left_s = self._ends_at - self._clock()
        if left_s <= 0:
            raise TimeoutError
        return left_s


class _BoundedFile(io.RawIOBase):
    """A socket's raw file; each read waits for at most the seconds that `left_s` returns."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, left_s: Callable[[], float]) -> None:
        self._raw = raw
        self._sock = sock
        self._left_s = left_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        patience_s, left_s = self._sock.gettimeout(), self._left_s()
        self._sock.settimeout(left_s if patience_s is None else min(patience_s, left_s))
        try:
            return self._raw.readinto(buffer)
        finally:
            self._sock.settimeout(patience_s)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _shut_down(connection: HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with suppress(OSError):  # already closed
            # Not the TLS socket's own method, which would destroy the state that the reader uses.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _plain(connections: OpenConnections) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        def connect(self) -> None:
            # First, since a proxy answers during the connect. Only called, never subclassed.
            self.response_class = connections.response  # type: ignore[assignment]
            super().connect()
            connections.add(self)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool


def _secure(connections: OpenConnections) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def connect(self) -> None:
            # First, since a proxy answers during the connect. Only called, never subclassed.
            self.response_class = connections.response  # type: ignore[assignment]
            super().connect()
            connections.add(self)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool
