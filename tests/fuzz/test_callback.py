"""At least 100,000 damaged, odd and malicious calls: none may be an error of ours.

The bulk goes through the application in this process, a smaller part over real sockets. The
seed is printed with every run and chosen anew for each; set `SEED` to repeat one.
"""

import contextlib
import gzip
import json
import logging
import re
import secrets
import socket
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from urllib.parse import quote, urlencode

import pytest

from crypto.callback import CallbackVerifier
from crypto.credentials import Keyring
from server.callback.handler import CallbackHandler, Outcome, Verified
from server.callback.rejections import KEPT, RejectionLog
from server.callback.wsgi import build_app
from server.simulator.dingtalk.callbacks import query_of
from server.simulator.dingtalk.envelope import Envelope, SignedText
from server.simulator.dingtalk.payloads import CONTACT_EVENTS, OTHER_EVENTS, EventMaker, check_url
from tests.server.callback.service import (
    AES_KEY,
    CREDENTIALS,
    KEY,
    OTHER,
    PATH,
    TOKEN,
    Service,
    post,
)
from tests.server.simulator.malformed import Damage, damaged
from tests.server.simulator.seeds import seeded

SEED: int | None = None
IN_PROCESS, OVER_SOCKETS = 100_000, 5_000
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
ENVELOPE = Envelope(TOKEN, AES_KEY, KEY)
ALLOWED = {200, 400, 403, 404, 405, 408, 411, 413, 414, 431, 501, 505}
CONTROLS = (b"\0", b"\r\n", b"\r\n\r\n", b"%", b"%00", b"%ff", b"&", b"=", b";", b"+", b'"', b"\\")
BOMBS = (b"[" * 3000, b'{"a":' * 2000, b"9" * 5000, b"x" * 40_000)
NUMBERS = (b"-1", b"1e999", b"NaN", b"null", b"true")
TEXTS = (b"\xff\xfe", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", "钉".encode(), "😀".encode())
WORDS = (b"encrypt", b"signature", b"chunked", b"Content-Length: 5\r\n")
INTERESTING = CONTROLS + BOMBS + NUMBERS + TEXTS + WORDS
ODD_NUMBERS: tuple[object, ...] = (None, True, 0, -1, 2**63, 10**400, 1.5)
ODD_TEXTS: tuple[object, ...] = (
    *("", " ", "\0", "a\0b", "\ud800", "\uffff", "😀", "x" * 5000),
    *("check_url", "SELECT 1; --", "{port}", "%s%n"),
)
ODD_VALUES = ODD_NUMBERS + ODD_TEXTS + ([], {}, [[[]]], {"a": {"b": {}}}, ["x"] * 500)
HEADERS = ("", "Expect: 100-continue\r\n", "Connection: close\r\n", "X: y\r\n")


@dataclass
class Fuzzer:
    """Makes calls that are nearly genuine. Repeatable by its seed."""

    rng: Random
    maker: EventMaker = field(init=False)

    def __post_init__(self) -> None:
        self.maker = EventMaker(self.rng, "dingcorp", lambda: 1_700_000_000_000)

    def call(self) -> tuple[str, bytes]:
        """A query and a body."""
        query, body = self._parts()
        if self.rng.random() < 0.3:
            body = self.mutated(body)
        if self.rng.random() < 0.3:
            query = self.mutated(query.encode()).decode("latin-1")
        return query, body

    def raw(self) -> bytes:
        """A whole request as bytes, seldom sound."""
        query, body = self.call()
        target = quote(f"{PATH}?{query}", safe="/?&=%+", errors="replace")
        headers = self.rng.choice(HEADERS)
        request = post(target, body, headers)
        return self.mutated(request) if self.rng.random() < 0.7 else request

    def mutated(self, sound: bytes) -> bytes:
        damaged_bytes = bytearray(sound)
        for _ in range(self.rng.randint(1, 4)):
            start = self.rng.randint(0, len(damaged_bytes))
            end = min(len(damaged_bytes), start + self.rng.choice((0, 0, 1, 1, 2, 8, 64)))
            damaged_bytes[start:end] = self._filling()
        if self.rng.random() < 0.2:
            del damaged_bytes[self.rng.randint(0, len(damaged_bytes)) :]
        return bytes(damaged_bytes)

    def packed(self, sound: bytes) -> bytes:
        whole = gzip.compress(sound, 1)
        return self.mutated(whole) if self.rng.random() < 0.3 else whole

    def _filling(self) -> bytes:
        if self.rng.random() < 0.5:
            return self.rng.choice(INTERESTING)
        return self.rng.randbytes(self.rng.randint(0, 9))

    def _parts(self) -> tuple[str, bytes]:
        if self.rng.random() < 0.05:
            return "", self.rng.randbytes(self.rng.randint(0, 300))
        text = self._text()
        query = query_of(text) | self._odd_query()
        body: dict[str, object] = {"encrypt": text.encrypt}
        if self.rng.random() < 0.1:
            body[self.rng.choice(("Encrypt", "encrypt", "x"))] = self.rng.choice(ODD_VALUES)
        return urlencode(query, errors="replace"), json.dumps(body).encode()

    def _odd_query(self) -> dict[str, str]:
        if self.rng.random() < 0.8:
            return {}
        name = self.rng.choice(("signature", "msg_signature", "timestamp", "nonce", "x"))
        return {name: str(self.rng.choice(ODD_VALUES))}

    def _text(self) -> SignedText:
        timestamp = self.rng.choice(("1700000000123", "0", "soon", "9" * 5000, "１", ""))
        plaintext, random16 = self._plaintext(), self.rng.randbytes(16)
        if self.rng.random() < 0.15:
            damage = self.rng.choice(list(Damage))
            return damaged(
                ENVELOPE, damage, plaintext, random16=random16, timestamp=timestamp, nonce="n"
            )
        envelope = (
            ENVELOPE
            if self.rng.random() < 0.8
            else Envelope(
                self.rng.choice((TOKEN, OTHER.token.reveal())),
                self.rng.choice((AES_KEY, OTHER.aes_key.reveal())),
                self.rng.choice((KEY, OTHER.key, "<b>钉</b>", "x" * 300)),
            )
        )
        return envelope.seal(plaintext, random16=random16, timestamp=timestamp, nonce="n")

    def _plaintext(self) -> bytes:
        if self.rng.random() < 0.05:
            return self.rng.randbytes(self.rng.randint(0, 200))
        event = self.maker.any_of(self.rng.choice(CONTACT_EVENTS + OTHER_EVENTS))
        if self.rng.random() < 0.1:
            event = check_url()
        for _ in range(self.rng.randint(0, 2)):
            name = self.rng.choice(("EventType", "eventId", "EventId", "CorpId", "x", "\0", ""))
            event[name] = self.rng.choice(ODD_VALUES)
        plaintext = json.dumps(event, ensure_ascii=self.rng.random() < 0.5)
        sound = plaintext.encode("utf-8", "replace")
        return self.mutated(sound) if self.rng.random() < 0.3 else sound


def stored(verified: Verified) -> Outcome:
    """Store nothing, but check that a database could take it."""
    for part in (verified.use, verified.event):
        repr(part).encode()
    event = verified.event
    if event is None:
        return Outcome(frozenset(), None)
    assert isinstance(event.payload, str)
    f"{event.event_type}{event.event_id}{event.corp_id}".encode()
    return Outcome(frozenset({event.dedupe_key}), None)


@pytest.fixture
def fuzzer() -> Fuzzer:
    seed = secrets.randbits(32) if SEED is None else SEED
    print(f"fuzzing with seed {seed}")  # noqa: T201 - pytest shows it where the test fails
    return Fuzzer(seeded(seed))


def no_errors(caplog: pytest.LogCaptureFixture) -> bool:
    return not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_call_makes_the_application_fail(
    fuzzer: Fuzzer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    rejections = RejectionLog()
    keyring = Keyring(CREDENTIALS, pending=OTHER)
    desk = CallbackHandler(CallbackVerifier(keyring), rejections, lambda _: None)
    app = build_app(desk, PATH)
    counts: Counter[str] = Counter()
    for number in range(IN_PROCESS):
        query, body = fuzzer.call()
        headers = {
            "X_FORWARDED_FOR": fuzzer.rng.choice(("", "1.2.3.4", "x", "fe80::1%\0", "1,,")),
            "CONTENT_ENCODING": fuzzer.rng.choice(
                ("", "", "", "", "", "", "identity", "gzip", "x")
            ),
        }
        if headers["CONTENT_ENCODING"] == "gzip":
            body = fuzzer.packed(body)
        answer = app.verify(query, body, headers, "127.0.0.1")
        if isinstance(answer, Verified):
            answer = app.reply(answer, stored(answer))
        counts[answer.status] += 1
        if number % 100 == 0:
            desk.diagnose_waiting()
    assert {"200 OK", "400 Bad Request", "403 Forbidden"} == set(counts)
    assert min(counts.values()) > IN_PROCESS // 50
    assert len(rejections.snapshot()) <= KEPT
    assert no_errors(caplog)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_bytes_make_the_service_fail(
    fuzzer: Fuzzer, fuzzed_service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(OVER_SOCKETS):
        statuses = answers_to(fuzzed_service, fuzzer.raw())
        assert statuses <= ALLOWED | {100}
    health = b"GET /healthz HTTP/1.0\r\n\r\n"
    assert fuzzed_service.exchange(health).status == 200
    assert no_errors(caplog)
    assert (fuzzed_service.listener.is_serving, bool(fuzzed_service.events())) == (True, True)


def answers_to(service: Service, request: bytes) -> set[int]:
    """Send bytes and the end of them; the statuses of all answers that come."""
    received = b""
    with service.connect() as connection:
        # A service may refuse and close before everything was sent: that is an answer too.
        with contextlib.suppress(OSError):
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while more := connection.recv(65536):
                received += more
    assert b"Traceback" not in received
    return {int(status) for status in _STATUS.findall(received)}
