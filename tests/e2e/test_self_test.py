"""`self-test` as a command: beside a running service and without one, and what it leaves behind."""

import socket
from typing import Any

from tests.e2e.program import FIRST, Program


def steps(document: Any) -> dict[str, str]:
    return {step["name"]: step["state"] for step in document["steps"]}


def test_it_passes_without_a_service_and_stops_what_it_started(program: Program) -> None:
    program.set_up()
    done = program.run("self-test", "--json")
    assert (done.code, done.errors) == (0, "")
    assert done.document["passed"] is True
    assert set(steps(done.document).values()) == {"passed", "note"}
    assert program.status()["service"]["running"] is False


def test_it_passes_beside_a_service_and_leaves_no_trace(program: Program) -> None:
    program.set_up()
    service = program.serve()
    before = program.status()
    done = program.run("self-test")
    assert (done.code, done.errors) == (0, "")
    assert done.lines[-1] == "All is well."
    assert program.run("self-test").code == 0
    assert program.events() == []
    assert program.status() == before
    assert service.stop() == 0
    assert program.status()["doctor"] is None


def test_it_names_missing_credentials(program: Program) -> None:
    done = program.run("self-test", "--json")
    assert done.code == 1
    states = steps(done.document)
    assert states.pop("credentials") == "failed"
    assert set(states.values()) == {"skipped", "note"}


def test_it_names_who_holds_the_port(program: Program) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        program.set_up(port=port)
        done = program.run("self-test", "--json")
    assert done.code == 1
    failed = next(step for step in done.document["steps"] if step["state"] == "failed")
    assert failed["name"] == "listener"
    assert str(port) in failed["title"]


def test_right_after_the_first_credentials_it_does_not_blame_the_service(
    program: Program,
) -> None:
    service = program.serve()
    program.set_up()
    done = program.run("self-test", "--json")
    assert (done.code, done.document["passed"]) == (0, True)
    assert program.status()["doctor"] is None
    assert service.stop() == 0


def test_it_tells_who_called_last(program: Program) -> None:
    program.set_up()
    service = program.serve()
    assert service.accepts(FIRST)
    notes = [
        step["title"]
        for step in program.run("self-test", "--json").document["steps"]
        if step["state"] == "note"
    ]
    assert "DingTalk's last genuine request came from 127.0.0.1." in notes
