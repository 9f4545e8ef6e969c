"""Verifies callbacks, turns them into events, and seals the answers once these are stored.

Nothing is acknowledged before it is on the disk. Knows no HTTP server and no SQL.
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

# DingTalk's own checks of the address. They show that DingTalk reaches us, but are no events.
CHECK_EVENTS = frozenset({"check_url", "check_create_suite_url", "check_update_suite_url"})
# A plaintext with this key is our own self-test; it takes the credentials to make one.
SELF_TEST_KEY = "DingBridgeSelfTest"
NOT_A_CALLBACK = "not_a_callback"
# Two retries within 40 s and a slow network are normal; beyond this, a clock is wrong.
CLOCK_TOLERANCE_MS = 5 * 60 * 1000
_EVENT_ID_MAX_CHARACTERS = 128
_NONCE_BYTES = 8
_QUERY_MAX_FIELDS = 100
_NUL = "\N{SYMBOL FOR NULL}"
_SIGNATURE = re.compile(r"[0-9a-fA-F]{40}")
# What DingTalk sends. Any other large body is not a callback, even if it is JSON: parsing one MiB
# takes as long as a hundred callbacks, and thirty times its size in memory.
_USUAL_BODY = re.compile(rb'\s*\{\s*"(?i:encrypt)"\s*:\s*"([ !#-\[\]-~]+)"\s*\}\s*')
_UNUSUAL_MAX_BYTES = 64 * 1024
_UNPACKED_MAX_BYTES = 1024 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class NotACallbackError(Exception):
    """The request is not a callback: no `encrypt`, no signature, or no JSON."""


class CallbackRequest(NamedTuple):
    """The parts of an HTTP request that matter here."""

    query: str
    body: bytes
    # The caller's address.
    remote: str
    # Of the Content-Encoding header.
    encoding: str = ""


class Verified(NamedTuple):
    """A genuine callback, and what must be stored before it is answered."""

    verifier: CallbackVerifier
    opened_with: Verifier
    # None for our own self-test.
    use: CredentialUse | None
    # None for our own self-test and for DingTalk's checks of the address.
    event: NewEvent | None
    # None if DingTalk's timestamp is not a number.
    timestamp_ms: int | None
    received_at_ms: int


class Outcome(NamedTuple):
    """The result of storing a batch: the keys of its new events, or why nothing was stored."""

    new_keys: frozenset[str]
    failure: Exception | None


@dataclass(frozen=True, slots=True)
class HandlerState:
    """What the handler has observed, for the status. Times in milliseconds since 1970."""

    # How far DingTalk's clock was ahead of ours at the last genuine call.
    clock_difference_ms: int | None = None
    # When storing began to fail, and why; None while it works.
    unstored_since_ms: int | None = None
    unstored: JournalError | None = None


class CallbackHandler:
    """Verifies and answers callbacks on the loop's thread.

    `replace_verifier` and `diagnose_waiting` may be called from any thread. A rejected call is
    answered first and diagnosed later, so that the time of the answer reveals nothing of the key.
    `on_news` is called when `state` or the list of rejections changed, or a call waits for its
    diagnosis; that is often, so it must be quick.
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
        self._state = HandlerState()
        self._newest_ms = 0
        self._swap = threading.Lock()
        self._undiagnosed = DiagnosisQueue()

    @property
    def state(self) -> HandlerState:
        """What the handler has observed so far."""
        return self._state

    def replace_verifier(self, verifier: CallbackVerifier) -> None:
        """Use other credentials from the next request on; requests under way keep theirs."""
        with self._swap:
            self._verifier = verifier

    def verify(self, request: CallbackRequest) -> Verified:
        """Return what to store of a genuine callback; pass it to `reply` afterwards.

        Raises NotACallbackError, and CallbackRejectedError if no set fits; `diagnose_waiting`
        finds out why.
        """
        now_ms = self._now_ms()
        verifier = self._verifier
        callback = _sealed_callback(request)
        try:
            opened = verifier.open(callback, now_ms)
        except CallbackRejectedError:
            self._undiagnosed.add(RejectedCall(callback, request.remote, now_ms, verifier))
            self._on_news()
            raise
        timestamp_ms = _timestamp_ms(callback)
        event_type, event = _event_in(opened, now_ms)
        if event_type == SELF_TEST_KEY:
            return Verified(verifier, opened.opened_with, None, None, timestamp_ms, now_ms)
        use = CredentialUse(opened.opened_with.fingerprint, now_ms, request.remote, event_type)
        use = self._checked_for_replay(use, timestamp_ms, event)
        return Verified(verifier, opened.opened_with, use, event, timestamp_ms, now_ms)

    def _checked_for_replay(
        self, use: CredentialUse, timestamp_ms: int | None, event: NewEvent | None
    ) -> CredentialUse:
        """Mark a call that somebody may have captured and sent again.

        A timestamp newer than all before proves knowledge of the token. Without one to compare
        with, and if two are equal, the call counts if its event is new.
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

        Raises the failure in `outcome`, if any. A JournalError means that nothing was stored and
        DingTalk must send again.
        """
        if outcome.failure is not None:
            if isinstance(outcome.failure, JournalError):
                self._note_unstored(outcome.failure, verified.received_at_ms)
            raise outcome.failure
        if self._state.unstored is not None:
            _log.info("Callbacks are stored again")
            self._set_state(replace(self._state, unstored_since_ms=None, unstored=None))
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
        """Note a request that was not a callback."""
        now_ms = self._now_ms()
        self._add_rejection(Rejection(now_ms, remote, NOT_A_CALLBACK, None, None, 1, now_ms))

    def diagnose_waiting(self) -> None:
        """Find out why calls were rejected, and add them to the list. For the housekeeper."""
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
        """Keep the latest failure. Damage takes precedence: only damage is repaired."""
        known = self._state.unstored
        is_damage = isinstance(failure, JournalDamagedError)
        if isinstance(known, JournalDamagedError) and not is_damage:
            return
        if type(known) is not type(failure):
            _log.error("Callbacks cannot be stored and are answered with 503: %s", failure)
        elif not is_damage:
            return
        since_ms = self._state.unstored_since_ms
        self._set_state(
            replace(
                self._state,
                unstored_since_ms=now_ms if since_ms is None else since_ms,
                unstored=failure,
            )
        )

    def _note_genuine(self, verified: Verified) -> None:
        """Learn DingTalk's clock and credentials from a fresh call; a replay proves neither."""
        if verified.opened_with.role is Role.PENDING:
            self._on_promotion(verified.verifier)
        timestamp_ms, now_ms = verified.timestamp_ms, verified.received_at_ms
        if timestamp_ms is None:
            return
        # Bounded by our clock: one call from the far future must not make all others look old.
        self._newest_ms = max(self._newest_ms, min(timestamp_ms, now_ms + CLOCK_TOLERANCE_MS))
        difference_ms = timestamp_ms - now_ms
        before = self._state.clock_difference_ms
        if before is None or abs(before - difference_ms) > 1000:
            self._set_state(replace(self._state, clock_difference_ms=difference_ms))

    def _set_state(self, state: HandlerState) -> None:
        self._state = state
        self._on_news()

    def _add_rejection(self, rejection: Rejection) -> None:
        line = self._rejections.add(rejection)
        if line is not None:
            remote = "one of many addresses" if line.remote == EVERYBODY else line.remote
            _log.info("Rejected a call from %s: %s", remote, line.verdict or line.cause)
        self._on_news()


def _sealed_callback(request: CallbackRequest) -> SealedCallback:
    query = _query_of(request.query)
    # Real calls carry both names with the same value; the documents use either.
    signature = query.get("signature") or query.get("msg_signature")
    timestamp, nonce = query.get("timestamp"), query.get("nonce")
    if not signature or not timestamp or not nonce:
        raise NotACallbackError
    if _SIGNATURE.fullmatch(signature) is None:
        # No token makes such a signature, so the body need not be read.
        return SealedCallback(signature, timestamp, nonce, "")
    return SealedCallback(signature, timestamp, nonce, _encrypt_of(_decompressed(request)))


def _query_of(text: str) -> dict[str, str]:
    if text.count("&") >= _QUERY_MAX_FIELDS:
        raise NotACallbackError
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    return {name: value for name, _, value in (one.partition("=") for one in text.split("&"))}


def _decompressed(request: CallbackRequest) -> bytes:
    """Return the body, decompressed if a proxy compressed it; DingTalk never does."""
    encoding = request.encoding.strip().lower()
    if encoding in {"", "identity"}:
        return request.body
    if encoding not in {"gzip", "x-gzip"}:
        raise NotACallbackError
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        body = unpacking.decompress(request.body, _UNPACKED_MAX_BYTES)
    except zlib.error:
        raise NotACallbackError from None
    if not unpacking.eof:  # truncated, or larger than any callback
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
    """Return the type of a genuine callback, and its event if it carries one."""
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
    """Return the payload's top-level fields by lower-case name; empty if it is not an object."""
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
    # JSON can hold half a surrogate pair and NUL; the database cannot.
    return str(value).encode("utf-8", "replace").decode().replace("\0", _NUL)


def _dedupe_key(event_id: str | None, message: bytes) -> str:
    """Identify an event by its eventId, which stays the same in retries; old events have none."""
    if event_id is not None and len(event_id) <= _EVENT_ID_MAX_CHARACTERS:
        return event_id
    return sha256(message).hexdigest()
