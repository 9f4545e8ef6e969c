"""How DingTalk judges the answer to a callback: only the encrypted `success` counts.

The order of the checks is that of the work: transport, status, JSON, fields, signature, content.
Sources: DingTalk's documents on HTTP push (open.dingtalk.com: encrypted JSON or nothing, no
redirect; error 71009) and github.com/open-dingtalk/DingTalk-Callback-Crypto issue 21 (names of
the fields, form of the timestamp).
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

from server.simulator.dingtalk.envelope import (
    Envelope,
    EnvelopeError,
    EnvelopeFault,
    Opened,
    SignedText,
)

SUCCESS = b"success"
FIELDS = ("msg_signature", "timeStamp", "nonce", "encrypt")

# The documents show seconds, the demos milliseconds; "749" and "29", which two faulty demos
# send, made the console refuse the address.
_PLAUSIBLE_TIMESTAMP = re.compile(r"[0-9]{13}|[0-9]{10}")


class ReplyFault(StrEnum):
    """Why an answer is no acknowledgement."""

    UNREACHABLE = "unreachable"
    NOT_HTTP = "not_http"
    TOO_SLOW = "too_slow"
    TOO_LARGE = "too_large"
    REDIRECT = "redirect"
    WRONG_STATUS = "wrong_status"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    NOT_A_STRING = "not_a_string"
    BAD_TIMESTAMP = "bad_timestamp"
    WRONG_SIGNATURE = "wrong_signature"
    BAD_BASE64 = "bad_base64"
    NOT_DECRYPTED = "not_decrypted"
    OTHER_KEY = "other_key"
    NOT_SUCCESS = "not_success"


class ReplyError(ValueError):
    """An answer is no acknowledgement; `fault` says why."""

    def __init__(self, fault: ReplyFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back over HTTP, whatever it is."""

    status: int
    body: bytes


def check_reply(reply: HttpReply, envelope: Envelope) -> None:
    """Raise `ReplyError` unless `reply` is what the platform takes for an acknowledgement."""
    _check_status(reply.status)
    opened = _opened(_signed_text(reply.body), envelope)
    if opened.key != envelope.key:
        raise ReplyError(ReplyFault.OTHER_KEY)
    if opened.message != SUCCESS:
        raise ReplyError(ReplyFault.NOT_SUCCESS)


def _check_status(status: int) -> None:
    if 300 <= status < 400:
        raise ReplyError(ReplyFault.REDIRECT)
    if status != 200:
        raise ReplyError(ReplyFault.WRONG_STATUS)


def _signed_text(body: bytes) -> SignedText:
    try:
        reply = json.loads(body)
    except ValueError as exc:
        raise ReplyError(ReplyFault.NOT_JSON) from exc
    if not isinstance(reply, dict):
        raise ReplyError(ReplyFault.NOT_AN_OBJECT)
    if any(name not in reply for name in FIELDS):
        raise ReplyError(ReplyFault.MISSING_FIELD)
    if any(not isinstance(reply[name], str) for name in FIELDS):
        raise ReplyError(ReplyFault.NOT_A_STRING)
    if not _PLAUSIBLE_TIMESTAMP.fullmatch(reply["timeStamp"]):
        raise ReplyError(ReplyFault.BAD_TIMESTAMP)
    return SignedText(*(reply[name] for name in FIELDS))


def _opened(text: SignedText, envelope: Envelope) -> Opened:
    try:
        return envelope.open(text)
    except EnvelopeError as exc:
        raise ReplyError(_FAULTS.get(exc.fault, ReplyFault.NOT_DECRYPTED)) from exc


_FAULTS = {
    EnvelopeFault.WRONG_SIGNATURE: ReplyFault.WRONG_SIGNATURE,
    EnvelopeFault.BAD_BASE64: ReplyFault.BAD_BASE64,
}
