"""Export and import with mouse and keyboard, from the settings and from the guide."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from tkinter import filedialog

import pytest

from crypto.sealed_stream import StreamCipher
from server.api.app import App
from server.config import replacement
from server.errors.base import FileAccessError
from tests.ui.hand import shown_texts
from tests.ui.office import KEY, TOKEN, office
from tests.ui.stage import Stage, shown_crash
from ui.pages.settings import SettingsPage
from ui.state.window_api import PageName
from ui.widgets.moving import ExportDialog, ImportDialog

PASSPHRASE = "four made up words"
Staged = Callable[[App], AbstractContextManager[Stage]]


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    new = StreamCipher.new
    monkeypatch.setattr(StreamCipher, "new", lambda one, salt: new(one, salt, 1))


@pytest.fixture(autouse=True)
def chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that is chosen whenever the system asks for one."""
    path = tmp_path / "moved 文件.dingbridge"
    for name in ("asksaveasfilename", "askopenfilename"):
        monkeypatch.setattr(filedialog, name, lambda **_: str(path))
    return path


def _page(stage: Stage) -> SettingsPage:
    stage.program.open_page(PageName.SETTINGS)
    page = stage.program.window.built(PageName.SETTINGS)
    assert isinstance(page, SettingsPage)
    page.tabs.select(page.tabs.tabs()[-1])  # type: ignore[no-untyped-call] # as tkinter has it
    stage.hand.let_settle()
    return page


def _export_dialog(stage: Stage) -> ExportDialog:
    stage.hand.click(_page(stage).export_button)
    found = [one for one in stage.root.winfo_children() if isinstance(one, ExportDialog)]
    assert len(found) == 1
    stage.hand.wait_for(found[0].winfo_viewable)
    return found[0]


def _import_dialog(stage: Stage) -> ImportDialog:
    parents = (stage.root, *stage.root.winfo_children())
    found = [
        one
        for parent in parents
        for one in parent.winfo_children()
        if isinstance(one, ImportDialog)
    ]
    assert len(found) == 1
    stage.hand.wait_for(found[0].winfo_viewable)
    return found[0]


def _is_open(button: object) -> bool:
    return str(button.cget("state")) == "normal"  # type: ignore[attr-defined] # a button


def test_export_asks_for_a_good_passphrase_typed_alike_twice(stage: Stage, chosen: Path) -> None:
    dialog, hand = _export_dialog(stage), stage.hand
    assert dialog.go_button is not None
    assert not _is_open(dialog.go_button)

    hand.click(dialog.passphrase.entry)
    hand.type("too short")
    short = stage.app.migration.judge_passphrase("too short")
    assert short is not None
    assert stage.texts.of(short) in " ".join(shown_texts(dialog))
    hand.type(" made up")
    hand.click(dialog.again.entry)
    hand.type("too short made")
    assert stage.texts("It does not match the one above.") in shown_texts(dialog)
    assert not _is_open(dialog.go_button)
    hand.type(" up")
    assert _is_open(dialog.go_button)
    hand.click(dialog.go_button)

    hand.wait_for(lambda: not dialog.passphrase.winfo_exists())
    assert chosen.stat().st_size > 0
    hand.key("Escape")
    hand.wait_for(lambda: not dialog.winfo_exists())


def test_a_passphrase_is_not_shown(stage: Stage) -> None:
    dialog = _export_dialog(stage)
    dialog.passphrase.text.set(PASSPHRASE)

    assert dialog.passphrase.entry.cget("show")
    assert PASSPHRASE not in " ".join(shown_texts(dialog))
    dialog.close()


def test_the_guide_takes_in_what_another_computer_exported(
    tmp_path: Path, language: str, chosen: Path, staged: Staged
) -> None:
    old = office(tmp_path / "old", language)
    old.configure({"callback": {"public_url": "https://ding.example.com/api/callback"}})
    old.migration.export(chosen, PASSPHRASE)
    new = office(tmp_path / "new", language, is_set_up=False)
    with staged(new) as stage:
        hand = stage.hand
        hand.wait_for(lambda: stage.program.guide is not None and new.is_serving)
        guide = stage.program.guide
        assert guide is not None
        hand.wait_for(guide.window.winfo_viewable)
        hand.click(guide.steps[0].moving_row.buttons[0])  # type: ignore[attr-defined] # the first step
        dialog = _import_dialog(stage)
        hand.click(dialog.choose_button)
        assert dialog.path.get() == str(chosen)
        assert dialog.go_button is not None
        assert not _is_open(dialog.go_button)
        hand.type("another phrase")
        hand.click(dialog.go_button)
        hand.wait_for(lambda: dialog.told.full_text)
        assert str(chosen) in dialog.told.full_text
        assert new.is_serving
        assert new.config().secrets.keyring.active is None

        dialog.passphrase.text.set(PASSPHRASE)
        hand.click(dialog.go_button)
        hand.wait_for(lambda: "ding.example.com" in " ".join(shown_texts(dialog)))
        hand.wait_for(lambda: new.is_serving)
        hand.key("Return")

        hand.wait_for(stage.root.winfo_viewable)
        assert stage.program.guide is None
        assert stage.program.window.page is PageName.OVERVIEW
        assert new.reveal("active", "token") == TOKEN
        assert new.reveal("active", "key") == KEY
        hand.wait_for(lambda: new.status().service.address)


def test_import_from_the_settings_keeps_what_was_here(
    stage: Stage, chosen: Path, tmp_path: Path, language: str
) -> None:
    old = office(tmp_path / "old", language)
    old.configure({"callback": {"token": "ofTheOldPC"}})
    old.migration.export(chosen, PASSPHRASE)
    stage.hand.click(_page(stage).import_button)
    dialog = _import_dialog(stage)
    dialog.path.set(str(chosen))
    dialog.passphrase.text.set(PASSPHRASE)
    dialog.passphrase.entry.focus_force()
    stage.hand.let_settle()
    stage.hand.key("Return")

    stage.hand.wait_for(lambda: not dialog.passphrase.winfo_exists())
    assert "replaced-" in " ".join(shown_texts(dialog)).replace("\n", "")
    stage.hand.wait_for(lambda: stage.app.is_serving)
    assert stage.app.reveal("pending", "token") == "ofTheOldPC"
    dialog.close()


def test_where_a_file_is_held_the_service_goes_on_with_what_was_here(
    stage: Stage, chosen: Path, tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    office(tmp_path / "old", language).migration.export(chosen, PASSPHRASE)

    def held(*_: object) -> None:
        raise FileAccessError(path="dingbridge.db", reason="somebody holds it")

    monkeypatch.setattr(replacement, "replace", held)
    before = stage.app.config()
    stage.hand.click(_page(stage).import_button)
    dialog = _import_dialog(stage)
    dialog.path.set(str(chosen))
    dialog.passphrase.text.set(PASSPHRASE)
    assert dialog.go_button is not None
    stage.hand.click(dialog.go_button)

    stage.hand.wait_for(lambda: "somebody holds it" in dialog.told.full_text)
    stage.hand.wait_for(lambda: stage.app.is_serving)
    assert stage.app.config() == before
    dialog.close()


def test_a_dialog_cannot_be_closed_in_the_middle_of_the_work(stage: Stage) -> None:
    dialog = _export_dialog(stage)
    dialog.begin()
    dialog.close()
    assert dialog.winfo_exists()
    dialog.ended()
    dialog.close()
    assert not dialog.winfo_exists()


def test_after_a_mistake_of_ours_an_export_can_be_tried_again(
    stage: Stage, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = _export_dialog(stage)
    for entry in (dialog.passphrase, dialog.again):
        entry.text.set(PASSPHRASE)
    assert dialog.go_button is not None
    with monkeypatch.context() as broken:
        broken.setattr(stage.app.migration, "export", _meet_a_mistake)
        dialog.go_button.invoke()
        assert not _is_open(dialog.go_button)
        stage.hand.wait_for(lambda: shown_crash(stage) is not None)
    assert not chosen.exists()

    assert _is_open(dialog.go_button)
    dialog.go_button.invoke()
    stage.hand.wait_for(lambda: not dialog.passphrase.winfo_exists())
    assert chosen.exists()
    dialog.close()


def test_after_a_mistake_of_ours_an_import_can_be_closed_and_the_service_runs(
    stage: Stage, chosen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.app.migration.export(chosen, PASSPHRASE)
    monkeypatch.setattr(replacement, "replace", _meet_a_mistake)  # the service is stopped by then
    stage.hand.click(_page(stage).import_button)
    dialog = _import_dialog(stage)
    dialog.path.set(str(chosen))
    dialog.passphrase.text.set(PASSPHRASE)
    assert dialog.go_button is not None
    dialog.go_button.invoke()

    stage.hand.wait_for(lambda: shown_crash(stage) is not None)
    stage.hand.wait_for(lambda: stage.app.is_serving)
    dialog.close()
    assert not dialog.winfo_exists()


def _meet_a_mistake(*_: object, **__: object) -> None:
    raise RuntimeError("a mistake of ours")
