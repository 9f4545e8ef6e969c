"""One callback at the desk: verified first, answered once it is stored. Knows no HTTP server.

The order is the promise: nothing is acknowledged that is not on disk.
"""

import logging
import os
import re
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl

from crypto.callback import (
    SUCCESS,
    CallbackRejectedError,
    CallbackVerifier,
    OpenedCallback,
    SealedCallback,
    SealedReply,
    Verifier,
)
from crypto.credential_input import judge
from crypto.credentials import CredentialField, Role
from crypto.doctor import diagnose
from crypto.envelope import RANDOM_BYTES
from server.callback.rejections import EVERYBODY, DiagnosisQueue, RejectedCall, RejectionLog
from server.dingtalk.payload import Digits, read_json
from server.errors.base import JournalDamagedError, JournalError
from server.journal.events import NewEvent, Source
from server.journal.rejections import CredentialUse, Rejection

_log = logging.getLogger(__name__)

# DingTalk's own checks of the address: a sign of life, but no event.
CHECK_EVENTS = frozenset({"check_url", "check_create_suite_url", "check_update_suite_url"})
# A plaintext with this key is our own self-test; only who knows the credentials can make one.
SELF_TEST_KEY = "DingBridgeSelfTest"
NOT_A_CALLBACK = "not_a_callback"
# Two retries within 40 s and a slow network are normal; more than this is a clock that is off.
CLOCK_TOLERANCE_MS = 5 * 60 * 1000
_EVENT_ID_MAX_CHARACTERS = 128
_NONCE_BYTES = 8
_QUERY_MAX_FIELDS = 100
_NUL = "\N{SYMBOL FOR NULL}"
_SIGNATURE = re.compile(r"[0-9a-fA-F]{40}")
# What DingTalk sends. Anything else of some size is no callback, whatever JSON it may be: parsing
# a mebibyte of it takes as long as a hundred callbacks, and thirty times its room.
_USUAL_BODY = re.compile(rb'\s*\{\s*"(?i:encrypt)"\s*:\s*"([ !#-\[\]-~]+)"\s*\}\s*')
_UNUSUAL_MAX_BYTES = 64 * 1024
_UNPACKED_MAX_BYTES = 1024 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class NotACallbackError(Exception):
    """The request is no callback at all: no `encrypt`, no signature, or not JSON."""


class CallbackRequest(NamedTuple):
    """A request for the desk: query string, body, the address it came from, how it is packed."""

    query: str
    body: bytes
    remote: str
    encoding: str = ""


class Verified(NamedTuple):
    """A genuine callback, and what is to be stored of it before it is answered.

    `use` is None for our own self-test, `event` also for DingTalk's checks of the address.
    `timestamp_ms` is None where DingTalk gave no number.
    """

    verifier: CallbackVerifier
    opened_with: Verifier
    use: CredentialUse | None
    event: NewEvent | None
    timestamp_ms: int | None
    received_at_ms: int


class Outcome(NamedTuple):
    """What became of storing: the keys of events that are new, or why nothing was stored."""

    new_keys: frozenset[str]
    failure: Exception | None


@dataclass(frozen=True, slots=True)
class HandlerState:
    """What the desk saw, for the status. Times in milliseconds since 1970.

    `clock_difference_ms` is how far the last genuine call's own time was ahead of ours.
    `unstored_since_ms` is when storing began to fail, None while it works.
    """

    clock_difference_ms: int | None = None
    unstored_since_ms: int | None = None
    unstored: JournalError | None = None


class CallbackHandler:
    """Answers callbacks on the loop's thread; `replace_verifier` and `diagnose_waiting` on any.

    A rejected call is answered first and diagnosed later: what a secret key makes of it must not
    show in the time of the answer. `on_news` is called, often and quickly, when `facts` changed,
    a call waits for its diagnosis, or the list of rejections changed.
    """

    def __init__(
        self,
        verifier: CallbackVerifier,
        rejections: RejectionLog,
        on_promotion: Callable[[CallbackVerifier], object],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_news: Callable[[], object] = lambda: None,
    ) -> None:
        self._verifier = verifier
        self._rejections = rejections
        self._on_promotion = on_promotion
        self._now_ms = now_ms
        self._on_news = on_news
        self._facts = HandlerState()
        self._newest_ms = 0
        self._swap = threading.Lock()
        self._undiagnosed = DiagnosisQueue()

    @property
    def facts(self) -> HandlerState:
        """What the desk saw lately."""
        return self._facts

    def replace_verifier(self, verifier: CallbackVerifier) -> None:
        """Use other credentials from the next request on; those under way keep theirs."""
        with self._swap:
            self._verifier = verifier

    def verify(self, arrival: CallbackRequest) -> Verified:
        """Return what is to be stored of a genuine callback; hand it to `reply` afterwards.

        Raises NotACallbackError, or CallbackRejectedError (no set in force fits;
        `diagnose_waiting` finds out why).
        """
        now_ms = self._now_ms()
        verifier = self._verifier
        callback = _sealed_callback(arrival)
        try:
            opened = verifier.open(callback, now_ms)
        except CallbackRejectedError:
            self._undiagnosed.add(RejectedCall(callback, arrival.remote, now_ms, verifier))
            self._on_news()
            raise
        timestamp_ms = _timestamp_ms(callback)
        event_type, event = _event_in(opened, now_ms)
        if event_type == SELF_TEST_KEY:
            return Verified(verifier, opened.opened_with, None, None, timestamp_ms, now_ms)
        use = CredentialUse(opened.opened_with.fingerprint, now_ms, arrival.remote, event_type)
        use = self._judged(use, timestamp_ms, event)
        return Verified(verifier, opened.opened_with, use, event, timestamp_ms, now_ms)

    def _judged(
        self, use: CredentialUse, timestamp_ms: int | None, event: NewEvent | None
    ) -> CredentialUse:
        """Tell whether the call may be one that somebody captured and sends again.

        Only who knows the token makes a newer timestamp than any before. Where there is none to
        compare with, and of two with one timestamp, the call counts if its event is a new one.
        """
        newest_ms = self._newest_ms
        if timestamp_ms is not None:
            if timestamp_ms < newest_ms or (timestamp_ms == newest_ms and event is None):
                return replace(use, is_replay=True)
            if timestamp_ms > newest_ms > 0:
                return use
        return use if event is None else replace(use, dedupe_key=event.dedupe_key)

    def reply(self, verified: Verified, outcome: Outcome) -> SealedReply:
        """Return the sealed answer to a callback that was stored.

        Raises what `outcome` says where it was not: a JournalError means that nothing was stored,
        and DingTalk must send again.
        """
        if outcome.failure is not None:
            if isinstance(outcome.failure, JournalError):
                self._note_unstored(outcome.failure, verified.received_at_ms)
            raise outcome.failure
        if self._facts.unstored is not None:
            _log.info("Callbacks are stored again")
            self._learn(replace(self._facts, unstored_since_ms=None, unstored=None))
        if verified.use is not None and not verified.use.was_sent_again(outcome.new_keys):
            self._note_genuine(verified)
        fresh = os.urandom(RANDOM_BYTES + _NONCE_BYTES)
        return verified.opened_with.seal(
            SUCCESS,
            timestamp_ms=self._now_ms(),
            nonce=fresh[RANDOM_BYTES:].hex(),
            random16=fresh[:RANDOM_BYTES],
        )

    def note_stranger(self, remote: str) -> None:
        """Note a request that was no callback at all."""
        now_ms = self._now_ms()
        self._add_rejection(Rejection(now_ms, remote, NOT_A_CALLBACK, None, None, 1, now_ms))

    def diagnose_waiting(self) -> None:
        """Find out why calls were rejected, and note it in the list. For the housekeeper."""
        for call in self._undiagnosed.take():
            diagnosis = diagnose(call.callback, call.verifier.sets(call.at_ms))
            offered = diagnosis.offered_key
            if offered is not None and judge(CredentialField.KEY, offered) is not None:
                offered = None
            verdict, at_ms = str(diagnosis.verdict), call.at_ms
            self._add_rejection(
                Rejection(at_ms, call.remote, "rejected", verdict, offered, call.count, at_ms)
            )

    def _note_unstored(self, failure: JournalError, now_ms: int) -> None:
        """Keep the latest failure; of them all damage counts most: only that is healed."""
        known = self._facts.unstored
        is_damage = isinstance(failure, JournalDamagedError)
        if isinstance(known, JournalDamagedError) and not is_damage:
            return
        if type(known) is not type(failure):
            _log.error("Callbacks cannot be stored and are answered with 503: %s", failure)
        elif not is_damage:
            return
        since_ms = self._facts.unstored_since_ms
        self._learn(
            replace(
                self._facts,
                unstored_since_ms=now_ms if since_ms is None else since_ms,
                unstored=failure,
            )
        )

    def _note_genuine(self, verified: Verified) -> None:
        """Learn from a call that DingTalk has just made; one sent again teaches nothing."""
        if verified.opened_with.role is Role.PENDING:
            self._on_promotion(verified.verifier)
        timestamp_ms, now_ms = verified.timestamp_ms, verified.received_at_ms
        if timestamp_ms is None:
            return
        # Bounded by our clock: one call with a date of the far future must not make all others old.
        self._newest_ms = max(self._newest_ms, min(timestamp_ms, now_ms + CLOCK_TOLERANCE_MS))
        difference_ms = timestamp_ms - now_ms
        before = self._facts.clock_difference_ms
        if before is None or abs(before - difference_ms) > 1000:
            self._learn(replace(self._facts, clock_difference_ms=difference_ms))

    def _learn(self, facts: HandlerState) -> None:
        self._facts = facts
        self._on_news()

    def _add_rejection(self, rejection: Rejection) -> None:
        line = self._rejections.add(rejection)
        if line is not None:
            remote = "one of many addresses" if line.remote == EVERYBODY else line.remote
            _log.info("Rejected a call from %s: %s", remote, line.verdict or line.cause)
        self._on_news()


def _sealed_callback(arrival: CallbackRequest) -> SealedCallback:
    query = _query_of(arrival.query)
    # Real calls carry both names with one value; the documents use now this one, now that.
    signature = query.get("signature") or query.get("msg_signature")
    timestamp, nonce = query.get("timestamp"), query.get("nonce")
    if not signature or not timestamp or not nonce:
        raise NotACallbackError
    if _SIGNATURE.fullmatch(signature) is None:
        # No set can have made this one, so the body is not worth looking at.
        return SealedCallback(signature, timestamp, nonce, "")
    return SealedCallback(signature, timestamp, nonce, _encrypt_of(_unpacked(arrival)))


def _query_of(text: str) -> dict[str, str]:
    if text.count("&") >= _QUERY_MAX_FIELDS:
        raise NotACallbackError
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    return {name: value for name, _, value in (one.partition("=") for one in text.split("&"))}


def _unpacked(arrival: CallbackRequest) -> bytes:
    """Return the body as it was before a proxy on the way packed it, which DingTalk never does."""
    encoding = arrival.encoding.strip().lower()
    if encoding in {"", "identity"}:
        return arrival.body
    if encoding not in {"gzip", "x-gzip"}:
        raise NotACallbackError
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unpacking.decompress(arrival.body, _UNPACKED_MAX_BYTES)
    except zlib.error:
        raise NotACallbackError from None
    if not unpacking.eof:  # cut short, or larger than any callback
        raise NotACallbackError
    return body


def _encrypt_of(body: bytes) -> str:
    usual = _USUAL_BODY.fullmatch(body)
    if usual is not None:
        return usual[1].decode("ascii")
    if len(body) > _UNUSUAL_MAX_BYTES:
        raise NotACallbackError
    try:
        parsed = read_json(body)
    except ValueError:
        raise NotACallbackError from None
    if not isinstance(parsed, dict):
        raise NotACallbackError
    encrypt = parsed.get("encrypt")
    if encrypt is None:
        encrypt = next((v for k, v in parsed.items() if k.lower() == "encrypt"), None)
    if not isinstance(encrypt, str) or isinstance(encrypt, Digits) or not encrypt:
        raise NotACallbackError
    return encrypt


def _timestamp_ms(callback: SealedCallback) -> int | None:
    try:
        return int(callback.timestamp)
    except ValueError:
        return None


def _event_in(opened: OpenedCallback, now_ms: int) -> tuple[str | None, NewEvent | None]:
    """Return the type of a genuine callback, and the event where it carries one."""
    payload = opened.message.decode("utf-8", "backslashreplace")
    fields = _fields(payload)
    if SELF_TEST_KEY.lower() in fields:
        return SELF_TEST_KEY, None
    event_type = _text(fields.get("eventtype"))
    if event_type in CHECK_EVENTS:
        return event_type, None
    event_id = _text(fields.get("eventid"))
    event = NewEvent(
        dedupe_key=_dedupe_key(event_id, opened.message),
        received_at_ms=now_ms,
        event_type=event_type,
        event_id=event_id,
        corp_id=_text(fields.get("corpid")),
        payload=payload,
        source=Source.CALLBACK,
    )
    return event_type, event


def _fields(payload: str) -> Mapping[str, object]:
    """Return the payload's top-level fields by lower-case name; empty where it is no object."""
    try:
        parsed = read_json(payload)
    except ValueError:
        return {}
    if not isinstance(parsed, dict):
        return {}
    return {name.lower(): value for name, value in parsed.items()}


def _text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        return None
    # JSON can carry halves of surrogate pairs and NUL, which a database cannot.
    return str(value).encode("utf-8", "replace").decode().replace("\0", _NUL)


def _dedupe_key(event_id: str | None, message: bytes) -> str:
    """Name an event by its eventId, which survives retries; older generations carry none."""
    if event_id is not None and len(event_id) <= _EVENT_ID_MAX_CHARACTERS:
        return event_id
    return sha256(message).hexdigest()
