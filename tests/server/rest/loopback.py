"""A vendor's server on loopback for tests: real sockets, answers by script, faults included."""

import json
import select
import socket
import socketserver
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from server.rest.gateway import Surroundings
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.rest.tokens import TokenCache

UNTRUSTED_CERTIFICATE = Path(__file__).with_name("untrusted.pem")


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    raw: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


@dataclass(frozen=True)
class Reply:
    """What goes back. `fault`: "drop" closes without a word, "hang" never answers, "cut" stops in
    the middle of the body, "drip" sends it byte by byte without end."""

    content: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""


Answer = Reply | Mapping[str, Any] | Callable[[Request], "Reply | Mapping[str, Any]"]
OK = {"errcode": 0, "errmsg": "ok"}
TOKEN = {**OK, "access_token": "token-one", "expires_in": 7200}


class Vendor:
    """Answers each path by its script; the last answer of a script repeats."""

    def __init__(self, base: str) -> None:
        self.base = base
        self.requests: list[Request] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self._scripts: dict[str, deque[Answer]] = defaultdict(deque)

    def answer(self, path: str, *answers: Answer) -> None:
        self._scripts[path] = deque(answers)

    def calls(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def reply_to(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            script = self._scripts[request.path]
            if not script:
                return Reply(b"no such path", status=404)
            answer = script.popleft() if len(script) > 1 else script[0]
        if callable(answer):
            answer = answer(request)
        return answer if isinstance(answer, Reply) else Reply(json.dumps(answer).encode())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; Nagle would add 40 ms a call
    vendor: Vendor

    def _serve(self) -> None:
        url = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        headers = dict(self.headers.items())
        reply = self.vendor.reply_to(
            Request(self.command, url.path.lstrip("/"), query, raw, headers)
        )
        try:
            self._send(reply)
        except OSError:
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        if reply.fault in {"drop", "hang"}:
            if reply.fault == "hang":
                self.vendor.released.wait(10)
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        surplus = 10 if reply.fault in {"cut", "drip"} else 0
        self.send_header("Content-Length", str(len(reply.content) + surplus))
        self.end_headers()
        self.wfile.write(reply.content)
        if reply.fault == "drip":
            for _ in range(5):
                self.vendor.released.wait(0.01)
                self.wfile.write(b" ")
        self.close_connection = bool(reply.fault)

    do_GET = do_POST = _serve  # noqa: N815 - the names http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the inherited name
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are what some tests are about."""


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[Vendor]:
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
            scheme = "https"
        vendor = Vendor(f"{scheme}://127.0.0.1:{server.server_address[1]}")
        handler.vendor = vendor  # type: ignore[attr-defined]  # the class was made just above
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield vendor
        finally:
            vendor.released.set()
            server.shutdown()
            thread.join()


class _Tunnel(socketserver.BaseRequestHandler):
    """Leads a CONNECT to the server, whatever name it asks for."""

    target: tuple[str, int]

    def handle(self) -> None:
        while not self.request.recv(65536).endswith(b"\r\n\r\n"):
            pass
        self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(self.target) as server, suppress(OSError):
            others = {self.request: server, server: self.request}
            while True:
                for source in select.select(list(others), [], [], 10)[0]:
                    piece = source.recv(65536)
                    if not piece:
                        return
                    others[source].sendall(piece)


@contextmanager
def tunnelling(base: str) -> Iterator[str]:
    """Yield the address of an HTTP proxy that leads to the server at `base`."""
    target = (urlsplit(base).hostname, urlsplit(base).port)
    handler = type("Handler", (_Tunnel,), {"target": target})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class FakeTime:
    """A clock that moves only by waiting. `stop_after`: a stop is requested in that wait."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self._stop_after = stop_after
        self._lock = threading.Lock()

    def clock(self) -> float:
        with self._lock:
            return self.now

    def wait(self, seconds: float) -> bool:
        with self._lock:
            self.waits.append(round(seconds, 6))
            self.now += seconds
            return self._stop_after is not None and len(self.waits) > self._stop_after


def surroundings(time: FakeTime, **limits: float) -> Surroundings:
    return Surroundings(
        clock=time.clock,
        wait=time.wait,
        random=lambda: 0.0,
        tokens=TokenCache(time.clock),
        limits=Limits(connect_s=2.0, read_s=limits.get("read_s", 5.0)),
        policy=RetryPolicy(),
    )
