import gzip
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import pytest

import crypto.envelope
from crypto.callback import CallbackRejectedError, CallbackVerifier, SealedReply
from crypto.credentials import Keyring
from server.callback.handler import (
    CLOCK_TOLERANCE_MS,
    CallbackHandler,
    CallbackRequest,
    NotACallbackError,
    Outcome,
    Verified,
)
from server.callback.rejections import NEW_LINES, RejectionLog
from server.dingtalk.payload import read_json
from server.errors.base import (
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
)
from server.journal import listing
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.rejections import CredentialUse, Rejection
from server.simulator.dingtalk.callbacks import body_of, query_of
from server.simulator.dingtalk.envelope import Envelope, SignedText
from tests.server.callback.service import AES_KEY, CREDENTIALS, KEY, OTHER, THIRD, TOKEN, sealed

NOW_MS = 1_700_000_000_000
BUSY, BUSY_AGAIN, FULL = (
    JournalBusyError(path="p"),
    JournalBusyError(path="p"),
    JournalFullError(path="p"),
)
DAMAGED, DAMAGED_AGAIN = (
    JournalDamagedError(path="p", reason="r"),
    JournalDamagedError(path="p", reason="r"),
)
EVENT = {"EventType": "user_add_org", "eventId": "e1", "CorpId": "dingcorp"}


@dataclass
class FakeStore:
    """Keeps what is stored in lists; `failure` is what becomes of it instead where it is set."""

    uses: list[CredentialUse] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    failure: JournalError | None = None

    def store(self, verified: Verified) -> Outcome:
        if self.failure is not None:
            return Outcome(frozenset(), self.failure)
        known = {event.dedupe_key for event in self.events}
        if verified.use is not None:
            self.uses.append(verified.use)
        if verified.event is None:
            return Outcome(frozenset(), None)
        self.events.append(verified.event)
        return Outcome(frozenset({verified.event.dedupe_key}) - known, None)

    @property
    def event(self) -> NewEvent:
        """The only event."""
        (event,) = self.events
        return event


@dataclass
class Office:
    """A handler, and everything that it is given."""

    handler: CallbackHandler
    store: FakeStore
    rejections: RejectionLog
    promoted: list[CallbackVerifier]
    clock: list[int]

    def receive(self, text: SignedText) -> str:
        """Hand in a callback; what the answer says, as DingTalk reads it."""
        return self.answer_to(request_of(text)).encrypt

    def answer_to(self, call: CallbackRequest) -> SealedReply:
        """Verify, store, answer."""
        verified = self.handler.verify(call)
        return self.handler.reply(verified, self.store.store(verified))

    def rejected(self) -> list[Rejection]:
        """The list of rejected calls, once the doctor has seen all that wait."""
        self.handler.diagnose_waiting()
        return self.rejections.snapshot()


def request_of(text: SignedText) -> CallbackRequest:
    return CallbackRequest(urlencode(query_of(text)), body_of(text), "203.0.113.7")


@pytest.fixture
def office() -> Callable[..., Office]:
    def make(keyring: Keyring | None = None) -> Office:
        store, rejections, promoted, clock = (
            FakeStore(),
            RejectionLog(),
            list[CallbackVerifier](),
            [NOW_MS],
        )
        verifier = CallbackVerifier(keyring or Keyring(CREDENTIALS))
        handler = CallbackHandler(verifier, rejections, promoted.append, lambda: clock[0])
        return Office(handler, store, rejections, promoted, clock)

    return make


def test_the_answer_is_success_under_the_callers_own_set(office: Callable[..., Office]) -> None:
    reply = office().answer_to(request_of(sealed(EVENT)))
    text = SignedText(reply.msg_signature, reply.timestamp, reply.nonce, reply.encrypt)
    opened = Envelope(TOKEN, AES_KEY, KEY).open(text)
    assert (opened.message, opened.key, reply.timestamp) == (b"success", KEY, "1700000000000")


def test_no_two_answers_are_alike(office: Callable[..., Office]) -> None:
    one = office()
    assert len({one.receive(sealed(EVENT)) for _ in range(100)}) == 100


@pytest.mark.parametrize("name", ["eventId", "EventId", "EVENTID", "eventid"])
def test_names_are_read_in_any_case(office: Callable[..., Office], name: str) -> None:
    one = office()
    one.receive(sealed({"eventtype": "t", name: "e7", "CORPID": "c"}))
    event = one.store.event
    assert (event.event_id, event.event_type, event.corp_id) == ("e7", "t", "c")


@pytest.mark.parametrize("kind", ["check_url", "check_create_suite_url", "check_update_suite_url"])
def test_a_check_of_the_address_is_a_contact_and_no_event(
    office: Callable[..., Office], kind: str
) -> None:
    one = office()
    one.receive(sealed({"EventType": kind}))
    (use,) = one.store.uses
    assert ([], kind, "203.0.113.7") == (one.store.events, use.event_type, use.remote)


def test_a_self_test_leaves_neither_event_nor_contact(office: Callable[..., Office]) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.receive(sealed({"EventType": "check_url", "DingBridgeSelfTest": 1}, OTHER))
    assert (one.store.uses, one.store.events) == ([], [])
    assert (one.promoted, one.handler.state.clock_difference_ms) == ([], None)


@pytest.mark.parametrize(
    "plaintext",
    [b"", b"hello", b"1", b"null", b"[]", b'"text"', b"\xff\xfe\x00", b"[" * 60_000, b"{" * 9],
    ids=lambda plaintext: repr(plaintext[:9]),
)
def test_a_plaintext_that_is_no_object_is_stored_as_it_is(
    office: Callable[..., Office], plaintext: bytes
) -> None:
    one = office()
    one.receive(sealed(plaintext))
    event = one.store.event
    assert (event.event_type, event.event_id) == (None, None)
    assert plaintext.decode("utf-8", "backslashreplace") == event.payload


@pytest.mark.parametrize(
    ("event_id", "stored"),
    [
        (123, "123"),
        (10**400, str(10**400)),
        ("", None),
        (None, None),
        (True, None),
        (1.5, None),
        (["e"], None),
        ({"e": 1}, None),
        ("x" * 5000, "x" * 5000),
        ("a\0b", "a␀b"),
        ("\ud800", "?"),
        ("钉😀", "钉😀"),
    ],
)
def test_any_event_id_will_do(
    office: Callable[..., Office], event_id: object, stored: str | None
) -> None:
    one, another = office(), office()
    for each in (one, another):
        each.receive(sealed({"EventType": "t", "eventId": event_id}))
    assert stored == one.store.event.event_id
    assert one.store.event.dedupe_key == another.store.event.dedupe_key
    another.store.events.clear()
    another.receive(sealed({"EventType": "t", "eventId": event_id, "other": 1}))
    is_same = one.store.event.dedupe_key == another.store.event.dedupe_key
    assert (stored is not None and len(stored) <= 128) == is_same


@pytest.mark.parametrize("number", ["9" * 5000, "1e999"])
def test_a_huge_number_is_no_obstacle(office: Callable[..., Office], number: str) -> None:
    one = office()
    one.receive(sealed(f'{{"EventType":"t","n":{number}}}'.encode()))
    assert one.store.event.event_type == "t"
    assert one.store.event.payload.endswith(f"{number}}}")
    call = request_of(sealed(EVENT))
    one.answer_to(call._replace(body=call.body[:-1] + f',"n":{number}}}'.encode()))
    assert len(one.store.events) == 2


def test_what_python_takes_for_json_and_is_none_has_no_type(office: Callable[..., Office]) -> None:
    one = office()
    one.receive(sealed(b'{"EventType":"t","n":NaN}'))
    assert (one.store.event.event_type, one.store.event.event_id) == (None, None)


def test_the_pending_set_is_promoted_by_its_first_genuine_call(
    office: Callable[..., Office],
) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.receive(sealed(EVENT))
    assert one.promoted == []
    one.receive(sealed({"EventType": "check_url"}, OTHER))
    assert [verifier.keyring.pending for verifier in one.promoted] == [OTHER]


def test_what_was_not_stored_promotes_nothing(office: Callable[..., Office]) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.store.failure = JournalFullError(path="p")
    with pytest.raises(JournalFullError):
        one.receive(sealed(EVENT, OTHER))
    assert one.promoted == []


def test_the_previous_set_is_accepted_until_its_end(office: Callable[..., Office]) -> None:
    one = office(Keyring(CREDENTIALS, None, OTHER, NOW_MS + 1))
    one.receive(sealed(EVENT, OTHER))
    one.clock[0] += 1
    with pytest.raises(CallbackRejectedError):
        one.receive(sealed(EVENT, OTHER))


def test_replaced_credentials_count_from_the_next_call_on(office: Callable[..., Office]) -> None:
    one = office()
    one.handler.replace_verifier(CallbackVerifier(Keyring(THIRD)))
    one.receive(sealed(EVENT, THIRD))
    with pytest.raises(CallbackRejectedError):
        one.receive(sealed(EVENT))


@pytest.mark.parametrize(
    ("timestamp", "difference_ms"),
    [
        (str(NOW_MS + 3_600_000), 3_600_000),
        (str(NOW_MS - 86_400_000), -86_400_000),
        ("1", 1 - NOW_MS),
        ("soon", None),
        ("9" * 5000, None),
        ("１２", 12 - NOW_MS),
    ],
)
def test_a_wrong_clock_loses_nothing_and_is_noted(
    office: Callable[..., Office], timestamp: str, difference_ms: int | None
) -> None:
    one = office()
    text = Envelope(TOKEN, AES_KEY, KEY).seal(
        json.dumps(EVENT).encode(), random16=bytes(16), timestamp=timestamp, nonce="n"
    )
    one.receive(text)
    assert one.store.event.event_id == "e1"
    assert difference_ms == one.handler.state.clock_difference_ms


def test_a_failing_journal_is_noted_until_it_works_again(office: Callable[..., Office]) -> None:
    one = office()
    one.store.failure = JournalFullError(path="p")
    for _ in range(2):
        with pytest.raises(JournalFullError):
            one.receive(sealed(EVENT))
        one.clock[0] += 1
    assert (NOW_MS, one.store.failure) == (
        one.handler.state.unstored_since_ms,
        one.handler.state.unstored,
    )
    one.store.failure = None
    one.receive(sealed(EVENT))
    assert (one.handler.state.unstored_since_ms, one.handler.state.unstored) == (None, None)


@pytest.mark.parametrize(
    ("failures", "told"),
    [
        ((BUSY, DAMAGED), DAMAGED),
        ((DAMAGED, BUSY), DAMAGED),
        ((BUSY, FULL), FULL),
        ((FULL, BUSY), BUSY),
        ((DAMAGED, DAMAGED_AGAIN), DAMAGED_AGAIN),
        ((BUSY, BUSY_AGAIN), BUSY),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_of_several_failures_the_latest_counts_and_damage_most(
    office: Callable[..., Office], failures: tuple[JournalError, ...], told: JournalError
) -> None:
    one = office()
    for failure in failures:
        one.store.failure = failure
        with pytest.raises(JournalError):
            one.receive(sealed(EVENT))
        one.clock[0] += 1
    assert (one.handler.state.unstored, one.handler.state.unstored_since_ms) == (told, NOW_MS)


def test_a_tail_that_no_key_can_be_is_not_offered(office: Callable[..., Office]) -> None:
    one = office()
    text = Envelope(TOKEN, AES_KEY, "<b>钉</b>").seal(
        b"{}", random16=bytes(16), timestamp="1", nonce="n"
    )
    with pytest.raises(CallbackRejectedError):
        one.receive(text)
    assert [(line.verdict, line.offered_key) for line in one.rejected()] == [("key", None)]


@pytest.fixture
def decrypted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each envelope that any aes_key is tried on."""
    tried: list[str] = []
    real = crypto.envelope.Envelope.open

    def spy(envelope: crypto.envelope.Envelope, encrypt: str) -> crypto.envelope.Plaintext:
        tried.append(encrypt)
        return real(envelope, encrypt)

    monkeypatch.setattr(crypto.envelope.Envelope, "open", spy)
    return tried


def test_no_key_touches_an_unsigned_call_while_its_caller_waits(
    office: Callable[..., Office], decrypted: list[str]
) -> None:
    one = office(Keyring(CREDENTIALS, OTHER, THIRD, NOW_MS + 1))
    text = sealed(EVENT)
    unsigned = request_of(text)._replace(
        query=urlencode({"signature": "0" * 40, "timestamp": "1", "nonce": "n"})
    )
    with pytest.raises(CallbackRejectedError):
        one.answer_to(unsigned)
    assert (decrypted, one.rejections.snapshot()) == ([], [])
    assert [line.verdict for line in one.rejected()] == ["token"]
    assert decrypted == [text.encrypt] * 3


def test_a_rejected_call_is_diagnosed_by_the_sets_that_it_met(
    office: Callable[..., Office],
) -> None:
    one = office()
    with pytest.raises(CallbackRejectedError):
        one.receive(sealed(EVENT, OTHER))
    one.handler.replace_verifier(CallbackVerifier(Keyring(OTHER)))
    assert [line.verdict for line in one.rejected()] == ["unknown_sender"]


def test_a_tail_chosen_by_a_stranger_is_not_offered(office: Callable[..., Office]) -> None:
    """Who has one captured call can write any tail into it, but cannot sign the outcome."""
    one = office()
    message = b'{"EventType":"x","n":"' + b"q" * 20 + b'"}'
    captured = sealed(message)
    forged = bytearray(b64decode(captured.encrypt))
    tail_begins = 20 + len(message)
    assert tail_begins % 16 == 0
    for place, (ours, theirs) in enumerate(zip(KEY.encode(), b"dingattack99", strict=True)):
        forged[tail_begins - 16 + place] ^= ours ^ theirs
    call = request_of(replace(captured, signature="0" * 40, encrypt=b64encode(forged).decode()))
    with pytest.raises(CallbackRejectedError):
        one.answer_to(call)
    assert [(line.verdict, line.offered_key) for line in one.rejected()] == [
        ("token_and_key", None)
    ]


def test_a_flood_from_made_up_addresses_fills_neither_list_nor_log(
    office: Callable[..., Office], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    one = office()
    for number in range(500):
        with pytest.raises(CallbackRejectedError):
            one.answer_to(request_of(sealed(EVENT, OTHER))._replace(remote=f"203.0.{number}"))
        one.handler.note_stranger(f"198.51.{number}")
        one.handler.diagnose_waiting()
    lines = one.rejections.snapshot()
    assert len(lines) == NEW_LINES + 2
    assert sum(line.count for line in lines) == 1000
    assert len(caplog.records) == NEW_LINES + 2


def test_too_many_parameters_are_no_callback(office: Callable[..., Office]) -> None:
    text = sealed(EVENT)
    query = "a=b&" * 200 + urlencode(query_of(text))
    with pytest.raises(NotACallbackError):
        office().answer_to(CallbackRequest(query, body_of(text), ""))


def test_the_journal_takes_whatever_the_desk_gives_it(
    office: Callable[..., Office], tmp_path_factory: pytest.TempPathFactory
) -> None:
    one = office()
    odd = "a\0b\ud800\uffff😀"
    for plaintext in (
        json.dumps({"EventType": odd, "eventId": odd, "CorpId": odd}).encode(),
        b"raw\0nul",
        b"\xed\xa0\x80\xff",
    ):
        one.receive(sealed(plaintext))
    journal = Journal.open(tmp_path_factory.mktemp("journal") / "j.db", now_ms=0)
    journal.append(one.store.events, one.store.uses).result(20)
    third, second, first = journal.read(lambda conn: listing.latest(conn, 9)).events
    assert journal.close(20)
    assert (first.event_type, first.event_id, first.corp_id) == ("a␀b?\uffff😀",) * 3
    assert {"EventType": odd, "eventId": odd, "CorpId": odd} == json.loads(first.payload)
    assert (second.payload, third.payload) == ("raw␀nul", "\\xed\\xa0\\x80\\xff")


def sealed_at(timestamp_ms: int, message: dict[str, str], random: int = 0) -> SignedText:
    return Envelope(TOKEN, AES_KEY, KEY).seal(
        json.dumps(message).encode(),
        random16=bytes([random]) * 16,
        timestamp=str(timestamp_ms),
        nonce="n",
    )


def test_a_captured_call_that_is_sent_again_is_answered_and_teaches_nothing(
    office: Callable[..., Office],
) -> None:
    one = office()
    captured = sealed_at(NOW_MS - 5000, {"eventId": "old"})
    one.receive(captured)
    one.receive(sealed_at(NOW_MS, {"eventId": "new"}))
    assert one.handler.state.clock_difference_ms == 0
    one.clock[0] += 86_400_000
    one.receive(captured)
    assert one.handler.state.clock_difference_ms == 0
    assert [use.is_replay for use in one.store.uses] == [False, False, True]


def test_the_newest_call_sent_again_is_known_by_its_event(office: Callable[..., Office]) -> None:
    one = office()
    captured = sealed_at(NOW_MS, {"eventId": "e"})
    one.receive(captured)
    one.clock[0] += 86_400_000
    one.receive(captured)
    assert one.handler.state.clock_difference_ms == 0
    again = one.store.uses[-1]
    assert (again.dedupe_key, again.was_sent_again(frozenset())) == ("e", True)


def test_after_a_start_an_event_that_is_known_teaches_nothing(
    office: Callable[..., Office],
) -> None:
    one = office()
    one.store.events.append(NewEvent("e", 0, None, "e", None, "{}"))
    one.receive(sealed_at(NOW_MS - 86_400_000, {"eventId": "e"}))
    assert one.handler.state.clock_difference_ms is None


def test_two_calls_with_one_timestamp_are_both_genuine(office: Callable[..., Office]) -> None:
    one = office()
    for event_id in "ab":
        one.receive(sealed_at(NOW_MS, {"eventId": event_id}))
    new_keys = frozenset({"a", "b"})
    assert [use.was_sent_again(new_keys) for use in one.store.uses] == [False, False]


def test_a_check_of_the_address_that_is_sent_again_teaches_nothing(
    office: Callable[..., Office],
) -> None:
    one = office()
    check = sealed_at(NOW_MS, {"EventType": "check_url"})
    for _ in range(2):
        one.receive(check)
    assert [use.is_replay for use in one.store.uses] == [False, True]


def test_dingtalks_retry_with_a_newer_timestamp_is_a_sign_of_life(
    office: Callable[..., Office],
) -> None:
    one = office()
    for timestamp_ms in (NOW_MS, NOW_MS + 10_000):
        one.receive(sealed_at(timestamp_ms, {"eventId": "e"}))
    assert one.store.uses[-1].was_sent_again(frozenset()) is False


def test_a_date_of_the_far_future_does_not_make_all_others_old(
    office: Callable[..., Office],
) -> None:
    one = office()
    one.receive(sealed_at(NOW_MS * 1000, {"eventId": "micro"}))
    one.clock[0] += CLOCK_TOLERANCE_MS + 1
    one.receive(sealed_at(one.clock[0], {"eventId": "e"}))
    assert (one.store.uses[-1].is_replay, one.handler.state.clock_difference_ms) == (False, 0)


def test_a_captured_call_promotes_no_set(office: Callable[..., Office]) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.clock[0] = 2 * NOW_MS
    one.receive(sealed_at(2 * NOW_MS, {"eventId": "e"}))
    one.receive(sealed({"eventId": "old"}, OTHER))
    assert one.store.uses[-1].is_replay
    assert one.promoted == []


def test_what_was_not_stored_is_news_when_it_comes_again(office: Callable[..., Office]) -> None:
    one = office()
    call = sealed_at(NOW_MS + 1000, {"EventType": "check_url"})
    one.store.failure = FULL
    with pytest.raises(JournalFullError):
        one.receive(call)
    assert one.handler.state.clock_difference_ms is None
    one.store.failure = None
    one.receive(call)
    assert one.handler.state.clock_difference_ms == 1000


def test_clocks_alike_are_no_news() -> None:
    news: list[int] = []
    rejections = RejectionLog()
    handler = CallbackHandler(
        CallbackVerifier(Keyring(CREDENTIALS)),
        rejections,
        lambda _: None,
        lambda: NOW_MS,
        lambda: news.append(1),
    )
    for number, difference_ms in enumerate((-60_000, -59_500, -59_000)):
        verified = handler.verify(
            request_of(sealed_at(NOW_MS + difference_ms, {"eventId": str(number)}))
        )
        handler.reply(verified, Outcome(frozenset({str(number)}), None))
    assert len(news) == 1


def test_five_minutes_are_what_a_clock_may_be_off() -> None:
    assert CLOCK_TOLERANCE_MS == 300_000


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Notes the size of each text that is parsed as JSON."""
    sizes: list[int] = []

    def spy(text: str | bytes) -> object:
        sizes.append(len(text))
        return read_json(text)

    monkeypatch.setattr("server.callback.handler.read_json", spy)
    return sizes


LARGE_JSON = b"[" + b"1," * 500_000 + b"1]"


@pytest.mark.parametrize("signature", ["s", "0" * 39, "0" * 41, "g" * 40, "钉" * 40])
def test_no_json_is_read_where_the_query_is_not_that_of_a_callback(
    office: Callable[..., Office], parsed: list[int], signature: str
) -> None:
    one = office()
    query = urlencode({"signature": signature, "timestamp": "1", "nonce": "n"})
    with pytest.raises(CallbackRejectedError):
        one.answer_to(CallbackRequest(query, LARGE_JSON, ""))
    assert [line.verdict for line in one.rejected()] == ["unknown_sender"]
    for missing in ("signature", "timestamp", "nonce"):
        parts = {"signature": "0" * 40, "timestamp": "1", "nonce": "n"}
        parts.pop(missing)
        with pytest.raises(NotACallbackError):
            one.answer_to(CallbackRequest(urlencode(parts), LARGE_JSON, ""))
    assert parsed == []


def test_large_json_that_is_no_envelope_is_not_read(
    office: Callable[..., Office], parsed: list[int]
) -> None:
    query = urlencode(query_of(sealed(EVENT)))
    with pytest.raises(NotACallbackError):
        office().answer_to(CallbackRequest(query, LARGE_JSON, ""))
    assert parsed == []


def test_a_large_genuine_event_is_read(office: Callable[..., Office]) -> None:
    one = office()
    one.receive(sealed(EVENT | {"text": "x" * 500_000}))
    assert len(one.store.event.payload) > 500_000


@pytest.mark.parametrize(
    "query", ["{0}&x=a%20b", "x=a+b&{0}", "&&{0}&&", "{0}&x", "signature=1&{0}"]
)
def test_a_query_is_read_however_it_is_written(office: Callable[..., Office], query: str) -> None:
    one, text = office(), sealed(EVENT)
    one.answer_to(CallbackRequest(query.format(urlencode(query_of(text))), body_of(text), ""))
    assert one.store.event.event_id == "e1"


@pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", " gzip "])
def test_a_body_that_a_proxy_packed_is_unpacked(
    office: Callable[..., Office], encoding: str
) -> None:
    one, call = office(), request_of(sealed(EVENT))
    one.answer_to(call._replace(body=gzip.compress(call.body), encoding=encoding))
    assert one.store.event.event_id == "e1"


@pytest.mark.parametrize(
    "packed",
    [b"", b"{}", gzip.compress(b"x" * 100)[:-1], gzip.compress(b" " * 50_000_000)],
    ids=["nothing", "not packed", "cut short", "a bomb"],
)
def test_what_does_not_unpack_is_no_callback(office: Callable[..., Office], packed: bytes) -> None:
    query = urlencode(query_of(sealed(EVENT)))
    with pytest.raises(NotACallbackError):
        office().answer_to(CallbackRequest(query, packed, "", "gzip"))


def test_each_rejected_call_counts_as_one(office: Callable[..., Office]) -> None:
    one = office()
    one.handler.note_stranger("198.51.100.1")
    with pytest.raises(CallbackRejectedError):
        one.receive(sealed(EVENT, OTHER))
    assert [line.count for line in one.rejected()] == [1, 1]
