"""The listening socket and the thread that serves it: waitress, driven by a loop of our own.

waitress normally has one thread for the sockets and a pool for the requests. Here one thread does
both (see `server.callback.batching` for why), so waitress's wake-ups between its threads fall
away too.
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

from server.callback.batching import BatchingInbox
from server.callback.limits import (
    HEADER_LIMIT_BYTES,
    HELD_LIMIT_BYTES,
    READ_LIMIT_BYTES,
    RELAXED,
    TIGHT,
    PatientChannel,
    RepeatFilter,
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

# Windows' select holds 512 sockets; elsewhere poll has no such limit, the process's own rule does.
_SELECT_LIMIT = 512
_MOST_CONNECTIONS = 4096
# Sockets and files this process needs for itself: listener, trigger, database, log, outgoing.
_OTHER_FILES = 64
_BACKLOG = 1024
_PRESSED_ABOVE = 0.75
# A turn looks at every connection, so few at a time would make a burst wait outside; all at once
# would keep those inside waiting.
_ACCEPTED_A_TURN = 64
# A genuine call arrives in one piece; who has waited for this long may lose the place when all
# are taken.
_YIELDS_AFTER_S = 0.1
# Read at once from a connection: a hundred requests of a stranger at most, and room for a callback.
_READ_BYTES = 4096
# How long one turn may go on reading. Who sends costly trifles over hundreds of connections must
# not keep those waiting whose call is complete.
_READ_BUDGET_S = 0.05
_IDLE_TICK_S = 1.0
# While a slow disk keeps requests waiting, how often the loop looks whether they are stored.
_WAITING_TICK_S = 0.005
_DRAIN_S = 1.5
_WINDOWS_ACCESS_DENIED = 10013
# Who writes a line here does so once a request, and so as often as a stranger likes.
_LOGS_OF_REQUESTS = ("waitress", "server.callback.wsgi", "server.callback.batching")


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to exactly this address; port 0 lets the system pick one.

    Raises PortInUseError, PortForbiddenError or AddressUnavailableError. It never takes another
    port: DingTalk would go on calling the old one.
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
    """Make a second listener on the port fail, and a restart right after a stop succeed.

    On Windows SO_REUSEADDR would let two programs share a port, and calls would reach either.
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
    """waitress's server with our patience; its socket is bound already."""

    channel_class = PatientChannel
    active_channels: dict[int, PatientChannel]  # waitress's, given types
    held_bytes = 0
    _next_maintenance_s = 0.0

    def set_reuse_addr(self) -> None:
        """Leave the socket as `open_socket` made it."""

    def pull_trigger(self) -> None:
        """Do nothing: requests run on the loop's own thread, which needs no waking."""

    def wake(self) -> None:
        """Make the loop come round; for other threads."""
        self.trigger.pull_trigger()

    def readable(self) -> bool:
        """Tell whether to accept; never by more than the limit, and quietly."""
        return bool(self.accepting) and not self.is_full

    def handle_accept(self) -> None:
        """Let in all who wait, up to a bound. waitress lets in one a turn."""
        for _ in range(_ACCEPTED_A_TURN):
            inside = len(self._map)
            super().handle_accept()
            if len(self._map) == inside or self.is_full:  # nobody waits, or nobody fits in
                return

    @property
    def is_full(self) -> bool:
        """Whether all places for connections are taken."""
        return len(self._map) >= int(self.adj.connection_limit)

    def maintain(self, now_s: float) -> None:
        """Close connections that only take up room or memory; called before each turn."""
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
        """Close the connections that have waited longest; a genuine call needs a place.

        Whoever sends a byte now and then waits as well: see `waits_since_s`.
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
        """Refuse the largest unfinished requests where together they hold too much memory."""
        unfinished = [one for one in self.active_channels.values() if one.request is not None]
        for channel in sorted(unfinished, key=lambda one: one.counted_bytes, reverse=True):
            channel.refuse_unfinished()
            if self.held_bytes <= HELD_LIMIT_BYTES:
                return


class _Ready(NamedTuple):
    """A socket that is ready, and for what."""

    fd: int
    can_read: bool
    can_write: bool
    is_broken: bool


class Listener:
    """Serves a WSGI application on a socket with a thread of its own, `dingbridge-web`."""

    def __init__(
        self, listener: socket.socket, application: Application, inbox: BatchingInbox
    ) -> None:
        """Take a socket from `open_socket`; what the application verifies is stored by `inbox`."""
        self._socket = listener
        self._inbox = inbox
        self._map: dict[int, Any] = {}
        self._server = _Server(
            application,
            map=self._map,
            _sock=listener,
            dispatcher=inbox,
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
        """Host and port that are served."""
        return self._server.effective_host, int(self._server.effective_port)

    def start(self) -> None:
        """Begin to serve."""
        for name in _LOGS_OF_REQUESTS:
            logging.getLogger(name).addFilter(self._repeats)
        self._thread.start()

    def replace_application(self, application: Application) -> None:
        """Serve another application from the next request on."""
        self._server.application = application

    @property
    def is_serving(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive() and not self._is_stopping

    def request_stop(self) -> None:
        """Accept nothing more, answer what has arrived, and end. Any thread may call this."""
        with self._ending:
            if not self._is_stopping:
                self._is_stopping = True
                self._server.wake()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end; tells whether it ended in time."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._is_stopping:
                self._turn(self._tick_s())
            self._drain()
        except Exception:
            _log.critical(
                "The listener broke down; no callback is answered any more", exc_info=True
            )
            raise
        finally:
            with self._ending:  # a wake-up from now on would be written to somebody else's file
                self._is_stopping = True
                wasyncore.close_all(self._map, ignore_all=True)
            for name in _LOGS_OF_REQUESTS:
                logging.getLogger(name).removeFilter(self._repeats)

    def _tick_s(self) -> float:
        """Return how long to wait where nothing happens on the sockets."""
        if self._inbox.has_ready:
            return 0.0
        if self._inbox.is_waiting:
            return _WAITING_TICK_S
        # Who waits outside a full house is not seen; only looking again finds a place to free.
        return _YIELDS_AFTER_S if self._server.is_full else _IDLE_TICK_S

    def _turn(self, timeout_s: float) -> None:
        now_s = monotonic()
        self._server.maintain(now_s)
        self._attend(self._wait(timeout_s, self._map))
        self._inbox.run_ready()

    def _attend(self, ready: list[_Ready]) -> None:
        """Write, accept and read, within the budget for one turn.

        Who has just come is first, and who has a request under way is last: a genuine call arrives
        in one piece. Of the others who was heard last comes last, so that each has its turn.
        """
        until_s = monotonic() + _READ_BUDGET_S
        ready.sort(key=self._turn_of)
        for fd, can_read, can_write, is_broken in ready:
            one = self._map.get(fd)
            if one is None:  # closed by another's turn
                continue
            if can_write:
                wasyncore.write(one)
            if can_read and monotonic() < until_s and fd in self._map:
                wasyncore.read(one)
            if is_broken and fd in self._map:
                one.handle_close()

    def _turn_of(self, ready: _Ready) -> tuple[int, float]:
        one = self._map[ready.fd]
        if not isinstance(one, PatientChannel):  # the listening socket, or a wake-up
            return 0, 0.0
        if one.request_since_s is None:
            return 2 if one.was_served else 1, one.active_since_s
        return 3, -one.request_since_s

    def _drain(self) -> None:
        """Answer requests that have arrived; new connections are not accepted any more."""
        self._server.accepting = False
        self._server.del_channel()
        self._socket.close()
        until_s = monotonic() + _DRAIN_S
        while self._has_work() and monotonic() < until_s:
            self._turn(min(_WAITING_TICK_S, self._tick_s()))

    def _has_work(self) -> bool:
        channels = self._server.active_channels.values()
        return self._inbox.is_busy or any(one.requests or one.total_outbufs_len for one in channels)


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
    # One write an answer: header and body leave together when the loop comes round. As an argument
    # it warns of its removal.
    adjustments.send_bytes = 18_000
    return adjustments


def _wait_by_poll(timeout_s: float, sockets: dict[int, Any]) -> list[_Ready]:
    """Wait until something can be done with a socket; return which and what."""
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
    """Do the same on Windows, where select tells a broken socket by making it readable."""
    reading = [fd for fd, one in sockets.items() if one.readable()]
    writing = [fd for fd, one in sockets.items() if one.writable()]
    readable, writable = map(set, select.select(reading, writing, [], timeout_s)[:2])
    return [
        _Ready(fd, fd in readable, fd in writable, is_broken=False) for fd in readable | writable
    ]
