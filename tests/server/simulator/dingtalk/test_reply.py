"""What counts as an acknowledgement, told by receivers that answer rightly and wrongly."""

import json

import pytest

from server.simulator.dingtalk.envelope import Envelope
from server.simulator.dingtalk.payloads import check_url
from server.simulator.dingtalk.reply import HttpReply, ReplyError, ReplyFault, check_reply
from tests.server.simulator.receiver import (
    AES_KEY,
    ENVELOPE,
    KEY,
    TOKEN,
    Answer,
    json_answer,
    receiving,
    reply_fields,
)
from tests.server.simulator.senders import sender_to


def without(name: str, **others: object) -> dict[str, object]:
    fields = reply_fields() | others
    del fields[name]
    return fields


def wrongly_signed() -> dict[str, object]:
    return reply_fields() | {"msg_signature": "0" * 40}


def with_newlines(encrypt: str) -> str:
    """Return base64 as the official Python demo makes it."""
    return f"{encrypt[:76]}\n{encrypt[76:]}\n"


OTHER_AES_KEY = Envelope(TOKEN, AES_KEY[::-1], KEY)
OTHER_TAIL = Envelope(TOKEN, AES_KEY, "ding0123456789abcdef0123456789abcdef")
OTHER_TOKEN = Envelope("madeUpToken02", AES_KEY, KEY)
HTML = b"<!DOCTYPE html><title>Sign in</title>"

WRONG_ANSWERS: dict[str, tuple[ReplyFault, Answer]] = {
    "field in lower case": (
        ReplyFault.MISSING_FIELD,
        json_answer(without("timeStamp", timestamp="1700000000456")),
    ),
    "no signature": (ReplyFault.MISSING_FIELD, json_answer(without("msg_signature"))),
    "newlines in base64": (
        ReplyFault.BAD_BASE64,
        json_answer(reply_fields(change_encrypt=with_newlines)),
    ),
    "timestamp as a number": (
        ReplyFault.NOT_A_STRING,
        json_answer(reply_fields() | {"timeStamp": 1_700_000_000_456}),
    ),
    "timestamp of the C# demo": (
        ReplyFault.BAD_TIMESTAMP,
        json_answer(reply_fields(timestamp="749")),
    ),
    "redirect": (ReplyFault.REDIRECT, json_answer(reply_fields(), 302, Location="/elsewhere")),
    "redirect to a slash": (ReplyFault.REDIRECT, Answer(308, b"", {"Location": "/api/callback/"})),
    "server error": (ReplyFault.WRONG_STATUS, json_answer(reply_fields(), 500)),
    "created": (ReplyFault.WRONG_STATUS, json_answer(reply_fields(), 201)),
    "success in plain": (ReplyFault.NOT_JSON, Answer(200, b"success")),
    "success as JSON": (ReplyFault.NOT_AN_OBJECT, Answer(200, b'"success"')),
    "an array": (ReplyFault.NOT_AN_OBJECT, json_answer([reply_fields()])),
    "nothing": (ReplyFault.NOT_JSON, Answer(200, b"")),
    "a page": (ReplyFault.NOT_JSON, Answer(200, HTML)),
    "text before the JSON": (
        ReplyFault.NOT_JSON,
        Answer(200, b"debug: " + json.dumps(reply_fields()).encode()),
    ),
    "other tail": (ReplyFault.OTHER_KEY, json_answer(reply_fields(envelope=OTHER_TAIL))),
    "other token": (ReplyFault.WRONG_SIGNATURE, json_answer(reply_fields(envelope=OTHER_TOKEN))),
    "wrong signature": (ReplyFault.WRONG_SIGNATURE, json_answer(wrongly_signed())),
    "other aes_key": (ReplyFault.NOT_DECRYPTED, json_answer(reply_fields(envelope=OTHER_AES_KEY))),
    "other message": (ReplyFault.NOT_SUCCESS, json_answer(reply_fields(message=b"Success"))),
    "endless": (ReplyFault.TOO_LARGE, Answer(200, b" " * 100_000)),
}


@pytest.mark.parametrize(("fault", "answer"), WRONG_ANSWERS.values(), ids=WRONG_ANSWERS)
def test_a_wrong_answer_is_refused_by_its_name(fault: ReplyFault, answer: Answer) -> None:
    with receiving(lambda: answer) as receiver, sender_to(receiver.url) as sender:
        delivery = sender.deliver(check_url())
    assert (fault, False, 1) == (delivery.fault, delivery.accepted, delivery.attempts)


@pytest.mark.parametrize("timestamp", ["1700000000456", "1700000000"])
def test_milliseconds_and_the_documents_seconds_are_both_plausible(timestamp: str) -> None:
    body = json.dumps(reply_fields(timestamp=timestamp)).encode()
    check_reply(HttpReply(200, body), ENVELOPE)


def test_a_reply_padded_to_16_bytes_as_by_the_go_demo_is_refused() -> None:
    text = ENVELOPE.signed(ENVELOPE.encrypt(b"x" * 48), timestamp="1700000000", nonce="n")
    fields = reply_fields() | {
        "msg_signature": text.signature,
        "timeStamp": text.timestamp,
        "nonce": text.nonce,
        "encrypt": text.encrypt,
    }
    with pytest.raises(ReplyError) as caught:
        check_reply(HttpReply(200, json.dumps(fields).encode()), ENVELOPE)
    assert caught.value.fault == ReplyFault.NOT_DECRYPTED
