import logging
import socket
import time
import traceback
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any

import pytest

from crypto.secret import Secret
from server.fate import Fate
from server.rest.session import Call, Channel, Limits, build_session, quotable
from server.vendor_errors import (
    VendorBlockedError,
    VendorError,
    VendorReplyError,
    VendorUnreachableError,
)
from tests.server.rest.loopback import UNTRUSTED_CERTIFICATE, Reply, Vendor, serving

PATH = "topapi/thing"
SECRET = Secret("s3cr3t+value/with=signs")
CALL = Call(PATH, secrets={"access_token": SECRET})


@contextmanager
def channel_to(base: str, **limits: Any) -> Iterator[Channel]:
    chosen = Limits(**{"connect_s": 5.0, "read_s": 5.0, **limits})
    channel = Channel("DingTalk", base, clock=monotonic, limits=chosen)
    try:
        yield channel
    finally:
        channel.close()


def send(base: str, call: Call = CALL, **limits: Any) -> dict[str, Any]:
    with channel_to(base, **limits) as channel:
        return channel.send(call)


def failure(base: str, call: Call = CALL, **limits: Any) -> VendorError:
    with pytest.raises(VendorError) as caught:
        send(base, call, **limits)
    return caught.value


def everything_about(error: BaseException) -> str:
    lines = traceback.format_exception(error)
    return "".join(lines) + str(error) + repr(error) + repr(error.__dict__) + repr(error.args)


def test_a_json_object_comes_back_as_it_is(vendor: Vendor) -> None:
    vendor.answer(PATH, {"errcode": 0, "result": {"name": "张三"}})

    assert send(vendor.base) == {"errcode": 0, "result": {"name": "张三"}}


def test_a_body_goes_out_as_plain_utf_8_without_escapes(vendor: Vendor) -> None:
    vendor.answer(PATH, {})

    send(vendor.base, Call(PATH, body={"name": "张三"}))

    assert vendor.requests[0].raw == '{"name": "张三"}'.encode()
    assert vendor.requests[0].headers["Content-Type"] == "application/json; charset=utf-8"
    assert vendor.requests[0].method == "POST"


def test_secrets_go_into_the_query_and_nowhere_else(vendor: Vendor) -> None:
    vendor.answer(PATH, {})

    send(vendor.base, Call(PATH, query={"id": "1"}, secrets={"access_token": SECRET}))

    request = vendor.requests[0]
    assert dict(request.query) == {"id": "1", "access_token": SECRET.reveal()}
    assert SECRET.reveal() not in repr(request.headers)
    assert request.method == "GET"


@pytest.mark.parametrize("status", [200, 500])
def test_the_date_of_every_answer_is_heard(vendor: Vendor, status: int) -> None:
    vendor.answer(PATH, Reply(status=status))
    heard: list[tuple[str, str | None]] = []
    channel = Channel(
        "DingTalk",
        vendor.base,
        clock=monotonic,
        hear_date=lambda name, date: heard.append((name, date)),
    )
    with closing(channel), suppress(VendorError):
        channel.send(CALL)
    ((name, date),) = heard
    assert name == "DingTalk"
    assert abs(parsedate_to_datetime(date or "").timestamp() - time.time()) < 60


def test_redirects_are_not_followed(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(status=302, headers={"Location": f"{vendor.base}/other"}))

    error = failure(vendor.base)

    assert isinstance(error, VendorReplyError)
    assert error.fate is Fate.STOP
    assert error.values["status"] == 302
    assert vendor.calls("other") == []


def test_a_punished_address_is_told_with_its_minutes(vendor: Vendor) -> None:
    vendor.answer(
        PATH, {"status": 1111, "wait": 7, "source": "x5", "punish": "deny", "uuid": "xxx"}
    )

    error = failure(vendor.base)

    assert isinstance(error, VendorBlockedError)
    assert error.wait_s == 420.0
    assert error.fate is Fate.STOP
    assert error.retryable
    assert "about 7 min." in str(error)


def test_a_punished_address_without_a_sensible_wait_counts_five_minutes(vendor: Vendor) -> None:
    vendor.answer(PATH, {"status": 1111, "wait": "?", "punish": "deny"})

    assert failure(vendor.base).wait_s == 300.0


def test_a_page_counts_as_a_block_of_five_minutes_where_it_does_not_say_how_long(
    vendor: Vendor,
) -> None:
    vendor.answer(PATH, Reply(b"<html>blocked</html>"))
    assert failure(vendor.base).wait_s == 300.0

    vendor.answer(PATH, Reply(b"<html>blocked</html>", headers={"Retry-After": "60"}))
    assert failure(vendor.base).wait_s == 60.0


@pytest.mark.parametrize(
    ("reply", "fate", "maybe_done"),
    [
        (Reply(b"<html>blocked</html>"), Fate.STOP, False),
        (Reply(b"\n <!DOCTYPE html>"), Fate.STOP, False),
        (Reply(b"[]"), Fate.RETRY, True),
        (Reply(b""), Fate.RETRY, True),
        (Reply(b"\xff\xfe\x00garbage"), Fate.RETRY, True),
        (Reply(b"nope", status=404), Fate.STOP, False),
        (Reply(b'{"message":"nope"}', status=403), Fate.STOP, False),
        (Reply(b"<html>", status=502), Fate.RETRY, True),
        (Reply(b'{"message":"oops"}', status=500), Fate.RETRY, True),
        (Reply(b"slow down", status=429), Fate.RETRY, False),
    ],
)
def test_what_is_no_answer_of_the_api_is_told_apart(
    vendor: Vendor, reply: Reply, fate: Fate, *, maybe_done: bool
) -> None:
    vendor.answer(PATH, reply)

    error = failure(vendor.base)

    assert isinstance(error, VendorReplyError)
    assert (error.fate, error.maybe_done) == (fate, maybe_done)


def test_an_error_status_with_an_errcode_is_an_answer(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(b'{"errcode":40014}', status=400))

    assert send(vendor.base) == {"errcode": 40014}


@pytest.mark.parametrize(
    ("header", "wait_s"), [("17", 17.0), ("Wed, 21 Oct 2015 07:28:00 GMT", None), (None, None)]
)
def test_retry_after_in_seconds_is_kept(
    vendor: Vendor, header: str | None, wait_s: float | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    vendor.answer(PATH, Reply(b"", status=429, headers=headers))

    assert failure(vendor.base).wait_s == wait_s


def test_an_answer_over_the_limit_is_given_up(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(b"{" + b" " * 2000 + b"}"))

    error = failure(vendor.base, size_bytes=1000)

    assert isinstance(error, VendorReplyError)
    assert error.fate is Fate.STOP
    assert "larger" in str(error)


def test_a_server_that_hangs_is_given_up(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(fault="hang"))

    error = failure(vendor.base, read_s=0.05)

    assert isinstance(error, VendorUnreachableError)
    assert (error.fate, error.maybe_done) == (Fate.RETRY, True)
    assert "in time" in str(error)


def test_a_server_that_drips_is_given_up(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(b"{", fault="drip"))

    error = failure(vendor.base, total_s=-1.0)

    assert isinstance(error, VendorUnreachableError)
    assert "in time" in str(error)


@pytest.mark.parametrize("fault", ["drop", "cut"])
def test_a_connection_that_breaks_may_have_done_its_work(vendor: Vendor, fault: str) -> None:
    vendor.answer(PATH, Reply(b'{"errcode":0', fault=fault))

    error = failure(vendor.base)

    assert isinstance(error, VendorUnreachableError)
    assert (error.fate, error.maybe_done) == (Fate.RETRY, True)
    assert "broke" in str(error)


def test_a_closed_port_means_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = failure(f"http://127.0.0.1:{port}")

    assert isinstance(error, VendorUnreachableError)
    assert (error.fate, error.maybe_done) == (Fate.RETRY, False)


def test_an_untrusted_certificate_stops_and_nothing_was_sent() -> None:
    with serving(UNTRUSTED_CERTIFICATE) as vendor:
        vendor.answer(PATH, {})
        error = failure(vendor.base)

        assert vendor.requests == []
    assert (error.fate, error.maybe_done) == (Fate.STOP, False)
    assert "certificate" in str(error)


def test_a_certificate_that_the_system_trusts_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(UNTRUSTED_CERTIFICATE))
    with serving(UNTRUSTED_CERTIFICATE) as vendor:
        vendor.answer(PATH, {"errcode": 0})

        assert send(vendor.base) == {"errcode": 0}


@pytest.mark.parametrize("base", ["ftp://127.0.0.1", "127.0.0.1", "http://", "http://[::bad"])
def test_an_unusable_base_address_stops(base: str) -> None:
    error = failure(base)

    assert (error.fate, error.maybe_done) == (Fate.STOP, False)
    assert "api_base" in str(error)


def test_a_proxy_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        error = failure("https://vendor.invalid")

    assert (error.fate, error.maybe_done) == (Fate.RETRY, False)
    assert "proxy" in str(error)


@pytest.mark.parametrize("base", ["http://localhost:1", "http://127.0.0.1:1"])
def test_this_machine_is_never_reached_through_a_proxy(base: str) -> None:
    with build_session(base) as session:
        assert not session.trust_env


def test_a_vendor_is_reached_through_the_proxies_of_the_environment() -> None:
    with build_session("https://oapi.dingtalk.com") as session:
        assert session.trust_env
        assert session.verify


def test_no_cookie_is_kept(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(headers={"Set-Cookie": "session=1; Path=/"}))

    with channel_to(vendor.base) as channel:
        channel.send(CALL)
        channel.send(CALL)

    assert "Cookie" not in vendor.requests[1].headers


@pytest.mark.parametrize(
    "reply",
    [
        Reply(fault="drop"),
        Reply(fault="hang"),
        Reply(b"{", fault="cut"),
        Reply(b"<html>"),
        Reply(status=302, headers={"Location": "/x"}),
        Reply(b'{"status":1111,"punish":"deny"}'),
    ],
)
def test_no_failure_shows_the_secret(
    vendor: Vendor, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.answer(PATH, reply)

    error = failure(vendor.base, read_s=0.05)

    shown = everything_about(error) + caplog.text
    assert "s3cr3t" not in shown
    assert error.__cause__ is None
    assert error.__context__ is None
    assert PATH in caplog.text


def test_the_log_of_a_good_call_shows_no_secret(
    vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.answer(PATH, {})

    send(vendor.base)

    assert "answered" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert "access_token" not in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("said s3cr3t+value/with=signs!", "said ••••!"),
        ("said s3cr3t%2Bvalue%2Fwith%3Dsigns", "said ••••"),
        ("GET /x?access_token=abc&id=1", "GET /x?access_token=••••&id=1"),
        ('{"corpsecret": "abc"}', '{"corpsecret": "••••"}'),
        ("the body's t0k3n", "the body's ••••"),
        ("invalid access_token, hint: [1]", "invalid access_token, hint: [1]"),
        ("two\nlines", "two lines"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_what_a_vendor_quotes_is_masked_and_cut(text: str, expected: str) -> None:
    call = Call(
        PATH, secrets={"access_token": SECRET, "none": Secret("")}, masked=(Secret("t0k3n"),)
    )

    assert quotable(text, call) == expected


def test_a_call_shows_neither_secret_nor_body() -> None:
    call = Call(PATH, body={"mobile": "13800000000"}).with_secret("access_token", SECRET)

    assert "s3cr3t" not in repr(call)
    assert "13800000000" not in repr(call)
