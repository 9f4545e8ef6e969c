"""What one connection may cost: body size, patience, buffered bytes. Refusals are made here.

waitress refuses a body that is too large by closing the connection on it, which many clients see
as a reset and not as a 413. Here a body somewhat too large is read to its end, thrown away, and
answered properly.
"""

import contextlib
import socket
import time
from dataclasses import dataclass

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge

BODY_LIMIT_BYTES = 1024 * 1024
# Up to here a body that is too large is still read, so that the sender gets to see the 413.
READ_LIMIT_BYTES = 16 * BODY_LIMIT_BYTES
HEADER_LIMIT_BYTES = 32 * 1024
# Over all connections together. A callback is a few hundred bytes; this is room for thousands.
BUFFERED_LIMIT_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection may be idle, and how long one request may take to arrive; seconds."""

    idle_s: float
    request_s: float


CALM = Patience(idle_s=75, request_s=10)
# Most places taken: who wastes one has to go, so that a genuine call finds one. DingTalk gives up
# after 2.5 seconds itself, so nothing genuine takes longer to arrive.
PRESSED = Patience(idle_s=1, request_s=2.5)


class RequestTimeout(Error):  # noqa: N818 - waitress names its error pages like this
    """408: the request did not arrive in time."""

    code = 408
    reason = "Request Timeout"


class BoundedBuffer(OverflowableBuffer):
    """A request's body in memory that keeps no more than the limit and counts the rest."""

    def __init__(self) -> None:
        super().__init__(overflow=BODY_LIMIT_BYTES + 1)
        self.is_over_limit = False

    def append(self, data: bytes) -> None:
        """Keep `data`, or note that the body is too large and keep nothing more."""
        if self.is_over_limit or len(self) + len(data) > BODY_LIMIT_BYTES:
            self.is_over_limit = True
            return
        super().append(data)


class BoundedParser(HTTPRequestParser):
    """A request parser whose body is bounded; too large a body becomes a 413 once it was read."""

    buffer: BoundedBuffer | None = None
    error: Error | None  # waitress's, given types
    body_rcv: FixedStreamReceiver | ChunkedReceiver | None
    completed: bool
    expect_continue: bool

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header and prepare for the body. Raises ParsingError, which becomes a 400."""
        try:
            super().parse_header(header_plus)
        except ValueError as failure:  # a Content-Length of thousands of digits
            raise ParsingError("a header's value cannot be understood") from failure
        if self.body_rcv is not None:
            self.buffer = self.body_rcv.buf = BoundedBuffer()

    def received(self, data: bytes) -> int:
        """Take bytes from the wire; returns how many were taken."""
        taken: int = super().received(data)
        if self.completed:
            # waitress would send "100 Continue" even so, and wait for a body that never comes.
            self.expect_continue = False
        elif self._framing_bytes > HEADER_LIMIT_BYTES:
            self.error = BadRequest("exceeds the limit for chunk sizes and trailers")
            self.completed = True
        if self.completed and self.error is None and self.buffer and self.buffer.is_over_limit:
            self.error = RequestEntityTooLarge(f"exceeds {BODY_LIMIT_BYTES} bytes")
        return taken

    @property
    def _framing_bytes(self) -> int:
        """How much of a chunk's size line or of the trailer is kept; waitress sets no bound."""
        chunks = self.body_rcv
        if not isinstance(chunks, ChunkedReceiver):
            return 0
        return len(chunks.control_line) + len(chunks.trailer)


class PatientChannel(HTTPChannel):
    """A connection that knows since when its present request has been arriving."""

    parser_class = BoundedParser
    request: BoundedParser | None  # waitress's, given a type
    request_since_s: float | None = None

    def received(self, data: bytes) -> bool:
        """Take bytes from the wire and note when a request began to arrive."""
        was_taken: bool = super().received(data)
        if self.request is None:
            self.request_since_s = None
        elif self.request_since_s is None:
            self.request_since_s = time.time()
        return was_taken

    def service(self) -> None:
        """Run the request, and send the answer at once and in one piece."""
        super().service()
        self.handle_write()

    @property
    def buffered_bytes(self) -> int:
        """How many bytes of an unfinished request this connection holds in memory."""
        request = self.request
        if request is None or request.body_rcv is None:
            return 0
        return len(request.body_rcv)

    def enforce(self, patience: Patience, now_s: float) -> None:
        """Close the connection where it was idle, or a request arriving, for too long."""
        if self.requests:
            return
        if self.request_since_s is None or self.total_outbufs_len:
            if self.last_activity < now_s - patience.idle_s:
                self.abandon()
        elif self.request_since_s < now_s - patience.request_s:
            self.refuse_unfinished()

    def abandon(self) -> None:
        """Close the connection, also where the other side does not read what is sent to it."""
        self.will_close = True
        if self.total_outbufs_len:
            # The loop closes what it can write to, and this it cannot, until it is shut down.
            with contextlib.suppress(OSError):  # the other side was quicker
                self.socket.shutdown(socket.SHUT_RDWR)

    def refuse_unfinished(self) -> None:
        """Answer the unfinished request with 408 and close."""
        request = self.request
        if request is None:
            return
        if not request.headers_finished:
            request.parse_header(b"GET / HTTP/1.0\r\n")
        request.error = RequestTimeout("the request did not arrive in time")
        request.completed = True
        self.request = None
        self.request_since_s = None
        self.requests.append(request)
        self.server.add_task(self)
