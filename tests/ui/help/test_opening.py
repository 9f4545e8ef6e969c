"""F1 and the `?`: each opens the page of the handbook that belongs to what is shown."""

import webbrowser
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from server.api.app import App
from server.config.settings import Language
from tests.tools.handbook import BOTH, Handbook
from tests.ui.office import office
from tests.ui.stage import Stage
from ui.guide.window import GuideWindow
from ui.help import opening
from ui.help.opening import HelpNotShownError, Topic, page_of, show
from ui.pages.sync.allow import AllowDialog
from ui.state.window_api import PageName
from ui.widgets.dialogs import CrashDialog
from ui.widgets.moving import ExportDialog

Staged = Callable[[App], AbstractContextManager[Stage]]
LABEL = "?   Help (F1)"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser was asked to open."""
    opened: list[str] = []

    def opens(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", opens)
    return opened


def _wanted(stage: Stage, topic: Topic) -> str:
    return page_of(topic, stage.texts.language).as_uri()


@pytest.mark.parametrize("book", BOTH, ids=["en", "zh"])
@pytest.mark.parametrize("topic", Topic)
def test_every_topic_has_a_page_in_both_languages(book: Handbook, topic: Topic) -> None:
    assert page_of(topic, book.language).is_file()


@pytest.mark.parametrize("name", PageName)
def test_f1_and_the_button_open_the_page_about_what_is_shown(
    stage: Stage, name: PageName, opened: list[str]
) -> None:
    stage.program.open_page(name)
    wanted = _wanted(stage, stage.program.window.built(name).help_topic)
    stage.root.focus_force()
    stage.hand.let_settle()

    stage.hand.key("F1")
    stage.hand.wait_for(lambda: opened == [wanted])
    stage.hand.click_button(stage.program.window.frame, stage.texts(LABEL))
    stage.hand.wait_for(lambda: opened == [wanted, wanted])


def test_no_two_pages_of_the_program_share_a_topic(stage: Stage) -> None:
    for name in PageName:
        stage.program.open_page(name)
    topics = [stage.program.window.built(name).help_topic for name in PageName]

    assert len(set(topics)) == len(PageName)


def test_each_step_of_the_guide_opens_its_own_page(
    tmp_path: Path, language: str, staged: Staged, opened: list[str]
) -> None:
    with staged(office(tmp_path / "data", language, is_set_up=False)) as stage:
        guide = _guide(stage)
        for number, step in enumerate(guide.steps):
            guide.show(number)
            wanted = _wanted(stage, step.help_topic)
            stage.hand.let_settle()
            # Where something is to be typed as well as anywhere else.
            (step.first_field or guide.window).focus_force()
            stage.hand.let_settle()

            stage.hand.key("F1")
            stage.hand.click_button(guide.window, stage.texts(LABEL))
            stage.hand.wait_for(lambda: len(opened) == 2)
            assert opened == [wanted, wanted]
            opened.clear()

    assert len({step.help_topic for step in guide.steps}) == len(guide.steps)


def _guide(stage: Stage) -> GuideWindow:
    stage.hand.wait_for(lambda: stage.program.guide is not None)
    guide = stage.program.guide
    assert guide is not None
    stage.hand.wait_for(guide.window.winfo_viewable)
    return guide


def test_a_dialog_has_a_page_of_its_own(stage: Stage, opened: list[str]) -> None:
    stage.program.open_page(PageName.SETTINGS)
    page = stage.program.window.built(PageName.SETTINGS)
    dialog = ExportDialog(page, stage.program.session)
    dialog.passphrase.entry.focus_force()
    stage.hand.let_settle()

    stage.hand.key("F1")
    stage.hand.wait_for(lambda: opened == [_wanted(stage, Topic.MOVING)])
    dialog.close()


def test_the_other_dialogs_have_pages_too() -> None:
    assert AllowDialog.help_topic is Topic.CONFLICTS
    assert CrashDialog.help_topic is Topic.TROUBLESHOOTING


def test_the_language_of_the_page_is_that_of_the_windows(stage: Stage, opened: list[str]) -> None:
    stage.program.open_page(PageName.EVENTS)
    stage.program.open_help()

    stage.hand.wait_for(lambda: opened)
    folder = "zh_CN" if stage.texts.language is Language.CHINESE else "en"
    assert opened[0].endswith(f"/{folder}/events.html")


def test_where_no_browser_opens_the_path_is_shown(
    stage: Stage, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    stage.program.open_page(PageName.EVENTS)
    stage.program.open_help()

    stage.hand.wait_for(lambda: told)
    assert str(page_of(Topic.EVENTS, stage.texts.language)) in told.pop()


def test_a_page_that_is_missing_is_not_asked_of_the_browser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: list[str]
) -> None:
    monkeypatch.setattr(opening, "__file__", str(tmp_path / "opening.py"))

    with pytest.raises(HelpNotShownError) as caught:
        show(Topic.INDEX, Language.ENGLISH)
    assert caught.value.values == {"path": str(tmp_path / "html/en/index.html")}
    assert opened == []
