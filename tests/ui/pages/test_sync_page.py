"""The sync's page in a real window, against both platforms simulated: looked at, decided, done."""

import csv
import json
import tkinter as tk
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tkinter import filedialog

import pytest

from server.api.app import App
from server.api.status import SyncState
from tests.ui.hand import shown_texts
from tests.ui.office import office
from tests.ui.platforms import Platforms, mirrored, platforms
from tests.ui.sitting import Sitting
from tests.ui.stage import Stage
from ui.pages.settings import SettingsPage
from ui.pages.sync.page import SyncPage
from ui.state.window_api import PageName
from ui.words.change_words import GROUPS

# What does not depend on words is tried in one of the languages.
IN_CHINESE = pytest.mark.parametrize("language", ["zh-CN"])
IN_ENGLISH = pytest.mark.parametrize("language", ["en"])

Staged = Callable[[App], AbstractContextManager[Stage]]


@pytest.fixture
def both() -> Iterator[Platforms]:
    with platforms() as both:
        yield both


@pytest.fixture
def sitting(both: Platforms, tmp_path: Path, language: str, staged: Staged) -> Iterator[Sitting]:
    with staged(mirrored(tmp_path / "data", language, both)) as stage:
        yield Sitting(stage)


def test_what_is_missing_is_said_and_one_click_leads_to_it(
    tmp_path: Path, language: str, staged: Staged
) -> None:
    with staged(office(tmp_path / "data", language)) as stage:
        sitting = Sitting(stage)
        page = sitting.page
        sitting.hand.wait_for(lambda: page.setup_hint.buttons)

        assert sitting.says("These settings are needed before anything can be synced:")
        for button in (page.head.toggle, page.head.preview_button, page.head.sync_button):
            assert str(button.cget("state")) == "disabled"
        sitting.hand.click(page.setup_hint.buttons[0])
        sitting.hand.wait_for(lambda: stage.program.window.page is PageName.SETTINGS)
        settings = stage.program.window.built(PageName.SETTINGS)
        assert isinstance(settings, SettingsPage)
        sitting.hand.wait_for(settings.tests["dingtalk"].winfo_viewable)


def test_a_preview_is_seen_allowed_and_done(sitting: Sitting, both: Platforms) -> None:
    sitting.preview()
    page = sitting.page
    rows = page.decision.pane.feed.rows

    assert not both.wecom.writes()
    assert {row.result for row in rows} == {"held"}
    names = {person.name for person in both.company.roster.people.values()}
    assert names <= {row.who for row in rows}
    sitting.allow()
    sitting.hand.wait_for(lambda: page.decision.proposal is None, "the list was not done")
    assert len(both.members()) == len(both.company.roster.people)
    assert sitting.says("WeCom matches DingTalk.")


def test_what_a_list_cannot_foresee_stands_above_it_and_in_the_question(
    sitting: Sitting, both: Platforms
) -> None:
    both.console.add_member("lao-ban", "老板本人", mobile="13912345678")
    sitting.preview()
    decision = sitting.page.decision
    assert decision.proposal is not None
    (told,) = map(sitting.stage.texts.of, decision.proposal.unforeseen)

    assert _is_shown(told, decision)
    sitting.press(decision.allow_button)
    assert decision.dialog is not None
    assert _is_shown(told, decision.dialog)
    decision.dialog.close()


def _is_shown(told: str, widget: tk.Misc) -> bool:
    """Whether a text is shown, however its lines are broken."""
    return any("".join(told.split()) in "".join(text.split()) for text in shown_texts(widget))


@IN_CHINESE
def test_the_question_says_how_many_go_and_enter_does_not_allow_it(
    sitting: Sitting, both: Platforms
) -> None:
    sitting.first_sync()
    gone = both.leave(6)
    sitting.sync()
    decision = sitting.page.decision
    sitting.hand.wait_for(lambda: decision.proposal and decision.pane.feed.is_complete)
    sitting.press(decision.allow_button)
    dialog = decision.dialog
    assert dialog is not None

    texts = sitting.stage.texts
    assert texts("Members disabled: {count}", count="6") in shown_texts(dialog)
    assert texts("Members deleted: {count}", count="0") in shown_texts(dialog)
    assert dialog.focus_get() is dialog.refuse_button
    sitting.hand.key("Return")
    sitting.hand.wait_for(lambda: not dialog.winfo_exists())
    assert all(both.members()[userid] for userid in gone)

    sitting.allow()
    sitting.hand.wait_for(lambda: decision.proposal is None)
    assert not any(both.members()[userid] for userid in gone)


@IN_ENGLISH
def test_what_is_held_can_be_rejected(sitting: Sitting, both: Platforms) -> None:
    sitting.first_sync()
    gone = both.leave(6)
    sitting.sync()
    decision = sitting.page.decision
    sitting.hand.wait_for(lambda: decision.proposal is not None)

    sitting.press(decision.reject_button)

    sitting.hand.wait_for(
        lambda: sitting.says("You rejected the last list; everything else was done.")
    )
    assert sitting.says("Rejected: these stay as they are in WeCom.")
    tree = decision.pane.table.tree
    results = {str(tree.set(row, "result")) for row in tree.get_children()}
    assert results == {"Rejected"}
    assert str(decision.reject_button.cget("state")) == "disabled"
    sitting.sync()
    held = sitting.app.status().sync.held
    assert held is not None
    assert held.is_rejected
    assert all(both.members()[userid] for userid in gone)


@IN_CHINESE
def test_the_switch_turns_the_mirror_on_and_off(sitting: Sitting) -> None:
    toggle = sitting.page.head.toggle
    sitting.press(toggle)
    sitting.hand.wait_for(lambda: sitting.app.config().settings.sync.enabled)
    sitting.hand.wait_for(sitting.app.mirror.runs, "no run began")
    sitting.hand.wait_for(sitting.is_idle)
    # A look at the status from before the first click may still have been shown after it.
    sitting.hand.wait_for(lambda: "selected" in toggle.state())

    sitting.press(toggle)

    sitting.hand.wait_for(lambda: not sitting.app.config().settings.sync.enabled)
    sitting.hand.wait_for(lambda: "selected" not in toggle.state())


def test_a_change_is_shown_field_by_field(sitting: Sitting, both: Platforms) -> None:
    sitting.first_sync()
    userid = min(both.company.roster.people)
    before = both.company.roster.people[userid].name
    both.company.change(userid, name="欧阳新名")
    sitting.preview()
    pane = sitting.page.decision.pane
    texts = sitting.stage.texts

    pane.table.select(0)

    line = texts("{field}: {old} → {new}", field=texts("Name"), old=before, new="欧阳新名")
    sitting.hand.wait_for(lambda: line in pane.details.box.get("1.0", "end"))
    assert pane.feed.rows[0].brief == line


@IN_ENGLISH
def test_groups_can_be_looked_at_one_by_one(sitting: Sitting) -> None:
    sitting.preview()
    pane = sitting.page.decision.pane
    pane.group_choice.focus_force()
    for _ in range(3):  # leavers there are none; new people come first, departments second
        sitting.hand.key("Down")
    if pane.group_choice.current() != 2:  # a list of its own opened
        sitting.hand.key("Return")
        pane.group_choice.current(2)
        pane.group_choice.event_generate("<<ComboboxSelected>>")
    sitting.hand.wait_for(lambda: {row.group for row in pane.feed.rows} == {"departments"})

    name = sitting.stage.texts(GROUPS["departments"])
    assert name in pane.group_choice.get()


@IN_ENGLISH
def test_the_quarantine_names_the_address_and_is_tried_again(
    sitting: Sitting, both: Platforms
) -> None:
    both.trust(is_trusted=False)
    sitting.press(sitting.page.head.sync_button)
    hint = sitting.page.setup_hint
    sitting.hand.wait_for(lambda: len(hint.buttons) == 2)

    sitting.hand.click(hint.buttons[1])
    assert sitting.stage.root.clipboard_get() == "203.0.113.7"
    both.trust(is_trusted=True)
    sitting.press(hint.buttons[0])
    sitting.hand.wait_for(lambda: not hint.buttons)
    sitting.hand.wait_for(lambda: sitting.page.decision.proposal is not None)


@IN_ENGLISH
def test_a_preview_that_fails_says_what_it_needs_and_is_no_failed_sync(
    sitting: Sitting, both: Platforms
) -> None:
    both.trust(is_trusted=False)
    sitting.press(sitting.page.head.preview_button)
    hint = sitting.page.setup_hint
    sitting.hand.wait_for(lambda: len(hint.buttons) == 2)
    assert sitting.says("Automatic sync is off.")
    assert sitting.app.status().sync.state is SyncState.NEVER

    both.trust(is_trusted=True)
    sitting.press(hint.buttons[0])
    sitting.hand.wait_for(lambda: not hint.buttons)
    assert [run.status for run in sitting.app.mirror.runs()] == ["preview", "failed"]


@IN_CHINESE
def test_progress_is_shown_and_need_not_be_waited_for(sitting: Sitting, both: Platforms) -> None:
    both.dawdle("department/simplelist", 3.0)
    head = sitting.page.head
    sitting.press(head.preview_button)
    sitting.hand.wait_for(lambda: sitting.app.status().sync.current_run is not None)
    sitting.hand.wait_for(head.bar.winfo_viewable)
    assert str(head.preview_button.cget("state")) == "disabled"

    sitting.press(head.give_up_button)

    sitting.hand.wait_for(lambda: not sitting.stage.program.session.sync_commands.is_waiting)
    assert sitting.app.status().sync.current_run is not None
    both.faults.switch_off()
    sitting.hand.wait_for(lambda: sitting.page.decision.proposal is not None)


@IN_CHINESE
def test_conflicts_say_what_to_do(sitting: Sitting, both: Platforms) -> None:
    person = next(
        one for one in both.company.roster.people.values() if one.state_code == "86" and one.mobile
    )
    both.console.add_member("lao-ban", "完全别人", mobile=person.mobile)
    sitting.app.configure({"sync": {"protected_wecom_userids": ["lao-ban"]}})
    sitting.first_sync()
    sitting.hand.wait_for(lambda: sitting.app.status().sync.conflicts == 1)
    sitting.open_tab(1)
    pane = sitting.page.conflicts
    sitting.hand.wait_for(pane.table.tree.get_children)

    pane.table.select(0)

    (conflict,) = sitting.app.mirror.conflicts()
    assert conflict.error is not None
    assert sitting.stage.texts.of(conflict.error.hint) in pane.details.get("1.0", "end")
    sitting.press(pane.copy_button)
    assert sitting.stage.root.clipboard_get() == "lao-ban"


@pytest.fixture
def history(sitting: Sitting) -> Sitting:
    """The first run chosen in the history, after its preview."""
    sitting.first_sync()
    sitting.open_tab(2)
    pane = sitting.page.history
    sitting.hand.wait_for(lambda: len(pane.feed.rows) == 2)
    sitting.hand.click(pane.table.tree, y=sitting.stage.program.session.theme.px(40))
    sitting.hand.wait_for(lambda: pane.pane.feed.rows and pane.pane.feed.is_complete)
    return sitting


@IN_ENGLISH
def test_the_history_shows_each_run_with_what_it_did(history: Sitting) -> None:
    pane = history.page.history
    shown = [pane.table.tree.set(item, "ending") for item in pane.table.tree.get_children()]

    assert shown == [history.stage.texts("Succeeded"), history.stage.texts("Preview")]
    assert {row.result for row in pane.pane.feed.rows} == {"done"}


@pytest.mark.parametrize(("language", "ending"), [("en", ".csv"), ("zh-CN", ".json")])
def test_a_run_is_written_to_a_file(
    history: Sitting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"run{ending}"
    monkeypatch.setattr(filedialog, "asksaveasfilename", lambda **_: str(path))
    pane = history.page.history

    history.press(pane.export_button)

    count = f"{len(pane.pane.feed.rows):,}"
    history.hand.wait_for(
        lambda: history.is_told("Exported changes: {count}, to {path}", count=count, path=str(path))
    )
    people = {row.who for row in pane.pane.feed.rows}
    if ending == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert {row[2] for row in list(csv.reader(file))[1:]} == people
    else:
        changes = json.loads(path.read_text("utf-8"))["changes"]
        assert len(changes) == len(pane.pane.feed.rows)


@IN_ENGLISH
def test_the_page_is_the_same_in_another_language(sitting: Sitting) -> None:
    sitting.preview()
    program = sitting.stage.program
    other = "zh-CN" if sitting.stage.texts.language == "en" else "en"
    program.use_language(type(sitting.stage.texts.language)(other))
    sitting.hand.wait_for(lambda: sitting.stage.texts.language == other)
    page = program.window.built(PageName.SYNC)
    assert isinstance(page, SyncPage)

    sitting.hand.wait_for(lambda: page.decision.pane.feed.rows)

    assert sitting.stage.texts("New member") in {row.action for row in page.decision.pane.feed.rows}
