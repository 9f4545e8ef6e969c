"""One POST after the other over kept-open connections, as the platform's servers make them.

Plain HTTP on loopback. `http.client` and not a session of `requests`: it follows no redirect, asks
no proxy, and takes a fifth of the processor's time (about 80 µs against 400), which counts where a
load is made.
"""

import http.client
import queue
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlencode, urlsplit

from server.simulator.dingtalk.reply import HttpReply, ReplyError, ReplyFault

_MAX_REPLY_BYTES = 64 * 1024
_CHUNK_BYTES = 8 * 1024


class Exchange:
    """Posts to one address from any number of threads; close it when done.

    Connections that are idle wait in a pool, the one used last is used next. There are never more
    than threads that post at the same time.
    """

    def __init__(self, url: str, deadline_s: float) -> None:
        """Take the address of a receiver on plain HTTP, and the seconds that it has to answer."""
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise ValueError("the simulator calls http:// addresses only")
        self._host, self._port = parts.hostname, parts.port
        self._path, self._own_query = parts.path or "/", parts.query
        self._deadline_s = deadline_s
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()

    def post(self, query: dict[str, str], body: bytes) -> HttpReply:
        """Return whatever answers within the deadline; raise `ReplyError` where nothing does."""
        connection = self._connection()
        try:
            reply = self._post(connection, self._target(query), body)
        except (OSError, http.client.HTTPException) as exc:
            connection.close()
            raise ReplyError(_fault_of(exc)) from exc
        except ReplyError:
            connection.close()
            raise
        self._idle.put(connection)
        return reply

    def close(self) -> None:
        """Close the idle connections. Call it when no post is under way."""
        while not self._idle.empty():
            self._idle.get_nowait().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _target(self, query: dict[str, str]) -> str:
        joined = "&".join(filter(None, (self._own_query, urlencode(query))))
        return f"{self._path}?{joined}" if joined else self._path

    def _connection(self) -> http.client.HTTPConnection:
        """Return an idle connection that its server has not closed, or a new one."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return http.client.HTTPConnection(self._host, self._port, timeout=self._deadline_s)
            if not _is_dropped(connection):
                return connection
            connection.close()

    def _post(self, connection: http.client.HTTPConnection, target: str, body: bytes) -> HttpReply:
        ends_at = time.perf_counter() + self._deadline_s
        if connection.sock is not None:
            connection.sock.settimeout(self._deadline_s)
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        with connection.getresponse() as response:
            received = _received(response, ends_at)
        return HttpReply(response.status, received)


def _received(response: http.client.HTTPResponse, ends_at: float) -> bytes:
    """Return the body, read piece by piece: pieces that each come in time may be late together."""
    received = b""
    is_complete = False
    while not is_complete:
        chunk = response.read1(_CHUNK_BYTES)
        received += chunk
        is_complete = not chunk
        if time.perf_counter() > ends_at:
            raise TimeoutError
        if len(received) > _MAX_REPLY_BYTES:
            raise ReplyError(ReplyFault.TOO_LARGE)
    if response.length:  # read1 takes the end of the connection for the end of the body
        raise http.client.IncompleteRead(received, response.length)
    return received


def _is_dropped(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the server closed an idle connection, or sent something nobody asked for."""
    if connection.sock is None:
        return False
    connection.sock.settimeout(0)
    try:
        connection.sock.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _fault_of(error: OSError | http.client.HTTPException) -> ReplyFault:
    if isinstance(error, TimeoutError):
        return ReplyFault.TOO_SLOW
    if isinstance(error, OSError):
        return ReplyFault.UNREACHABLE
    return ReplyFault.NOT_HTTP
