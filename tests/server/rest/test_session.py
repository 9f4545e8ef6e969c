import logging
import os
import socket
import ssl
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import requests

from crypto.secret import Secret
from server.errors.vendor import (
    ErrorPolicy,
    VendorBlockedError,
    VendorError,
    VendorReplyError,
    VendorUnreachableError,
)
from server.rest import environment
from server.rest.environment import certificates, ignored
from server.rest.failures import explain
from server.rest.open_connections import OpenConnections
from server.rest.session import Call, Channel, Limits, build_session, quotable
from tests.server.rest.loopback import (
    UNTRUSTED_CERTIFICATE,
    Reply,
    Vendor,
    serving,
    tunnelling,
)

PATH = "topapi/thing"
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
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
    assert error.policy is ErrorPolicy.STOP
    assert error.values["status"] == 302
    assert vendor.calls("other") == []


def test_a_punished_address_is_told_with_its_minutes(vendor: Vendor) -> None:
    vendor.answer(
        PATH, {"status": 1111, "wait": 7, "source": "x5", "punish": "deny", "uuid": "xxx"}
    )

    error = failure(vendor.base)

    assert isinstance(error, VendorBlockedError)
    assert error.wait_s == 420.0
    assert error.policy is ErrorPolicy.STOP
    assert error.retryable
    assert "about 7 min." in str(error)


@pytest.mark.parametrize("wait", ["?", 0, -5, 1440, 10**400, True, None, [], "²"])
def test_a_punished_address_without_a_sensible_wait_counts_five_minutes(
    vendor: Vendor, wait: object
) -> None:
    vendor.answer(PATH, {"status": 1111, "wait": wait, "punish": "deny"})

    assert failure(vendor.base).wait_s == 300.0


@pytest.mark.parametrize("depth", [1_500, 100_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_an_answer_nested_too_deep_cannot_be_read(
    vendor: Vendor, depth: int, brackets: str
) -> None:
    opening = "[" if brackets == "[]" else '{"a":'
    deep = opening * depth + "1" + brackets[1] * depth
    vendor.answer(PATH, Reply(b'{"errcode":0,"result":' + deep.encode() + b"}"))

    error = failure(vendor.base)

    assert isinstance(error, VendorReplyError)
    assert (error.policy, error.maybe_done) == (ErrorPolicy.RETRY, True)
    assert "cannot be read" in str(error)


def test_no_answer_may_be_larger_than_8_mb(vendor: Vendor) -> None:
    assert Limits().size_bytes == 8 * 1024 * 1024
    vendor.answer(PATH, Reply(b'{"a":"' + b"x" * 8 * 1024 * 1024 + b'"}'))

    assert "larger" in str(failure(vendor.base, size_bytes=Limits().size_bytes))


def test_a_page_counts_as_a_block_of_five_minutes_where_it_does_not_say_how_long(
    vendor: Vendor,
) -> None:
    vendor.answer(PATH, Reply(b"<html>blocked</html>"))
    assert failure(vendor.base).wait_s == 300.0

    vendor.answer(PATH, Reply(b"<html>blocked</html>", headers={"Retry-After": "60"}))
    assert failure(vendor.base).wait_s == 60.0


@pytest.mark.parametrize(
    ("reply", "policy", "maybe_done"),
    [
        (Reply(b"<html>blocked</html>"), ErrorPolicy.STOP, False),
        (Reply(b"\n <!DOCTYPE html>"), ErrorPolicy.STOP, False),
        (Reply(b"[]"), ErrorPolicy.RETRY, True),
        (Reply(b""), ErrorPolicy.RETRY, True),
        (Reply(b"\xff\xfe\x00garbage"), ErrorPolicy.RETRY, True),
        (Reply(b"nope", status=404), ErrorPolicy.STOP, False),
        (Reply(b'{"message":"nope"}', status=403), ErrorPolicy.STOP, False),
        (Reply(b"<html>", status=502), ErrorPolicy.RETRY, True),
        (Reply(b'{"message":"oops"}', status=500), ErrorPolicy.RETRY, True),
        (Reply(b"slow down", status=429), ErrorPolicy.RETRY, False),
    ],
)
def test_what_is_no_answer_of_the_api_is_told_apart(
    vendor: Vendor, reply: Reply, policy: ErrorPolicy, *, maybe_done: bool
) -> None:
    vendor.answer(PATH, reply)

    error = failure(vendor.base)

    assert isinstance(error, VendorReplyError)
    assert (error.policy, error.maybe_done) == (policy, maybe_done)


def test_an_error_status_with_an_errcode_is_an_answer(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(b'{"errcode":40014}', status=400))

    assert send(vendor.base) == {"errcode": 40014}


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("17", 17.0),
        (" 0 ", 0.0),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 400, 3600.0),
        ("\xb2", None),  # a superscript two: isdigit() says yes, float() fails
        ("-5", None),
        ("1_0", None),
        ("1.5", None),
        ("1e3", None),
        ("nan", None),
        ("", None),
        ("soon", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        (None, None),
    ],
)
def test_retry_after_in_seconds_is_kept_up_to_an_hour(
    vendor: Vendor, header: str | None, wait_s: float | None
) -> None:
    headers = {} if header is None else {"Retry-After": header}
    vendor.answer(PATH, Reply(b"", status=429, headers=headers))

    assert failure(vendor.base).wait_s == wait_s


def test_an_answer_over_the_limit_is_given_up(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(b"{" + b" " * 2000 + b"}"))

    error = failure(vendor.base, size_bytes=1000)

    assert isinstance(error, VendorReplyError)
    assert error.policy is ErrorPolicy.STOP
    assert "larger" in str(error)


def test_a_server_that_hangs_is_given_up(vendor: Vendor) -> None:
    vendor.answer(PATH, Reply(fault="hang"))

    error = failure(vendor.base, read_s=0.05)

    assert isinstance(error, VendorUnreachableError)
    assert (error.policy, error.maybe_done) == (ErrorPolicy.RETRY, True)
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
    assert (error.policy, error.maybe_done) == (ErrorPolicy.RETRY, True)
    assert "broke" in str(error)


def test_a_closed_port_means_nothing_was_sent() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = failure(f"http://127.0.0.1:{port}")

    assert isinstance(error, VendorUnreachableError)
    assert (error.policy, error.maybe_done) == (ErrorPolicy.RETRY, False)


def test_an_untrusted_certificate_stops_and_nothing_was_sent() -> None:
    with serving(UNTRUSTED_CERTIFICATE) as vendor:
        vendor.answer(PATH, {})
        error = failure(vendor.base)

        assert vendor.requests == []
    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert "does not trust" in str(error.title)
    assert "antivirus" in str(error.hint)


def test_a_certificate_that_the_system_trusts_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(UNTRUSTED_CERTIFICATE))
    with serving(UNTRUSTED_CERTIFICATE) as vendor:
        vendor.answer(PATH, {"errcode": 0})

        assert send(vendor.base) == {"errcode": 0}


@pytest.fixture
def tunnel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A server with a certificate for this machine, and a proxy that leads every name to it."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in BUNDLES:
            monkeypatch.delenv(name)
    with serving(UNTRUSTED_CERTIFICATE) as vendor, tunnelling(vendor.base) as proxy:
        vendor.answer(PATH, {"errcode": 0})
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        yield vendor


def test_a_certificate_for_another_name_is_told_as_such(
    tunnel: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(UNTRUSTED_CERTIFICATE))

    error = failure("https://vendor.example")

    assert tunnel.requests == []
    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert "for another name" in str(error.title)
    assert "api_base" in str(error.hint)


@pytest.mark.parametrize(
    ("verify_code", "words"),
    [(9, "date and time"), (10, "date and time"), (18, "antivirus"), (62, "DNS"), (64, "DNS")],
)
def test_what_is_wrong_with_a_certificate_has_its_own_remedy(verify_code: int, words: str) -> None:
    cause = ssl.SSLCertVerificationError("no")
    cause.verify_code = verify_code

    error = explain(requests.exceptions.SSLError(cause), {"vendor": "V", "call": "c"}, None)

    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert words in str(error.hint)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_certificates_that_the_environment_names_are_trusted(
    tunnel: Vendor, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(UNTRUSTED_CERTIFICATE))

    # The certificate is trusted now, and found to be another one's.
    assert "for another name" in str(failure("https://vendor.example").title)
    assert tunnel.requests == []


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_certificates_that_are_not_there_are_ignored_and_named(
    tunnel: Vendor,
    name: str,
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv(name, str(path))

    # Neither "cable or Wi-Fi" nor a fault: the server's own certificate is looked at.
    assert "does not trust" in str(failure("https://vendor.example").title)

    assert tunnel.requests == []
    (told,) = ignored(os.environ)
    assert str(path) in str(told)
    assert name in str(told)
    assert str(told) in caplog.text


def test_certificates_that_are_there_are_not_complained_about(tmp_path: Path) -> None:
    environ = {
        "REQUESTS_CA_BUNDLE": str(UNTRUSTED_CERTIFICATE),
        "SSL_CERT_FILE": str(UNTRUSTED_CERTIFICATE),
        "SSL_CERT_DIR": os.pathsep.join((str(tmp_path / "none"), str(tmp_path))),
        "CURL_CA_BUNDLE": "",
    }

    assert ignored(environ) == ()
    assert certificates(environ) == str(UNTRUSTED_CERTIFICATE)


@pytest.mark.parametrize("place", ["missing/keys.log", "."])
def test_a_key_log_that_cannot_be_opened_is_told(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / place))

    error = failure("https://127.0.0.1:1")

    assert isinstance(error, VendorUnreachableError)
    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert "SSLKEYLOGFILE" in str(error.hint)


def test_what_could_not_be_set_up_is_set_up_by_a_later_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "missing" / "keys.log"))
    with serving(UNTRUSTED_CERTIFICATE) as vendor, channel_to(vendor.base) as channel:
        vendor.answer(PATH, {"errcode": 0})
        with pytest.raises(VendorUnreachableError):
            channel.send(CALL)
        monkeypatch.delenv("SSLKEYLOGFILE")
        monkeypatch.setenv("SSL_CERT_FILE", str(UNTRUSTED_CERTIFICATE))

        assert channel.send(CALL) == {"errcode": 0}


@pytest.mark.parametrize("base", ["http://oapi.dingtalk.com", "HTTP://10.0.0.7:8080", "http://a.b"])
def test_secrets_never_travel_in_clear(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", pytest.fail)

    error = failure(base)

    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert "not encrypted" in str(error.title)


@pytest.mark.parametrize("base", ["ftp://127.0.0.1", "127.0.0.1", "http://", "http://[::bad"])
def test_an_unusable_base_address_stops(base: str) -> None:
    error = failure(base)

    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert "api_base" in str(error)


def test_a_proxy_that_cannot_be_reached_is_named(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del no_proxies
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@{address}")
        error = failure("https://vendor.invalid")

    assert (error.policy, error.maybe_done) == (ErrorPolicy.RETRY, False)
    assert f"The proxy http://{address}" in str(error.title)
    assert "HTTPS_PROXY" in str(error.hint)
    assert "pw" not in str(error)


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    "proxy",
    [
        "socks5://127.0.0.1:9",
        "socks5h://127.0.0.1:9",
        "socks4://127.0.0.1:9",
        "127.0.0.1:99999",
        "http://",
        "http://127.0.0.1:abc",
        "http://[::1",
        "ftp://127.0.0.1",
        "://",
        "http://.bad..:1",
        "http://a b:1",
        f"http://{'a' * 70}:1",
        "http://me:pw@:80",
        "http://xn--\N{SNOWMAN}:1",
    ],
)
@pytest.mark.parametrize("name", ["ALL_PROXY", "HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_cannot_be_used_is_named_with_its_variable(
    no_proxies: None, proxy: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del no_proxies
    monkeypatch.setenv(name, proxy)

    error = failure("https://vendor.invalid")

    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)
    assert proxy.replace("me:pw@", "")[:100] in str(error.title)
    assert name in str(error.hint)
    assert "SOCKS" in str(error.hint)
    assert "pw" not in f"{error.title}{error.hint}"


def test_a_proxy_of_the_system_settings_is_named_as_such(
    no_proxies: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows' `socks=127.0.0.1:9` arrives as `socks4://` (urllib.request, getproxies_registry)."""
    del no_proxies
    for module in (requests.utils, requests.sessions):
        monkeypatch.setattr(
            module, "get_environ_proxies", lambda *_, **__: {"https": "socks4://127.0.0.1:9"}
        )
    monkeypatch.setattr(
        environment, "get_environ_proxies", lambda *_, **__: {"https": "socks4://127.0.0.1:9"}
    )

    error = failure("https://vendor.invalid")

    assert "socks4://127.0.0.1:9" in str(error.title)
    assert "system's proxy settings" in str(error.hint)


@pytest.mark.parametrize("bypass", ["[::1", "*\x01", "10.0.0.0/99", ",,,", "http://x"])
def test_a_list_of_exceptions_that_makes_no_sense_is_no_fault(
    no_proxies: None, bypass: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del no_proxies
    monkeypatch.setenv("NO_PROXY", bypass)

    assert isinstance(failure("https://vendor.invalid"), VendorUnreachableError)


def test_a_host_that_no_name_server_can_be_asked_for_is_told() -> None:
    error = failure("https://.bad..")

    assert isinstance(error, VendorUnreachableError)
    assert (error.policy, error.maybe_done) == (ErrorPolicy.STOP, False)


@pytest.mark.parametrize("base", ["http://localhost:1", "http://127.0.0.1:1"])
def test_this_machine_is_never_reached_through_a_proxy(base: str) -> None:
    with build_session(base, OpenConnections(monotonic, 60)) as session:
        assert not session.trust_env


def test_a_vendor_is_reached_through_the_proxies_of_the_environment() -> None:
    with build_session("https://oapi.dingtalk.com", OpenConnections(monotonic, 60)) as session:
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


@pytest.mark.parametrize(
    "form",
    [
        "{}=VALUE",
        "{} = VALUE",
        "{}: VALUE",
        "{}%3DVALUE",
        '"{}":"VALUE"',
        '"{}": "VALUE"',
        "'{}': 'VALUE'",
        '\\"{}\\":\\"VALUE\\"',
        "%22{}%22%3A%22VALUE%22",
    ],
)
@pytest.mark.parametrize(
    "name", ["access_token", "corpsecret", "appsecret", "aes_key", "token", "secret"]
)
@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_what_a_vendor_quotes_of_another_secret_is_masked_by_its_name(
    form: str, name: str, spell: Callable[[str], str]
) -> None:
    quoted = quotable(f"got {form.format(spell(name))}&id=1, sorry", Call(PATH))

    assert "VALUE" not in quoted
    assert spell(name) in quoted
    assert quoted.endswith("sorry")


def test_a_call_shows_neither_secret_nor_body() -> None:
    call = Call(PATH, body={"mobile": "13800000000"}).with_secret("access_token", SECRET)

    assert "s3cr3t" not in repr(call)
    assert "13800000000" not in repr(call)
