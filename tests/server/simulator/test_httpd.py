"""The loopback server: real sockets, nothing left behind."""

import socket
import threading
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, RemoteDisconnected
from urllib.parse import urlsplit

import pytest
import requests

from server.simulator.httpd import LoopbackServer, Reply, Request


def _echo(request: Request) -> Reply:
    return Reply.of_json(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "type": request.headers.get("content-type"),
            "body": request.body.decode(),
        }
    )


def _connect(address: str) -> HTTPConnection:
    return HTTPConnection(urlsplit(address).netloc, timeout=10)


def test_a_request_arrives_whole_and_its_reply_too() -> None:
    with LoopbackServer(_echo) as server:
        connection = _connect(server.address)
        connection.request("POST", "/a%20b?x=1&y=", "张三".encode(), {"Content-Type": "text/plain"})
        reply = connection.getresponse()
        body = reply.read().decode()
        connection.close()
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    assert body == (
        '{"method":"POST","path":"/a b","query":{"x":"1","y":""},"type":"text/plain","body":"张三"}'
    )


def test_one_connection_carries_many_requests() -> None:
    with LoopbackServer(_echo) as server:
        connection = _connect(server.address)
        statuses = []
        for number in range(20):
            connection.request("GET", f"/{number}")
            reply = connection.getresponse()
            reply.read()
            statuses.append(reply.status)
        connection.close()
    assert statuses == [200] * 20


def test_a_handler_without_a_reply_closes_the_connection() -> None:
    with LoopbackServer(lambda _: None) as server:
        connection = _connect(server.address)
        connection.request("GET", "/")
        with pytest.raises(RemoteDisconnected):
            connection.getresponse()
        connection.close()


def test_the_handler_may_be_replaced_while_the_server_runs() -> None:
    with LoopbackServer(_echo) as server:
        server.handler = lambda _: Reply.of_html(502)
        connection = _connect(server.address)
        connection.request("GET", "/")
        reply = connection.getresponse()
        page = reply.read()
        connection.close()
    assert (reply.status, b"Bad Gateway" in page) == (502, True)


def test_stopping_hangs_up_on_idle_clients_and_leaves_no_thread() -> None:
    server = LoopbackServer(_echo)
    connection = _connect(server.start())
    connection.request("GET", "/")
    connection.getresponse().read()
    server.stop()
    server.stop()
    connection.close()
    names = [thread.name for thread in threading.enumerate()]
    assert [name for name in names if name.startswith("dingbridge-simulator")] == []


def test_a_stopped_server_starts_again_on_a_new_port() -> None:
    server = LoopbackServer(_echo)
    first = server.start()
    server.stop()
    second = server.start()
    connection = _connect(second)
    connection.request("GET", "/")
    status = connection.getresponse().status
    connection.close()
    server.stop()
    assert (status, first.startswith("http://127.0.0.1:")) == (200, True)


def test_what_is_no_http_is_hung_up_on() -> None:
    with LoopbackServer(_echo) as server:
        host, _, port = urlsplit(server.address).netloc.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"\x16\x03\x01\r\n\r\n")
            assert connection.recv(100) == b""


def test_a_client_may_ask_to_close_after_the_reply() -> None:
    with LoopbackServer(_echo) as server:
        host, _, port = urlsplit(server.address).netloc.partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as stream:
                assert stream.read().startswith(b"HTTP/1.1 200 OK\r\n")


def test_each_reply_tells_the_date_that_is_set() -> None:
    with LoopbackServer(_echo) as server:
        own = requests.get(server.address, timeout=5).headers["Date"]
        assert abs(parsedate_to_datetime(own).timestamp() - time.time()) < 60
        server.date = lambda: "Sat, 28 Nov 2026 07:20:00 GMT"
        assert requests.get(server.address, timeout=5).headers["Date"] == server.date()
        server.date = lambda: None
        assert "Date" not in requests.get(server.address, timeout=5).headers
