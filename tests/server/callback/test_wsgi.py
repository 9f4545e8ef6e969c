import gzip
import json
import os
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from server.simulator.dingtalk.callbacks import body_of, query_of
from server.simulator.dingtalk.envelope import Envelope
from server.simulator.dingtalk.reply import HttpReply, check_reply
from tests.server.callback.service import (
    AES_KEY,
    KEY,
    OTHER,
    PATH,
    TOKEN,
    Answer,
    Service,
    post,
    request_of,
    sealed,
    serving,
)

EVENT = {"EventType": "user_add_org", "eventId": "e1", "CorpId": "dingcorp", "userId": ["u1"]}
ENVELOPE = Envelope(TOKEN, AES_KEY, KEY)


def assert_acknowledged(answer: Answer) -> None:
    check_reply(HttpReply(answer.status, answer.body), ENVELOPE)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "names", [["signature"], ["msg_signature"], ["signature", "msg_signature"]]
)
def test_the_signature_is_found_under_either_name(service: Service, names: list[str]) -> None:
    text = sealed(EVENT)
    query = {"timestamp": text.timestamp, "nonce": text.nonce} | dict.fromkeys(
        names, text.signature
    )
    assert_acknowledged(service.exchange(post(f"{PATH}?{urlencode(query)}", body_of(text))))
    assert [event.event_id for event in service.events()] == ["e1"]


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", "//x/.." + PATH, f"http://host{PATH}"])
def test_the_address_is_found(service: Service, path: str) -> None:
    if path.startswith("//"):
        assert service.call(sealed(EVENT), path).status == 404
    else:
        assert_acknowledged(service.call(sealed(EVENT), path))


@pytest.mark.parametrize("name", ["encrypt", "Encrypt", "ENCRYPT"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_any_json_is_understood(service: Service, name: str, encoding: str) -> None:
    text = sealed(EVENT)
    body = json.dumps({"extra": [1], name: text.encrypt}).encode(encoding)
    target = f"{PATH}?{urlencode(query_of(text))}"
    assert_acknowledged(service.exchange(post(target, body, "Content-Type: text/plain\r\n")))


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}?a=b"])
def test_a_browser_gets_a_page(service: Service, path: str) -> None:
    answer = service.exchange(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "DingBridge 正在运行" in answer.body.decode()


def test_health_is_told(service: Service) -> None:
    answer = service.exchange(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
    assert (answer.status, json.loads(answer.body)) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", [PATH, "/healthz", "/nothing"])
def test_head_answers_as_get_without_a_body(service: Service, path: str) -> None:
    connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
    answers = []
    for method in ("GET", "HEAD"):
        connection.request(method, path)
        response = connection.getresponse()
        answers.append((response.status, response.headers["Content-Length"], len(response.read())))
    connection.close()
    get, head = answers
    assert (*get[:2], 0) == head


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/api", 404),
        ("GET", "/healthz/", 404),
        ("GET", f"{PATH}/x", 404),
        ("GET", f"{PATH}//", 404),
        ("GET", "/%00", 404),
        ("GET", "/%ff%fe", 404),
        ("GET", "/../../etc/passwd", 404),
        ("POST", "/", 404),
        ("POST", "/healthz", 405),
        ("PUT", PATH, 405),
        ("DELETE", f"{PATH}/", 405),
        ("OPTIONS", PATH, 405),
        ("PATCH", PATH, 405),
        ("TRACE", PATH, 405),
        ("BREW", PATH, 405),
    ],
)
def test_nothing_else_answers(service: Service, method: str, path: str, status: int) -> None:
    answer = service.exchange(f"{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert status == answer.status
    assert answer.body.count(b"\n") == 1
    assert answer.status != 405 or answer.headers["allow"]


def not_callbacks() -> dict[str, tuple[str, bytes]]:
    text = sealed(EVENT)
    query, body = urlencode(query_of(text)), body_of(text)
    return {
        "nothing": ("", b""),
        "no query": ("", body),
        "no signature": (urlencode({"timestamp": "1", "nonce": "n"}), body),
        "no timestamp": (urlencode({"signature": "s", "nonce": "n"}), body),
        "no nonce": (urlencode({"signature": "s", "timestamp": "1"}), body),
        "empty signature": ("signature=&timestamp=1&nonce=n", body),
        "1,000 parameters": ("&".join(f"a{n}={n}" for n in range(1000)) + "&" + query, body),
        "no body": (query, b""),
        "no JSON": (query, b"hello"),
        "half JSON": (query, body[:-1]),
        "an array": (query, b"[" + body + b"]"),
        "a number": (query, b"1"),
        "null": (query, b"null"),
        "no encrypt": (query, b"{}"),
        "null encrypt": (query, b'{"encrypt":null}'),
        "numeric encrypt": (query, b'{"encrypt":1}'),
        "nested encrypt": (query, b'{"encrypt":{"encrypt":"x"}}'),
        "empty encrypt": (query, b'{"encrypt":""}'),
        "not UTF-8": (query, b'{"encrypt":"\xff\xfe"}'),
        "deep JSON": (query, b'{"encrypt":' + b"[" * 200_000),
        "deep closed JSON": (query, b"[" * 50_000 + b"]" * 50_000),
        "a huge number": (query, b'{"encrypt":' + b"9" * 100_000 + b"}"),
        "a form": (query, urlencode({"encrypt": text.encrypt}).encode()),
    }


NOT_CALLBACKS = not_callbacks()


@pytest.mark.parametrize("kind", NOT_CALLBACKS)
def test_what_is_no_callback_is_400(service: Service, kind: str) -> None:
    query, body = NOT_CALLBACKS[kind]
    answer = service.exchange(post(f"{PATH}?{query}", body))
    assert (answer.status, answer.body) == (400, b"not a callback\n")
    assert [one.cause for one in service.rejected()] == ["not_a_callback"]
    assert (service.events(), service.uses()) == ([], {})


def rejected_calls() -> list[bytes]:
    text = sealed(EVENT)
    stranger = sealed(EVENT, OTHER)
    changed = text.signature[:-1] + ("0" if text.signature[-1] != "0" else "1")
    signed_junk = ENVELOPE.signed("A" * 64, timestamp="1", nonce="n")
    tail = Envelope(TOKEN, AES_KEY, "dingother01").seal(
        b"{}", random16=bytes(16), timestamp="1", nonce="n"
    )
    odd = ENVELOPE.signed("钉" * 44, timestamp="1", nonce="n")
    return [
        request_of(stranger),
        *(
            post(f"{PATH}?{urlencode(query_of(text) | change)}", body_of(text))
            for change in (
                {"signature": changed, "msg_signature": changed},
                {"signature": "钉" * 40},
                {"signature": text.signature.upper()},
                {"timestamp": "0"},
                {"nonce": "other"},
            )
        ),
        *map(request_of, (signed_junk, tail, odd)),
        post(f"{PATH}?{urlencode(query_of(text))}", b'{"encrypt":"\\ud800"}'),
    ]


def test_all_rejections_look_alike(service: Service) -> None:
    answers = [service.exchange(call) for call in rejected_calls()]
    for answer in answers:
        answer.headers.pop("date")
    assert (answers[0].status, answers[0].body) == (403, b"rejected\n")
    assert [answers[0]] * len(answers) == answers
    assert (service.events(), service.uses()) == ([], {})


def test_the_cause_of_a_rejection_goes_to_the_list(service: Service) -> None:
    for call in rejected_calls():
        service.exchange(call)
    verdicts = {one.verdict: one.offered_key for one in service.rejected()}
    expected = {"unknown_sender": None, "token": None, "aes_key": None, "key": "dingother01"}
    assert expected == verdicts


@pytest.mark.parametrize(
    ("header", "remote"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("10.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("unknown", "127.0.0.1"),
        ("fe80::1%" + "x" * 1000, "127.0.0.1"),
        (quote("钉"), "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_a_proxy_on_this_network_names_the_caller(
    service: Service, header: str, remote: str
) -> None:
    assert_acknowledged(service.call(sealed(EVENT), headers=f"X-Forwarded-For: {header}\r\n"))
    assert [remote] == [use.last_used_from for use in service.uses().values()]


@pytest.mark.skipif(
    os.name == "nt" or not socket.has_dualstack_ipv6(),
    reason="no socket here takes both kinds of addresses",
)
def test_a_caller_over_ipv4_is_named_so_on_a_socket_for_both_kinds(tmp_path: Path) -> None:
    with serving(tmp_path / "j.db", host="::") as service:
        assert_acknowledged(service.call(sealed(EVENT)))
        assert [use.last_used_from for use in service.uses().values()] == ["127.0.0.1"]
        proxied = "X-Forwarded-For: 192.0.2.7\r\n"
        assert_acknowledged(service.call(sealed(EVENT), headers=proxied))
        assert [use.last_used_from for use in service.uses().values()] == ["192.0.2.7"]


@pytest.mark.parametrize("half", ["verify", "reply"])
def test_an_error_of_ours_is_500_without_its_details(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    half: str,
) -> None:
    with serving(tmp_path / "j.db") as service:
        monkeypatch.setattr(service.handler, half, lambda *_: 1 / 0)  # the error of ours
        answer = service.call(sealed(EVENT))
        assert service.exchange(b"GET / HTTP/1.0\r\n\r\n").status == 404
    assert (answer.status, answer.body) == (500, b"500 Internal Server Error\n")
    assert [record.getMessage() for record in caplog.records] == ["Request failed"]


def test_a_packed_body_is_understood_and_another_packing_is_400(service: Service) -> None:
    text = sealed(EVENT)
    target = f"{PATH}?{urlencode(query_of(text))}"
    packed = gzip.compress(body_of(text))
    assert_acknowledged(service.exchange(post(target, packed, "Content-Encoding: gzip\r\n")))
    assert service.exchange(post(target, packed, "Content-Encoding: br\r\n")).status == 400


def test_an_answer_is_the_same_however_the_connection_goes_on(service: Service) -> None:
    """Most answers are written directly; Bottle forms those whose connection is closed."""
    for make in (lambda: request_of(sealed(EVENT)), lambda: post(PATH, b""), *rejected()):
        kept = service.exchange(make())
        closed = service.exchange(make().replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        assert closed.headers.pop("connection") == "close"
        for answer in (kept, closed):
            answer.headers.pop("date")
            answer.body = answer.body[:1] + answer.body[-2:]  # the answers are sealed anew
        assert kept == closed


def rejected() -> list[Callable[[], bytes]]:
    return [lambda call=call: call for call in rejected_calls()]  # type: ignore[misc]  # mypy cannot type a lambda with a default
