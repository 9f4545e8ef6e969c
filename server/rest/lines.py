"""The open connections of a session, so that a stop can cut calls short that wait for an answer.

Nothing else wakes a thread that waits in a socket: closing a session leaves the connections alone
that are in use.
"""

import socket
import threading
from contextlib import suppress
from weakref import WeakSet

from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Lines:
    """Connections from the moment they are open. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: WeakSet[HTTPConnection] = WeakSet()
        self._are_cut = False

    def watch(self, manager: PoolManager) -> None:
        """Learn of every connection that `manager` opens from now on."""
        manager.pool_classes_by_scheme = {"http": _plain(self), "https": _secure(self)}

    def add(self, connection: HTTPConnection) -> None:
        """Learn of an open connection; it is cut at once where all are."""
        with self._lock:
            self._open.add(connection)
            if self._are_cut:
                _cut(connection)

    def are_cut(self) -> bool:
        """Whether `cut` was called."""
        return self._are_cut

    def cut(self) -> None:
        """End all exchanges; those that wait for an answer fail now."""
        with self._lock:
            self._are_cut = True
            for connection in list(self._open):
                _cut(connection)


def _cut(connection: HTTPConnection) -> None:
    line = connection.sock
    if line is not None:
        with suppress(OSError):  # it ended by itself meanwhile
            # Not the method of a TLS socket: that one takes its state away from under the reader.
            socket.socket.shutdown(line, socket.SHUT_RDWR)


def _plain(lines: Lines) -> type[HTTPConnectionPool]:
    class Connection(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            lines.add(self)

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    return Pool


def _secure(lines: Lines) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            lines.add(self)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool
