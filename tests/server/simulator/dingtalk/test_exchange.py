"""Connections and deadlines of the sender."""

import socket
import threading
from collections.abc import Iterator

import pytest

from server.simulator.dingtalk.payloads import check_url
from server.simulator.dingtalk.reply import ReplyFault
from tests.server.simulator.receiver import (
    PATIENCE_OF_TESTS_S,
    Answer,
    json_answer,
    receiving,
    reply_fields,
    success,
)
from tests.server.simulator.senders import EVENT, sender_to


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """Return an event that receivers wait for; set when the test is over, however it ends."""
    event = threading.Event()
    yield event
    event.set()


def test_an_answer_after_the_deadline_is_none(released: threading.Event) -> None:
    def late() -> Answer:
        released.wait(PATIENCE_OF_TESTS_S)
        return success()

    with receiving(late) as receiver:
        with sender_to(receiver.url, deadline_s=0.1) as sender:
            delivery = sender.deliver(check_url())
        released.set()
    assert delivery.fault == ReplyFault.TOO_SLOW


def test_an_answer_that_stays_half_said_is_too_slow() -> None:
    half = Answer(200, b'{"msg_', {"Content-Length": "500"})
    with receiving(lambda: half) as receiver, sender_to(receiver.url, deadline_s=0.1) as sender:
        delivery = sender.deliver(check_url())
    assert delivery.fault == ReplyFault.TOO_SLOW


def test_pieces_that_each_come_in_time_may_be_late_together(released: threading.Event) -> None:
    def pieces() -> Iterator[bytes]:
        while not released.wait(0.02):
            yield b" "

    dripping = Answer(200, b" ", {"Content-Length": "50000"}, pieces())
    with receiving(lambda: dripping) as receiver:
        with sender_to(receiver.url, deadline_s=0.2) as sender:
            delivery = sender.deliver(check_url())
        released.set()
    assert delivery.fault == ReplyFault.TOO_SLOW


def test_nobody_at_the_address_is_unreachable() -> None:
    with socket.socket() as not_listening:
        not_listening.bind(("127.0.0.1", 0))
        port = not_listening.getsockname()[1]
        with sender_to(f"http://127.0.0.1:{port}/") as sender:
            assert sender.deliver(check_url()).fault == ReplyFault.UNREACHABLE


def test_an_answer_that_breaks_off_is_not_http() -> None:
    broken = Answer(200, b"{", {"Content-Length": "5", "Connection": "close"})
    with receiving(lambda: broken) as receiver, sender_to(receiver.url) as sender:
        assert sender.deliver(check_url()).fault == ReplyFault.NOT_HTTP


def test_one_connection_serves_many_deliveries() -> None:
    with receiving(success) as receiver, sender_to(receiver.url) as sender:
        assert all(sender.deliver(EVENT).accepted for _ in range(5))
    assert receiver.connections == 1


def test_a_receiver_that_closes_after_each_answer_gets_a_new_connection_each_time() -> None:
    closing = json_answer(reply_fields(), Connection="close")
    with receiving(lambda: closing) as receiver, sender_to(receiver.url) as sender:
        assert all(sender.deliver(EVENT).accepted for _ in range(3))
    assert receiver.connections == 3


def test_a_connection_that_was_closed_while_idle_costs_no_delivery() -> None:
    with receiving(success) as receiver, sender_to(receiver.url) as sender:
        receiver.hang_up_silently = True
        assert sender.deliver(EVENT).accepted
        assert receiver.hung_up.acquire(timeout=PATIENCE_OF_TESTS_S)
        assert sender.deliver(EVENT).accepted
    assert receiver.connections == 2


def test_only_plain_http_is_called() -> None:
    with pytest.raises(ValueError, match="http://"):
        sender_to("https://example.com/")
