"""Genuine callbacks over HTTP: answered as DingTalk demands, stored, and listed by `events`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.simulator.dingtalk.callbacks import CallbackSender
from server.simulator.dingtalk.envelope import SignedText
from server.simulator.dingtalk.payloads import EventMaker, as_captured
from tests.crypto.vectors import VECTORS, Vector
from tests.e2e.program import FIRST, Program, Service, Values
from tests.server.simulator.seeds import seeded

PUBLISHED = {vector["id"]: vector for vector in VECTORS["generate"]}
NOW_MS = 1_700_000_000_000


def values_of(vector: Vector) -> Values:
    return Values(vector["token"], vector["aes_key"], vector["key"])


def text_of(vector: Vector) -> SignedText:
    return SignedText(vector["signature"], vector["timestamp"], vector["nonce"], vector["encrypt"])


@pytest.mark.parametrize("name", ["V1", "V4", "V6"])
def test_a_published_callback_is_answered_stored_and_listed(program: Program, name: str) -> None:
    vector = PUBLISHED[name]
    program.set_up(values_of(vector))
    service = program.serve()
    with service.sender(values_of(vector)) as sender:
        assert sender.post(text_of(vector)).fault is None
    is_check = name == "V1"
    listed = [(event["event_type"], event["payload"]) for event in program.events()]
    assert listed == ([] if is_check else [(None, "success")])
    active = program.status()["credentials"]["active"]
    assert active["calls"] == 1
    assert active["last_used_from"] == "127.0.0.1"
    assert active["last_event_type"] == ("check_create_suite_url" if is_check else None)


@pytest.fixture
def service(program: Program) -> Service:
    program.set_up()
    return program.serve()


@pytest.fixture
def sender(service: Service) -> Iterator[CallbackSender]:
    with service.sender() as sender:
        yield sender


def test_all_that_was_acknowledged_is_listed_newest_first(
    program: Program, sender: CallbackSender
) -> None:
    maker = EventMaker(seeded(5), "ding0123456789abcdef", lambda: NOW_MS)
    sent = [maker.any_of("user_modify_org"), as_captured(maker.any_of("org_dept_create"))]
    sent += [maker.of_changed_user("u1", {"name": "张三"}, {"name": "李四🙂"}, is_array=True)]
    for payload in (*sent, sent[0]):
        assert sender.deliver(payload).accepted
    events = program.events()
    assert [event["payload"] for event in events] == sent[::-1]
    assert [event["duplicates"] for event in events] == [0, 0, 1]
    assert [event["state"] for event in events] == ["pending"] * 3
    assert [event["event_id"] for event in events] == [
        sent[2]["eventId"],
        None,
        sent[0]["eventId"],
    ]
    assert {event["corp_id"] for event in events} == {"ding0123456789abcdef"}
    assert set(events[0]) >= {"id", "received_at", "event_type", "error"}
    counts = program.status()["events"]
    assert (counts["pending"], counts["duplicates"]) == (3, 1)


def test_events_are_limited_filtered_and_paged(program: Program, sender: CallbackSender) -> None:
    sent = [{"EventType": f"type_{n % 3}", "eventId": f"e{n}"} for n in range(620)]
    assert all(delivery.accepted for delivery in sender.burst(sent, 8))
    assert len(program.events()) == 50
    everything = program.events("--limit", "1000")
    ids = [event["id"] for event in everything]
    assert ids == sorted(ids, reverse=True)
    assert sorted(event["event_id"] for event in everything) == sorted(
        str(payload["eventId"]) for payload in sent
    )
    assert program.events("--limit", "510") == everything[:510]
    of_type = [event for event in everything if event["event_type"] == "type_1"]
    assert program.events("--type", "type_1", "--limit", "1000") == of_type
    assert program.events("--type", "unheard_of") == []


def test_a_payload_of_64_kib_comes_back_whole(program: Program, sender: CallbackSender) -> None:
    payload = {"EventType": "big", "text": "钉钉" * (64 * 1024 // 6)}
    assert sender.deliver(payload).accepted
    assert program.events()[0]["payload"] == payload
    (line,) = program.run("events", env={"LC_ALL": "C.UTF-8"}).lines
    assert len(line) < 300


def test_what_would_steer_the_terminal_is_not_printed(
    program: Program, sender: CallbackSender
) -> None:
    steering = "\x1b[2J\x07\r\n\x9b31m\u202e\x00"
    payload = {"EventType": f"typ{steering}e", "eventId": steering, "name": steering}
    assert sender.deliver(payload).accepted
    assert sender.attempt(f"no json {steering}".encode()).fault is None
    done = program.run("events", env={"LC_ALL": "C.UTF-8"})
    assert done.code == 0
    assert all(line.isprintable() for line in done.out.decode().split("\n"))
    assert len(done.lines) == 2
    text, event = program.events()
    assert text["payload"] == f"no json {steering}".replace("\0", "␀")
    assert event["payload"] == payload
    assert program.run("events", "--json").out.isascii()


@pytest.mark.parametrize(
    "plaintext",
    [
        b'{"EventType":"t","n":NaN}',
        b'{"EventType":"t","deep":' + b"[" * 900 + b"]" * 900 + b"}",
        b"\xff\xfe not utf-8",
        b"",
        b"null",
    ],
    ids=["nan", "deep", "not_utf8", "empty", "null"],
)
def test_a_strange_plaintext_never_spoils_the_list(
    program: Program, sender: CallbackSender, plaintext: bytes
) -> None:
    assert sender.attempt(plaintext).fault is None
    done = program.run("events", "--json")

    def refuse(name: str) -> None:
        raise AssertionError(name)

    (event,) = json.loads(done.out, parse_constant=refuse)
    expected = None if plaintext == b"null" else plaintext.decode("utf-8", "backslashreplace")
    assert event["payload"] == expected
    assert program.run("events").code == 0


@pytest.mark.parametrize("number", ["1e999", "9" * 5000], ids=["infinite", "digits"])
def test_a_number_beyond_all_measure_is_shown_by_its_digits(
    program: Program, sender: CallbackSender, number: str
) -> None:
    assert sender.attempt(f'{{"EventType":"t","n":{number}}}'.encode()).fault is None
    (event,) = program.events()
    assert (event["event_type"], event["payload"]) == ("t", {"EventType": "t", "n": number})


def test_events_are_listed_when_nothing_runs_any_more(
    program: Program, service: Service, sender: CallbackSender
) -> None:
    assert sender.deliver({"EventType": "user_add_org", "eventId": "e1"}).accepted
    while_running = program.events()
    assert service.stop() == 0
    assert program.events() == while_running
    assert program.status()["service"]["running"] is False


def test_a_path_with_blanks_and_chinese_holds_all_that_is_written(
    program: Program, service: Service, sender: CallbackSender, tmp_path: Path
) -> None:
    assert sender.deliver({"EventType": "user_add_org"}).accepted
    assert service.stop() == 0
    assert {path.name for path in program.folder.root.iterdir()} >= {
        "settings.json",
        "secrets.json",
        "dingbridge.db",
        "logs",
    }
    assert list((tmp_path / "home").iterdir()) == [program.folder.root]
    assert program.folder.secrets.stat().st_mode & 0o777 == 0o600
    assert FIRST.key in json.dumps(program.status())
