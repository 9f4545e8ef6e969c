"""What the sender sends, and what it does when nothing acknowledges it."""

import json
import threading

from server.demo.traffic import duplicated, reordered
from server.simulator.dingtalk.callbacks import Patience
from server.simulator.dingtalk.payloads import check_url
from server.simulator.dingtalk.reply import ReplyFault
from tests.server.simulator.malformed import Damage, damaged
from tests.server.simulator.receiver import (
    AES_KEY,
    ENVELOPE,
    PATIENCE_OF_TESTS_S,
    TOKEN,
    Answer,
    receiving,
    success,
)
from tests.server.simulator.seeds import seeded
from tests.server.simulator.senders import EVENT, NOW_MS, Waits, sender_to


def test_a_right_answer_is_accepted_at_the_first_attempt() -> None:
    with receiving(success) as receiver, sender_to(receiver.url) as sender:
        delivery = sender.deliver(EVENT)
        assert len(sender.failed) == 0
    assert (delivery.attempts, delivery.accepted, delivery.fault) == (1, True, None)


def test_a_request_looks_like_real_traffic() -> None:
    with receiving(success) as receiver, sender_to(receiver.url) as sender:
        sender.deliver(EVENT)
    (request,) = receiver.received
    assert request.path == "/api/callback"
    assert request.content_type == "application/json"
    assert list(request.body) == ["encrypt"]
    assert list(request.query) == ["signature", "msg_signature", "timestamp", "nonce"]
    assert request.query["signature"] == request.query["msg_signature"]
    assert request.query["timestamp"] == str(NOW_MS)
    assert len(request.query["nonce"]) == 8
    assert request.query["nonce"].isalnum()
    assert json.loads(request.plaintext) == EVENT


def test_chinese_is_sent_as_it_is_and_not_escaped() -> None:
    with receiving(success) as receiver, sender_to(receiver.url) as sender:
        sender.deliver({"EventType": "org_change", "name": "钉桥😀"})
    assert "钉桥😀".encode() in receiver.received[0].plaintext


def test_an_address_with_a_query_of_its_own_keeps_it() -> None:
    with receiving(success) as receiver, sender_to(f"{receiver.url}?tenant=7") as sender:
        assert sender.deliver(EVENT).accepted
    assert receiver.received[0].query["tenant"] == "7"


def test_three_failures_wait_10_and_30_seconds_and_list_the_event_as_failed() -> None:
    wait = Waits()
    with (
        receiving(lambda: Answer(503)) as receiver,
        sender_to(receiver.url, wait=wait) as sender,
    ):
        delivery = sender.deliver(EVENT)
        failed = sender.failed.answer()["failed_list"]
    assert wait.seconds == [10.0, 30.0]
    assert (delivery.attempts, delivery.fault) == (3, ReplyFault.WRONG_STATUS)
    assert [entry["call_back_tag"] for entry in failed] == ["user_modify_org"]


def test_the_waits_are_compressed_by_the_factor_given() -> None:
    wait = Waits()
    with (
        receiving(lambda: Answer(503)) as receiver,
        sender_to(receiver.url, wait=wait, compression=100) as sender,
    ):
        sender.deliver(EVENT)
    assert wait.seconds == [0.1, 0.3]


def test_a_retry_that_is_acknowledged_ends_the_delivery() -> None:
    wait = Waits()
    with (
        receiving(lambda: Answer(503), success) as receiver,
        sender_to(receiver.url, wait=wait) as sender,
    ):
        delivery = sender.deliver(EVENT)
        assert len(sender.failed) == 0
    assert wait.seconds == [10.0]
    assert (delivery.attempts, delivery.fault) == (2, None)


def test_the_last_retry_may_still_be_acknowledged() -> None:
    unavailable = Answer(503)
    with (
        receiving(lambda: unavailable, lambda: unavailable, success) as receiver,
        sender_to(receiver.url, wait=Waits()) as sender,
    ):
        delivery = sender.deliver(EVENT)
        assert len(sender.failed) == 0
    assert (delivery.attempts, delivery.fault) == (3, None)


def test_a_retry_carries_the_same_event_encrypted_anew() -> None:
    with (
        receiving(lambda: Answer(503)) as receiver,
        sender_to(receiver.url, wait=Waits()) as sender,
    ):
        sender.deliver(EVENT)
    assert len({request.plaintext for request in receiver.received}) == 1
    assert len({request.text.encrypt for request in receiver.received}) == 3
    assert len({request.text.nonce for request in receiver.received}) == 3


def test_a_stop_during_a_wait_makes_no_further_attempt() -> None:
    with (
        receiving(lambda: Answer(503)) as receiver,
        sender_to(receiver.url, wait=Waits(stopped=True)) as sender,
    ):
        delivery = sender.deliver(EVENT)
        assert len(sender.failed) == 0
    assert (delivery.attempts, delivery.fault) == (1, ReplyFault.WRONG_STATUS)


def test_without_a_wait_of_ones_own_a_stop_is_requested_from_the_sender() -> None:
    with receiving(lambda: Answer(503)) as receiver, sender_to(receiver.url) as sender:
        sender.request_stop()
        assert sender.deliver(EVENT).attempts == 1


def test_a_check_of_the_address_is_made_once_and_never_listed_as_failed() -> None:
    wait = Waits()
    with (
        receiving(lambda: Answer(503)) as receiver,
        sender_to(receiver.url, wait=wait) as sender,
    ):
        delivery = sender.deliver(check_url())
        assert len(sender.failed) == 0
    assert (wait.seconds, delivery.attempts) == ([], 1)


def test_a_burst_is_delivered_over_as_many_connections_at_once_as_asked() -> None:
    together = threading.Barrier(6)

    def answer_when_all_are_here() -> Answer:
        together.wait(PATIENCE_OF_TESTS_S)
        return success()

    events = [{"EventType": "org_change", "number": number} for number in range(12)]
    with receiving(answer_when_all_are_here) as receiver, sender_to(receiver.url) as sender:
        deliveries = sender.burst(events, connections=6)
    assert [delivery.accepted for delivery in deliveries] == [True] * 12
    assert receiver.connections == 6
    numbers = [json.loads(request.plaintext)["number"] for request in receiver.received]
    assert list(range(12)) == sorted(numbers)


def test_a_burst_tells_the_outcomes_in_the_order_of_the_events() -> None:
    events = [check_url(), EVENT, check_url()]
    with (
        receiving(lambda: Answer(503)) as receiver,
        sender_to(receiver.url, wait=Waits()) as sender,
    ):
        deliveries = sender.burst(events, connections=3)
    assert [delivery.attempts for delivery in deliveries] == [1, 3, 1]


def test_disordered_events_arrive_in_the_disorder_of_their_seed() -> None:
    events = [{"EventType": "org_change", "number": number} for number in range(20)]
    planned = reordered(duplicated(events, 0.3, seeded(4)), 5, seeded(4))
    with receiving(success) as receiver, sender_to(receiver.url) as sender:
        sender.burst(planned, connections=1)
    assert planned == [json.loads(request.plaintext) for request in receiver.received]
    assert len({request.text.encrypt for request in receiver.received}) == len(planned) > 20


def test_what_is_sent_is_repeatable_by_seed() -> None:
    url = "http://127.0.0.1:1/"
    texts = []
    for seed in (5, 5, 6):
        with sender_to(url, seed=seed) as sender:
            texts.append(sender.sealed(b"{}"))
    assert texts[0] == texts[1] != texts[2]


def test_a_damaged_text_is_sent_as_it_is() -> None:
    text = damaged(ENVELOPE, Damage.PAD_33, b"{}", random16=b"r" * 16, timestamp="1", nonce="n")
    with receiving(lambda: Answer(403)) as receiver, sender_to(receiver.url) as sender:
        attempt = sender.post(text)
    assert attempt.fault == ReplyFault.WRONG_STATUS
    assert text == receiver.received[0].text


def test_no_secret_shows_in_the_sender() -> None:
    with sender_to("http://127.0.0.1:1/") as sender:
        shown = f"{sender!r} {sender.envelope!r} {Patience()!r}"
    assert TOKEN not in shown
    assert AES_KEY not in shown
