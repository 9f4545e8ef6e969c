"""The guided set-up, worked with mouse and keyboard as a first user does."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from server.api.app import App
from server.errors.base import FileAccessError
from tests.ui.hand import every, shown_texts
from tests.ui.office import AES_KEY, KEY, TOKEN, check_address, office
from tests.ui.stage import Stage, shown_crash
from ui.guide.steps import AddressStep, CheckStep, ValuesStep
from ui.guide.waiting import WaitingStep
from ui.guide.window import GuideWindow

Staged = Callable[[App], AbstractContextManager[Stage]]


@pytest.fixture
def app(tmp_path: Path, language: str) -> App:
    return office(tmp_path / "data", language, is_set_up=False)


def _guide(stage: Stage) -> GuideWindow:
    stage.hand.wait_for(lambda: stage.program.guide is not None)
    guide = stage.program.guide
    assert guide is not None
    stage.hand.wait_for(guide.window.winfo_viewable)
    return guide


def _enter(stage: Stage, step: ValuesStep, name: str, value: str) -> None:
    stage.hand.click(step.form.entries[name].entry)
    stage.hand.type(value)


def test_the_first_start_leads_from_nothing_to_a_genuine_call(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide, hand = _guide(stage), stage.hand
        hand.click(guide.next_button)
        values = guide.step
        assert isinstance(values, ValuesStep)
        assert str(guide.next_button.cget("state")) == "disabled"
        for name, value in (("token", TOKEN), ("aes_key", AES_KEY), ("key", KEY)):
            _enter(stage, values, name, value)
        hand.click(guide.next_button)

        hand.wait_for(lambda: isinstance(guide.step, AddressStep))
        assert app.config().secrets.keyring.active is not None
        hand.click(guide.next_button)

        hand.wait_for(lambda: isinstance(guide.step, CheckStep))
        test = guide.step
        assert isinstance(test, CheckStep)
        hand.wait_for(test.list.winfo_children)
        assert stage.texts("All is well.") in shown_texts(test.list)
        hand.click(guide.next_button)

        waiting = guide.step
        assert isinstance(waiting, WaitingStep)
        assert not waiting.has_contact
        check_address(app)
        hand.wait_for(lambda: waiting.has_contact)
        assert waiting.headline.full_text == stage.texts("DingTalk is connected. All is well.")
        hand.click(guide.next_button)

        hand.wait_for(stage.root.winfo_viewable)
        assert stage.program.guide is None
        assert stage.program.session.remembered.is_guide_done


def test_what_could_not_be_kept_can_be_tried_again(
    app: App, staged: Staged, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise FileAccessError(path="settings.json", reason="made up")

    with staged(app) as stage:
        guide, hand = _guide(stage), stage.hand
        guide.show(2)
        with monkeypatch.context() as locked:
            locked.setattr(app, "configure", refuse)
            hand.key("Return")
            hand.wait_for(lambda: told)
        told.clear()
        hand.key("Return")
        hand.wait_for(lambda: isinstance(guide.step, CheckStep))


def test_what_a_mistake_of_ours_kept_from_being_saved_can_be_tried_again(
    app: App, staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("a mistake of ours")

    with staged(app) as stage:
        guide = _guide(stage)
        guide.show(2)
        with monkeypatch.context() as broken:
            broken.setattr(app, "configure", fail)
            guide.next_button.invoke()
            stage.hand.wait_for(lambda: shown_crash(stage) is not None)
        guide.next_button.invoke()
        stage.hand.wait_for(lambda: isinstance(guide.step, CheckStep))


def test_a_wrong_value_is_named_while_it_is_typed(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide = _guide(stage)
        guide.show(1)
        values = guide.step
        assert isinstance(values, ValuesStep)

        _enter(stage, values, "aes_key", "AbC")

        problem = app.judge_value("aes_key", "AbC")[1]
        assert problem is not None
        assert stage.texts.of(problem) in shown_texts(values)
        assert str(guide.next_button.cget("state")) == "disabled"


def test_a_block_from_the_console_is_taken_apart(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide = _guide(stage)
        guide.show(1)
        values = guide.step
        assert isinstance(values, ValuesStep)

        stage.hand.click(values.form.block)
        stage.root.clipboard_clear()
        stage.root.clipboard_append(f"aes_key: {AES_KEY}\nToken: {TOKEN}\nClient ID: {KEY}")
        stage.hand.key("v", with_control=True)

        assert values.form.values == {"token": TOKEN, "aes_key": AES_KEY, "key": KEY}
        assert stage.texts("Found all three values.") in shown_texts(values)
        assert str(guide.next_button.cget("state")) == "normal"


def test_it_can_be_left_and_resumed(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide = _guide(stage)
        guide.show(1)
        values = guide.step
        assert isinstance(values, ValuesStep)
        _enter(stage, values, "token", TOKEN)
        stage.hand.click(guide.later_button)
        stage.hand.wait_for(stage.root.winfo_viewable)

    with staged(App(app.folder)) as stage:
        guide = _guide(stage)
        values = guide.step
        assert isinstance(values, ValuesStep)
        names = stage.texts(", ").join(("aes_key", "key"))
        kept = stage.texts("Saved last time; still missing: {names}", names=names)
        stage.hand.wait_for(lambda: kept in shown_texts(values))
        _enter(stage, values, "aes_key", AES_KEY)
        _enter(stage, values, "key", KEY)
        stage.hand.click(guide.next_button)

        stage.hand.wait_for(lambda: isinstance(guide.step, AddressStep))
        assert stage.app.reveal("active", "token") == TOKEN


def test_a_call_with_another_key_offers_that_key(app: App, staged: Staged) -> None:
    app.configure({"callback": {"token": TOKEN, "aes_key": AES_KEY, "key": "dingmistake"}})
    with staged(app) as stage:
        stage.hand.wait_for(lambda: app.is_serving and stage.program.session.snapshot)
        stage.program.open_guide()
        guide = _guide(stage)
        guide.show(4)
        waiting = guide.step
        assert isinstance(waiting, WaitingStep)

        check_address(app)  # under the right key
        label = stage.texts("&Use the key {key}", key=KEY).replace("&", "")
        stage.hand.wait_for(lambda: label in shown_texts(waiting))
        stage.hand.click_button(waiting, label)
        stage.hand.wait_for(lambda: app.status().credentials.pending is not None)
        check_address(app)

        stage.hand.wait_for(lambda: waiting.has_contact)


def test_the_keyboard_alone_leads_through(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide, hand = _guide(stage), stage.hand
        guide.window.focus_force()
        hand.let_settle()

        hand.key("Return")
        values = guide.step
        assert isinstance(values, ValuesStep)
        hand.key("Tab")  # past the field for all three at once, where typing begins
        hand.type(TOKEN)
        hand.key("Tab")  # Show
        hand.key("Tab")
        hand.type(AES_KEY)
        hand.key("Tab")
        hand.key("Tab")
        hand.type(KEY)
        hand.key("n", with_alt=True)
        hand.wait_for(lambda: isinstance(guide.step, AddressStep))

        hand.key("b", with_alt=True)
        assert isinstance(guide.step, ValuesStep)
        hand.key("Escape")
        hand.wait_for(lambda: stage.program.guide is None)


def test_what_is_typed_never_goes_to_a_step_out_of_sight(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide, hand = _guide(stage), stage.hand
        guide.show(1)
        values = guide.step
        assert isinstance(values, ValuesStep)
        _enter(stage, values, "key", KEY)

        guide.show(3)
        hand.type("stray")

        assert values.form.entries["key"].text.get() == KEY


def test_raising_the_window_leaves_the_keyboard_where_it_was(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide, hand = _guide(stage), stage.hand
        guide.show(1)
        values = guide.step
        assert isinstance(values, ValuesStep)
        _enter(stage, values, "key", KEY[:5])

        stage.program.show_window()  # as a second double-click does
        hand.type(KEY[5:])

        assert values.form.entries["key"].text.get() == KEY


def test_it_says_where_windows_11_hides_the_icon(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        guide = _guide(stage)
        words = " ".join(shown_texts(guide.window))

        assert "Windows 11" in words
        assert any(widget.winfo_viewable() for widget in every(guide.window))
