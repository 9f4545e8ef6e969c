import json
from typing import Any

import pytest

from server.api.status import (
    ChangeView,
    ErrorView,
    HeldView,
    QuarantineView,
    RunSummary,
    RunTotals,
    RunView,
    SyncState,
    SyncView,
)
from server.config.settings import Language
from server.errors.base import SettingsError
from server.errors.message import Message
from ui.console import documents
from ui.console.sync_pages import run_page, sync_lines
from ui.words.text import Texts

ERROR = ErrorView("wecom-60104", Message("{name} is taken", {"name": "Li"}), Message("Correct it"))


@pytest.fixture
def texts() -> Texts:
    return Texts(Language.ENGLISH)


def _run(status: str, *changes: ChangeView, **more: Any) -> RunView:
    summary = RunSummary(
        id=3,
        cause=Message("asked"),
        is_full=True,
        started_at_ms=0,
        finished_at_ms=5,
        status=status,
        **more,
    )
    return RunView(summary, changes)


def _change(action: str = "update", kind: str = "person", result: str = "done") -> ChangeView:
    fields = {"department": (("1", "2"), ("3",)), "mobile": (None, "138"), "enable": (1, 0)}
    return ChangeView(action, kind, "u1", "w1", "李", fields, result)


def test_the_document_has_the_fields_of_the_contract_and_no_others(texts: Texts) -> None:
    change = ChangeView(
        "conflict",
        "person",
        "u1",
        "w1",
        "李",
        {"order": (None, (1, 2))},
        "skipped",
        ERROR,
        (Message("one"), Message("two")),
    )
    run = _run(
        "partial", change, snapshot_complete=False, incomplete_reason=(Message("a"), Message("b"))
    )
    error = {"code": "wecom-60104", "title": "Li is taken", "hint": "Correct it"}
    assert json.loads(documents.dumped(documents.sync_document(run, texts))) == {
        "status": "partial",
        "digest": None,
        "snapshot_complete": False,
        "incomplete_reason": "a\nb",
        "error": None,
        "changes": [
            {
                "action": "conflict",
                "kind": "person",
                "dingtalk_id": "u1",
                "wecom_id": "w1",
                "fields": {"order": {"old": None, "new": [1, 2]}},
                "result": "skipped",
                "error": error,
                "warning": "one\ntwo",
            }
        ],
        "warnings": [],
    }


def test_a_run_without_trouble_has_nulls_in_the_document(texts: Texts) -> None:
    document = documents.sync_document(_run("held", digest="d1", snapshot_complete=True), texts)
    assert document == {
        "status": "held",
        "digest": "d1",
        "snapshot_complete": True,
        "incomplete_reason": None,
        "error": None,
        "changes": [],
        "warnings": [],
    }


def test_the_document_has_the_warnings_that_the_page_prints(texts: Texts) -> None:
    run = _run("success", warnings=(Message("one {count}", {"count": 1}), Message("two")))
    assert documents.sync_document(run, texts)["warnings"] == ["one 1", "two"]
    assert list(run_page(run, texts))[:2] == ["! one 1", "! two"]


def test_a_run_that_could_not_begin_has_the_same_document(texts: Texts) -> None:
    document = documents.unmade_sync_document(SettingsError([]), texts)
    expected = documents.sync_document(_run("failed"), texts)
    assert document.keys() == expected.keys()
    assert document["status"] == "failed"
    error = document["error"]
    assert isinstance(error, dict)
    assert error.keys() == {"code", "title", "hint"}


def test_a_change_is_shown_with_old_and_new(texts: Texts) -> None:
    run = _run("success", _change(), totals=RunTotals(done=1))
    assert list(run_page(run, texts)) == [
        "ok    change the member 李 (u1 → w1)",
        "        department: 1, 2 → 3",
        "        mobile: – → 138",
        "        enable: 1 → 0",
        "The sync succeeded. Changes made: 1.",
    ]


def test_what_failed_is_shown_with_cause_and_remedy(texts: Texts) -> None:
    change = ChangeView(
        "create", "person", "u1", "", "", {}, "failed", ERROR, (Message("was cut"),)
    )
    lines = list(run_page(_run("partial", change), texts))
    assert lines[:4] == [
        "FAIL  create the member (u1 → –)",
        "      ! was cut",
        "      Li is taken",
        "      Correct it",
    ]


@pytest.mark.parametrize("kind", ["person", "department"])
@pytest.mark.parametrize(
    "action", ["create", "adopt", "update", "enable", "disable", "delete", "conflict"]
)
@pytest.mark.parametrize("result", ["planned", "done", "held", "skipped", "failed"])
def test_every_change_there_can_be_is_shown(
    texts: Texts, action: str, kind: str, result: str
) -> None:
    first = next(run_page(_run("success", _change(action, kind, result)), texts))
    assert first.endswith("李 (u1 → w1)")


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (_run("success"), ["Nothing to change: WeCom matches DingTalk."]),
        (
            _run("preview", totals=RunTotals(planned=2), digest="d1"),
            [
                "Preview only; nothing was written. Changes that would be made: 2.",
                "To approve exactly this list: sync --allow d1",
            ],
        ),
        (
            _run("held", totals=RunTotals(held=4, done=1), digest="d1"),
            [
                "Changes waiting for your approval: 4. Other changes made: 1.",
                "To approve exactly this list: sync --allow d1",
            ],
        ),
        (
            _run("refused"),
            [
                (
                    "Refused: this is not the digest of the list awaiting approval. "
                    "Nothing was written."
                ),
            ],
        ),
        (
            _run("failed", error=ERROR, totals=RunTotals(done=7)),
            [
                "The sync failed. Changes made before: 7.",
                "Li is taken",
                "Correct it",
            ],
        ),
        (
            _run(
                "partial",
                incomplete_reason=(Message("page 3 failed"),),
                warnings=(Message("no emails"),),
                totals=RunTotals(done=1, failed=2, skipped=3, conflicts=1),
            ),
            [
                "! no emails",
                "! page 3 failed",
                "DingTalk was not read completely, so nobody was removed.",
                (
                    "Done, with problems. Changes made: 1; failed: 2; skipped: 3, of which need "
                    "your decision: 1."
                ),
            ],
        ),
    ],
)
def test_the_ending_is_told(texts: Texts, run: RunView, expected: list[str]) -> None:
    assert list(run_page(run, texts)) == expected


def test_why_it_is_held_stands_between_the_ending_and_the_remedy(texts: Texts) -> None:
    summary = _run("held", totals=RunTotals(held=4), digest="d1").summary
    lines = list(run_page(RunView(summary, hold_reasons=(Message("too many"),)), texts))
    assert lines == [
        "Changes waiting for your approval: 4. Other changes made: 0.",
        "too many",
        "To approve exactly this list: sync --allow d1",
    ]


@pytest.mark.parametrize("state", list(SyncState))
def test_the_status_tells_how_the_mirror_stands(texts: Texts, state: SyncState) -> None:
    lines = list(sync_lines(SyncView(is_enabled=False, state=state), texts))
    assert lines[0] == "Automatic sync: off"
    assert lines[1].startswith("  Last sync: ")
    assert len(lines) == 2


def test_the_status_tells_the_times(texts: Texts) -> None:
    current = _run("success").summary
    view = SyncView(True, SyncState.SUCCESS, 1000, None, current, 2000)  # noqa: FBT003 - the fields in their order
    starts = [line.partition(" 19")[0].strip() for line in sync_lines(view, texts)]
    assert starts == [
        "Automatic sync: on",
        "Last sync: succeeded",
        "A sync has been running since",
        "Last successful sync:",
        "Next full sync:",
    ]


def test_the_status_document_tells_all_of_it(texts: Texts) -> None:
    view = SyncView(
        is_enabled=True,
        state=SyncState.QUARANTINED,
        last_success_at_ms=1000,
        last_run=_run("failed", totals=RunTotals(people=5)).summary,
        next_full_run_at_ms=2000,
        held=HeldView("d1", 3, 4000, (Message("why"),)),
        quarantine=QuarantineView(1, 2, ERROR),
        conflicts=2,
    )
    document = documents.sync_state_document(view, texts)
    assert document["state"] == "quarantined"
    assert document["last_success_at"] == "1970-01-01T00:00:01.000Z"
    assert document["held"] == {
        "digest": "d1",
        "run": 3,
        "since": "1970-01-01T00:00:04.000Z",
        "reasons": ["why"],
        "rejected": False,
    }
    assert document["quarantine"] == {
        "since": "1970-01-01T00:00:00.001Z",
        "until": "1970-01-01T00:00:00.002Z",
        "error": {"code": "wecom-60104", "title": "Li is taken", "hint": "Correct it"},
    }
    last_run = document["last_run"]
    assert isinstance(last_run, dict)
    assert (last_run["status"], last_run["people"]) == ("failed", 5)
    assert document["current_run"] is None


def test_the_status_document_of_a_mirror_never_used_has_nulls(texts: Texts) -> None:
    assert documents.sync_state_document(SyncView(is_enabled=False), texts) == {
        "enabled": False,
        "state": "never",
        "last_success_at": None,
        "last_run": None,
        "current_run": None,
        "next_full_run_at": None,
        "held": None,
        "quarantine": None,
        "conflicts": 0,
    }
