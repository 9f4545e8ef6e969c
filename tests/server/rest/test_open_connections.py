"""Exchanges that wait for an answer are cut short from another thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from server.errors.vendor import CallCancelledError
from server.rest.session import Call, Channel, Limits
from tests.server.rest.loopback import OK, Reply, Vendor, serving
from tests.waiting import until

PATH = "topapi/v2/user/get"


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving() as opened:
        yield opened


@pytest.fixture
def channel(vendor: Vendor) -> Iterator[Channel]:
    opened = Channel("Vendor", vendor.base, clock=monotonic, limits=Limits(read_s=60.0))
    yield opened
    opened.close()


def test_a_call_that_waits_for_its_answer_is_given_up(vendor: Vendor, channel: Channel) -> None:
    vendor.answer(PATH, Reply(fault="hang"))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(channel.send, Call(PATH))
        until(lambda: vendor.calls(PATH))
        channel.abort()
        # Long before the vendor lets go, after 10 s.
        assert isinstance(waiting.exception(timeout=8), CallCancelledError)


def test_after_that_no_call_is_made_any_more(vendor: Vendor, channel: Channel) -> None:
    vendor.answer(PATH, OK)
    assert channel.send(Call(PATH)) == OK
    channel.abort()
    with pytest.raises(CallCancelledError):
        channel.send(Call(PATH))
    assert len(vendor.calls(PATH)) == 1


def test_an_answer_that_came_in_time_still_counts(vendor: Vendor, channel: Channel) -> None:
    """What WeCom accepted goes into the ledger, although nothing more is to be asked."""
    arrived, released = threading.Event(), threading.Event()

    def answer(_: object) -> dict[str, object]:
        arrived.set()
        released.wait(10)
        return OK

    vendor.answer(PATH, answer)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(channel.send, Call(PATH))
        assert arrived.wait(10)
        released.set()
        assert waiting.result(timeout=10) == OK
    channel.abort()
