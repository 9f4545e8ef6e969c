"""Little receivers of callbacks on loopback, right ones and wrong ones, for the sender's tests."""

import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from server.simulator.dingtalk.envelope import Envelope, SignedText

TOKEN = "madeUpToken01"
AES_KEY = "AbCdEf0123456789AbCdEf0123456789AbCdEf01239"
KEY = "dingmadeupappkey0001"
REPLY_TIMESTAMP = "1700000000456"
PATIENCE_OF_TESTS_S = 20.0

ENVELOPE = Envelope(TOKEN, AES_KEY, KEY)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    dripping: Iterable[bytes] = ()  # comes behind the body, piece by piece


def reply_fields(
    *,
    envelope: Envelope = ENVELOPE,
    message: bytes = b"success",
    timestamp: str = REPLY_TIMESTAMP,
    change_encrypt: Callable[[str], str] = str,
) -> dict[str, Any]:
    """Return the reply's four fields; `change_encrypt` comes before the signature."""
    sealed = envelope.seal(message, random16=b"r" * 16, timestamp=timestamp, nonce="n0nce")
    text = envelope.signed(change_encrypt(sealed.encrypt), timestamp=timestamp, nonce="n0nce")
    return {
        "msg_signature": text.signature,
        "timeStamp": text.timestamp,
        "nonce": text.nonce,
        "encrypt": text.encrypt,
    }


def json_answer(value: object, status: int = 200, **headers: str) -> Answer:
    return Answer(status, json.dumps(value).encode(), headers)


def success() -> Answer:
    return json_answer(reply_fields())


@dataclass(slots=True)
class Received:
    """One request as it came in."""

    path: str
    query: dict[str, str]
    content_type: str
    body: dict[str, Any]

    @property
    def text(self) -> SignedText:
        query = self.query
        return SignedText(
            query["signature"], query["timestamp"], query["nonce"], self.body["encrypt"]
        )

    @property
    def plaintext(self) -> bytes:
        return ENVELOPE.open(self.text).message


class Receiver(ThreadingHTTPServer):
    """Answers each request with the next of `answers`, and with the last one for ever."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, *answers: Callable[[], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._answers = list(answers)
        self._lock = threading.Lock()
        self.received: list[Received] = []
        self.connections = 0
        self.hang_up_silently = False
        self.hung_up = threading.Semaphore(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/callback"

    def take(self, request: Received) -> Callable[[], Answer]:
        with self._lock:
            self.received.append(request)
            return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.hung_up.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A sender whose patience ended has hung up: part of some tests.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_OF_TESTS_S
    wbufsize = -1  # head and body leave in one packet
    server: Receiver

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content_type = self.headers["Content-Type"]
        answer = self.server.take(Received(parts.path, query, content_type, body))()
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)
        for piece in answer.dripping:
            self.wfile.flush()
            self.wfile.write(piece)
        self.close_connection |= self.server.hang_up_silently

    def log_message(self, *_: object) -> None:
        """Say nothing: a test's output is for its failures."""


@contextmanager
def receiving(*answers: Callable[[], Answer]) -> Iterator[Receiver]:
    """Run a receiver; connections to it are closed before it ends."""
    with Receiver(*answers) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()
