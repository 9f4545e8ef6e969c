"""The listening socket, and the thread `dingbridge-web` that serves it with waitress.

waitress normally runs one thread for the sockets and a pool for the requests. Our loop does both
in one thread (`server.callback.batching` says why), which also saves waking up threads.
"""

import logging
import select
import socket
import sys
import threading
from time import monotonic
from typing import Any, NamedTuple

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from server.callback.batching import BatchingQueue
from server.callback.limits import (
    HEADER_LIMIT_BYTES,
    HELD_LIMIT_BYTES,
    READ_LIMIT_BYTES,
    RELAXED,
    TIGHT,
    RepeatFilter,
    TimedChannel,
)
from server.callback.port_holder import holder_of_port
from server.callback.wsgi import Application
from server.errors.base import (
    AddressUnavailableError,
    ListenerError,
    PortForbiddenError,
    PortHeldError,
    PortInUseError,
)

_log = logging.getLogger(__name__)

# Windows' select takes 512 sockets. Elsewhere poll has no limit, but the process does.
_SELECT_LIMIT = 512
_MOST_CONNECTIONS = 4096
# Sockets and files for the process itself: listener, trigger, database, log, outgoing calls.
_OTHER_FILES = 64
_BACKLOG = 1024
_PRESSED_ABOVE = 0.75
# A turn visits every connection. Accepting only a few per turn would delay a burst; accepting all
# would delay the connections that are open already.
_ACCEPTED_A_TURN = 64
# A genuine call arrives in one piece. A connection that has waited this long may be closed when
# all are taken.
_YIELDS_AFTER_S = 0.1
# Read at once from a connection: enough for a callback, at most a hundred tiny requests.
_READ_BYTES = 4096
# How long one turn may read. Senders of costly trifles over hundreds of connections must not
# delay calls that are complete. With the work (`WORK_BUDGET_S`) a turn takes 50 ms at most: a
# genuine call among a thousand that reset their connections waits for some two or three turns.
_READ_BUDGET_S = 0.025
_IDLE_TICK_S = 1.0
# How often the loop checks for stored batches while the disk is slow.
_WAITING_TICK_S = 0.005
_DRAIN_S = 1.5
_WINDOWS_ACCESS_DENIED = 10013
# These loggers write a line per request, so strangers decide how often.
_LOGS_OF_REQUESTS = ("waitress", "server.callback.wsgi", "server.callback.batching")


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to exactly this address; port 0 lets the system choose.

    Raises PortInUseError, PortForbiddenError or AddressUnavailableError. Never falls back to
    another port: DingTalk would keep calling the old one.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as failure:  # UnicodeError: a label over 63 characters
        raise AddressUnavailableError(host=host) from failure
    listener = socket.socket(family, kind, protocol)
    try:
        _forbid_sharing(listener)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as failure:
        listener.close()
        raise _bind_error(failure, host, port) from failure
    listener.setblocking(False)  # noqa: FBT003 - the socket's own signature
    return listener


def _forbid_sharing(listener: socket.socket) -> None:
    """Make a second listener on the port fail, but a restart right after a stop succeed.

    On Windows SO_REUSEADDR would let two programs share a port, and either might get a call.
    """
    if sys.platform == "win32":
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _bind_error(failure: OSError, host: str, port: int) -> ListenerError:
    import errno  # noqa: PLC0415 - only on the way out

    if failure.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
        return AddressUnavailableError(host=host)
    holder = holder_of_port(port)
    if holder is not None:
        return PortHeldError(port=port, holder=holder)
    if failure.errno in {errno.EACCES, errno.EPERM, _WINDOWS_ACCESS_DENIED}:
        return PortForbiddenError(port=port)
    return PortInUseError(port=port)


def connection_limit() -> int:
    """Return how many connections may be open at once on this system."""
    if not hasattr(select, "poll"):
        return _SELECT_LIMIT - _OTHER_FILES // 2
    import resource  # noqa: PLC0415 - not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _OTHER_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(_MOST_CONNECTIONS, soft - _OTHER_FILES)


class _Server(TcpWSGIServer):
    """waitress's server with our limits, on a socket that is bound already."""

    channel_class = TimedChannel
    active_channels: dict[int, TimedChannel]  # waitress's, given types
    held_bytes = 0
    _next_maintenance_s = 0.0

    def set_reuse_addr(self) -> None:
        """Leave the socket as `open_socket` made it."""

    def pull_trigger(self) -> None:
        """Do nothing: requests run on the loop's own thread, which is awake."""

    def wake(self) -> None:
        """Wake the loop; for other threads."""
        self.trigger.pull_trigger()

    def readable(self) -> bool:
        """Whether to accept connections: up to the limit, and without waitress's warning."""
        return bool(self.accepting) and not self.is_full

    def handle_accept(self) -> None:
        """Accept all waiting connections, up to a bound. waitress accepts one per turn."""
        for _ in range(_ACCEPTED_A_TURN):
            inside = len(self._map)
            super().handle_accept()
            if len(self._map) == inside or self.is_full:  # none waits, or none fits in
                return

    @property
    def is_full(self) -> bool:
        """Whether as many connections are open as may be."""
        return len(self._map) >= int(self.adj.connection_limit)

    def maintain(self, now_s: float) -> None:
        """Close connections that waste a place or memory; called before each turn."""
        if self.held_bytes > HELD_LIMIT_BYTES:
            self._shed()
        if now_s >= self._next_maintenance_s:
            self._next_maintenance_s = now_s + self.adj.cleanup_interval
            is_pressed = len(self._map) >= self.adj.connection_limit * _PRESSED_ABOVE
            patience = TIGHT if is_pressed else RELAXED
            for channel in list(self.active_channels.values()):
                channel.enforce(patience, now_s)
        if self.is_full:
            self._make_room(now_s)

    def _make_room(self, now_s: float) -> None:
        """Close the connections that have waited longest, to make room for a genuine call.

        Sending a byte now and then does not help them: see `waits_since_s`.
        """
        idle = [
            channel
            for channel in self.active_channels.values()
            if not channel.requests and channel.waits_since_s < now_s - _YIELDS_AFTER_S
        ]
        idle.sort(key=lambda channel: channel.waits_since_s)
        for channel in idle[: self.adj.connection_limit // 10]:
            channel.handle_close()

    def _shed(self) -> None:
        """Refuse the largest unfinished requests while all together hold too much memory."""
        unfinished = [one for one in self.active_channels.values() if one.request is not None]
        for channel in sorted(unfinished, key=lambda one: one.counted_bytes, reverse=True):
            channel.refuse_unfinished()
            if self.held_bytes <= HELD_LIMIT_BYTES:
                return


class _Ready(NamedTuple):
    """A socket and what it is ready for."""

    fd: int
    can_read: bool
    can_write: bool
    is_broken: bool


class Listener:
    """Serves an application on a socket in its own thread, `dingbridge-web`."""

    def __init__(
        self, listener: socket.socket, application: Application, queue: BatchingQueue
    ) -> None:
        """Take a socket from `open_socket`; `queue` stores what the application verifies."""
        self._socket = listener
        self._queue = queue
        self._map: dict[int, Any] = {}
        self._server = _Server(
            application,
            map=self._map,
            _sock=listener,
            dispatcher=queue,
            adj=_adjustments(listener),
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self._wait = _wait_by_poll if hasattr(select, "poll") else _wait_by_select
        self._repeats = RepeatFilter()
        self._is_stopping = False
        self._ending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="dingbridge-web", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port that are served."""
        return self._server.effective_host, int(self._server.effective_port)

    def start(self) -> None:
        """Start serving."""
        for name in _LOGS_OF_REQUESTS:
            logging.getLogger(name).addFilter(self._repeats)
        self._thread.start()

    def replace_application(self, application: Application) -> None:
        """Serve another application from the next request on."""
        self._server.application = application

    @property
    def is_serving(self) -> bool:
        """Whether the thread runs and was not asked to stop."""
        return self._thread.is_alive() and not self._is_stopping

    def request_stop(self) -> None:
        """Stop accepting, answer what has arrived, and end. Any thread may call this."""
        with self._ending:
            if not self._is_stopping:
                self._is_stopping = True
                self._server.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread to end; return whether it did in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._turn(self._tick_s())
            self._drain()
        except Exception:
            _log.critical("Listener crashed; callbacks are not being answered", exc_info=True)
            raise
        finally:
            with self._ending:  # afterwards a wake-up would write to a closed, maybe reused, file
                self._is_stopping = True
                wasyncore.close_all(self._map, ignore_all=True)
            for name in _LOGS_OF_REQUESTS:
                logging.getLogger(name).removeFilter(self._repeats)

    def _tick_s(self) -> float:
        """Return how long to wait for the sockets."""
        if self._queue.has_ready:
            return 0.0
        if self._queue.is_waiting:
            return _WAITING_TICK_S
        # While it is full, waiting callers are not seen; only `maintain` frees a place.
        return _YIELDS_AFTER_S if self._server.is_full else _IDLE_TICK_S

    def _turn(self, timeout_s: float) -> None:
        now_s = monotonic()
        self._server.maintain(now_s)
        self._attend(self._wait(timeout_s, self._map))
        self._queue.run_ready()

    def _attend(self, ready: list[_Ready]) -> None:
        """Write, accept and read, within the budget of one turn.

        New connections come first, those with an unfinished request last, because a genuine call
        arrives in one piece. Among the others, the one active longest ago comes first.
        """
        until_s = monotonic() + _READ_BUDGET_S
        ready.sort(key=self._turn_of)
        for fd, can_read, can_write, is_broken in ready:
            one = self._map.get(fd)
            if one is None:  # closed while serving another one
                continue
            if can_write:
                wasyncore.write(one)
            if can_read and monotonic() < until_s and fd in self._map:
                wasyncore.read(one)
            if is_broken and fd in self._map:
                one.handle_close()

    def _turn_of(self, ready: _Ready) -> tuple[int, float]:
        one = self._map[ready.fd]
        if not isinstance(one, TimedChannel):  # the listening socket, or a wake-up
            return 0, 0.0
        if one.request_since_s is None:
            return 2 if one.was_served else 1, one.active_since_s
        return 3, -one.request_since_s

    def _drain(self) -> None:
        """Answer the requests that have arrived; accept no new connections."""
        self._server.accepting = False
        self._server.del_channel()
        self._socket.close()
        until_s = monotonic() + _DRAIN_S
        while self._has_work() and monotonic() < until_s:
            self._turn(min(_WAITING_TICK_S, self._tick_s()))

    def _has_work(self) -> bool:
        channels = self._server.active_channels.values()
        return self._queue.is_busy or any(one.requests or one.total_outbufs_len for one in channels)


def _adjustments(listener: socket.socket) -> Adjustments:
    adjustments = Adjustments(
        sockets=[listener],
        ident=None,
        connection_limit=connection_limit(),
        cleanup_interval=1,
        channel_timeout=int(RELAXED.idle_s),
        recv_bytes=_READ_BYTES,
        max_request_header_size=HEADER_LIMIT_BYTES,
        max_request_body_size=READ_LIMIT_BYTES,
        log_socket_errors=False,
        expose_tracebacks=False,
        clear_untrusted_proxy_headers=False,
    )
    # One write per answer: header and body leave together in the loop's next turn. Passed as an
    # argument, it causes a DeprecationWarning.
    adjustments.send_bytes = 18_000
    return adjustments


def _wait_by_poll(timeout_s: float, sockets: dict[int, Any]) -> list[_Ready]:
    """Wait until sockets are ready; return which, and for what."""
    poll = select.poll()
    for fd, one in sockets.items():
        flags = (select.POLLIN if one.readable() else 0) | (select.POLLOUT if one.writable() else 0)
        if flags:
            poll.register(fd, flags)
    broken = select.POLLHUP | select.POLLERR | select.POLLNVAL
    return [
        _Ready(fd, bool(flags & select.POLLIN), bool(flags & select.POLLOUT), bool(flags & broken))
        for fd, flags in poll.poll(timeout_s * 1000)
    ]


def _wait_by_select(timeout_s: float, sockets: dict[int, Any]) -> list[_Ready]:
    """Do the same on Windows, where select reports a broken socket as readable."""
    reading = [fd for fd, one in sockets.items() if one.readable()]
    writing = [fd for fd, one in sockets.items() if one.writable()]
    readable, writable = map(set, select.select(reading, writing, [], timeout_s)[:2])
    return [
        _Ready(fd, fd in readable, fd in writable, is_broken=False) for fd in readable | writable
    ]
