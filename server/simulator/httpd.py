"""A small HTTP/1.1 server on 127.0.0.1 for the simulated platforms.

Own code rather than `http.server`, because a fault must be able to close a connection before or
after a request took effect, and because convergence tests make thousands of calls a second. One
thread a connection, keep-alive, bodies by Content-Length only. Knows nothing of the two platforms.
"""

import json
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, BinaryIO, Self
from urllib.parse import parse_qsl, unquote, urlsplit

_LONGEST_LINE_BYTES = 65_536
_JOIN_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `query` holds the last value of each name, header names are lower-case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=utf-8"

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> Self:
        """Build a reply from a JSON value, in real UTF-8 as both platforms send it."""
        return cls(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), status)

    @classmethod
    def of_html(cls, status: int) -> Self:
        """Build the page that a gateway sends instead of the API's answer."""
        phrase = HTTPStatus(status).phrase
        page = f"<html><head><title>{status} {phrase}</title></head><body>{phrase}</body></html>"
        return cls(page.encode(), status, "text/html")


Handler = Callable[[Request], Reply | None]
"""Answers a request; None closes the connection without a word."""


class LoopbackServer:
    """Serves one handler on a free port of 127.0.0.1 between `start` and `stop`.

    `date` gives the Date header of each reply, None for none; it may be replaced as well.

    `handler` may be replaced while the server runs; the next request gets the new one. A handler
    is called on the connection's thread, several at a time. Also a context manager.
    """

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.date: Callable[[], str | None] = http_date
        self.address = ""
        self._stopping = Event()
        self._lock = Lock()
        self._connections: dict[socket.socket, Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: Thread | None = None

    def start(self) -> str:
        """Open the port and return the base address, without a slash at its end."""
        self._stopping.clear()
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener = listener
        self._acceptor = Thread(
            target=self._accept, args=(listener,), name="dingbridge-simulator", daemon=True
        )
        self._acceptor.start()
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        return self.address

    def stop(self) -> None:
        """Close the port and every connection, and wait for their threads. Harmless when stopped.

        Raises TimeoutError if a handler does not return in time.
        """
        if self._listener is None or self._acceptor is None:
            return
        self._stopping.set()
        # Closing a listener does not wake its accept() on every system; a connection does.
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname(), timeout=1).close()
        self._acceptor.join(_JOIN_LIMIT_S)
        self._listener.close()
        self._listener = self._acceptor = None
        for thread in self._hung_up():
            thread.join(_JOIN_LIMIT_S)
            if thread.is_alive():
                raise TimeoutError("a request of the simulator is still being handled")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _hung_up(self) -> list[Thread]:
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)
            return list(self._connections.values())

    def _accept(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            if self._stopping.is_set():
                connection.close()
                return
            thread = Thread(
                target=self._serve,
                args=(connection,),
                name="dingbridge-simulator-connection",
                daemon=True,
            )
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # Clients that hang up in the middle are part of what is simulated.
            with suppress(OSError), connection.makefile("rb") as stream:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._converse(connection, stream)
        finally:
            with self._lock:
                self._connections.pop(connection, None)
                connection.close()

    def _converse(self, connection: socket.socket, stream: BinaryIO) -> None:
        while (request := _read(stream)) is not None:
            reply = self.handler(request)
            if reply is None:
                return
            connection.sendall(_encoded(reply, self.date()))
            if request.headers.get("connection", "").lower() == "close":
                return


def _read(stream: BinaryIO) -> Request | None:
    """Return the next request; None at the end of the connection or for what is not HTTP."""
    words = stream.readline(_LONGEST_LINE_BYTES).decode("latin-1").split()
    if len(words) != len(("method", "target", "version")):
        return None
    headers: dict[str, str] = {}
    while line := stream.readline(_LONGEST_LINE_BYTES).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length") or 0))
    target = urlsplit(words[1])
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    return Request(words[0], unquote(target.path), query, headers, body)


def http_date() -> str:
    """Return this computer's time as a Date header."""
    return formatdate(usegmt=True)


def _encoded(reply: Reply, date: str | None) -> bytes:
    head = (
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        + (f"Date: {date}\r\n" if date is not None else "")
        + f"Content-Type: {reply.content_type}\r\n"
        f"Content-Length: {len(reply.body)}\r\n\r\n"
    )
    return head.encode("latin-1") + reply.body
