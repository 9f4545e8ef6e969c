import select
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from waitress import wasyncore

from crypto.callback import CallbackVerifier
from crypto.credentials import Keyring
from server.callback.batching import BatchingQueue
from server.callback.handler import CallbackHandler
from server.callback.listener import Listener, connection_limit, open_socket
from server.callback.port_holder import holder_of_port
from server.callback.rejections import RejectionLog
from server.callback.wsgi import build_app
from server.errors.base import AddressUnavailableError, PortForbiddenError, PortInUseError
from server.journal.events import NewEvent
from server.journal.rejections import CredentialUse
from server.journal.writer import Ticket
from tests.server.callback.service import PATH, Service, sealed, serving

HOLD_A_PORT = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as held:
    print(held.getsockname()[1], flush=True)
    sys.stdin.read()
"""


def test_a_port_in_use_is_named_with_its_holder() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_PORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        with pytest.raises(PortInUseError) as caught:
            open_socket("127.0.0.1", port)
        child.communicate()
    assert port == caught.value.values["port"]
    assert f"({child.pid})" in str(caught.value.title)


def test_a_holder_that_cannot_be_found_is_not_made_up() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    assert holder_of_port(port) is None


def test_the_port_of_a_stopped_service_can_be_had_at_once(tmp_path: Path) -> None:
    with serving(tmp_path / "j.db") as service:
        assert service.exchange(b"GET / HTTP/1.0\r\n\r\n").status == 404
    open_socket("127.0.0.1", service.port).close()


def test_a_port_that_the_system_keeps_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(PortForbiddenError) as caught:
        open_socket("127.0.0.1", 80)
    assert caught.value.values == {"port": 80}


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "no.such.host.invalid", "a" * 70, "x" * 300, "钉" * 70]
)
def test_an_address_of_somebody_else_is_unavailable(host: str) -> None:
    with pytest.raises(AddressUnavailableError) as caught:
        open_socket(host, 0)
    assert {"host": host} == caught.value.values


def test_windows_has_room_for_480_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_limit() > 480
    with monkeypatch.context() as patch:
        patch.delattr(select, "poll")
        assert connection_limit() == 480


def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    with serving(tmp_path / "j.db") as service:
        service.listener.request_stop()
        assert service.listener.join(20)
        assert not service.listener.is_serving
        service.listener.request_stop()


@pytest.fixture
def unstarted() -> Iterator[Listener]:
    """A listener whose turns are taken by the test."""
    with closing(open_socket("127.0.0.1", 0)) as listening:
        handler = CallbackHandler(CallbackVerifier(Keyring()), RejectionLog(), lambda _: None)
        listener = Listener(listening, build_app(handler, PATH), BatchingQueue(never))
        yield listener
        wasyncore.close_all(listener._map)


def never(batch: Sequence[NewEvent], uses: Sequence[CredentialUse]) -> Ticket[frozenset[str]]:
    raise NotImplementedError


def test_a_burst_is_let_in_by_the_dozen_and_never_beyond_the_limit(unstarted: Listener) -> None:
    server, inside = unstarted._server, []
    server.adj.connection_limit = len(unstarted._map) + 100
    with ExitStack() as burst:
        for _ in range(120):
            burst.enter_context(socket.create_connection(unstarted.address, timeout=20))
        for _ in range(3):
            unstarted._turn(5)
            inside.append(len(server.active_channels))
    assert inside == [64, 100, 100]


def test_a_replaced_application_answers_the_next_request(service: Service) -> None:
    service.listener.replace_application(build_app(service.handler, "/other"))
    assert service.call(sealed({"EventType": "t"}), "/other").status == 200
    assert service.call(sealed({"EventType": "t"})).status == 404


def test_a_broken_loop_is_told_and_can_still_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[object] = []
    monkeypatch.setattr("threading.excepthook", told.append)
    with serving(tmp_path / "j.db") as service:
        monkeypatch.setattr(BatchingQueue, "run_ready", lambda _: 1 / 0)
        with service.connect():
            assert service.listener.join(20)
        assert not service.listener.is_serving
    assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert len(told) == 1
