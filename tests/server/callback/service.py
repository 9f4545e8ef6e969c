"""The callback service for tests, built like the program: listener, handler, queue, journal."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from crypto.callback import CallbackVerifier
from crypto.credentials import Credentials, Keyring
from server.callback.batching import Append, BatchingQueue
from server.callback.handler import CallbackHandler
from server.callback.listener import Listener, open_socket
from server.callback.rejections import RejectionLog
from server.callback.wsgi import build_app
from server.journal import listing, rejections
from server.journal.events import StoredEvent
from server.journal.journal import Journal
from server.journal.rejections import LastUse, Rejection
from server.simulator.dingtalk.callbacks import CallbackSender, Patience, body_of, query_of
from server.simulator.dingtalk.envelope import SignedText
from tests.server.simulator.seeds import seeded

PATH = "/api/callback"
TOKEN, AES_KEY, KEY = "madeUpToken01", "AbCdEf0123456789AbCdEf0123456789AbCdEf0123E", "dingmadeup01"
CREDENTIALS = Credentials.of(TOKEN, AES_KEY, KEY)
OTHER = Credentials.of("otherToken02", "Z" * 42 + "9", "dingmadeup02")
THIRD = Credentials.of("thirdToken03", "Y" * 42 + "9", "dingmadeup03")
PATIENCE_OF_TESTS_S = 20.0
SUCCESS = (200, b"success")


@dataclass
class Answer:
    """An HTTP answer: its status, its headers by lower-case name, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Service:
    """What runs, and how to talk to it."""

    port: int
    handler: CallbackHandler
    journal: Journal
    listener: Listener
    rejections: RejectionLog
    promotions: list[CallbackVerifier] = field(default_factory=list)

    def connect(self, timeout_s: float = PATIENCE_OF_TESTS_S) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s)

    def exchange(self, *pieces: bytes) -> Answer:
        """Send raw bytes over a connection of their own and return the last answer."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_answer(connection)

    def call(self, text: SignedText, path: str = PATH, headers: str = "") -> Answer:
        return self.exchange(request_of(text, path, headers))

    def events(self) -> list[StoredEvent]:
        """All events, the oldest first."""
        return list(reversed(self.journal.read(lambda conn: listing.latest(conn, 10_000)).events))

    def rejected(self) -> list[Rejection]:
        """The list of rejected calls, once the doctor has seen all that wait."""
        self.handler.diagnose_waiting()
        return self.rejections.snapshot()

    def uses(self) -> dict[str, LastUse]:
        return self.journal.read(rejections.last_uses)


def request_of(text: SignedText, path: str = PATH, headers: str = "") -> bytes:
    return post(f"{path}?{urlencode(query_of(text))}", body_of(text), headers)


def post(target: str, body: bytes, headers: str = "") -> bytes:
    head = f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def read_answer(connection: socket.socket) -> Answer:
    """Read one answer from a connection; an AssertionError where it ends before that."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
    code = int(status.split(" ")[1])
    while len(body) < int(headers.get("content-length", 0)):
        body += _more(connection)
    return Answer(code, headers, body)


def _more(connection: socket.socket) -> bytes:
    received = connection.recv(65536)
    assert received, "the connection was closed without an answer"
    return received


def sender_for(port: int, credentials: Credentials = CREDENTIALS, seed: int = 1) -> CallbackSender:
    return CallbackSender(
        f"http://127.0.0.1:{port}{PATH}",
        credentials.token.reveal(),
        credentials.aes_key.reveal(),
        credentials.key,
        rng=seeded(seed),
        patience=Patience(deadline_s=PATIENCE_OF_TESTS_S, retry_delays_s=()),
    )


def sealed(message: bytes | dict[str, Any], credentials: Credentials = CREDENTIALS) -> SignedText:
    """A genuine callback, not sent yet."""
    plaintext = message if isinstance(message, bytes) else json.dumps(message).encode()
    with sender_for(1, credentials) as sender:
        return sender.sealed(plaintext)


@contextmanager
def serving(
    path: Path,
    keyring: Keyring | None = None,
    store: Callable[[Journal], Append] = lambda journal: journal.append,
    host: str = "127.0.0.1",
) -> Iterator[Service]:
    """A service on a free port of loopback, its journal in `path`."""
    journal = Journal.open(path, now_ms=0)
    rejections = RejectionLog()
    queue = BatchingQueue(store(journal))
    promotions: list[CallbackVerifier] = []
    handler = CallbackHandler(
        CallbackVerifier(keyring or Keyring(CREDENTIALS)), rejections, promotions.append
    )
    with closing(open_socket(host, 0)) as listening:
        listener = Listener(listening, build_app(handler, PATH), queue)
        listener.start()
        try:
            port = listener.address[1]
            yield Service(port, handler, journal, listener, rejections, promotions)
        finally:
            listener.request_stop()
            stopped = listener.join(20)
            assert (journal.close(20), stopped) == (True, True)
