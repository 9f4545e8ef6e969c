import logging
import threading
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from crypto.secret import Secret
from server.errors.vendor import (
    CallCancelledError,
    CredentialsRejectedError,
    ErrorPolicy,
    OutcomeUnknownError,
    VendorError,
    VendorRefusedError,
    VendorReplyError,
    VendorUnreachableError,
)
from server.rest.gateway import Gateway, Surroundings
from server.rest.session import Call, Purpose
from server.rest.tokens import Account
from server.wecom.errors import raise_for_error
from tests.server.rest.loopback import OK, TOKEN, FakeTime, Reply, Request, Vendor, surroundings

SECRET = Secret("corp-s3cr3t")
READ = Call("read")
CREATE = Call("create", Purpose.WRITE, body={}, is_repeatable=False)


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


def open_gateway(vendor: Vendor, around: Surroundings, *, calls_per_s: int = 100) -> Gateway:
    login = Call("gettoken", Purpose.TOKEN, query={"corpid": "c"}, secrets={"corpsecret": SECRET})
    return Gateway(
        "WeCom",
        Account(vendor.base, "c", SECRET),
        login=login,
        raise_for_error=raise_for_error,
        calls_per_s=calls_per_s,
        surroundings=around,
    )


@pytest.fixture
def gateway(vendor: Vendor, time: FakeTime) -> Iterator[Gateway]:
    vendor.answer("gettoken", TOKEN)
    opened = open_gateway(vendor, surroundings(time))
    yield opened
    opened.close()


@pytest.fixture
def impatient(vendor: Vendor, time: FakeTime) -> Iterator[Gateway]:
    vendor.answer("gettoken", TOKEN)
    opened = open_gateway(vendor, surroundings(time, read_s=0.2))
    yield opened
    opened.close()


def by_token(good: str) -> Any:
    """Answer like a vendor who takes one token only."""

    def answer(request: Request) -> Mapping[str, Any]:
        if request.query["access_token"] == good:
            return {**OK, "value": 1}
        return {"errcode": 42001, "errmsg": "access_token expired"}

    return answer


def test_a_call_carries_the_token_in_its_query(gateway: Gateway, vendor: Vendor) -> None:
    vendor.answer("read", {**OK, "value": 1})

    assert gateway.ask(READ)["value"] == 1
    assert vendor.calls("read")[0].query == {"access_token": "token-one"}
    assert vendor.calls("gettoken")[0].query == {"corpid": "c", "corpsecret": SECRET.reveal()}


def test_a_refused_token_is_renewed_once_and_the_call_made_again(
    gateway: Gateway, vendor: Vendor
) -> None:
    vendor.answer("gettoken", TOKEN, {**TOKEN, "access_token": "token-two"})
    vendor.answer("read", by_token("token-two"))

    assert gateway.ask(READ)["value"] == 1
    assert (len(vendor.calls("gettoken")), len(vendor.calls("read"))) == (2, 2)


def test_threads_whose_token_is_refused_for_ever_renew_it_once(
    gateway: Gateway, vendor: Vendor
) -> None:
    start = threading.Barrier(8)

    def refuse(_: Request) -> dict[str, object]:
        if len(vendor.calls("gettoken")) == 1:
            start.wait(5)  # all of them have asked with the first token
        return {"errcode": 40014, "errmsg": "invalid access_token"}

    vendor.answer("read", refuse)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(gateway.ask, READ) for _ in range(8)]
        for one in asked:
            with pytest.raises(VendorRefusedError):
                one.result()

    assert len(vendor.calls("gettoken")) == 2


def test_a_fresh_token_that_is_refused_too_stops(gateway: Gateway, vendor: Vendor) -> None:
    vendor.answer("read", {"errcode": 40014, "errmsg": "invalid access_token"})

    with pytest.raises(VendorRefusedError) as caught:
        gateway.ask(READ)

    assert repr(caught.value) == "VendorRefusedError('wecom-40014', ErrorPolicy.STOP, 'read')"
    assert (len(vendor.calls("gettoken")), len(vendor.calls("read"))) == (2, 2)


def test_threads_whose_token_expired_together_renew_it_once(
    gateway: Gateway, vendor: Vendor
) -> None:
    vendor.answer("gettoken", TOKEN, {**TOKEN, "access_token": "token-two"})
    vendor.answer("read", by_token("token-two"))

    with ThreadPoolExecutor(8) as pool:
        values = [answer["value"] for answer in pool.map(gateway.ask, [READ] * 24)]

    assert (values, len(vendor.calls("gettoken"))) == ([1] * 24, 2)


def test_a_wrong_secret_is_sent_once_whatever_is_asked(gateway: Gateway, vendor: Vendor) -> None:
    vendor.answer("gettoken", {"errcode": 40001, "errmsg": "invalid credential"})

    for _ in range(3):
        with pytest.raises(CredentialsRejectedError):
            gateway.ask(READ)
        with pytest.raises(CredentialsRejectedError):
            gateway.log_in()

    assert len(vendor.calls("gettoken")) == 1


def test_an_answer_without_a_token_stops(gateway: Gateway, vendor: Vendor) -> None:
    vendor.answer("gettoken", OK)

    with pytest.raises(VendorReplyError) as caught:
        gateway.log_in()

    assert caught.value.policy is ErrorPolicy.STOP


def test_a_busy_vendor_is_asked_again(gateway: Gateway, vendor: Vendor, time: FakeTime) -> None:
    vendor.answer("read", {"errcode": -1}, {"errcode": "6000"}, OK)

    gateway.ask(READ)

    assert time.waits == [1.0, 2.0]


def test_a_reading_whose_reply_was_lost_is_repeated(gateway: Gateway, vendor: Vendor) -> None:
    vendor.answer("read", Reply(fault="drop"), Reply(b"{", fault="cut"), OK)

    assert gateway.ask(READ) == OK
    assert len(vendor.calls("read")) == 3


def test_a_reading_that_takes_too_long_is_repeated(impatient: Gateway, vendor: Vendor) -> None:
    vendor.answer("read", Reply(fault="hang"), OK)

    assert impatient.ask(READ) == OK


@pytest.mark.parametrize(
    "reply",
    [
        Reply(fault="drop"),
        Reply(fault="hang"),
        Reply(b"{", fault="cut"),
        Reply(b"", status=502),
        Reply(b"garbage"),
        Reply(b'{"errcode":"?"}'),
    ],
)
def test_a_creation_whose_reply_was_lost_is_never_repeated(
    impatient: Gateway, vendor: Vendor, reply: Reply
) -> None:
    vendor.answer("create", reply)

    impatient.log_in()
    with pytest.raises(OutcomeUnknownError) as caught:
        impatient.ask(CREATE)

    assert caught.value.policy is ErrorPolicy.VERIFY
    assert isinstance(caught.value.reason, VendorError)
    assert len(vendor.calls("create")) == 1


def test_a_creation_that_was_refused_as_busy_is_made_again(
    gateway: Gateway, vendor: Vendor
) -> None:
    vendor.answer("create", {"errcode": -1}, OK)

    assert gateway.ask(CREATE) == OK


def test_a_creation_that_never_left_is_made_again(vendor: Vendor, time: FakeTime) -> None:
    around = surroundings(time)
    vendor.answer("gettoken", Reply(fault="drop"))
    gateway = open_gateway(vendor, around)

    with pytest.raises(VendorUnreachableError) as caught:
        gateway.ask(CREATE)

    gateway.close()
    assert (caught.value.attempts, len(vendor.calls("create"))) == (4, 0)


def test_an_unreadable_answer_to_a_creation_leaves_the_outcome_open(gateway: Gateway) -> None:
    assert isinstance(gateway.unreadable(CREATE, "id"), OutcomeUnknownError)
    assert gateway.unreadable(READ, "id").policy is ErrorPolicy.SKIP


def test_a_stop_request_ends_a_wait_for_the_rate_limit(vendor: Vendor) -> None:
    time = FakeTime(stop_after=0)
    vendor.answer("gettoken", TOKEN)
    vendor.answer("read", OK)
    gateway = open_gateway(vendor, surroundings(time), calls_per_s=1)
    gateway.ask(READ)

    with pytest.raises(CallCancelledError):
        gateway.ask(READ)

    gateway.close()
    assert len(vendor.calls("read")) == 1


def test_without_anybody_to_stop_a_wait_just_ends() -> None:
    assert Surroundings().wait(0.0) is False


def test_nothing_ever_shows_a_secret_or_a_token(
    gateway: Gateway, vendor: Vendor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor.answer("gettoken", TOKEN, {**TOKEN, "access_token": "token-two"})
    vendor.answer(
        "read",
        {"errcode": 42001, "errmsg": "expired: token-one"},
        {"errcode": 99, "errmsg": "url /read?access_token=token-two corp-s3cr3t"},
    )

    with pytest.raises(VendorError) as caught:
        gateway.ask(READ)

    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert "99" in shown
    for secret in ("token-one", "token-two", SECRET.reveal()):
        assert secret not in shown + caplog.text
