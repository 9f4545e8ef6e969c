"""Limits what one connection may cost: body size, time, buffered bytes.

waitress closes the connection on a body that is too large, and many clients see a reset instead of
a 413. We read a body that is somewhat too large to its end, discard it and answer properly. Waits
are measured by the monotonic clock, because the wall clock may be set back.
"""

import contextlib
import logging
import socket
import threading
from dataclasses import dataclass
from io import BytesIO
from time import monotonic
from typing import Any

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver
from waitress.task import WSGITask
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

from server.callback.handler import Outcome, Verified
from server.callback.wsgi import ANSWER_KEY, Answer, Application

BODY_LIMIT_BYTES = 1024 * 1024
# A body that is too large is read up to here, so that the sender receives the 413.
READ_LIMIT_BYTES = 16 * BODY_LIMIT_BYTES
HEADER_LIMIT_BYTES = 32 * 1024
# For all connections together. A callback has a few hundred bytes; this holds thousands.
HELD_LIMIT_BYTES = 8 * 1024 * 1024
# For chunk sizes, line ends and trailers. A genuine sender writes a few lines of them; chunks of
# one byte would cost a thousand times what they carry.
FRAMING_LIMIT_BYTES = 256
_FRAMING_SHARE = 4
REPEATS_AFTER_S = 60.0
# A callback is smaller. Larger requests are served after all others.
_PROMPT_MAX_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connection may be idle, and how long a request may take to arrive."""

    idle_s: float
    request_s: float


RELAXED = Timeouts(idle_s=75, request_s=10)
# When most connections are taken: close the idle ones, so that a genuine call finds a free one.
# DingTalk gives up after 2.5 seconds itself, so no genuine request takes longer to arrive.
TIGHT = Timeouts(idle_s=1, request_s=2.5)


class RepeatFilter(logging.Filter):
    """Lets equal lines through once a minute, with a count of those dropped.

    Strangers can cause some lines as often as they like; these must not flood the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._told: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide whether to write the line; append how many were dropped."""
        cause = None if record.exc_info is None else record.exc_info[0]
        key = (record.name, record.levelno, record.pathname, record.lineno, cause)
        now_s = monotonic()
        with self._lock:
            told_s, left_out = self._told.get(key, (now_s - REPEATS_AFTER_S, 0))
            if now_s - told_s < REPEATS_AFTER_S:
                self._told[key] = (told_s, left_out + 1)
                return False
            self._told[key] = (now_s, 0)
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out} more like it before)", ()
        return True


class RequestTimeout(Error):  # noqa: N818 - waitress names its error pages like this
    """408: the request did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class BoundedBuffer:
    """A request's body in memory: keeps no more than the limit and counts the rest."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.size_bytes = 0  # of everything received, kept or not
        self.is_over_limit = False

    def __len__(self) -> int:
        return len(self.content)

    def append(self, data: bytes) -> None:
        """Keep `data`, or drop everything once the body is too large."""
        self.size_bytes += len(data)
        if self.is_over_limit or self.size_bytes > BODY_LIMIT_BYTES:
            self.is_over_limit = True
            self.content.clear()
            return
        self.content += data

    def getfile(self) -> BytesIO:
        """Return the body as a file (waitress calls this)."""
        return BytesIO(self.content)

    def close(self) -> None:
        """Free the body (waitress calls this)."""
        self.content = bytearray()


class BoundedParser(HTTPRequestParser):
    """A request parser with a bounded body; one that is too large becomes a 413 once read."""

    buffer: BoundedBuffer | None = None
    error: Error | None  # waitress's, given types
    body_rcv: FixedStreamReceiver | ChunkedReceiver | None
    body_bytes_received: int
    command: str
    completed: bool
    expect_continue: bool
    header_plus: bytes
    headers: dict[str, str]
    headers_finished: bool
    path: str
    query: str
    version: str

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header and prepare for the body. A ParsingError becomes a 400."""
        try:
            super().parse_header(header_plus)
        except ValueError as failure:  # a Content-Length of thousands of digits
            raise ParsingError("a header's value cannot be understood") from failure
        if self.body_rcv is not None:
            self.buffer = self.body_rcv.buf = BoundedBuffer()

    def received(self, data: bytes) -> int:
        """Take received bytes; return how many were taken."""
        if isinstance(self.body_rcv, ChunkedReceiver):
            taken = self._received_in_pieces(data)
        else:
            taken = super().received(data)
        if self.completed:
            # waitress would still send "100 Continue" and wait for a body that never comes.
            self.expect_continue = False
            if self.error is None and self.buffer is not None and self.buffer.is_over_limit:
                self.error = RequestEntityTooLarge(f"exceeds {BODY_LIMIT_BYTES} bytes")
        return taken

    def _received_in_pieces(self, data: bytes) -> int:
        """Take the bytes of a chunked body; refuse one that is mostly framing."""
        taken = 0
        while taken < len(data) and not self.completed:
            # If all of this piece were framing, it would just exceed the limit.
            taken += super().received(data[taken : taken + self._framing_room_bytes + 1])
            if self._framing_room_bytes < 0:
                self.error = BadRequest("exceeds the limit for chunk sizes and trailers")
                self.completed = True
        # Bytes after an error are not another request: the connection will be closed.
        return taken if self.error is None else len(data)

    @property
    def _framing_room_bytes(self) -> int:
        """How many more bytes of chunk sizes and trailers the request may send."""
        size_bytes = 0 if self.buffer is None else self.buffer.size_bytes
        framing_bytes = self.body_bytes_received - size_bytes
        return FRAMING_LIMIT_BYTES + size_bytes // _FRAMING_SHARE - framing_bytes

    @property
    def body(self) -> bytes:
        """The body, once it is complete."""
        return b"" if self.buffer is None else bytes(self.buffer.content)

    @property
    def held_bytes(self) -> int:
        """How many bytes of the request are kept in memory."""
        return len(self.header_plus) + (0 if self.buffer is None else len(self.buffer))


class _Task(WSGITask):
    """waitress's task for an application; passes on the answer to a callback."""

    def get_environment(self) -> dict[str, Any]:
        """Return the WSGI environment."""
        environ: dict[str, Any] = super().get_environment()
        if self.channel.answer is not None:
            environ[ANSWER_KEY] = self.channel.answer
        return environ


class TimedChannel(HTTPChannel):
    """A connection that measures how long its current request has been arriving."""

    parser_class = BoundedParser
    task_class = _Task
    addr: tuple[str, int]  # waitress's, given types
    request: BoundedParser | None
    requests: list[BoundedParser]
    answer: Answer | None = None
    request_since_s: float | None = None
    was_served = False
    counted_bytes = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        self.active_since_s = monotonic()
        super().__init__(*args, **options)

    def received(self, data: bytes) -> bool:
        """Take received bytes and note when a request began to arrive."""
        self.active_since_s = monotonic()
        was_taken: bool = super().received(data)
        if self.request is None:
            self.request_since_s = None
        elif self.request_since_s is None:
            self.request_since_s = self.active_since_s
        self._count_held()
        return was_taken

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002 - waitress's signature
        """Send as much as the system takes; return how much that was."""
        sent: int = super().send(data, do_close)
        if sent:
            self.active_since_s = monotonic()
        return sent

    def del_channel(self, map: dict[int, Any] | None = None) -> None:  # noqa: A002 - waitress's signature
        """Forget the connection (waitress calls this when it closes)."""
        super().del_channel(map)
        self.server.held_bytes -= self.counted_bytes
        self.counted_bytes = 0

    def _count_held(self) -> None:
        if not self.connected:
            return
        held_bytes = sum(one.held_bytes for one in self.requests)
        if self.request is not None:
            held_bytes += self.request.held_bytes
        self.server.held_bytes += held_bytes - self.counted_bytes
        self.counted_bytes = held_bytes

    @property
    def is_prompt(self) -> bool:
        """Whether the complete request is small and may be a callback."""
        request = self.requests[0]
        return (
            request.error is None
            and request.command == "POST"
            and request.held_bytes <= _PROMPT_MAX_BYTES
        )

    def verify(self) -> Verified | None:
        """Return what to store of a genuine callback; answer everything else at once."""
        self.was_served = True
        request = self.requests[0]
        application: Application = self.server.application
        if (
            request.error is not None
            or request.command != "POST"
            or not application.is_callback(request.path)
        ):
            self.service()
            return None
        verified = application.verify(request.query, request.body, request.headers, self.addr[0])
        if isinstance(verified, Answer):
            self._respond(verified)
            return None
        return verified

    def conclude(self, verified: Verified, outcome: Outcome) -> None:
        """Answer a genuine callback after storing succeeded or failed."""
        self._respond(self.server.application.reply(verified, outcome))

    def _respond(self, answer: Answer) -> None:
        request = self.requests[0]
        if (
            not self.connected
            or request.version != "1.1"
            or "CONNECTION" in request.headers
            or self.request is not None
            or self.total_outbufs_len
        ):
            self.answer = answer
            self.service()
            self.answer = None
            return
        # The same without a WSGI environment, its headers and buffers: takes half the time.
        del self.requests[0]
        request.close()
        self._count_held()
        whole = answer.as_bytes(self.server.application.date())
        sent = self.send(whole)
        if sent < len(whole) and self.connected:
            self.write_soon(whole[sent:])
        if self.requests and self.connected:
            self.server.add_task(self)

    def service(self) -> None:
        """Run the request and send the answer at once, in one piece."""
        super().service()
        self._count_held()
        # If the other side reset the connection, it is closed by now.
        if self.socket is not None:
            self.handle_write()

    @property
    def waits_since_s(self) -> float:
        """Since when this connection has made no progress: no complete request, no answer sent.

        A byte now and then is no progress.
        """
        return self.active_since_s if self.request_since_s is None else self.request_since_s

    def enforce(self, timeouts: Timeouts, now_s: float) -> None:
        """Close the connection if it was idle, or its request arriving, for too long."""
        if self.requests:
            return
        if self.request_since_s is None or self.total_outbufs_len:
            if self.active_since_s < now_s - timeouts.idle_s:
                self.abandon()
        elif self.request_since_s < now_s - timeouts.request_s:
            self.refuse_unfinished()

    def abandon(self) -> None:
        """Close the connection, even if the other side does not read what we send."""
        self.will_close = True
        if self.total_outbufs_len:
            # The loop closes a socket when it can write to it; shut down, it always can.
            with contextlib.suppress(OSError):  # the other side was faster
                self.socket.shutdown(socket.SHUT_RDWR)

    def refuse_unfinished(self) -> None:
        """Answer the unfinished request with 408 and close, unless others are queued before it."""
        request = self.request
        if request is None or self.requests:
            return
        if not request.headers_finished:
            request.parse_header(b"GET / HTTP/1.0\r\n")
        request.error = RequestTimeout("the request did not arrive in time")
        request.completed = True
        request.close()
        self.request = None
        self.request_since_s = None
        self.requests.append(request)
        self._count_held()
        self.server.add_task(self)
