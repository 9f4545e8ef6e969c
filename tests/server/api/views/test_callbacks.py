"""Stored facts as the admin sees them."""

import json
from dataclasses import replace

import pytest

from crypto.credentials import Keyring
from crypto.doctor import Verdict
from server.api.status import Level, Notice
from server.api.views.callbacks import (
    Stored,
    credentials_view,
    doctor_view,
    error_notice,
    event_counts,
    event_view,
    notices,
    rejection_view,
    service_view,
)
from server.callback.handler import CLOCK_TOLERANCE_MS, NOT_A_CALLBACK
from server.config.secrets import Draft, Secrets
from server.config.store import Config
from server.errors.base import JournalFullError, Trouble
from server.errors.message import Message
from server.journal.events import EventState, Source, StoredEvent
from server.journal.listing import Counts
from server.journal.rejections import LastUse, Rejection
from server.journal.salvage import Salvaged
from server.service.instance import ServiceRecord
from tests.crypto.made_up import ACTIVE, AES_KEYS, PENDING, PREVIOUS, TOKENS

NOW_MS = 1_700_000_000_000
SET_UP = Config(secrets=Secrets(Keyring(ACTIVE)))
RECORD = ServiceRecord(7, "http://127.0.0.1:8080/api/callback", NOW_MS, "1.0")
NO_COUNTS = Counts(0, 0, 0, 0, 0, 0)
REJECTION = Rejection(NOW_MS, "203.119.1.1", "rejected", "token", None, 3, NOW_MS - 9)


def use(at_ms: int) -> LastUse:
    return LastUse(at_ms - 5, at_ms, "203.119.1.1", "user_add_org", 2)


def codes(found: list[Notice]) -> list[str]:
    return [notice.code for notice in found]


def test_all_sets_are_shown_masked_with_their_last_use() -> None:
    ring = Keyring(ACTIVE, PENDING, PREVIOUS, NOW_MS + 10)
    uses = {ACTIVE.fingerprint: use(NOW_MS - 100), PREVIOUS.fingerprint: use(NOW_MS - 50)}
    view = credentials_view(Config(secrets=Secrets(ring)), uses, NOW_MS)
    assert (view.in_use, view.missing) == ("previous", ())
    assert view.active is not None
    assert view.previous is not None
    assert view.pending is not None
    assert (view.active.key, view.active.calls) == (ACTIVE.key, 2)
    assert view.active.last_used_at_ms == NOW_MS - 100
    assert (view.pending.calls, view.pending.last_used_at_ms) == (0, None)
    assert view.previous.accepted_until_ms == NOW_MS + 10
    assert [secret for secret in (*TOKENS, *AES_KEYS) if secret in repr(view)] == []


def test_a_previous_set_whose_time_is_over_is_not_shown() -> None:
    ring = Keyring(ACTIVE, None, PREVIOUS, NOW_MS)
    view = credentials_view(Config(secrets=Secrets(ring)), {PREVIOUS.fingerprint: use(1)}, NOW_MS)
    assert (view.previous, view.in_use) == (None, None)


def test_what_is_still_to_be_entered_is_named() -> None:
    nothing = credentials_view(Config(), {}, NOW_MS)
    assert nothing.missing == ("token", "aes_key", "key")
    draft = Config(secrets=Secrets(draft=Draft(token=ACTIVE.token)))
    assert credentials_view(draft, {}, NOW_MS).missing == ("aes_key", "key")
    assert credentials_view(SET_UP, {}, NOW_MS).missing == ()


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_can_be_shown(verdict: Verdict) -> None:
    view = rejection_view(replace(REJECTION, verdict=str(verdict)), 0)
    assert view.verdict == str(verdict)
    assert str(view.title) + str(view.hint)


def test_a_stranger_is_no_case_for_the_doctor() -> None:
    stranger = replace(REJECTION, cause=NOT_A_CALLBACK, verdict=None, at_ms=NOW_MS + 1)
    assert str(rejection_view(stranger, 0).title) == "A request that is not a DingTalk callback."
    seen = doctor_view(Stored({}, NO_COUNTS, [stranger, REJECTION]))
    assert seen is not None
    assert (seen.verdict, seen.count, seen.first_at_ms) == ("token", 3, NOW_MS - 9)
    assert doctor_view(Stored({}, NO_COUNTS, [stranger])) is None


@pytest.mark.parametrize(("genuine_ms", "is_settled"), [(-1, False), (0, False), (1, True)])
def test_a_later_genuine_call_settles_it(genuine_ms: int, is_settled: bool) -> None:  # noqa: FBT001 - a parameter of the table
    uses = {ACTIVE.fingerprint: use(NOW_MS + genuine_ms)}
    doctor = doctor_view(Stored(uses, NO_COUNTS, [REJECTION]))
    assert doctor is not None
    assert doctor.is_settled is is_settled
    found = codes(list(notices(SET_UP, RECORD, doctor, {})))
    assert found == ([] if is_settled else ["rejected-call"])


def test_all_is_quiet_where_nothing_is_to_be_said() -> None:
    assert list(notices(SET_UP, RECORD, None, {})) == []
    assert list(notices(SET_UP, None, None, {})) == []
    assert list(notices(None, None, None, {})) == []


def test_it_is_told_what_came_over_from_a_damaged_database() -> None:
    path = "/d/dingbridge.damaged-1.db"
    (unknown,) = notices(SET_UP, RECORD, None, {path: None})
    (known,) = notices(SET_UP, RECORD, None, {path: Salvaged(events=12, links=34)})
    assert path in str(known.title)
    assert str(unknown.hint).startswith("Its events and links are not in use.")
    assert str(known.hint).startswith("12 events and 34 links")


def test_the_gravest_comes_first() -> None:
    full = JournalFullError(path="/d/dingbridge.db")
    record = replace(
        RECORD, troubles=(Trouble.of(full),), clock_difference_ms=CLOCK_TOLERANCE_MS + 1
    )
    ring = Keyring(None, PENDING)
    config = Config(secrets=Secrets(ring), notes=(Message("a note"),))
    doctor = rejection_view(REJECTION, 0)
    found = list(notices(config, record, doctor, {"/d/dingbridge.damaged-1.db": None}))
    assert codes(found) == [
        "trouble",
        "not-set-up",
        "rejected-call",
        "pending",
        "clock",
        "database-moved",
        "note",
    ]
    assert (str(found[0].title), str(found[0].hint)) == (str(full.title), str(full.hint))
    assert "/d/dingbridge.damaged-1.db" in str(found[5].title)
    levels = [notice.level for notice in found]
    assert levels[:4] == [Level.ERROR, Level.ERROR, Level.WARNING, Level.INFO]


@pytest.mark.parametrize(
    ("difference_ms", "told"),
    [
        (None, None),
        (0, None),
        (CLOCK_TOLERANCE_MS, None),
        (-CLOCK_TOLERANCE_MS, None),
        (20 * 60_000, "DingTalk's clock is 20 minutes ahead of this computer's."),
        (-8 * 3_600_000, "DingTalk's clock is 480 minutes behind this computer's."),
    ],
)
def test_a_clock_that_is_off_is_told_in_its_direction(
    difference_ms: int | None, told: str | None
) -> None:
    record = replace(RECORD, clock_difference_ms=difference_ms)
    found = [str(notice.title) for notice in notices(SET_UP, record, None, {})]
    assert found == ([] if told is None else [told])


def event(payload: str) -> StoredEvent:
    return StoredEvent(
        id=1,
        received_at_ms=NOW_MS,
        event_type="t",
        event_id="e",
        corp_id=None,
        payload=payload,
        source=Source.CALLBACK,
        state=EventState.PENDING,
        attempts=0,
        error=None,
        duplicates=2,
    )


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ('{"名":"张三","n":[1,2.5,null,true]}', {"名": "张三", "n": [1, 2.5, None, True]}),
        ("success", "success"),
        ("", ""),
        ("null", None),
        ("NaN", "NaN"),
        ('{"a":-Infinity}', '{"a":-Infinity}'),
        ("1e400", "1e400"),
        ('{"a":1e400,"b":-1e400,"c":1.5}', {"a": "1e400", "b": "-1e400", "c": 1.5}),
        ("9" * 5000, "9" * 5000),
        ("[" * 100_000, "[" * 100_000),
    ],
    ids=[
        "json",
        "text",
        "empty",
        "null",
        "nan",
        "infinity",
        "overflow",
        "inside",
        "digits",
        "open",
    ],
)
def test_a_payload_is_shown_as_json_or_as_the_text_it_is(payload: str, shown: object) -> None:
    assert event_view(event(payload)).payload == shown


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_a_payload_too_deep_to_be_written_again_is_text(brackets: str) -> None:
    def nested(depth: int) -> str:
        if brackets == "[]":
            return "[" * depth + "]" * depth
        return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)

    deepest = event_view(event(nested(200))).payload
    assert json.dumps(deepest, separators=(",", ":")) == nested(200)
    assert event_view(event(nested(201))).payload == nested(201)


def test_counts_and_service_are_shown_as_they_are() -> None:
    counts = event_counts(Counts(1, 2, 3, 4, 5, 6))
    assert (counts.pending, counts.working, counts.done) == (1, 2, 3)
    assert (counts.ignored, counts.failed, counts.duplicates) == (4, 5, 6)
    assert service_view(None).is_running is False
    view = service_view(RECORD)
    assert (view.is_running, view.pid, view.version) == (True, 7, "1.0")


def test_an_error_becomes_a_notice_with_its_own_words() -> None:
    notice = error_notice(JournalFullError(path="/d/x.db"))
    assert (notice.code, notice.level) == ("journal-full", Level.ERROR)
    assert str(notice.title) == "The disk is full; /d/x.db cannot be written."


def test_a_verdict_that_nobody_gives_is_shown_as_of_an_unknown_sender() -> None:
    strange, unknown = [
        rejection_view(Rejection(5, "192.0.2.1", "rejected", verdict, None, 1, 5), 0)
        for verdict in ("tokeo", "unknown_sender")
    ]
    assert (strange.title, strange.hint) == (unknown.title, unknown.hint)
