"""What `--json` prints is a contract: names, times, and nothing that spoils it."""

import json

import pytest

from server.api.checks import SelfTestReport, Step, StepState
from server.api.status import (
    CredentialSetView,
    CredentialsView,
    EventCounts,
    EventView,
    Level,
    Notice,
    RejectionView,
    ServiceView,
    Status,
    SubscriptionState,
    SubscriptionView,
    SyncView,
)
from server.config.settings import Language
from server.errors.base import PortInUseError, Problem, SettingsError
from server.errors.message import Message
from ui.console.documents import (
    dumped,
    error_document,
    event_document,
    iso,
    self_test_document,
    status_document,
)
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
NOW_MS = 1_700_000_000_123
NOW = "2023-11-14T22:13:20.123Z"


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [(None, None), (0, "1970-01-01T00:00:00.000Z"), (NOW_MS, NOW), (10**30, None)],
)
def test_times_are_iso_8601_in_utc(at_ms: int | None, text: str | None) -> None:
    assert iso(at_ms) == text


def test_a_document_is_ascii_and_reads_back() -> None:
    document = {"名": "张三🙂\x1b\u202e"}
    assert dumped(document).isascii()
    assert "\x1b" not in dumped(document)
    assert json.loads(dumped(document)) == document


def test_an_event_has_the_promised_names_in_their_order() -> None:
    view = EventView(7, NOW_MS, "t", "e", "c", "failed", "why", {"a": 1}, 2)
    assert event_document(view) == {
        "id": 7,
        "received_at": NOW,
        "event_type": "t",
        "event_id": "e",
        "corp_id": "c",
        "state": "failed",
        "error": "why",
        "payload": {"a": 1},
        "duplicates": 2,
    }


def test_a_full_status_has_the_promised_names() -> None:
    used = CredentialSetView("t***", "a***", "dingkey", NOW_MS, NOW_MS, "1.2.3.4", "t", 3, NOW_MS)
    doctor = RejectionView(
        NOW_MS,
        NOW_MS,
        "1.2.3.4",
        2,
        "rejected",
        "key",
        "dingother",
        Message("T"),
        Message("H"),
        is_settled=False,
    )
    status = Status(
        ServiceView(True, "http://a", 7, NOW_MS, "1.0"),  # noqa: FBT003 - the view's first field
        CredentialsView(active=used, in_use="active"),
        doctor,
        EventCounts(1, 2, 3, 4, 5, 6),
        SyncView(is_enabled=False),
        (Notice("c", Level.WARNING, Message("{n}", {"n": 1}), Message("H")),),
        subscription=SubscriptionView(
            SubscriptionState.DIFFERS,
            checked_at_ms=NOW_MS,
            url="https://old.example.com/",
            token="ab••••yz",
            aes_key="••••",
            event_types=("user_add_org",),
            differences=("token", "url"),
            missing_events=("user_leave_org",),
        ),
    )
    expected_set = {
        "token": "t***",
        "aes_key": "a***",
        "key": "dingkey",
        "first_used_at": NOW,
        "last_used_at": NOW,
        "last_used_from": "1.2.3.4",
        "last_event_type": "t",
        "calls": 3,
        "accepted_until": NOW,
    }
    assert status_document(status, ENGLISH) == {
        "service": {
            "running": True,
            "address": "http://a",
            "pid": 7,
            "started_at": NOW,
            "version": "1.0",
        },
        "credentials": {
            "active": expected_set,
            "pending": None,
            "previous": None,
            "in_use": "active",
            "missing": [],
        },
        "doctor": {
            "verdict": "key",
            "title": "T",
            "hint": "H",
            "offered_key": "dingother",
            "at": NOW,
            "first_at": NOW,
            "remote": "1.2.3.4",
            "count": 2,
            "settled": False,
        },
        "events": {
            "pending": 1,
            "working": 2,
            "done": 3,
            "ignored": 4,
            "failed": 5,
            "duplicates": 6,
        },
        "sync": {
            "enabled": False,
            "state": "never",
            "last_success_at": None,
            "last_run": None,
            "current_run": None,
            "next_full_run_at": None,
            "held": None,
            "quarantine": None,
            "conflicts": 0,
        },
        "subscription": {
            "state": "differs",
            "checked_at": NOW,
            "url": "https://old.example.com/",
            "token": "ab••••yz",
            "aes_key": "••••",
            "events": ["user_add_org"],
            "fits": None,
            "differences": ["token", "url"],
            "unusable": [],
            "missing_events": ["user_leave_org"],
            "missing_settings": [],
            "error": None,
        },
        "notices": [{"code": "c", "level": "warning", "title": "1", "hint": "H"}],
    }


def test_without_a_service_its_fields_are_null() -> None:
    empty = Status(
        ServiceView(is_running=False),
        CredentialsView(),
        None,
        EventCounts(),
        SyncView(is_enabled=True),
        (),
    )
    document = status_document(empty, ENGLISH)
    assert document["service"] == {
        "running": False,
        "address": None,
        "pid": None,
        "started_at": None,
        "version": None,
    }
    assert document["doctor"] is None


def test_a_self_test_lists_its_steps() -> None:
    passed = Step("a", StepState.PASSED, Message("A"), None, 1.26)
    failed = Step("b", StepState.FAILED, Message("B"), Message("do {x}", {"x": "it"}))
    assert self_test_document(SelfTestReport((passed, failed)), ENGLISH) == {
        "passed": False,
        "steps": [
            {"name": "a", "state": "passed", "title": "A", "hint": None, "elapsed_ms": 1.3},
            {"name": "b", "state": "failed", "title": "B", "hint": "do it", "elapsed_ms": 0.0},
        ],
    }
    assert self_test_document(SelfTestReport((passed,)), ENGLISH)["passed"] is True


def test_an_error_names_each_setting() -> None:
    failure = SettingsError([Problem("callback.port", Message("an {kind}", {"kind": "integer"}))])
    document = error_document(failure, ENGLISH)["error"]
    assert isinstance(document, dict)
    assert document["code"] == "settings-invalid"
    assert document["problems"] == [{"name": "callback.port", "message": "an integer"}]
    other = error_document(PortInUseError(port=1, holder="x"), ENGLISH)["error"]
    assert isinstance(other, dict)
    assert set(other) == {"code", "title", "hint"}
