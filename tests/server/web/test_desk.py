import json
import logging
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode

import pytest

import crypto.envelope
from crypto.callback import CallbackRejectedError, Opener
from crypto.credentials import Keyring
from server.errors import (
    JournalBusyError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
)
from server.journal import listing
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.rejections import Rejection
from server.simulator.dingtalk_callbacks import body_of, query_of
from server.simulator.envelope import Envelope, SignedText
from server.web.desk import Arrival, Desk, NotACallbackError
from server.web.inbox import Entry
from server.web.rejections import NEW_LINES, RejectionLog
from tests.server.web.service import AES_KEY, CREDENTIALS, KEY, OTHER, THIRD, TOKEN, sealed

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
class FakeInbox:
    """Keeps what is stored in a list; `failure` is raised instead where it is set."""

    entries: list[Entry] = field(default_factory=list)
    failure: JournalError | None = None

    def store(self, entry: Entry) -> None:
        if self.failure is not None:
            raise self.failure
        self.entries.append(entry)

    @property
    def event(self) -> NewEvent:
        """The event of the only entry."""
        ((_, event),) = self.entries
        assert event is not None
        return event


@dataclass
class Office:
    """A desk, and all that it is given."""

    desk: Desk
    inbox: FakeInbox
    rejections: RejectionLog
    promoted: list[Opener]
    clock: list[int]

    def receive(self, text: SignedText) -> str:
        """Hand in a callback; what the answer says, as DingTalk reads it."""
        return self.desk.receive(arrival(text)).encrypt

    def rejected(self) -> list[Rejection]:
        """The list of rejected calls, once the doctor has seen all that wait."""
        self.desk.diagnose_waiting()
        return self.rejections.snapshot()


def arrival(text: SignedText) -> Arrival:
    return Arrival(urlencode(query_of(text)), body_of(text), "203.0.113.7")


@pytest.fixture
def office() -> Callable[..., Office]:
    def make(keyring: Keyring | None = None) -> Office:
        inbox, rejections, promoted, clock = FakeInbox(), RejectionLog(), list[Opener](), [NOW_MS]
        opener = Opener(keyring or Keyring(CREDENTIALS))
        desk = Desk(opener, inbox, rejections, promoted.append, lambda: clock[0])
        return Office(desk, inbox, rejections, promoted, clock)

    return make


def test_the_answer_is_success_under_the_callers_own_set(office: Callable[..., Office]) -> None:
    reply = office().desk.receive(arrival(sealed(EVENT)))
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
    event = one.inbox.event
    assert (event.event_id, event.event_type, event.corp_id) == ("e7", "t", "c")


@pytest.mark.parametrize("kind", ["check_url", "check_create_suite_url", "check_update_suite_url"])
def test_a_check_of_the_address_is_a_contact_and_no_event(
    office: Callable[..., Office], kind: str
) -> None:
    one = office()
    one.receive(sealed({"EventType": kind}))
    ((use, event),) = one.inbox.entries
    assert use is not None
    assert (None, kind, "203.0.113.7") == (event, use.event_type, use.remote)


def test_a_self_test_leaves_neither_event_nor_contact(office: Callable[..., Office]) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.receive(sealed({"EventType": "check_url", "DingBridgeSelfTest": 1}, OTHER))
    assert [Entry(None, None)] == one.inbox.entries
    assert (one.promoted, one.desk.facts.clock_difference_ms) == ([], None)


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
    event = one.inbox.event
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
    assert stored == one.inbox.event.event_id
    assert one.inbox.event.dedupe_key == another.inbox.event.dedupe_key
    another.inbox.entries.clear()
    another.receive(sealed({"EventType": "t", "eventId": event_id, "other": 1}))
    is_same = one.inbox.event.dedupe_key == another.inbox.event.dedupe_key
    assert (stored is not None and len(stored) <= 128) == is_same


@pytest.mark.parametrize("number", ["9" * 5000, "1e999"])
def test_a_huge_number_is_no_obstacle(office: Callable[..., Office], number: str) -> None:
    one = office()
    one.receive(sealed(f'{{"EventType":"t","n":{number}}}'.encode()))
    assert one.inbox.event.event_type == "t"
    assert one.inbox.event.payload.endswith(f"{number}}}")
    call = arrival(sealed(EVENT))
    one.desk.receive(call._replace(body=call.body[:-1] + f',"n":{number}}}'.encode()))
    assert len(one.inbox.entries) == 2


def test_what_python_takes_for_json_and_is_none_has_no_type(office: Callable[..., Office]) -> None:
    one = office()
    one.receive(sealed(b'{"EventType":"t","n":NaN}'))
    assert (one.inbox.event.event_type, one.inbox.event.event_id) == (None, None)


def test_the_pending_set_is_promoted_by_its_first_genuine_call(
    office: Callable[..., Office],
) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.receive(sealed(EVENT))
    assert one.promoted == []
    one.receive(sealed({"EventType": "check_url"}, OTHER))
    assert [opener.keyring.pending for opener in one.promoted] == [OTHER]


def test_what_was_not_stored_promotes_nothing(office: Callable[..., Office]) -> None:
    one = office(Keyring(CREDENTIALS, pending=OTHER))
    one.inbox.failure = JournalFullError(path="p")
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
    one.desk.replace_opener(Opener(Keyring(THIRD)))
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
    assert one.inbox.event.event_id == "e1"
    assert difference_ms == one.desk.facts.clock_difference_ms


def test_a_failing_journal_is_noted_until_it_works_again(office: Callable[..., Office]) -> None:
    one = office()
    one.inbox.failure = JournalFullError(path="p")
    for _ in range(2):
        with pytest.raises(JournalFullError):
            one.receive(sealed(EVENT))
        one.clock[0] += 1
    assert (NOW_MS, one.inbox.failure) == (
        one.desk.facts.unstored_since_ms,
        one.desk.facts.unstored,
    )
    one.inbox.failure = None
    one.receive(sealed(EVENT))
    assert (one.desk.facts.unstored_since_ms, one.desk.facts.unstored) == (None, None)


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
        one.inbox.failure = failure
        with pytest.raises(JournalError):
            one.receive(sealed(EVENT))
        one.clock[0] += 1
    assert (one.desk.facts.unstored, one.desk.facts.unstored_since_ms) == (told, NOW_MS)


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

    def spy(envelope: crypto.envelope.Envelope, encrypt: str) -> crypto.envelope.Letter:
        tried.append(encrypt)
        return real(envelope, encrypt)

    monkeypatch.setattr(crypto.envelope.Envelope, "open", spy)
    return tried


def test_no_key_touches_an_unsigned_call_while_its_caller_waits(
    office: Callable[..., Office], decrypted: list[str]
) -> None:
    one = office(Keyring(CREDENTIALS, OTHER, THIRD, NOW_MS + 1))
    text = sealed(EVENT)
    unsigned = arrival(text)._replace(
        query=urlencode({"signature": "0" * 40, "timestamp": "1", "nonce": "n"})
    )
    with pytest.raises(CallbackRejectedError):
        one.desk.receive(unsigned)
    assert (decrypted, one.rejections.snapshot()) == ([], [])
    assert [line.verdict for line in one.rejected()] == ["token"]
    assert decrypted == [text.encrypt] * 3


def test_a_rejected_call_is_diagnosed_by_the_sets_that_it_met(
    office: Callable[..., Office],
) -> None:
    one = office()
    with pytest.raises(CallbackRejectedError):
        one.receive(sealed(EVENT, OTHER))
    one.desk.replace_opener(Opener(Keyring(OTHER)))
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
    call = arrival(replace(captured, signature="0" * 40, encrypt=b64encode(forged).decode()))
    with pytest.raises(CallbackRejectedError):
        one.desk.receive(call)
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
            one.desk.receive(arrival(sealed(EVENT, OTHER))._replace(remote=f"203.0.{number}"))
        one.desk.note_stranger(f"198.51.{number}")
        one.desk.diagnose_waiting()
    lines = one.rejections.snapshot()
    assert len(lines) == NEW_LINES + 2
    assert sum(line.count for line in lines) == 1000
    assert len(caplog.records) == NEW_LINES + 2


def test_too_many_parameters_are_no_callback(office: Callable[..., Office]) -> None:
    text = sealed(EVENT)
    query = "a=b&" * 200 + urlencode(query_of(text))
    with pytest.raises(NotACallbackError):
        office().desk.receive(Arrival(query, body_of(text), ""))


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
    events = [event for _, event in one.inbox.entries if event is not None]
    journal.append(events, [use for use, _ in one.inbox.entries if use is not None]).result(20)
    third, second, first = journal.read(lambda conn: listing.latest(conn, 9)).events
    assert journal.close(20)
    assert (first.event_type, first.event_id, first.corp_id) == ("a␀b?\uffff😀",) * 3
    assert {"EventType": odd, "eventId": odd, "CorpId": odd} == json.loads(first.payload)
    assert (second.payload, third.payload) == ("raw␀nul", "\\xed\\xa0\\x80\\xff")
