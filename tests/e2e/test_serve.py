"""`serve`: starting, stopping, one a folder, what it does with damage and a full disk."""

import contextlib
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.program import FIRST, SECOND, Program, Service
from tests.waiting import PATIENCE_S, until

HANGING = "did not stop in time"  # the log's words for a thread that had to be left behind


@contextlib.contextmanager
def load_on(service: Service) -> Iterator[list[str]]:
    """Events sent without a break; gives the eventIds of those that were acknowledged."""
    acknowledged: list[str] = []
    may_stop = threading.Event()

    def send(seed: int) -> None:
        with service.sender(seed=seed) as sender:
            number = 0
            while not may_stop.is_set():
                number += 1
                event_id = f"{seed}-{number}"
                payload = {"EventType": "load", "eventId": event_id}
                if sender.attempt(json.dumps(payload).encode()).fault is None:
                    acknowledged.append(event_id)

    threads = [threading.Thread(target=send, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield acknowledged
    finally:
        may_stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_stop_under_load_loses_no_acknowledged_event(
    program: Program, number: signal.Signals
) -> None:
    program.set_up()
    service = program.serve()
    with load_on(service) as acknowledged:
        until(lambda: len(acknowledged) > 100, "the load is on")
        code = service.stop(number)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)
    if number is not signal.SIGKILL:
        assert HANGING not in program.log
        assert program.log.splitlines()[-1].endswith(": Stopped")
    stored = [event["event_id"] for event in program.events("--limit", "1000000")]
    assert len(stored) == len(set(stored))
    assert set(acknowledged) - set(stored) == set()


def test_an_open_connection_does_not_delay_the_stop(program: Program) -> None:
    service = program.serve()
    with socket.create_connection(("127.0.0.1", service.port)) as half_sent:
        half_sent.sendall(b"POST /api/callback HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        assert service.stop() == 0
        assert HANGING not in program.log


def test_it_starts_again_at_once_after_a_kill(program: Program) -> None:
    program.set_up()
    service = program.serve()
    port = str(service.port)
    with service.sender() as sender:
        assert sender.deliver({"EventType": "t", "eventId": "before"}).accepted
        service.kill()
        restarted = program.serve("--host", "127.0.0.1", "--port", port)
        assert sender.deliver({"EventType": "t", "eventId": "after"}).accepted
    assert [event["event_id"] for event in program.events()] == ["after", "before"]
    status = program.status()["service"]
    assert status["running"] is True
    assert (status["pid"], status["address"]) == (restarted.process.pid, restarted.address)


def test_a_second_serve_says_who_runs_and_leaves(program: Program) -> None:
    program.set_up()
    service = program.serve()
    done = program.run("serve", "--port", "0")
    assert (done.code, done.out) == (1, b"")
    assert str(service.process.pid) in done.errors
    assert service.address in done.errors
    assert service.accepts(FIRST)
    assert program.status()["service"]["pid"] == service.process.pid


def test_of_several_started_at_once_exactly_one_serves(program: Program) -> None:
    program.set_up()
    started = [program.start() for _ in range(3)]
    until(lambda: sum(one.process.poll() is None for one in started) == 1, "the others left")
    (winner,) = [one for one in started if one.process.poll() is None]
    losers = [one for one in started if one is not winner]
    assert [one.process.returncode for one in losers] == [1, 1]
    assert all(str(winner.process.pid) in one.said for one in losers)
    assert winner.ready().accepts(FIRST)


def test_a_port_in_use_is_named_with_its_holder_and_not_evaded(program: Program) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = program.run("serve", "--host", "127.0.0.1", "--port", str(port))
    assert (done.code, done.out) == (1, b"")
    assert f"Port {port} is in use by" in done.errors
    assert str(os.getpid()) in done.errors
    assert "listening" not in done.errors
    assert program.status()["service"]["running"] is False


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_somebody_else_is_refused(program: Program, host: str) -> None:
    done = program.run("serve", "--host", host, "--port", "0")
    assert (done.code, done.out) == (1, b"")
    assert f"{host} is not an address of this computer" in done.errors


@pytest.mark.parametrize("name", ["settings.json", "secrets.json"])
def test_a_damaged_file_is_named_with_its_line_and_left_alone(program: Program, name: str) -> None:
    program.set_up()
    path = program.folder.root / name
    damaged = path.read_bytes()[:-10]
    path.write_bytes(damaged)
    done = program.run("serve", "--port", "0")
    assert (done.code, done.out) == (2, b"")
    assert str(path) in done.errors
    line = damaged.count(b"\n")
    assert f"line {line}" in done.errors or f"line {line + 1}" in done.errors
    assert path.read_bytes() == damaged
    assert program.run("status").code == 2


def test_values_that_cannot_be_used_are_named_at_the_start(program: Program) -> None:
    program.set_up()
    program.folder.settings.write_text('{"callback": {"port": 99999}}')
    done = program.run("serve", "--host", "127.0.0.1")
    assert (done.code, done.out) == (2, b"")
    assert "callback.port" in done.errors


@pytest.mark.parametrize("name", ["settings.json", "secrets.json"])
def test_a_file_of_a_newer_version_is_left_alone(program: Program, name: str) -> None:
    program.set_up()
    path = program.folder.root / name
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 99}))
    before = path.read_bytes()
    done = program.run("serve", "--port", "0")
    assert done.code == 2
    assert "newer version" in done.errors
    assert path.read_bytes() == before


def test_a_damaged_database_is_moved_aside_and_the_service_runs(program: Program) -> None:
    program.set_up()
    damage = b"this is no database" * 500
    program.folder.database.write_bytes(damage)
    service = program.serve()
    assert service.accepts(FIRST)
    notice = next(one for one in program.status()["notices"] if one["code"] == "database-moved")
    (moved,) = program.folder.root.glob("*.damaged-*.db")
    assert str(moved) in notice["title"]
    assert moved.read_bytes() == damage
    assert str(moved) in program.log


def test_a_database_of_a_newer_version_is_left_alone(program: Program) -> None:
    program.set_up()
    assert program.serve().stop() == 0
    with contextlib.closing(sqlite3.connect(program.folder.database)) as conn:
        conn.execute("PRAGMA user_version = 99")
    before = program.folder.database.read_bytes()
    done = program.run("serve", "--port", "0")
    assert done.code == 1
    assert "newer version" in done.errors
    assert program.folder.database.read_bytes() == before
    listed = program.run("events", "--json")
    assert (listed.code, listed.document["error"]["code"]) == (1, "journal-newer")
    notices = [notice["code"] for notice in program.run("status", "--json").document["notices"]]
    assert "journal-newer" in notices


def test_a_data_folder_that_cannot_be_is_named(program: Program) -> None:
    program.folder.root.write_text("a file in its place")
    for words in (["serve", "--port", "0"], ["configure"], ["status"], ["self-test"]):
        done = program.run(*words, stdin=b'{"sync": {}}')
        assert (words, done.code) == (words, 2)
        assert str(program.folder.root) in (done.out + done.err).decode()
        assert "Traceback" not in done.errors


class Room:
    """Lets the files of a running service grow, or not: a full disk without a disk of its own."""

    def __init__(self, service: Service) -> None:
        self._pid = service.process.pid
        self._before = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)

    def end(self, folder: Path) -> None:
        largest = max(path.stat().st_size for path in folder.iterdir())
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (largest, self._before[1]))

    def make(self) -> None:
        resource.prlimit(self._pid, resource.RLIMIT_FSIZE, self._before)


def test_a_full_disk_is_told_and_the_service_resumes_when_there_is_room(program: Program) -> None:
    program.set_up()
    service = program.serve()
    room = Room(service)
    acknowledged: list[str] = []
    with service.sender() as sender:

        def is_stored() -> bool:
            event_id = f"e{len(acknowledged)}"
            payload = {"EventType": "t", "eventId": event_id, "text": "x" * 4000}
            accepted = sender.attempt(json.dumps(payload).encode()).fault is None
            if accepted:
                acknowledged.append(event_id)
            return accepted

        assert is_stored()
        room.end(program.folder.root)
        until(lambda: not is_stored(), "nothing more fits")

        def trouble() -> list[str]:
            notices = program.seen()["notices"]
            return [one["title"] for one in notices if one["code"] == "trouble"]

        (title,) = until(trouble, "the status says so")
        assert str(program.folder.database) in title
        assert "Callbacks cannot be stored" in program.log
        assert requests.get(f"http://127.0.0.1:{service.port}/healthz", timeout=9).ok
        assert program.run("status").code == 0
        room.make()
        until(is_stored, "it goes on by itself")
    until(lambda: not trouble(), "the status is well again")
    assert "Callbacks are stored again" in program.log
    stored = [event["event_id"] for event in program.events("--limit", "10000")]
    assert stored == acknowledged[::-1]
    assert service.stop() == 0


def test_a_promotion_on_a_full_disk_is_saved_when_there_is_room(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    program.configure({"callback": SECOND.settings})
    until(lambda: "Settings reloaded" in program.log, "the new values are taken up")
    room = Room(service)
    resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    # The promotion itself is in memory; only the use of the set cannot be stored.
    assert not service.accepts(SECOND)
    room.make()
    until(lambda: service.accepts(SECOND), "it goes on")
    assert service.stop() == 0
    assert program.status()["credentials"]["active"]["key"] == SECOND.key


@pytest.mark.serial
@pytest.mark.slow
def test_an_idle_service_does_not_turn_in_circles(program: Program) -> None:
    program.set_up()
    service = program.serve()
    assert service.accepts(FIRST)

    def ticks() -> int:
        fields = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    per_second = os.sysconf("SC_CLK_TCK")
    until(lambda: program.seen()["service"]["running"], "it has settled")
    before = ticks()
    time.sleep(2)
    # A loop without a wait would take all of two seconds; a tenth of a second is a busy machine.
    assert ticks() - before <= per_second // 10


def test_without_a_command_it_serves(program: Program) -> None:
    program.set_up()
    errors = program.folder.root.parent / "said.txt"
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            program.command("--data-dir", str(program.folder.root)),
            stderr=stream,
            stdout=stream,
            env=program.environment(),
            cwd=Path(__file__).resolve().parents[2],
        )
    service = Service(process, errors)
    try:
        assert service.ready().accepts(FIRST)
        assert "serve" in service.said.splitlines()[0]
        assert service.stop(signal.SIGINT) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_all_files_are_for_their_owner_only_in_a_folder_that_is_open_to_all(
    program: Program,
) -> None:
    before = os.umask(0)  # as the program inherits it
    try:
        program.folder.root.mkdir(parents=True, exist_ok=True)
        program.folder.root.chmod(0o755)
        program.set_up()
        service = program.serve()
        with service.sender() as sender:
            assert sender.deliver({"EventType": "t", "eventId": "e1"}).accepted
        files = {
            str(path.relative_to(program.folder.root)): path.stat().st_mode & 0o077
            for path in program.folder.root.rglob("*")
        }
        assert service.stop() == 0
    finally:
        os.umask(before)
    assert {"dingbridge.db", "dingbridge.db-wal", "dingbridge.db-shm"} <= files.keys()
    assert {name: rights for name, rights in files.items() if rights} == {}
    assert "folder-open" in [one["code"] for one in program.status()["notices"]]
