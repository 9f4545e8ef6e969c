"""What `subscription` prints: one line says it, the rest says what to do."""

from dataclasses import replace

import pytest

from server.api.status import ErrorView, SubscriptionState, SubscriptionView
from server.config.settings import Language
from server.errors.message import Message
from ui.console.subscription_pages import subscription_line, subscription_page
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
NOW_MS = 1_700_000_000_123
EQUAL = SubscriptionView(
    SubscriptionState.EQUAL,
    our_url="https://ding.example.com/",
    checked_at_ms=NOW_MS,
    url="https://ding.example.com/",
    token="ab••••yz",
    aes_key="••••",
    event_types=("user_add_org",),
    fits="active",
)


@pytest.mark.parametrize("language", [Language.ENGLISH, Language.CHINESE])
@pytest.mark.parametrize("state", SubscriptionState)
def test_every_state_has_a_line(state: SubscriptionState, language: Language) -> None:
    view = SubscriptionView(state, missing=("a",), differences=("b",), checked_at_ms=NOW_MS)
    assert subscription_line(view, Texts(language))


def test_what_is_equal_asks_for_nothing() -> None:
    moment = ENGLISH.moment(NOW_MS)
    assert list(subscription_page(EQUAL, ENGLISH)) == [
        f"Registered with DingTalk: the same as here (compared {moment})",
        "  callback address: https://ding.example.com/",
        "  token ab••••yz, aes_key ••••",
        "  events: user_add_org",
    ]


def test_what_differs_names_both_ways_to_mend_it() -> None:
    view = replace(
        EQUAL, state=SubscriptionState.DIFFERS, differences=("token",), missing_events=("x",)
    )
    lines = list(subscription_page(view, ENGLISH))
    assert "differs in token" in lines[0]
    assert lines[-3:] == [
        "Events that the sync needs and DingTalk does not send: x",
        "--take uses DingTalk's token and aes_key here.",
        "--register writes your values to DingTalk.",
    ]


def test_values_that_cannot_be_used_are_not_offered() -> None:
    view = replace(
        EQUAL, state=SubscriptionState.DIFFERS, differences=("token",), unusable=("token",)
    )
    page = "\n".join(subscription_page(view, ENGLISH))
    assert "cannot be used here: token" in page
    assert "--take" not in page


def test_pending_values_on_record_are_told() -> None:
    page = "\n".join(subscription_page(replace(EQUAL, fits="pending"), ENGLISH))
    assert "The pending credentials are the registered ones" in page


def test_a_failure_is_told_with_its_remedy() -> None:
    error = ErrorView("made-up", Message("Title."), Message("Hint."))
    view = SubscriptionView(SubscriptionState.FAILED, checked_at_ms=NOW_MS, error=error)
    assert list(subscription_page(view, ENGLISH))[1:] == ["! Title.", "  Hint."]
