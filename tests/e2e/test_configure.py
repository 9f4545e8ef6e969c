"""`configure`: all or nothing, credentials active or pending, taken up while the service runs."""

import codecs
import json
import socket
import threading
from pathlib import Path

import pytest

from tests.e2e.program import FIRST, SECOND, Program, values
from tests.waiting import until


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".json"}


def test_a_file_and_standard_input_are_merged(program: Program, tmp_path: Path) -> None:
    program.configure({"callback": {"port": 8181}, "sync": {"max_removals": 7}})
    entered = tmp_path / "设 置.json"
    text = json.dumps({"callback": {"path": "/钉", "host": "127.0.0.1"}}, ensure_ascii=False)
    entered.write_text(text.replace("/钉", "/ding"), encoding="utf-8-sig")
    assert program.run("configure", "--from", str(entered)).code == 0
    with_mark = codecs.BOM_UTF8 + b'{"ui": {"language": "zh-CN"}}'
    assert program.run("configure", stdin=with_mark).code == 0
    settings = json.loads(program.folder.settings.read_text(encoding="utf-8"))
    assert settings["callback"] == {"port": 8181, "path": "/ding", "host": "127.0.0.1"}
    assert settings["sync"] == {"max_removals": 7}
    assert settings["ui"] == {"language": "zh-CN"}


def test_nothing_is_saved_unless_all_is_right(program: Program) -> None:
    program.set_up()
    before = contents(program.folder.root)
    bad = {
        "callback": {
            "port": "8080",
            "host": "127.0.0.2",
            "token": "no good ü",
            "aes_key": values(4).aes_key[:42],
            "pfad": "/x",
        },
        "sync": {"max_removals": True, "daily_at": "03:00"},
        "colour": "red",
    }
    done = program.run("configure", stdin=json.dumps(bad).encode())
    assert (done.code, done.out) == (2, b"")
    named = {"callback.port", "callback.token", "callback.aes_key", "callback.pfad"}
    named |= {"sync.max_removals", "colour"}
    lines = done.errors.splitlines()
    assert {line.strip().partition(":")[0] for line in lines if line.startswith("  ")} == named
    assert "no good" not in done.errors
    assert contents(program.folder.root) == before


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b'"text"', b"\xff\xfe\x00", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"],
    ids=["empty", "list", "half", "text", "bytes", "deep", "digits"],
)
def test_what_is_no_object_is_refused(program: Program, content: bytes) -> None:
    done = program.run("configure", stdin=content)
    assert (done.code, done.out) == (2, b"")
    assert "a JSON object of settings is expected" in done.errors
    assert "Traceback" not in done.errors
    assert not program.folder.settings.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"ui": {"language": "en"}\n "sync": {}}', "line 2, column 2"),
        (b'{"sync": {"enabled": false}, "sync": {"max_removals": 9}}', '"sync" stands twice'),
        (b'{"callback": {"port": 1, "port": 2}}', '"port" stands twice'),
    ],
)
def test_a_slip_of_the_pen_is_located(program: Program, content: bytes, told: str) -> None:
    done = program.run("configure", stdin=content)
    assert (done.code, done.out) == (2, b"")
    assert told in done.errors
    assert not program.folder.settings.exists()


def test_a_file_that_cannot_be_read_is_named(program: Program, tmp_path: Path) -> None:
    for missing in (tmp_path / "nirgends.json", tmp_path):
        done = program.run("configure", "--from", str(missing))
        assert (done.code, done.out) == (2, b"")
        assert str(missing) in done.errors
        assert "Traceback" not in done.errors


def test_values_entered_one_by_one_become_active_with_the_last(program: Program) -> None:
    said = [
        program.configure({"callback": {name: value}}).lines[-1]
        for name, value in FIRST.settings.items()
    ]
    assert said == [
        "The credentials are not complete: aes_key, key still missing.",
        "The credentials are not complete: key still missing.",
        "The credentials are active now.",
    ]
    active = program.status()["credentials"]["active"]
    assert active["key"] == FIRST.key
    assert FIRST.token not in json.dumps(active)


def test_pasted_values_are_cleaned(program: Program) -> None:
    pasted = {
        "token": f' "{FIRST.token}"\r\n',
        "aes_key": f"\u200b{FIRST.aes_key}=\t",
        "key": f"\ufeff {FIRST.key} ",
    }
    program.set_up(FIRST)
    program.configure({"callback": pasted})
    status = program.status()["credentials"]
    assert (status["active"]["key"], status["pending"]) == (FIRST.key, None)


def test_entering_the_active_values_again_withdraws_the_pending_ones(program: Program) -> None:
    program.set_up(FIRST)
    program.configure({"callback": SECOND.settings})
    assert program.status()["credentials"]["pending"]["key"] == SECOND.key
    program.configure({"callback": FIRST.settings})
    credentials = program.status()["credentials"]
    assert (credentials["active"]["key"], credentials["pending"]) == (FIRST.key, None)


def test_a_running_service_takes_changed_credentials_up_without_losing_a_call(
    program: Program,
) -> None:
    program.set_up(values(0))
    service = program.serve()
    rotations = 4
    accepted: list[bool] = []
    may_stop = threading.Event()

    def send_without_end(seed: int) -> None:
        """What DingTalk sends with: the first values until the last call, never a break."""
        with service.sender(values(0), seed=seed) as sender:
            while not may_stop.is_set():
                accepted.append(sender.deliver({"EventType": "load"}).fault is None)

    load = [threading.Thread(target=send_without_end, args=(seed,)) for seed in range(3)]
    for thread in load:
        thread.start()
    try:
        # A second app's values come and go beside the busy ones; each becomes active when used.
        for number in range(1, rotations + 1):
            program.configure({"callback": values(number % 2).settings})
            until(lambda n=number: service.accepts(values(n % 2)), "it is taken up")  # type: ignore[misc] # mypy infers no default arguments of lambdas
    finally:
        may_stop.set()
        for thread in load:
            thread.join()
    assert len(accepted) > rotations
    assert all(accepted)
    assert service.stop() == 0


def test_every_delivery_is_accepted_while_dingtalk_changes_over(program: Program) -> None:
    program.set_up(values(0))
    service = program.serve()
    for number in range(1, 4):
        program.configure({"callback": values(number).settings})
        until(lambda n=number: service.accepts(values(n)), "it is taken up")  # type: ignore[misc] # as above
        events = [{"EventType": "load", "eventId": f"{number}-{n}"} for n in range(60)]
        with service.sender(values(number)) as new, service.sender(values(number - 1)) as old:
            new_ones = new.burst(events[:40], 8)
            old_ones = old.burst(events[40:], 4)
        assert [one.attempts for one in (*new_ones, *old_ones)] == [1] * 60
    assert program.status()["events"]["pending"] == 180
    assert service.stop() == 0


def test_a_changed_path_is_served_at_once_and_the_old_one_no_more(program: Program) -> None:
    program.set_up()
    service = program.serve()
    old = service.address
    done = program.configure({"callback": {"path": "/neu/weg"}})
    assert "restart" not in done.out.decode()
    service.address = old.replace("/api/callback", "/neu/weg")
    until(lambda: service.accepts(FIRST), "the new path answers")
    until(lambda: program.seen()["service"]["address"] == service.address, "the status says so")
    service.address = old
    assert not service.accepts(FIRST)


def test_another_host_or_port_asks_for_a_restart(program: Program) -> None:
    program.set_up()
    service = program.serve()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = program.configure({"callback": {"port": port}})
    assert done.lines[-1].endswith("takes effect after the running service is restarted.")
    assert service.accepts(FIRST)
    assert service.stop() == 0
    assert program.start().ready().port == port


def test_settings_damaged_by_hand_do_not_disturb_the_running_service(program: Program) -> None:
    program.set_up()
    service = program.serve()
    sound = program.folder.settings.read_bytes()
    program.folder.settings.write_bytes(b'{\n "callback": {,\n')
    until(lambda: "ERROR" in program.log, "it is noticed")
    assert service.accepts(FIRST)
    done = program.run("status", "--json")
    assert done.code == 2
    assert next(notice["code"] for notice in done.document["notices"]) == "file-damaged"
    assert "not-set-up" not in [notice["code"] for notice in done.document["notices"]]
    assert done.document["service"]["running"] is True
    refused = program.run("configure", stdin=b'{"sync": {"enabled": true}}')
    assert refused.code == 2
    assert "line 2" in refused.errors
    program.folder.settings.write_bytes(sound)
    program.configure({"callback": SECOND.settings})
    until(lambda: service.accepts(SECOND), "it goes on")
    assert program.log.count("ERROR") == 1
