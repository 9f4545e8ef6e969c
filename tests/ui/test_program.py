"""The program around the pages: it starts, hides, comes back, fails in words, and ends."""

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from server.app import App
from server.config.settings import Language
from server.errors import FileAccessError, PortInUseError
from tests.ui.hand import every, shown_texts
from tests.ui.office import TOKEN, check_address
from tests.ui.platforms import mirrored, platforms
from tests.ui.stage import Stage, open_main
from ui.dialogs import CrashDialog
from ui.health import Health, judge
from ui.session import PageName
from ui.single import SingleInstance
from ui.tray import TITLE_UNITS, Command, cut

Staged = Callable[[App], AbstractContextManager[Stage]]


def _choose(stage: Stage, command: Command) -> None:
    """Choose from the tray's menu; on the tray's thread it would be the same call."""
    stage.program.tray._on_command(command)
    stage.hand.let_settle()


def test_a_closed_window_leaves_the_program_running(stage: Stage) -> None:
    stage.program.close_window()
    stage.hand.wait_for(lambda: stage.program.tray._icon.told)

    assert not stage.root.winfo_viewable()
    check_address(stage.app)
    assert stage.app.status().credentials.in_use == "active"

    _choose(stage, Command.OPEN)
    stage.hand.wait_for(stage.root.winfo_viewable)


def test_closing_is_explained_once(stage: Stage) -> None:
    for _ in range(2):
        stage.program.close_window()
        stage.hand.wait_for(lambda: stage.program.tray._icon.told)
        stage.program.show_window()

    assert len(stage.program.tray._icon.told) == 1


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
        icon = stage.program.tray._icon
        stage.hand.wait_for(lambda: icon.told)
        for _ in range(2):
            assert stage.app.sync().summary.status == "held"
            stage.program.refresh()
            stage.hand.wait_for(lambda: len(icon.told) == 2)

        glance = stage.program.session.glance
        assert glance is not None
        assert judge(glance).health is Health.ATTENTION
        words = "This is the first run: nothing is written to WeCom until you approve its preview."
        assert icon.told[1][0] == cut(stage.texts(words), TITLE_UNITS)


def _is_ticked(stage: Stage, command: Command) -> bool | None:
    entries = stage.program.tray._menu()
    return next(entry.is_ticked for entry in entries if entry.command is command)


def test_a_rejected_call_is_notified_once_where_nobody_looks(stage: Stage) -> None:
    check_address(stage.app)
    stage.program.close_window()
    icon = stage.program.tray._icon
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

    monkeypatch.setattr("ui.single.write_atomically", refuse)
    with staged(app) as stage:
        stage.hand.wait_for(lambda: app.is_serving)
        stage.hand.wait_for(stage.root.winfo_viewable)


def test_a_port_in_use_is_told_and_can_be_tried_again(
    app: App, staged: Staged, told: list[str]
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        app.configure({"callback": {"port": other.getsockname()[1]}})
        with staged(app) as stage:
            stage.hand.wait_for(stage.root.winfo_viewable)
            stage.hand.wait_for(lambda: stage.program.session.glance)
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
    stage.hand.wait_for(lambda: _crash(stage) is not None)
    dialog = _crash(stage)
    assert dialog is not None

    stage.hand.click(dialog.copy_button)

    report = stage.root.clipboard_get()
    assert "made up, token=" in report
    assert TOKEN not in report
    stage.hand.key("Escape")
    stage.hand.wait_for(lambda: _crash(stage) is None)
    check_address(stage.app)  # and the program goes on


def _fail(detail: str) -> None:
    raise RuntimeError(f"made up, {detail}")


def _crash(stage: Stage) -> CrashDialog | None:
    found = [one for one in stage.root.winfo_children() if isinstance(one, CrashDialog)]
    return found[0] if found else None


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
