"""The mirror's switch shows what was pressed last, whatever older answers still arrive."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from server.api.app import App
from server.api.status import Status
from server.config.store import Outcome
from tests.ui.office import office
from tests.ui.sitting import Sitting
from tests.ui.stage import Stage, shown_crash

NOWHERE = "http://127.0.0.1:1"
ACCOUNTS = {
    "dingtalk": {"app_key": "dingmadeup0000000000", "app_secret": "made-up", "api_base": NOWHERE},
    "wecom": {"corp_id": "wwmadeup00000000", "contact_secret": "made-up", "api_base": NOWHERE},
}


@pytest.fixture
def sitting(
    tmp_path: Path, staged: Callable[[App], AbstractContextManager[Stage]]
) -> Iterator[Sitting]:
    app = office(tmp_path / "data")
    app.configure(ACCOUNTS)
    with staged(app) as stage:
        yield Sitting(stage)


def test_an_answer_older_than_the_press_does_not_undo_it(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, has_begun, may_end = sitting.app.status, threading.Event(), threading.Event()

    def slowly_once() -> Status:
        found = read()
        if not has_begun.is_set():
            has_begun.set()
            may_end.wait(10)
        return found

    monkeypatch.setattr(sitting.app, "status", slowly_once)
    toggle = sitting.page.head.toggle
    sitting.hand.wait_for(lambda: str(toggle.cget("state")) == "normal")
    sitting.hand.wait_for(has_begun.is_set)
    shown: list[tuple[bool, bool]] = []
    sitting.stage.program.session.watch(
        sitting.page,
        lambda snapshot: shown.append((snapshot.status.sync.is_enabled, _is_ticked(sitting))),
    )
    shown.clear()

    toggle.invoke()
    sitting.hand.wait_for(lambda: sitting.is_told("Automatic sync is on; a full sync is starting."))
    may_end.set()

    sitting.hand.wait_for(lambda: (True, True) in shown)
    assert shown[0] == (False, True)
    assert {is_ticked for _, is_ticked in shown} == {True}


def test_of_two_presses_the_last_one_counts(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch, may_go_on = sitting.app.switch_sync, threading.Event()

    def slowly(*, is_on: bool) -> Outcome:
        if is_on:
            may_go_on.wait(10)
        return switch(is_on=is_on)

    monkeypatch.setattr(sitting.app, "switch_sync", slowly)
    toggle = sitting.page.head.toggle
    sitting.hand.wait_for(lambda: str(toggle.cget("state")) == "normal")
    toggle.invoke()
    toggle.invoke()
    sitting.hand.let_settle()
    may_go_on.set()

    told = "Automatic sync is off; events are still received and stored."
    sitting.hand.wait_for(lambda: sitting.is_told(told))
    assert not sitting.app.config().settings.sync.enabled
    assert not _is_ticked(sitting)


def test_after_a_mistake_of_ours_it_shows_what_is_and_can_be_pressed_again(
    sitting: Sitting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> Outcome:
        raise RuntimeError("a mistake of ours")

    toggle = sitting.page.head.toggle
    sitting.hand.wait_for(lambda: str(toggle.cget("state")) == "normal")
    with monkeypatch.context() as broken:
        broken.setattr(sitting.app, "switch_sync", fail)
        toggle.invoke()
        sitting.hand.wait_for(lambda: shown_crash(sitting.stage) is not None)
    sitting.stage.look_again()
    assert not _is_ticked(sitting)

    toggle.invoke()
    sitting.hand.wait_for(lambda: sitting.is_told("Automatic sync is on; a full sync is starting."))


def _is_ticked(sitting: Sitting) -> bool:
    return "selected" in sitting.page.head.toggle.state()
