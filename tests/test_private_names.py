"""Parts of other packages that they call private, or never promised, and that we lean on.

All are pinned. Where an upgrade takes one away, its test says what we use it for.
"""

import inspect
import logging
import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import requests
import urllib3
from bottle import Bottle, HTTPResponse
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.receiver import ChunkedReceiver, FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask
from waitress.utilities import BadRequest, Error, RequestEntityTooLarge


def arguments_of(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("read", ["obj"]), ("write", ["obj"]), ("close_all", ["map", "ignore_all"])],
)
def test_waitresss_loop_reads_writes_and_closes_as_the_listener_has_it(
    name: str, arguments: list[str]
) -> None:
    assert arguments_of(getattr(wasyncore, name)) == arguments


def test_waitresss_server_takes_a_bound_socket_a_map_and_a_dispatcher() -> None:
    needed = {"application", "map", "_sock", "dispatcher", "adj", "sockinfo", "bind_socket"}
    assert needed <= set(arguments_of(TcpWSGIServer.__init__))


@pytest.mark.parametrize(
    "name",
    ["set_reuse_addr", "pull_trigger", "handle_accept", "readable", "add_task", "del_channel"],
)
def test_waitresss_server_calls_what_the_listener_replaces(name: str) -> None:
    assert callable(getattr(TcpWSGIServer, name))


def test_waitresss_channel_has_what_the_listener_reads() -> None:
    accepted, other = socket.socketpair()
    sockets: dict[int, object] = {}
    server = SimpleNamespace(active_channels={})
    adjustments = Adjustments()
    with accepted, other:
        channel = HTTPChannel(server, accepted, ("127.0.0.1", 1), adjustments, map=sockets)
        assert (channel.requests, channel.request, channel.total_outbufs_len) == ([], None, 0)
        assert (channel.will_close, channel.connected) == (False, True)
        assert channel.addr == ("127.0.0.1", 1)
        assert list(server.active_channels.values()) == [channel]
        assert list(sockets.values()) == [channel]
        channel.handle_close()
    assert (channel.socket, server.active_channels) == (None, {})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("received", ["self", "data"]),
        ("send", ["self", "data", "do_close"]),
        ("del_channel", ["self", "map"]),
        ("service", ["self"]),
        ("cancel", ["self"]),
        ("handle_write", ["self"]),
        ("handle_close", ["self"]),
        ("write_soon", ["self", "data"]),
    ],
)
def test_waitresss_channel_calls_what_ours_replaces(name: str, arguments: list[str]) -> None:
    assert arguments_of(getattr(HTTPChannel, name)) == arguments


def test_waitresss_task_reads_the_application_and_gives_it_an_environment() -> None:
    assert arguments_of(WSGITask.get_environment) == ["self"]
    assert "self.channel.server.application" in inspect.getsource(WSGITask.execute)


def parsed(*pieces: bytes) -> HTTPRequestParser:
    parser = HTTPRequestParser(Adjustments())
    for piece in pieces:
        parser.received(piece)
    return parser


def test_waitresss_parser_tells_what_our_limits_read() -> None:
    head = b"POST /a%20b?c=d HTTP/1.1\r\nHost: h\r\nX-A: b\r\nContent-Length: 3\r\n\r\n"
    parser = parsed(b"POST /half")
    assert parser.header_plus == b"POST /half"
    parser = parsed(head, b"ab")
    assert (parser.command, parser.path, parser.query) == ("POST", "/a b", "c=d")
    assert (parser.version, parser.headers["X_A"]) == ("1.1", "b")
    assert (parser.completed, parser.error, parser.expect_continue) == (False, None, False)
    assert (parser.headers_finished, parser.body_bytes_received) == (True, 2)
    assert isinstance(parser.body_rcv, FixedStreamReceiver)
    assert len(parser.body_rcv.buf) == 2
    parser.received(b"c")
    assert parser.completed


def test_waitresss_parser_of_chunks_keeps_its_body_where_ours_is_put() -> None:
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    parser = parsed(head, b"3\r\nabc\r\n")
    assert isinstance(parser.body_rcv, ChunkedReceiver)
    assert (len(parser.body_rcv.buf), parser.body_bytes_received) == (3, 8)


def test_waitresss_errors_are_pages() -> None:
    assert (BadRequest.code, RequestEntityTooLarge.code) == (400, 413)
    assert issubclass(BadRequest, Error)
    assert issubclass(ParsingError, Exception)
    status, headers, body = BadRequest("x").to_response(None)
    assert (status, type(headers), type(body)) == ("400 Bad Request", list, bytes)


def test_waitress_writes_one_answer_at_once_where_this_much_may_wait() -> None:
    assert hasattr(Adjustments(), "send_bytes")


def test_waitress_logs_where_repeated_lines_are_filtered() -> None:
    assert HTTPChannel.logger is logging.getLogger("waitress")


def test_bottle_takes_another_error_page_and_an_answer_ready_made() -> None:
    app = Bottle()
    assert callable(app.default_error_handler)
    answer = HTTPResponse(b"x", "503 Service Unavailable", {"X-A": "b"})
    assert (answer.status_line, answer.body) == ("503 Service Unavailable", b"x")


def test_urllib3_lets_a_pool_have_connections_of_ours() -> None:
    manager = urllib3.PoolManager()
    assert set(manager.pool_classes_by_scheme) == {"http", "https"}
    for pool in manager.pool_classes_by_scheme.values():
        assert hasattr(pool, "ConnectionCls")
    connection = urllib3.connection.HTTPConnection("127.0.0.1")
    assert connection.sock is None
    manager.clear()


def test_requests_keeps_its_pools_where_they_can_be_replaced() -> None:
    adapter = requests.adapters.HTTPAdapter()
    assert isinstance(adapter.poolmanager, urllib3.PoolManager)
    adapter.close()


def test_pystray_runs_beside_a_main_loop() -> None:
    # Apart: pystray looks for a screen when it is imported, and keeps what it has found.
    asked = "from pystray import Icon; print(callable(Icon.run_detached), type(Icon.HAS_MENU))"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, "PYSTRAY_BACKEND": "dummy"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split("\n")[0] == "True <class 'bool'>"


def test_sockets_are_waited_for_by_poll_or_by_select() -> None:
    assert callable(select.select)
    assert hasattr(select, "poll") or sys.platform == "win32"
