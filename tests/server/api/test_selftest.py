"""The self-test finds real faults: each here is a real listener or proxy that has it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from server.api import selftest
from server.api.app import App
from server.api.checks import SelfTestReport, Step, StepState
from server.api.selftest import is_published_address
from server.service.instance import ServiceRecord
from tests.server.folders import OTHER_VALUES, app_on


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = app_on(tmp_path / "数据 夹")
    yield app
    assert app.stop() == ()


def failed(report: SelfTestReport) -> Step:
    (step,) = [step for step in report.steps if step.state is StepState.FAILED]
    return step


def sentences(step: Step) -> str:
    return f"{step.title} {step.hint}"


@dataclass
class Proxy:
    """A small reverse proxy before `target`; what it does wrong is in its attributes."""

    target: str = ""
    path: str | None = None
    keeps_query: bool = True
    keeps_body: bool = True
    redirects: bool = False
    status: int | None = None
    alters: bool = False
    is_slow: bool = False


@contextmanager
def running(proxy: Proxy) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, body = answer(proxy, self.path, self.rfile.read(length))
            self.send_response(status)
            if proxy.redirects:
                self.send_header("Location", f"{proxy.target}?{self.path.partition('?')[2]}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own signature
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/outside"
        finally:
            server.shutdown()
            thread.join()


def answer(proxy: Proxy, path: str, body: bytes) -> tuple[int, bytes]:
    if proxy.redirects:
        return 301, b""
    if proxy.status is not None:
        return proxy.status, b"<html>the proxy's own page</html>"
    query = path.partition("?")[2] if proxy.keeps_query else ""
    target = (
        proxy.target if proxy.path is None else proxy.target.replace("/api/callback", proxy.path)
    )
    passed_on = body if proxy.keeps_body else b""
    got = requests.post(f"{target}?{query}", data=passed_on, timeout=10)
    content = got.content.replace(b"timeStamp", b"timestamp") if proxy.alters else got.content
    return got.status_code, content


def through(app: App, proxy: Proxy) -> SelfTestReport:
    proxy.target = app.start()
    with running(proxy) as outside:
        app.configure({"callback": {"public_url": outside}})
        return app.self_test()


def test_it_passes_through_a_good_proxy(app: App) -> None:
    report = through(app, Proxy())
    assert report.is_passed
    names = [step.name.partition(".")[0] for step in report.steps]
    assert list(dict.fromkeys(names)) == [
        "credentials",
        "disk",
        "listener",
        "check_url",
        "chinese_event",
        "public_url",
        "outside",
    ]
    assert app.events().events == ()
    assert app.rejected_calls() == ()
    assert app.status().credentials.in_use is None


@pytest.mark.parametrize(
    ("proxy", "step", "told"),
    [
        (Proxy(path="/wrong"), "sent", ("HTTP 404", "The path is wrong")),
        (Proxy(redirects=True), "sent", ("HTTP 301", "does not accept addresses that redirect")),
        (Proxy(keeps_query=False), "sent", ("HTTP 400", "removes the query or the body")),
        (Proxy(keeps_body=False), "sent", ("HTTP 400", "removes the query or the body")),
        (Proxy(status=400), "sent", ("HTTP 400", "or a proxy in between fails")),
        (Proxy(status=403), "sent", ("HTTP 403", "or a proxy in between fails")),
        (Proxy(status=502), "sent", ("HTTP 502", "or a proxy in between fails")),
        (Proxy(status=503), "sent", ("HTTP 503", "could not be stored")),
        (Proxy(status=405), "sent", ("HTTP 405", "The path is wrong")),
        (Proxy(status=200), "json", ("is not DingBridge's", "a proxy changes the response")),
        (Proxy(alters=True), "json", ("is not DingBridge's", "a proxy changes the response")),
    ],
    ids=lambda value: "" if isinstance(value, tuple) else None,
)
def test_it_finds_what_a_proxy_does_wrong(
    app: App, proxy: Proxy, step: str, told: tuple[str, str]
) -> None:
    report = through(app, proxy)
    fault = failed(report)
    assert fault.name == f"public_url.{step}"
    assert [part for part in told if part not in sentences(fault)] == []
    assert not report.is_passed
    assert app.events().events == ()


def test_an_address_where_nobody_listens_is_unreachable(app: App) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        app.configure({"callback": {"public_url": f"http://127.0.0.1:{port}/x"}})
        fault = failed(app.self_test())
    assert fault.name == "public_url.sent"
    assert f"http://127.0.0.1:{port}/x cannot be reached (ConnectionError)." in sentences(fault)
    assert "signature" not in sentences(fault)


def test_a_slow_way_is_over_the_budget(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "BUDGET_S", 0.0)
    fault = failed(app.self_test())
    assert fault.name == "check_url.time"
    assert "DingTalk waits 0 ms" in sentences(fault)


def test_no_answer_at_all_is_told_in_bounded_time(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "_TIMEOUT_S", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        app.configure({"callback": {"public_url": f"http://127.0.0.1:{port}/x"}})
        app.start()
        fault = failed(app.self_test())
    assert (fault.name, "ReadTimeout" in sentences(fault)) == ("public_url.sent", True)


def test_a_service_with_other_values_at_the_address_is_found(app: App, tmp_path: Path) -> None:
    other = app_on(tmp_path / "other", **OTHER_VALUES)
    try:
        app.configure({"callback": {"public_url": other.start()}})
        fault = failed(app.self_test())
    finally:
        other.stop()
    assert fault.name == "public_url.sent"
    assert "uses other credentials" in sentences(fault)


def test_a_port_held_by_something_else_is_named(app: App) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        app.configure({"callback": {"port": holder.getsockname()[1]}})
        report = app.self_test()
    assert failed(report).name == "listener"
    assert [step.state for step in report.steps[3:-1]] == [StepState.SKIPPED] * 8
    assert not app.is_serving


def test_too_little_room_on_the_disk_is_a_fault(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.service.disk_space.ENOUGH_BYTES", 2**62)
    fault = failed(app.self_test())
    assert fault.name == "disk"
    assert str(app.folder.root) in sentences(fault)


def test_a_service_that_is_only_starting_is_told(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.start()
    monkeypatch.setattr(
        selftest, "running_service", lambda folder: ServiceRecord(pid=len(str(folder)))
    )
    fault = failed(app.self_test())
    assert (fault.name, "just starting" in sentences(fault)) == ("listener", True)


@pytest.mark.parametrize(
    ("address", "is_published"),
    [
        ("203.119.1.2", True),
        ("140.205.255.255", True),
        ("106.11.0.0", True),
        ("198.11.9.9", True),
        ("59.82.1.1", True),
        ("59.83.0.0", False),
        ("203.118.255.255", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:203.119.1.2", True),
        ("", False),
        ("钉钉", False),
    ],
)
def test_the_published_ranges_are_known(address: str, is_published: bool) -> None:  # noqa: FBT001 - a parameter of the table
    assert is_published_address(address) is is_published


@pytest.mark.parametrize(
    ("listening", "called"),
    [
        ("http://0.0.0.0:80/a", "http://127.0.0.1:80/a"),
        ("http://[::]:80/a", "http://[::1]:80/a"),
        ("http://[fe80::1]:80/a", "http://[fe80::1]:80/a"),
        ("http://192.168.0.9:80/a", "http://192.168.0.9:80/a"),
    ],
)
def test_the_service_is_called_where_it_can_be_reached(listening: str, called: str) -> None:
    assert selftest._loopback(listening) == called
