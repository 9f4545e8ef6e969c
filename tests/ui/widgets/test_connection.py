"""The connection test in the settings, with both vendors on this computer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import pytest

from server.api.checks import SelfTestReport
from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import Handler, LoopbackServer, Reply, Request
from server.simulator.wecom.contacts import WeComContacts
from tests.ui.hand import every, shown_texts
from tests.ui.stage import Stage, shown_crash
from ui.pages.settings import SettingsPage
from ui.state.window_api import PageName
from ui.widgets.connection import ConnectionPanel


@pytest.fixture
def wecom() -> WeComContacts:
    return WeComContacts()


@pytest.fixture
def page(stage: Stage, wecom: WeComContacts) -> Iterator[SettingsPage]:
    company = Company()
    company.hire(company.draft("张三", (1,), mobile="13800000001"))
    dingtalk = DingTalkContacts(company)
    with LoopbackServer(dingtalk.handle) as source, LoopbackServer(wecom.handle) as target:
        stage.app.configure(
            {
                "dingtalk": dingtalk.rules.settings(source.address),
                "wecom": {"corp_id": wecom.rules.corp_id, "api_base": target.address},
            }
        )
        yield _settings(stage)


def _settings(stage: Stage) -> SettingsPage:
    stage.program.open_page(PageName.SETTINGS)
    page = stage.program.window.built(PageName.SETTINGS)
    assert isinstance(page, SettingsPage)
    stage.hand.wait_for(page.fields["callback.host"].text.get)
    return page


def _open(page: SettingsPage, section: str) -> ConnectionPanel:
    number = {"dingtalk": 1, "wecom": 2}[section]
    page.tabs.select(number)  # type: ignore[no-untyped-call] # as tkinter has it
    return page.tests[section]


def _says(panel: ConnectionPanel, text: str) -> bool:
    return text in " ".join(shown_texts(panel))


def test_stored_values_are_tried_step_by_step(stage: Stage, page: SettingsPage) -> None:
    panel = _open(page, "dingtalk")
    stage.hand.click(panel.test_button)

    stage.hand.wait_for(lambda: _says(panel, stage.texts("All is well.")))
    said = stage.texts(
        "Mobiles can be read. People with a mobile: {mobiles} of {count}.", mobiles=1, count=1
    )
    assert _says(panel, said)
    assert str(panel.test_button.cget("state")) == "normal"
    assert str(panel.stop_button.cget("state")) == "disabled"


def test_values_are_tried_as_typed_before_they_are_saved(
    stage: Stage, page: SettingsPage, wecom: WeComContacts
) -> None:
    panel = _open(page, "wecom")
    secret = page.fields["wecom.contact_secret"]
    stage.hand.let_settle()
    secret.control.winfo_children()[0].focus_force()
    stage.hand.type("wrong")
    stage.hand.click(panel.test_button)
    stage.hand.wait_for(lambda: _says(panel, "40001"))
    assert _says(panel, stage.texts("The connection test failed."))

    secret.text.set(wecom.rules.contact_secret)
    assert not _says(panel, "40001"), "what was found was about another value"
    stage.hand.click(panel.test_button)
    stage.hand.wait_for(lambda: _says(panel, stage.texts("All is well.")))

    assert not stage.app.config().secrets.contact_secret
    stage.hand.click(page.save_button)
    stage.hand.wait_for(lambda: page.told.full_text == stage.texts("✓ Saved and in effect."))
    assert _says(panel, stage.texts("All is well.")), "it is still about these values"


def test_the_address_to_allow_is_named(
    stage: Stage, page: SettingsPage, wecom: WeComContacts
) -> None:
    wecom.rules.is_ip_trusted = False
    panel = _open(page, "wecom")
    page.fields["wecom.contact_secret"].text.set(wecom.rules.contact_secret)
    stage.hand.click(panel.test_button)

    stage.hand.wait_for(lambda: _says(panel, wecom.rules.caller_ip))


def test_a_value_that_cannot_be_used_is_named_at_its_field(
    stage: Stage, page: SettingsPage
) -> None:
    panel = _open(page, "wecom")
    page.fields["sync.target_department_id"].text.set("none")
    stage.hand.click(panel.test_button)

    stage.hand.wait_for(lambda: str(panel.test_button.cget("state")) == "normal")
    assert page.fields["sync.target_department_id"].problem


class Slow:
    """A vendor that does not answer until it is let go."""

    def __init__(self, handler: Handler) -> None:
        self.released = Event()
        self.was_called = Event()
        self._handler = handler

    def __call__(self, request: Request) -> Reply | None:
        self.was_called.set()
        self.released.wait(30)
        return self._handler(request)


@contextmanager
def _slow(stage: Stage, wecom: WeComContacts) -> Iterator[Slow]:
    slow = Slow(wecom.handle)
    with LoopbackServer(slow) as target:
        secret = wecom.rules.contact_secret
        changes = {"wecom": {"contact_secret": secret, "api_base": target.address}}
        stage.app.configure(json.loads(json.dumps(changes)))
        try:
            yield slow
        finally:
            slow.released.set()


def test_giving_up_frees_the_page_at_once(
    stage: Stage, page: SettingsPage, wecom: WeComContacts
) -> None:
    with _slow(stage, wecom) as slow:
        panel = _open(page, "wecom")
        stage.hand.click(panel.test_button)
        stage.hand.wait_for(slow.was_called.is_set)
        stage.hand.click(panel.stop_button)

        assert str(panel.test_button.cget("state")) == "normal"
        assert not _says(panel, stage.texts("The connection test failed."))
        before = len(every(panel))
        slow.released.set()
        stage.hand.let_settle()
        assert len(every(panel)) == before
    assert wecom.log.calls("simplelist") == ()


def test_after_a_mistake_of_ours_it_can_be_pressed_again(
    stage: Stage, page: SettingsPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> SelfTestReport:
        raise RuntimeError("a mistake of ours")

    panel = _open(page, "dingtalk")
    with monkeypatch.context() as broken:
        broken.setattr(stage.app.connections, "test", fail)
        stage.hand.click(panel.test_button)
        stage.hand.wait_for(lambda: shown_crash(stage) is not None)
    assert str(panel.test_button.cget("state")) == "normal"
    assert str(panel.stop_button.cget("state")) == "disabled"

    panel.test_button.invoke()
    stage.hand.wait_for(lambda: _says(panel, stage.texts("All is well.")))


def test_quitting_in_the_middle_of_a_test_leaves_nothing_hanging(
    stage: Stage, page: SettingsPage, wecom: WeComContacts
) -> None:
    with _slow(stage, wecom) as slow:
        panel = _open(page, "wecom")
        stage.hand.click(panel.test_button)
        stage.hand.wait_for(slow.was_called.is_set)
        stage.program.quit()
        stage.hand.wait_for(lambda: stage.program.has_ended)
        slow.released.set()
