"""Every page in a real window, worked with mouse and keyboard."""

import json
import tkinter as tk

import pytest

from server.config.settings import Language
from tests.ui.hand import every, shown_texts
from tests.ui.office import AES_KEY, KEY, TOKEN, check_address, let_age, send_events
from tests.ui.stage import Stage
from ui.pages.about import LicencesWindow
from ui.pages.credentials import CredentialsPage
from ui.pages.events import EventsPage
from ui.pages.overview import OverviewPage
from ui.pages.page import Page
from ui.pages.rejected import RejectedPage
from ui.pages.selftest import SelfTestPage
from ui.pages.settings import SettingsPage
from ui.state.window_api import PageName


def _open(stage: Stage, name: PageName) -> Page:
    """Open a page by a click on its name in the list."""
    letters = list(stage.program.window.pages)
    buttons = [
        widget
        for widget in every(stage.program.window.frame)
        if isinstance(widget, tk.Widget) and widget.winfo_class() == "TRadiobutton"
    ]
    stage.hand.click(buttons[letters.index(name)])
    stage.hand.wait_for(lambda: stage.program.window.page is name)
    return stage.program.window.built(name)


def _shown(stage: Stage) -> PageName | None:
    return stage.program.window.page


@pytest.mark.parametrize("name", list(PageName))
def test_every_page_opens_with_a_click_and_fits_into_the_window(
    stage: Stage, name: PageName
) -> None:
    page = _open(stage, name)
    stage.hand.let_settle()

    buttons = [
        one for one in every(page) if one.winfo_class() == "TButton" and one.winfo_viewable()
    ]
    cut = [one for one in buttons if one.winfo_width() < one.winfo_reqwidth()]
    assert shown_texts(page)
    assert cut == []


def test_pages_open_with_the_keyboard(stage: Stage) -> None:
    stage.root.focus_force()
    stage.hand.let_settle()

    stage.hand.key("e", with_alt=True)
    assert _shown(stage) is PageName.EVENTS
    stage.hand.key("2", with_control=True)
    assert _shown(stage) is PageName.CREDENTIALS


class TestOverview:
    def test_it_says_that_all_is_well(self, stage: Stage) -> None:
        check_address(stage.app)
        stage.look_again()
        page = _open(stage, PageName.OVERVIEW)
        assert isinstance(page, OverviewPage)

        words = stage.texts("All is well: DingTalk's events are being received.")
        assert page.headline.full_text == words
        assert "127.0.0.1" in " ".join(shown_texts(page))

    def test_one_click_uses_the_key_that_dingtalk_sent(self, stage: Stage) -> None:
        check_address(stage.app, key="dingtheotherkey0")
        stage.look_again()
        page = _open(stage, PageName.OVERVIEW)

        stage.hand.click_button(page, stage.texts("&Use the key {key}", key="dingtheotherkey0"))

        stage.hand.wait_for(lambda: stage.app.status().credentials.pending is not None)
        assert stage.app.reveal("pending", "key") == "dingtheotherkey0"
        assert stage.app.reveal("pending", "token") == TOKEN

    def test_the_sync_is_one_click_away(self, stage: Stage) -> None:
        page = _open(stage, PageName.OVERVIEW)
        assert isinstance(page, OverviewPage)
        assert page.sync_state.full_text == stage.texts("Automatic sync is off.")

        stage.hand.click_button(page, stage.texts("Open the sy&nc").replace("&", ""))

        stage.hand.wait_for(lambda: _shown(stage) is PageName.SYNC)

    def test_the_address_is_copied_with_one_click(self, stage: Stage) -> None:
        page = _open(stage, PageName.OVERVIEW)
        label = stage.texts("Co&py").replace("&", "")

        stage.hand.click_button(page, label)

        assert stage.root.clipboard_get() == stage.app.status().callback_url


class TestCredentials:
    def test_secrets_are_masked_shown_on_demand_and_copied(self, stage: Stage) -> None:
        page = _open(stage, PageName.CREDENTIALS)
        assert isinstance(page, CredentialsPage)
        card = page.cards["active"]
        assert TOKEN not in shown_texts(page)

        show = [one for one in every(card) if one.winfo_class() == "TButton"]
        stage.hand.click(show[0])
        stage.hand.wait_for(lambda: card.values["token"].cget("text") == TOKEN)
        stage.hand.click(show[1])
        stage.hand.wait_for(lambda: stage.root.clipboard_get() == TOKEN)

        _open(stage, PageName.OVERVIEW)
        _open(stage, PageName.CREDENTIALS)
        assert TOKEN not in shown_texts(page)

    def test_new_values_wait_beside_the_old_ones(self, stage: Stage) -> None:
        page = _open(stage, PageName.CREDENTIALS)
        assert isinstance(page, CredentialsPage)
        assert str(page.save_button.cget("state")) == "disabled"

        page.form.entries["token"].entry.focus_force()
        stage.hand.type("newToken2027")
        assert str(page.save_button.cget("state")) == "normal"
        stage.hand.key("Return")

        stage.hand.wait_for(lambda: "pending" in page.cards)
        assert stage.app.reveal("pending", "token") == "newToken2027"
        check_address(stage.app, token="newToken2027")
        stage.hand.wait_for(lambda: "previous" in page.cards)
        assert stage.app.reveal("active", "token") == "newToken2027"

    def test_generated_values_are_entered_and_copied(self, stage: Stage) -> None:
        page = _open(stage, PageName.CREDENTIALS)
        assert isinstance(page, CredentialsPage)

        entry = page.form.entries["aes_key"]
        label = stage.texts("Generate and copy")
        entry.entry.focus_force()  # scrolls it into sight
        stage.hand.let_settle()
        stage.hand.click_button(entry, label)

        value = stage.root.clipboard_get()
        assert page.form.values == {"aes_key": value}
        assert len(value) == 43
        assert value.isalnum()


class TestEvents:
    @pytest.fixture
    def page(self, stage: Stage) -> EventsPage:
        send_events(stage.app, 60)
        let_age(stage.app)
        page = _open(stage, PageName.EVENTS)
        assert isinstance(page, EventsPage)
        stage.hand.wait_for(lambda: page.feed.is_complete)
        return page

    def test_a_click_shows_all_of_an_event(self, stage: Stage, page: EventsPage) -> None:
        heading_px = stage.program.session.theme.px(40)
        stage.hand.click(page.table.tree, y=heading_px)
        stage.hand.wait_for(lambda: page.details.box.get("1.0", "end").strip())

        newest = stage.app.events(1).events[0]
        assert json.loads(page.details.box.get("1.0", "end")) == newest.payload
        stage.hand.click(page.copy_button)
        assert json.loads(stage.root.clipboard_get()) == newest.payload

    def test_the_keyboard_walks_through_the_table(self, stage: Stage, page: EventsPage) -> None:
        page.table.tree.focus_force()
        stage.hand.key("End")
        oldest = page.feed.rows[-1].key
        assert page.table.selected_key == oldest
        stage.hand.key("Up")
        assert page.table.selected_key == page.feed.rows[-2].key
        stage.hand.key("Home")
        assert page.table.selected_key == page.feed.rows[0].key
        assert page.table.first == 0

    def test_new_events_appear_by_themselves(self, stage: Stage, page: EventsPage) -> None:
        count = len(page.feed.rows)
        send_events(stage.app, 3, seed=8)

        stage.hand.wait_for(lambda: len(page.feed.rows) > count)

        assert page.feed.rows[0].key == stage.app.events(1).events[0].id

    def test_whoever_reads_further_down_keeps_his_place(
        self, stage: Stage, page: EventsPage
    ) -> None:
        page.table.scroll_to(10)
        top = page.feed.rows[page.table.first].key
        count = len(page.feed.rows)

        send_events(stage.app, 3, seed=8)
        stage.hand.wait_for(lambda: len(page.feed.rows) > count)

        assert page.feed.rows[page.table.first].key == top

    def test_a_search_finds_text_in_the_event(self, stage: Stage, page: EventsPage) -> None:
        wanted = stage.app.event(page.feed.rows[20].key)
        assert wanted is not None
        stage.hand.click(page.search)
        stage.hand.type(str(wanted.event_id))

        stage.hand.wait_for(lambda: [row.key for row in page.feed.rows] == [wanted.id])

    def test_only_failed_ones_can_be_shown_and_processed_again(
        self, stage: Stage, page: EventsPage
    ) -> None:
        page.state_choice.focus_force()
        for _ in range(5):  # the states in their order; failed is the last
            stage.hand.key("Down")
        if page.state_choice.current() != 5:  # a list of its own opened
            stage.hand.key("Return")
            page.state_choice.current(5)
            page.state_choice.event_generate("<<ComboboxSelected>>")
        stage.hand.wait_for(lambda: len(page.feed.rows) == 2)
        page.table.select(0)
        stage.hand.wait_for(lambda: str(page.again_button.cget("state")) == "normal")

        stage.hand.click(page.again_button)

        stage.hand.wait_for(lambda: stage.app.status().events.failed == 1)
        stage.hand.wait_for(lambda: len(page.feed.rows) == 1)
        told = stage.texts("Events queued for processing: {count}.", count="1")
        assert told in shown_texts(stage.program.window.frame)


class TestRejected:
    def test_the_cause_is_told_and_mended_with_one_click(self, stage: Stage) -> None:
        check_address(stage.app, token="another1")
        check_address(stage.app, key="dingtheotherkey0")
        page = _open(stage, PageName.REJECTED)
        assert isinstance(page, RejectedPage)
        stage.hand.wait_for(lambda: len(page.tree.get_children()) == 2)

        causes = {str(page.tree.set(item, "why")) for item in page.tree.get_children()}
        assert stage.texts("The token does not match the DingTalk console.") in causes
        stage.hand.click(page.adopt_button)

        stage.hand.wait_for(lambda: stage.app.status().credentials.pending is not None)
        assert stage.app.reveal("pending", "key") == "dingtheotherkey0"

    def test_nothing_is_advised_once_a_genuine_call_came(self, stage: Stage) -> None:
        check_address(stage.app, key="dingtheotherkey0")
        check_address(stage.app)
        page = _open(stage, PageName.REJECTED)
        assert isinstance(page, RejectedPage)
        settled = stage.texts("A genuine request came later: this is resolved.")
        stage.hand.wait_for(lambda: page.hint.full_text == settled)


class TestSelfTest:
    def test_it_runs_by_itself_and_again_on_demand(self, stage: Stage) -> None:
        page = _open(stage, PageName.SELF_TEST)
        assert isinstance(page, SelfTestPage)
        stage.hand.wait_for(page.steps.winfo_children)
        assert stage.texts("All is well.") in shown_texts(page.steps)

        stage.hand.click(page.buttons.buttons[0])
        assert page.steps.winfo_children() == []
        stage.hand.wait_for(page.steps.winfo_children)


def _open_tab(page: SettingsPage, number: int) -> None:
    page.tabs.select(number)  # type: ignore[no-untyped-call] # as the library's stubs have it


class TestSettings:
    @pytest.fixture
    def page(self, stage: Stage) -> SettingsPage:
        page = _open(stage, PageName.SETTINGS)
        assert isinstance(page, SettingsPage)
        stage.hand.wait_for(page.fields["callback.host"].text.get)
        return page

    def test_a_value_is_judged_while_it_is_typed(self, stage: Stage, page: SettingsPage) -> None:
        field = page.fields["callback.port"]
        stage.hand.click(field.control)
        stage.hand.key("End")
        stage.hand.type("99999")

        assert field.problem
        assert f"{field.problem[0].upper()}{field.problem[1:]}" in shown_texts(page)
        assert str(page.save_button.cget("state")) == "disabled"
        stage.hand.click(page.undo_button)
        stage.hand.wait_for(lambda: field.text.get() == "0")
        assert field.problem == ""

    def test_a_changed_path_is_saved_and_the_console_is_mentioned(
        self, stage: Stage, page: SettingsPage
    ) -> None:
        field = page.fields["callback.path"]
        stage.hand.click(field.control)
        stage.hand.key("End")
        stage.hand.type("2")
        hint = stage.texts("Change the address in the DingTalk console as well.")
        assert hint in shown_texts(page)

        stage.hand.click(page.save_button)

        stage.hand.wait_for(lambda: stage.app.status().service.address.endswith("/api/callback2"))
        stage.hand.wait_for(lambda: page.told.full_text == stage.texts("✓ Saved and in effect."))

    def test_a_contradiction_is_told_at_its_value(self, stage: Stage, page: SettingsPage) -> None:
        _open_tab(page, 3)
        field = page.fields["sync.excluded_department_ids"]
        stage.hand.click(field.control)
        stage.hand.type("1")
        stage.hand.click(page.save_button)

        stage.hand.wait_for(lambda: field.problem)
        assert stage.app.config().settings.sync.excluded_department_ids == ()

    def test_a_secret_is_stored_and_never_shown_again(
        self, stage: Stage, page: SettingsPage
    ) -> None:
        _open_tab(page, 1)
        field = page.fields["dingtalk.app_secret"]
        stage.hand.let_settle()
        field.control.winfo_children()[0].focus_force()
        stage.hand.type("madeUpSecret")
        stage.hand.click(page.save_button)

        stored = stage.texts("Saved; type to replace it")
        stage.hand.wait_for(lambda: stored in shown_texts(page))
        assert stage.app.config().secrets.app_secret.reveal() == "madeUpSecret"
        assert field.text.get() == ""

    def test_another_language_is_spoken_at_once(self, stage: Stage, page: SettingsPage) -> None:
        other = Language.ENGLISH if stage.texts.language is Language.CHINESE else Language.CHINESE
        _open_tab(page, 5)
        page.language.current(1 if other is Language.CHINESE else 2)
        page.language.event_generate("<<ComboboxSelected>>")

        stage.hand.wait_for(lambda: stage.texts.language is other)
        assert stage.program.window.page is PageName.SETTINGS
        assert stage.app.config().settings.ui.language is other


class TestAbout:
    def test_what_a_helper_asks_for_is_copied_without_secrets(self, stage: Stage) -> None:
        page = _open(stage, PageName.ABOUT)
        label = stage.texts("Copy these &details").replace("&", "")

        stage.hand.click_button(page, label)

        copied = stage.root.clipboard_get()
        assert str(stage.app.folder.root) in copied
        assert not any(secret in copied for secret in (TOKEN, AES_KEY, KEY))

    def test_the_licences_of_what_it_runs_on_are_shown(self, stage: Stage) -> None:
        page = _open(stage, PageName.ABOUT)

        stage.hand.click_button(page, stage.texts("L&icences").replace("&", ""))
        stage.hand.wait_for(lambda: _licences(page))

        (window,) = _licences(page)
        text = window.box.get("1.0", "end")
        for chapter in ("bottle", "pillow", "python", "requests", "tcl-tk"):
            assert f"\n{chapter}\n" in text
        window.destroy()


def _licences(page: Page) -> list[LicencesWindow]:
    return [one for one in page.winfo_children() if isinstance(one, LicencesWindow)]


def test_no_secret_is_shown_anywhere_unasked(stage: Stage) -> None:
    for name in PageName:
        _open(stage, name)
        stage.hand.let_settle()
        words = " ".join(shown_texts(stage.program.window.frame))
        assert TOKEN not in words
        assert AES_KEY not in words
