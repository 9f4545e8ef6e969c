"""The program around the pages: it starts, hides, comes back, fails in words, and ends."""

import logging
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from server.api.app import App
from server.api.status import Status
from server.config.settings import Language
from server.errors.base import FileAccessError, PortInUseError
from tests.ui.hand import every, shown_texts
from tests.ui.icon import FakeIcon
from tests.ui.office import TOKEN, check_address
from tests.ui.platforms import mirrored, platforms
from tests.ui.stage import Stage, open_main, shown_crash
from ui.shell.single import SingleInstance
from ui.shell.tray import TITLE_UNITS, Command, cut
from ui.state.window_api import PageName
from ui.widgets.dialogs import error_lines
from ui.words.health import Health, judge

Staged = Callable[[App], AbstractContextManager[Stage]]


def _choose(stage: Stage, command: Command) -> None:
    """Choose from the tray's menu; on the tray's thread it would be the same call."""
    stage.program.tray.choose(command)
    stage.hand.let_settle()


def test_a_closed_window_leaves_the_program_running(stage: Stage) -> None:
    stage.program.close_window()
    stage.hand.wait_for(lambda: FakeIcon.latest().told)

    assert not stage.root.winfo_viewable()
    check_address(stage.app)
    assert stage.app.status().credentials.in_use == "active"

    _choose(stage, Command.OPEN)
    stage.hand.wait_for(stage.root.winfo_viewable)


def test_closing_is_explained_once(stage: Stage) -> None:
    for _ in range(2):
        stage.program.close_window()
        stage.hand.wait_for(lambda: FakeIcon.latest().told)
        stage.program.show_window()

    assert len(FakeIcon.latest().told) == 1


@pytest.mark.parametrize(
    ("command", "page"),
    [
        (Command.CREDENTIALS, PageName.CREDENTIALS),
        (Command.EVENTS, PageName.EVENTS),
        (Command.ABOUT, PageName.ABOUT),
    ],
)
def test_the_trays_menu_opens_pages(stage: Stage, command: Command, page: PageName) -> None:
    _choose(stage, command)

    stage.hand.wait_for(lambda: stage.program.window.page is page)


def test_the_tray_copies_the_address(stage: Stage) -> None:
    _choose(stage, Command.COPY_URL)

    stage.hand.wait_for(lambda: stage.root.clipboard_get() == stage.app.status().callback_url)


def test_the_tray_changes_the_language(stage: Stage, language: str) -> None:
    other = Command.LANGUAGE_ENGLISH if language == "zh-CN" else Command.LANGUAGE_CHINESE
    _choose(stage, other)

    expected = Language.ENGLISH if language == "zh-CN" else Language.CHINESE
    stage.hand.wait_for(lambda: stage.texts.language is expected)
    label = stage.texts("&Overview").replace("&", "")
    assert label in {str(one.cget("text")) for one in every(stage.root) if "text" in one.keys()}  # noqa: SIM118 - a widget is no mapping


def test_the_tray_switches_the_sync_where_it_is_set_up(
    tmp_path: Path, language: str, staged: Staged
) -> None:
    with platforms(4, 2) as both, staged(mirrored(tmp_path / "data", language, both)) as stage:
        open_main(stage)
        for is_on in (True, False):
            _choose(stage, Command.TOGGLE_SYNC)
            stage.hand.wait_for(lambda: stage.app.status().sync.is_enabled is is_on)  # noqa: B023 - waited for before the next round
            stage.hand.wait_for(lambda: _is_ticked(stage, Command.TOGGLE_SYNC) is is_on)  # noqa: B023 - as above


def test_the_tray_leads_to_what_the_sync_lacks(stage: Stage) -> None:
    _choose(stage, Command.TOGGLE_SYNC)
    stage.hand.wait_for(lambda: stage.program.window.page is PageName.SYNC)
    assert not stage.app.status().sync.is_enabled

    _choose(stage, Command.PREVIEW_SYNC)
    assert stage.app.mirror.runs() == ()


def test_the_tray_has_a_preview_made(tmp_path: Path, language: str, staged: Staged) -> None:
    with platforms(4, 2) as both, staged(mirrored(tmp_path / "data", language, both)) as stage:
        open_main(stage)
        _choose(stage, Command.PREVIEW_SYNC)
        stage.hand.wait_for(lambda: stage.program.window.page is PageName.SYNC)
        stage.hand.wait_for(lambda: [run.status for run in stage.app.mirror.runs()] == ["preview"])


def test_what_is_held_is_notified_once_and_colours_the_icon(
    tmp_path: Path, language: str, staged: Staged
) -> None:
    with platforms(4, 2) as both, staged(mirrored(tmp_path / "data", language, both)) as stage:
        open_main(stage)
        check_address(stage.app)
        stage.program.close_window()
        icon = FakeIcon.latest()
        stage.hand.wait_for(lambda: icon.told)
        for _ in range(2):
            assert stage.app.sync().summary.status == "held"
            stage.program.refresh()
            stage.hand.wait_for(lambda: len(icon.told) == 2)

        snapshot = stage.program.session.snapshot
        assert snapshot is not None
        assert judge(snapshot).health is Health.ATTENTION
        words = "This is the first sync: nothing is written to WeCom until you approve its preview."
        assert icon.told[1][0] == cut(stage.texts(words), TITLE_UNITS)


def _is_ticked(stage: Stage, command: Command) -> bool | None:
    entries = stage.program.tray.menu
    return next(entry.is_ticked for entry in entries if entry.command is command)


def test_a_rejected_call_is_notified_once_where_nobody_looks(stage: Stage) -> None:
    check_address(stage.app)
    stage.program.close_window()
    icon = FakeIcon.latest()
    stage.hand.wait_for(lambda: icon.told)
    for _ in range(2):
        check_address(stage.app, token="another1")
        stage.program.refresh()
        stage.hand.wait_for(lambda: len(icon.told) == 2)

    title = stage.texts("The token does not match the DingTalk console.")
    assert icon.told[1][0] == title[:63]


def test_a_second_start_brings_the_window_to_the_front(stage: Stage) -> None:
    stage.program.close_window()
    second = SingleInstance(stage.app.folder)

    assert not second.acquire()
    assert second.ask_to_raise()
    stage.hand.wait_for(stage.root.winfo_viewable)


def test_callbacks_are_received_also_where_a_second_start_could_not_be_heard(
    app: App, staged: Staged, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, content: bytes) -> None:
        del content
        raise FileAccessError(path=str(path), reason="made up")

    monkeypatch.setattr("ui.shell.single.write_atomically", refuse)
    with staged(app) as stage:
        stage.hand.wait_for(lambda: app.is_serving)
        stage.hand.wait_for(stage.root.winfo_viewable)


@pytest.mark.parametrize("part", ["start", "status"])
def test_after_a_mistake_of_ours_at_the_start_there_are_windows_all_the_same(
    app: App, staged: Staged, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def fail(*_: object) -> str:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as broken:
        broken.setattr(app, part, fail)
        with staged(app) as stage:
            stage.hand.wait_for(lambda: shown_crash(stage) is not None)
            stage.hand.wait_for(lambda: bool(FakeIcon.made))
            broken.undo()
            stage.hand.wait_for(lambda: stage.program.session.snapshot is not None)
            stage.program.show_window()
            stage.hand.wait_for(stage.root.winfo_viewable)


def test_a_first_status_that_is_refused_is_told_in_the_main_window(
    app: App, staged: Staged, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> None:
    refusal = FileAccessError(path="made up", reason="made up")

    def refuse() -> Status:
        raise refusal

    monkeypatch.setattr(app, "status", refuse)
    with staged(app) as stage:
        stage.hand.wait_for(lambda: told)
        assert stage.root.winfo_viewable()
        assert told == [error_lines(refusal, stage.texts)]
        told.clear()


def test_a_port_in_use_is_told_and_can_be_tried_again(
    app: App, staged: Staged, told: list[str]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        app.configure({"callback": {"port": other.getsockname()[1]}})
        with staged(app) as stage:
            stage.hand.wait_for(stage.root.winfo_viewable)
            stage.hand.wait_for(lambda: stage.program.session.snapshot)
            (text,) = told
            told.clear()
            assert stage.texts.of(PortInUseError(port=0, holder="").hint) in text
            assert str(app.folder.log_file) in text
            other.close()

            label = stage.texts("Try aga&in").replace("&", "")
            stage.hand.wait_for(lambda: label in shown_texts(stage.program.window.frame))
            stage.hand.click_button(stage.program.window.frame, label)

            stage.hand.wait_for(lambda: app.is_serving)
            check_address(app)


def test_a_restart_that_is_pressed_twice_is_no_error(
    stage: Stage, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = App.start

    def counted(app: App) -> str:
        started.append(start(app))
        return started[-1]

    stage.hand.wait_for(lambda: stage.app.is_serving)
    monkeypatch.setattr(App, "start", counted)
    for _ in range(2):
        stage.program.restart_service()
    stage.hand.wait_for(lambda: len(started) == 2)
    stage.hand.let_settle()
    assert told == []
    assert stage.app.is_serving
    check_address(stage.app)


def test_a_mistake_is_shown_with_a_report_without_secrets(stage: Stage) -> None:
    stage.root.after(0, lambda: _fail(f"token={TOKEN}"))
    stage.hand.wait_for(lambda: shown_crash(stage) is not None)
    dialog = shown_crash(stage)
    assert dialog is not None

    stage.hand.click(dialog.copy_button)

    report = stage.root.clipboard_get()
    assert "made up, token=" in report
    assert TOKEN not in report
    stage.hand.key("Escape")
    stage.hand.wait_for(lambda: shown_crash(stage) is None)
    check_address(stage.app)  # and the program goes on


def _fail(detail: str) -> None:
    raise RuntimeError(f"made up, {detail}")


def test_the_same_mistake_over_and_over_is_shown_once(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        stage.root.after(0, lambda: _fail("token"))
        stage.hand.wait_for(lambda: len(_mistakes(caplog)) == number + 1)  # noqa: B023 - waited for before the next round
        dialog = shown_crash(stage)
        assert (dialog is not None) == (number == 0)
        if dialog is not None:
            dialog.destroy()

    told = stage.texts("DingBridge ran into an internal error.")
    assert told in shown_texts(stage.program.window.frame)
    with_report = [record for record in _mistakes(caplog) if record.exc_info]
    assert len(with_report) == 1

    stage.root.after(0, lambda: 1 // 0)
    stage.hand.wait_for(lambda: shown_crash(stage) is not None)


def _mistakes(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [one for one in caplog.records if one.name == "ui.shell.crashes"]


def test_quitting_frees_the_port_and_the_data_folder(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        open_main(stage)
        _choose(stage, Command.QUIT)
        stage.hand.wait_for(lambda: stage.program.has_ended)
        assert not app.is_serving
        assert not app.status().service.is_running

    with staged(App(app.folder)) as again:
        open_main(again)
        assert again.app.is_serving


def test_a_window_comes_back_where_it_was(app: App, staged: Staged) -> None:
    with staged(app) as stage:
        open_main(stage)
        stage.root.geometry("900x600+120+90")
        stage.hand.wait_for(lambda: stage.root.winfo_width() == 900)

    with staged(App(app.folder)) as again:
        open_main(again)
        again.hand.let_settle()
        assert again.root.geometry() == "900x600+120+90"
