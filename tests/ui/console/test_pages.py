"""The pages for people: what stands in which line."""

from dataclasses import replace

import pytest

from crypto.credentials import CredentialField
from server.api.checks import SelfTestReport, Step, StepState
from server.api.status import (
    CredentialSetView,
    CredentialsView,
    EventCounts,
    EventView,
    Level,
    Notice,
    ServiceView,
    Status,
    SyncView,
)
from server.config.merge import Effect
from server.config.settings import Language
from server.config.store import Config, Outcome
from server.errors.base import Problem, SettingsError
from server.errors.message import Message
from ui.console.pages import error_page, event_line, outcome_page, self_test_page, status_page
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
NOW_MS = 1_700_000_000_123
EMPTY = Status(
    ServiceView(is_running=False),
    CredentialsView(),
    None,
    EventCounts(),
    SyncView(is_enabled=False),
    (),
)
EVENT = EventView(7, NOW_MS, "user_add_org", "e", "c", "pending", None, {"名": "张三"}, 0)
OUTCOME = Outcome(Config(), (), needs_restart=False, credentials=Effect.UNTOUCHED, missing=())


def test_a_status_without_anything_is_short() -> None:
    assert list(status_page(EMPTY, ENGLISH)) == [
        "Service: not running",
        "Events: 0 pending, 0 in progress, 0 done, 0 ignored, 0 failed; 0 duplicates",
        "Automatic sync: off",
        "  Last sync: none yet",
    ]


def test_a_status_shows_sets_uses_and_notices() -> None:
    unused = CredentialSetView("t*", "a*", "dingkey")
    used = replace(unused, last_used_at_ms=NOW_MS, last_used_from="1.2.3.4", calls=3)
    status = replace(
        EMPTY,
        service=ServiceView(is_running=True, pid=7, started_at_ms=NOW_MS),
        credentials=CredentialsView(used, unused, used, "active", ("token",)),
        sync=SyncView(is_enabled=True),
        notices=(Notice("c", Level.ERROR, Message("Title."), Message("Hint.")),),
    )
    lines = list(status_page(status, ENGLISH))
    assert lines[0].startswith("Service: running at … (process 7, since ")
    assert lines[1] == "Active credentials: key dingkey, token t*, aes_key a*"
    assert lines[2].endswith("from 1.2.3.4, requests: 3")
    assert lines[3].startswith("Pending credentials: ")
    assert lines[4] == "  not used by DingTalk yet"
    assert lines[5].startswith("Previous credentials: ")
    assert lines[7] == "Still missing: token"
    assert lines[-4:] == ["Automatic sync: on", "  Last sync: none yet", "! Title.", "  Hint."]


def test_an_event_is_one_line() -> None:
    moment = ENGLISH.moment(NOW_MS)
    assert event_line(EVENT, ENGLISH) == (
        f'     7  {moment}  pending  user_add_org         {{"名": "张三"}}'
    )
    failed = replace(EVENT, event_type=None, payload="success", error="why")
    assert event_line(failed, ENGLISH).endswith("–                    success  (why)")


def test_a_long_payload_is_cut() -> None:
    line = event_line(replace(EVENT, payload="钉" * 1000), ENGLISH)
    assert line.endswith(f"{'钉' * 160}…")
    assert line.count("钉") == 160


@pytest.mark.parametrize(
    ("outcome", "lines"),
    [
        (OUTCOME, ["Nothing changed."]),
        (
            replace(OUTCOME, changed=("a.b", "c.d"), needs_restart=True),
            [
                "Changed: a.b, c.d",
                "A new host or port takes effect after the running service is restarted.",
            ],
        ),
        (
            replace(OUTCOME, changed=("callback.token",), credentials=Effect.ACTIVE),
            ["Changed: callback.token", "The credentials are active now."],
        ),
        (
            replace(
                OUTCOME,
                credentials=Effect.INCOMPLETE,
                missing=(CredentialField.TOKEN, CredentialField.KEY),
                config=Config(notes=(Message("A note."),)),
            ),
            [
                "Nothing changed.",
                "The credentials are not complete: token, key still missing.",
                "! A note.",
            ],
        ),
    ],
    ids=["nothing", "restart", "active", "incomplete"],
)
def test_an_outcome_is_told(outcome: Outcome, lines: list[str]) -> None:
    assert list(outcome_page(outcome, ENGLISH)) == lines


def test_pending_credentials_tell_what_to_do_next() -> None:
    (_, told) = outcome_page(replace(OUTCOME, credentials=Effect.PENDING), ENGLISH)
    assert "Save them in the DingTalk console now" in told


def test_a_self_test_has_a_line_a_step_and_a_verdict() -> None:
    steps = (
        Step("a", StepState.PASSED, Message("A."), None, 1.6),
        Step("b", StepState.FAILED, Message("B."), Message("Do this."), 20),
        Step("c", StepState.SKIPPED, Message("C.")),
        Step("d", StepState.NOTE, Message("D.")),
    )
    assert list(self_test_page(SelfTestReport(steps), ENGLISH)) == [
        "ok    A. (2 ms)",
        "FAIL  B. (20 ms)",
        "      Do this.",
        "--    C.",
        "note  D.",
        "The self-test failed.",
    ]
    assert list(self_test_page(SelfTestReport(steps[:1]), ENGLISH))[-1] == "All is well."


def test_an_error_names_each_problem_between_title_and_hint() -> None:
    lines = list(error_page(SettingsError([Problem("a.b", Message("wrong"))]), ENGLISH))
    assert lines[1] == "  a.b: wrong"
    assert len(lines) == 3
