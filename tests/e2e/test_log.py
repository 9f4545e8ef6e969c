"""The log tells a service's life in single lines, and nothing of its daily work."""

import re

from server.version import VERSION
from tests.e2e.program import FIRST, SECOND, THIRD, Program
from tests.waiting import until

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d [A-Z]+ \[[\w-]+\] [\w.]+: .+"
)


def test_a_normal_life_is_told_in_a_few_lines_and_without_a_warning(program: Program) -> None:
    program.set_up()
    service = program.serve()
    with service.sender() as sender:
        sent = [{"EventType": "t", "eventId": f"e{n}"} for n in range(1000)]
        assert all(one.accepted for one in sender.burst(sent, 8))
    program.configure({"callback": SECOND.settings})
    until(lambda: service.accepts(SECOND), "the new values are taken up")
    with service.sender() as sender:
        assert sender.deliver({"EventType": "t", "eventId": "last"}).accepted
    assert service.stop() == 0
    lines = program.log.splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert [line for line in lines if " INFO " not in line] == []
    told = [line.partition(": ")[2] for line in lines]
    assert told[0] == f"Started: version {VERSION}, listening on {service.address}"
    assert told[-1] == "Stopped"
    assert sum("DingTalk uses the new credentials" in one for one in told) == 1
    assert sum("Settings reloaded" in one for one in told) == 1
    # Attempts before the values were taken up are one rejected call with a count.
    assert len(told) <= 5
    assert service.said == f"listening on {service.address}\n"


def test_rejected_calls_are_one_line_however_many(program: Program) -> None:
    program.set_up(FIRST)
    service = program.serve()
    with service.sender(THIRD) as stranger:
        for _ in range(50):
            assert stranger.attempt(b"{}").fault is not None
    assert service.stop() == 0
    assert program.log.count("Rejected a call from 127.0.0.1: unknown_sender") == 1
    assert program.status()["doctor"]["count"] == 50


def test_the_commands_beside_the_service_write_no_log(program: Program) -> None:
    program.set_up()
    for words in (["status"], ["events"], ["self-test"]):
        assert program.run(*words).code == 0
    assert not program.folder.logs.exists()
