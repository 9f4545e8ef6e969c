"""The simulated DingTalk tries an address over a real socket before it takes it."""

import socket

import pytest

from server.simulator.dingtalk.callback_registry import CheckOutcome, Subscription
from server.simulator.dingtalk.callbacks import Patience
from tests.server.simulator.receiver import (
    AES_KEY,
    ENVELOPE,
    KEY,
    TOKEN,
    Answer,
    json_answer,
    receiving,
    success,
)
from tests.server.simulator.seeds import seeded
from tests.server.simulator.url_check import LoopbackUrlCheck


def check(url: str) -> CheckOutcome:
    subscription = Subscription(("user_add_org",), url, TOKEN, AES_KEY)
    return LoopbackUrlCheck(KEY, seeded(1), Patience(deadline_s=10))(subscription)


def test_an_address_that_answers_success_passes() -> None:
    with receiving(success) as receiver:
        assert check(receiver.url) is CheckOutcome.SUCCESS
    (received,) = receiver.received
    opened = ENVELOPE.open(received.text)
    assert (opened.message, opened.key) == (b'{"EventType":"check_url"}', KEY)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(200, b"success"), CheckOutcome.NOT_SUCCESS),
        (json_answer({}), CheckOutcome.NOT_SUCCESS),
        (Answer(403, b"rejected"), CheckOutcome.UNREACHABLE),
        (Answer(302, b"", {"Location": "http://127.0.0.1/"}), CheckOutcome.UNREACHABLE),
    ],
)
def test_any_other_answer_does_not(answer: Answer, outcome: CheckOutcome) -> None:
    with receiving(lambda: answer) as receiver:
        assert check(receiver.url) is outcome


def test_nor_does_an_address_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert check(f"http://127.0.0.1:{port}/api/callback") is CheckOutcome.UNREACHABLE
    assert check("https://bridge.example.com/api/callback") is CheckOutcome.UNREACHABLE
