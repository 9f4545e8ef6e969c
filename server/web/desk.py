"""One callback at the desk: open it, have it stored, seal the answer. Knows no HTTP server.

The order is the promise: nothing is acknowledged that is not on disk.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl

from crypto.callback import (
    SUCCESS,
    CallbackRejectedError,
    OpenedCallback,
    Opener,
    SealedCallback,
    SealedReply,
)
from crypto.credentials import Field, Role
from crypto.doctor import diagnose
from crypto.entry import judge
from crypto.envelope import RANDOM_BYTES
from server.errors import JournalDamagedError, JournalError
from server.journal.contact import Use
from server.journal.events import NewEvent, Source
from server.journal.rejections import Rejection
from server.payload import Digits, read_json
from server.web.inbox import Entry, Inbox
from server.web.rejections import EVERYBODY, DiagnosisQueue, RejectedCall, RejectionLog

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


class NotACallbackError(Exception):
    """The request is no callback at all: no `encrypt`, no signature, or not JSON."""


class Arrival(NamedTuple):
    """A request for the desk: the query string, the body and the address it came from."""

    query: str
    body: bytes
    remote: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the desk saw, for the status. Times in milliseconds since 1970.

    `clock_difference_ms` is how far the last genuine call's own time was ahead of ours.
    `unstored_since_ms` is when storing began to fail, None while it works.
    """

    clock_difference_ms: int | None = None
    unstored_since_ms: int | None = None
    unstored: JournalError | None = None


class Desk:
    """Answers callbacks on the loop's thread; `replace_opener` and `diagnose_waiting` on any.

    A rejected call is answered first and diagnosed later: what a secret key makes of it must not
    show in the time of the answer. `on_news` is called, often and quickly, when `facts` changed,
    a call waits for its diagnosis, or the list of rejections changed.
    """

    def __init__(
        self,
        opener: Opener,
        inbox: Inbox,
        rejections: RejectionLog,
        on_promotion: Callable[[Opener], object],
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_news: Callable[[], object] = lambda: None,
    ) -> None:
        self._opener = opener
        self._inbox = inbox
        self._rejections = rejections
        self._on_promotion = on_promotion
        self._now_ms = now_ms
        self._on_news = on_news
        self._facts = Facts()
        self._swap = threading.Lock()
        self._undiagnosed = DiagnosisQueue()

    @property
    def facts(self) -> Facts:
        """What the desk saw lately."""
        return self._facts

    def replace_opener(self, opener: Opener) -> None:
        """Use other credentials from the next request on; those under way keep theirs."""
        with self._swap:
            self._opener = opener

    def receive(self, arrival: Arrival) -> SealedReply:
        """Return the sealed answer to a genuine callback, after it was stored.

        Raises NotACallbackError, CallbackRejectedError (no set in force fits; `diagnose_waiting`
        finds out why), or JournalError (nothing was stored, and DingTalk must send again).
        """
        now_ms = self._now_ms()
        callback = _sealed_callback(arrival)
        opener = self._opener
        try:
            opened = opener.open(callback, now_ms)
        except CallbackRejectedError:
            self._undiagnosed.add(RejectedCall(callback, arrival.remote, now_ms, opener))
            self._on_news()
            raise
        entry = _entry(opened, arrival.remote, now_ms)
        if entry.use is not None:
            self._note_genuine(callback, now_ms)
        self._store(entry, now_ms)
        if opened.opened_with.role is Role.PENDING and entry.use is not None:
            self._on_promotion(opener)
        fresh = os.urandom(RANDOM_BYTES + _NONCE_BYTES)
        return opened.opened_with.seal(
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
            diagnosis = diagnose(call.callback, call.opener.sets(call.at_ms))
            offered = diagnosis.offered_key
            if offered is not None and judge(Field.KEY, offered) is not None:
                offered = None
            verdict, at_ms = str(diagnosis.verdict), call.at_ms
            self._add_rejection(
                Rejection(at_ms, call.remote, "rejected", verdict, offered, call.count, at_ms)
            )

    def _store(self, entry: Entry, now_ms: int) -> None:
        try:
            self._inbox.store(entry)
        except JournalError as failure:
            self._note_unstored(failure, now_ms)
            raise
        if self._facts.unstored_since_ms is not None:
            _log.info("Callbacks are stored again")
            self._learn(replace(self._facts, unstored_since_ms=None, unstored=None))

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

    def _note_genuine(self, callback: SealedCallback, now_ms: int) -> None:
        """Compare clocks. A strange timestamp is a warning only: a wrong clock loses no event."""
        try:
            difference_ms = int(callback.timestamp) - now_ms
        except ValueError:
            return
        before = self._facts.clock_difference_ms
        if before is None or abs(before - difference_ms) > 1000:
            self._learn(replace(self._facts, clock_difference_ms=difference_ms))

    def _learn(self, facts: Facts) -> None:
        self._facts = facts
        self._on_news()

    def _add_rejection(self, rejection: Rejection) -> None:
        line = self._rejections.add(rejection)
        if line is not None:
            remote = "one of many addresses" if line.remote == EVERYBODY else line.remote
            _log.info("Rejected a call from %s: %s", remote, line.verdict or line.cause)
        self._on_news()


def _sealed_callback(arrival: Arrival) -> SealedCallback:
    query = _query_of(arrival.query)
    # Real calls carry both names with one value; the documents use now this one, now that.
    signature = query.get("signature") or query.get("msg_signature")
    timestamp, nonce = query.get("timestamp"), query.get("nonce")
    encrypt = _encrypt_of(arrival.body)
    if not signature or not timestamp or not nonce or not encrypt:
        raise NotACallbackError
    return SealedCallback(signature, timestamp, nonce, encrypt)


def _query_of(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_QUERY_MAX_FIELDS))
    except ValueError:  # more fields than that
        raise NotACallbackError from None


def _encrypt_of(body: bytes) -> str:
    try:
        parsed = read_json(body)
    except ValueError:
        raise NotACallbackError from None
    if not isinstance(parsed, dict):
        raise NotACallbackError
    encrypt = parsed.get("encrypt")
    if encrypt is None:
        encrypt = next((v for k, v in parsed.items() if k.lower() == "encrypt"), None)
    if not isinstance(encrypt, str) or isinstance(encrypt, Digits):
        raise NotACallbackError
    return encrypt


def _entry(opened: OpenedCallback, remote: str, now_ms: int) -> Entry:
    """Turn a genuine callback into what is to be stored of it."""
    payload = opened.message.decode("utf-8", "backslashreplace")
    fields = _fields(payload)
    if SELF_TEST_KEY.lower() in fields:
        return Entry(None, None)
    event_type = _text(fields.get("eventtype"))
    use = Use(opened.opened_with.fingerprint, now_ms, remote, event_type, 1)
    if event_type in CHECK_EVENTS:
        return Entry(use, None)
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
    return Entry(use, event)


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
