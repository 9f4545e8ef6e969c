"""The card about DingTalk's own record, in a real window, against a DingTalk that calls back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tkinter import messagebox

import pytest

from server.api.app import App
from server.api.status import SubscriptionState
from tests.server.subscription.registry import (
    NEEDED,
    OTHER_AES_KEY,
    OTHER_TOKEN,
    TOKEN,
    URL,
    Registry,
    app_of,
    open_registry,
)
from tests.ui.hand import every, shown_texts
from tests.ui.stage import Stage, open_main, shown_crash
from ui.pages.credentials import CredentialsPage
from ui.pages.settings import SettingsPage
from ui.state.window_api import PageName
from ui.widgets.subscription_card import SubscriptionCard
from ui.words.event_words import type_words


@pytest.fixture
def registry() -> Iterator[Registry]:
    with open_registry() as registry:
        yield registry


@pytest.fixture
def app(registry: Registry, tmp_path: Path, language: str) -> App:
    app = app_of(registry, tmp_path / "data")
    app.configure({"ui": {"language": language}})
    return app


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that were put; all of them are answered with yes."""
    asked: list[str] = []

    def agree(_: str, question: str, **__: object) -> bool:
        asked.append(question)
        return True

    monkeypatch.setattr(messagebox, "askokcancel", agree)
    return asked


def open_card(stage: Stage) -> SubscriptionCard:
    stage.program.open_page(PageName.CREDENTIALS)
    page = stage.program.window.built(PageName.CREDENTIALS)
    assert isinstance(page, CredentialsPage)
    stage.hand.let_settle()
    for row in (page.subscription._buttons, page.subscription._set_up):
        if row.winfo_manager():
            row.buttons[0].focus_force()  # scrolls it into sight
    stage.hand.let_settle()
    return page.subscription


def is_shown(stage: Stage, state: SubscriptionState) -> Callable[[], bool]:
    def shown() -> bool:
        snapshot = stage.program.session.snapshot
        return snapshot is not None and snapshot.status.subscription.state is state

    return shown


def press(stage: Stage, card: SubscriptionCard, name: str) -> None:
    button = getattr(card, f"{name}_button")
    stage.hand.wait_for(lambda: str(button.cget("state")) == "normal")
    button.focus_force()
    stage.hand.let_settle()
    stage.hand.click(button)


def compare(stage: Stage, card: SubscriptionCard) -> None:
    """Press the button and wait until the card shows what came of it, and stands still."""

    def asked_at() -> int:
        snapshot = stage.program.session.snapshot
        return (snapshot.status.subscription.checked_at_ms or 0) if snapshot else 0

    before = asked_at()
    press(stage, card, "compare")
    stage.hand.wait_for(lambda: asked_at() > before)
    stage.hand.wait_for(lambda: is_enabled(card, "compare"))
    stage.hand.let_settle()


def is_enabled(card: SubscriptionCard, name: str) -> bool:
    return str(getattr(card, f"{name}_button").cget("state")) == "normal"


def test_the_service_compares_and_the_card_says_that_all_is_equal(
    stage: Stage, registry: Registry
) -> None:
    registry.holds()
    card = open_card(stage)
    compare(stage, card)
    words = stage.texts("The same values are registered with DingTalk.")
    stage.hand.wait_for(lambda: card.headline.full_text == words)
    stage.hand.wait_for(lambda: is_enabled(card, "compare"))
    assert not is_enabled(card, "take")
    assert not is_enabled(card, "write")


def test_what_differs_is_named_and_masked(stage: Stage, registry: Registry) -> None:
    old_url = "https://dingtalk-callbacks.old.example.com/department-of-it/dingtalk/receiver"
    registry.holds(token=OTHER_TOKEN, url=old_url)
    card = open_card(stage)
    compare(stage, card)
    stage.hand.wait_for(is_shown(stage, SubscriptionState.DIFFERS))
    card.write_button.focus_force()
    stage.hand.let_settle()
    shown = shown_texts(card)
    named = stage.texts(", ").join((stage.texts("Address"), "token"))
    assert named in card.headline.full_text  # in the order of the table
    assert {old_url, URL} <= set(shown)
    cut = [one for one in every(card.table) if one.winfo_width() < one.winfo_reqwidth()]
    assert cut == []
    assert shown.count(stage.texts("✗ different")) == 2
    assert shown.count(stage.texts("✓ same")) == 1
    assert OTHER_TOKEN not in " ".join(shown)
    assert TOKEN not in " ".join(shown)


def test_events_that_are_not_subscribed_are_called_as_people_know_them(
    stage: Stage, registry: Registry
) -> None:
    registry.holds(tags=NEEDED[:-1])
    card = open_card(stage)
    compare(stage, card)
    missing = NEEDED[-1]
    words = type_words(missing, stage.texts)
    told = stage.texts("{words} ({name})", words=words, name=missing)
    stage.hand.wait_for(lambda: told in card.notes.full_text)


def test_one_click_takes_dingtalks_values(
    stage: Stage, registry: Registry, asked: list[str]
) -> None:
    registry.holds(token=OTHER_TOKEN, aes_key=OTHER_AES_KEY)
    card = open_card(stage)
    compare(stage, card)
    press(stage, card, "take")
    stage.hand.wait_for(lambda: stage.app.status().credentials.pending is not None)
    assert len(asked) == 1
    assert stage.app.reveal("pending", "token") == OTHER_TOKEN
    assert stage.app.reveal("pending", "aes_key") == OTHER_AES_KEY
    stage.hand.wait_for(is_shown(stage, SubscriptionState.EQUAL))
    words = stage.texts("These are the pending values: DingTalk's next request makes them active.")
    stage.hand.wait_for(lambda: words in shown_texts(card))


def test_one_click_writes_ours_and_shows_each_step(
    stage: Stage, registry: Registry, asked: list[str]
) -> None:
    address = stage.app.status().service.address
    stage.app.configure({"callback": {"public_url": address}})
    registry.holds(url="https://old.example.com/callback", tags=("bpms_task_change",))
    card = open_card(stage)
    compare(stage, card)
    press(stage, card, "write")
    words = stage.texts("Your subscription is registered with DingTalk.")
    stage.hand.wait_for(lambda: card.outcome.full_text == words)
    assert "https://old.example.com/callback" in asked[0]
    assert address in asked[0]
    assert registry.record is not None
    assert (registry.record.url, registry.record.token) == (address, TOKEN)
    assert registry.record.tags == ("bpms_task_change", *NEEDED)
    assert stage.texts("DingTalk's test request arrived here and was answered.") in " ".join(
        str(child.cget("text")) for child in card.steps.winfo_children()
    )
    stage.hand.wait_for(is_shown(stage, SubscriptionState.EQUAL))


@pytest.mark.parametrize(
    ("name", "door"), [("compare", "compare"), ("take", "take"), ("write", "register")]
)
def test_after_a_mistake_of_ours_the_buttons_can_be_pressed_again(
    stage: Stage,
    registry: Registry,
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    door: str,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a mistake of ours")

    registry.holds(token=OTHER_TOKEN)
    card = open_card(stage)
    compare(stage, card)
    stage.hand.wait_for(lambda: is_enabled(card, name))
    monkeypatch.setattr(stage.app.subscription, door, fail)
    asked.clear()
    getattr(card, f"{name}_button").invoke()
    assert not is_enabled(card, name)

    stage.hand.wait_for(lambda: shown_crash(stage) is not None)
    assert is_enabled(card, name)


def test_whoever_says_no_changes_nothing(
    stage: Stage, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messagebox, "askokcancel", lambda *_, **__: False)
    registry.holds(token=OTHER_TOKEN)
    card = open_card(stage)
    compare(stage, card)
    for name in ("take", "write"):
        press(stage, card, name)
    stage.hand.let_settle()
    assert stage.app.status().credentials.pending is None
    assert registry.record is not None
    assert registry.record.token == OTHER_TOKEN


def test_an_address_that_dingtalk_cannot_reach_is_told_step_by_step(
    stage: Stage, registry: Registry, asked: list[str]
) -> None:
    stage.app.configure({"callback": {"public_url": "http://127.0.0.1:1/api/callback"}})
    card = open_card(stage)
    compare(stage, card)
    press(stage, card, "write")
    words = stage.texts("The subscription could not be registered.")
    stage.hand.wait_for(lambda: card.outcome.full_text == words)
    assert len(asked) == 1
    assert registry.record is None


def test_dingtalk_that_refuses_to_give_its_record_is_told(
    stage: Stage, registry: Registry, asked: list[str], told: list[str]
) -> None:
    registry.holds(token=OTHER_TOKEN)
    card = open_card(stage)
    compare(stage, card)
    stage.hand.wait_for(lambda: is_enabled(card, "take"))
    registry.api.callbacks.subscription = None  # meanwhile somebody deleted it
    press(stage, card, "take")
    stage.hand.wait_for(lambda: told)
    assert len(asked) == 1
    title = "No subscription has been registered with DingTalk through the API."
    assert told.pop().startswith(stage.texts(title))


@pytest.mark.parametrize("state", ["not-set-up", "no-record", "failed"])
def test_where_nothing_can_be_compared_it_says_why(
    registry: Registry,
    app: App,
    staged: Callable[[App], AbstractContextManager[Stage]],
    state: str,
) -> None:
    secrets = {"not-set-up": "", "no-record": registry.api.rules.app_secret, "failed": "madeUp"}
    app.configure({"dingtalk": {"app_secret": secrets[state]}})
    with staged(app) as stage:
        open_main(stage)
        stage.hand.wait_for(is_shown(stage, SubscriptionState(state)))
        card = open_card(stage)
        assert not is_enabled(card, "take")
        shown = " ".join(shown_texts(card))
        assert ("40089" in shown) == (state == "failed")
        if state != "no-record":
            stage.hand.click_button(card, stage.texts("E&nter Client ID and Client Secret"))
            stage.hand.wait_for(lambda: stage.program.window.page is PageName.SETTINGS)
            settings = stage.program.window.built(PageName.SETTINGS)
            assert isinstance(settings, SettingsPage)
            stage.hand.wait_for(settings.tests["dingtalk"].winfo_viewable)
