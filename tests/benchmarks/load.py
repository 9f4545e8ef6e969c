"""A load of genuine callbacks over keep-alive connections, made before the clock starts.

One thread and bare sockets: the sender must cost far less than the service it measures.
"""

import json
import random
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from server.simulator.dingtalk.callbacks import body_of, query_of
from server.simulator.dingtalk.envelope import Envelope
from server.simulator.dingtalk.payloads import EventMaker

TOKEN = "benchmarkToken"  # made up
AES_KEY = "benchmarkbenchmarkbenchmarkbenchmarkbenchma"
KEY = "dingbenchmarkbenchma"
PATH = "/api/callback"
_CORP_ID = "ding00000000000000000000000000000000"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a load met: answers a second, how many were no 200, and answer times in seconds."""

    rate: float
    refused: int
    times_s: Sequence[float]

    def percentile_ms(self, share: float) -> float:
        """Return the answer time that `share` of all answers did not exceed, in milliseconds."""
        ordered = sorted(self.times_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def requests(count: int, seed: int) -> list[bytes]:
    """Return so many different callbacks as they go over the wire."""
    rng = random.Random(seed)  # noqa: S311 - a benchmark must be repeatable
    envelope = Envelope(TOKEN, AES_KEY, KEY)
    maker = EventMaker(rng, _CORP_ID, lambda: 1_790_000_000_000)
    return [_request(envelope, maker, rng) for _ in range(count)]


def _request(envelope: Envelope, maker: EventMaker, rng: random.Random) -> bytes:
    plaintext = json.dumps(maker.any_of("user_modify_org"), ensure_ascii=False).encode()
    sealed = envelope.seal(
        plaintext,
        random16=rng.randbytes(16),
        timestamp=str(time.time_ns() // 1_000_000),
        nonce=f"{rng.randrange(10**8):08}",
    )
    body = body_of(sealed)
    head = (
        f"POST {PATH}?{urlencode(query_of(sealed))} HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def as_fast_as_answered(port: int, messages: Sequence[bytes], connections: int) -> Outcome:
    """Send the next message on each connection as soon as the one before was answered."""
    queue = iter(messages)
    times_s: list[float] = []
    refused = 0
    began_s = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            _send_next(_connect(port, selector), queue, selector)
        while selector.get_map():
            for key, _ in selector.select():
                connection: _Connection = key.data
                if not connection.has_received():
                    continue
                times_s.append(time.perf_counter() - connection.sent_s)
                refused += not connection.was_good
                _send_next(connection, queue, selector)
    return Outcome(len(messages) / (time.perf_counter() - began_s), refused, times_s)


def at_a_rate(port: int, messages: Sequence[bytes], connections: int, per_second: float) -> Outcome:
    """Send messages at fixed moments, whatever the answers do; late sending counts as waiting."""
    times_s: list[float] = []
    refused = 0
    began_s = time.perf_counter()
    due_s = [began_s + index / per_second for index in range(len(messages))]
    with selectors.DefaultSelector() as selector:
        free = [_connect(port, selector) for _ in range(connections)]
        sent = 0
        while len(times_s) < len(messages):
            while sent < len(messages) and free and time.perf_counter() >= due_s[sent]:
                free.pop().send(messages[sent], due_s[sent])
                sent += 1
            wait_s = due_s[sent] - time.perf_counter() if sent < len(messages) and free else 1.0
            for key, _ in selector.select(max(0.0, wait_s)):
                connection: _Connection = key.data
                if connection.has_received():
                    times_s.append(time.perf_counter() - connection.sent_s)
                    refused += not connection.was_good
                    free.append(connection)
        for connection in free:
            connection.close(selector)
    return Outcome(len(messages) / (time.perf_counter() - began_s), refused, times_s)


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_s = 0.0
        self.was_good = False
        self._received = b""

    def send(self, message: bytes, due_s: float | None = None) -> None:
        self._received = b""
        self.sent_s = time.perf_counter() if due_s is None else due_s
        self.socket.sendall(message)

    def has_received(self) -> bool:
        """Take what has come; tell whether the answer is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the service closed a connection")
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended:
            return False
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        self.was_good = head.startswith(b"HTTP/1.1 200")
        return len(body) >= length

    def close(self, selector: selectors.BaseSelector) -> None:
        selector.unregister(self.socket)
        self.socket.close()


def _connect(port: int, selector: selectors.BaseSelector) -> _Connection:
    connection = _Connection(port)
    selector.register(connection.socket, selectors.EVENT_READ, connection)
    return connection


def _send_next(
    connection: _Connection, queue: Iterator[bytes], selector: selectors.BaseSelector
) -> None:
    message = next(queue, None)
    if message is None:
        connection.close(selector)
    else:
        connection.send(message)
