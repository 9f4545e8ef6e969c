import os
import socket
import subprocess
import sys

import pytest

from server.web.holder import holder_of_port

NETSTAT = """
Aktive Verbindungen

  Proto  Lokale Adresse         Remoteadresse          Status           PID
  TCP    0.0.0.0:135            0.0.0.0:0              ABHÖREN          912
  TCP    0.0.0.0:18080          0.0.0.0:0              ABHÖREN          77
  TCP    0.0.0.0:8080           0.0.0.0:0              ABHÖREN          4321
  TCP    10.0.0.5:8080          10.0.0.9:50000         HERGESTELLT      5
"""
TASKLIST = {
    "4321": '"nginx.exe","4321","Services","0","9.876 K"\n',
    "912": "INFO: No tasks are running which match the specified criteria.\n",
}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        output = NETSTAT if command[0] == "netstat" else TASKLIST[command[2].split()[-1]]
        return subprocess.CompletedProcess(command, 0, output)

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "platform", "win32")


@pytest.mark.usefixtures("windows")
@pytest.mark.parametrize(
    ("port", "holder"), [(8080, "nginx.exe (4321)"), (135, "process 912"), (50000, None)]
)
def test_windows_tells_the_holder_in_any_language(port: int, holder: str | None) -> None:
    assert holder == holder_of_port(port)


def test_a_windows_that_tells_nothing_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", fail)
    monkeypatch.setattr(sys, "platform", "win32")
    assert holder_of_port(8080) is None


def test_processes_that_may_not_be_looked_into_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    def refuse(_: object) -> str:
        raise PermissionError

    with socket.create_server(("127.0.0.1", 0)) as held:
        monkeypatch.setattr(os, "readlink", refuse)
        assert holder_of_port(held.getsockname()[1]) is None
