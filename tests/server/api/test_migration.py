"""Moving: from one data folder to another that belongs to another account."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crypto.sealed_stream import StreamCipher
from crypto.secret import Secret
from server.api.app import App
from server.config import replacement
from server.config.export_file import write_export
from server.config.paths import DataFolder
from server.config.sealing import DpapiSealer
from server.config.settings import Leavers
from server.config.store import ConfigStore
from server.errors.base import (
    AlreadyRunningError,
    DingBridgeError,
    FileNewerError,
    JournalNewerError,
    SecretsLockedError,
    SettingsError,
)
from server.errors.export import ExportDamagedError, PassphraseShortError, PassphraseWrongError
from server.journal.journal import Journal
from server.journal.schema import MIGRATIONS
from tests.crypto.made_up import ACTIVE
from tests.server.callback.service import sender_for
from tests.server.folders import ACTIVE_VALUES, LOOPBACK, OTHER_VALUES, app_on

PASSPHRASE = "four made up words"


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    new = StreamCipher.new
    monkeypatch.setattr(StreamCipher, "new", lambda one, salt: new(one, salt, 1))


def _account(number: int) -> DpapiSealer:
    """Another Windows account than any other number's."""
    mark = bytes((number,))

    def unprotect(sealed: bytes) -> bytes:
        if sealed[:1] != mark:
            raise OSError("sealed by another account")
        return sealed[:0:-1]

    return DpapiSealer(lambda plain: mark + plain[::-1], unprotect)


def _app(folder: Path, account: int) -> App:
    data = DataFolder(folder)
    return App(data, ConfigStore(data, _account(account)))


@pytest.fixture
def old(tmp_path: Path) -> App:
    """A computer in use: settings, two sets of credentials, secrets, events."""
    app = _app(tmp_path / "old", 1)
    app.configure(
        {
            "callback": {**LOOPBACK, **ACTIVE_VALUES, "path": "/ding"},
            "dingtalk": {"app_key": "dingmadeup", "app_secret": "made-up-app-secret"},
            "wecom": {"corp_id": "wwmadeup", "contact_secret": "made-up-contact-secret"},
            "sync": {"leavers": "delete", "enabled": True},
        }
    )
    app.configure({"callback": OTHER_VALUES})
    Journal.open(app.folder.database, 0).close(10)
    with closing(sqlite3.connect(app.folder.database)) as conn:
        conn.execute(
            "INSERT INTO person_links VALUES ('zhang', 'ZhangSan', '{}', 1, 0, 'created', 0, 0)"
        )
        conn.commit()
    return app


@pytest.fixture
def exported(old: App, tmp_path: Path) -> Path:
    target = tmp_path / "moved.dingbridge"
    old.migration.export(target, PASSPHRASE)
    return target


def _state(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-shm", "-wal"))
    }


def _links(app: App) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(app.folder.database)) as conn:
        return conn.execute("SELECT dingtalk_userid, wecom_userid FROM person_links").fetchall()


def _deliver(address: str, count: int) -> None:
    with sender_for(int(address.split(":")[2].partition("/")[0]), ACTIVE) as sender:
        for number in range(count):
            event = {"EventType": "user_add_org", "eventId": f"{count}-{number}"}
            assert sender.deliver(event).accepted


def test_everything_arrives_under_another_account(old: App, exported: Path, tmp_path: Path) -> None:
    new = _app(tmp_path / "new", 2)

    view = new.migration.import_from(exported, PASSPHRASE)

    assert new.config() == old.config()
    assert new.config().settings.sync.leavers is Leavers.DELETE
    assert new.config().secrets.keyring.pending is not None
    assert new.config().secrets.contact_secret.reveal() == "made-up-contact-secret"
    assert _links(new) == [("zhang", "ZhangSan")]
    assert view.replaced == ""
    assert view.has_database
    assert view.is_mirroring
    # Sealed for the new account, and no longer for the old one.
    with pytest.raises(SecretsLockedError):
        _app(tmp_path / "new", 1).config()


def test_no_secret_lies_open_in_the_file_or_is_left_behind(
    old: App, exported: Path, tmp_path: Path
) -> None:
    _app(tmp_path / "new", 2).migration.import_from(exported, PASSPHRASE)

    for path in tmp_path.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for secret in old.config().secrets.all():
            assert secret.reveal().encode() not in content, path
        assert PASSPHRASE.encode() not in content
    for folder in ("old", "new"):
        assert not [one for one in (tmp_path / folder).iterdir() if ".tmp" in one.name]


def test_an_export_changes_nothing(old: App, tmp_path: Path) -> None:
    before = _state(old.folder.root)

    view = old.migration.export(tmp_path / "moved.dingbridge", PASSPHRASE)

    assert _state(old.folder.root) == before
    assert view.size_bytes == (tmp_path / "moved.dingbridge").stat().st_size
    assert view.has_database


def test_it_works_beside_a_service_that_takes_callbacks(tmp_path: Path) -> None:
    old = app_on(tmp_path / "old")
    address = old.start()
    try:
        _deliver(address, 5)
        old.migration.export(tmp_path / "moved.dingbridge", PASSPHRASE)
    finally:
        assert old.stop() == ()

    new = App(DataFolder(tmp_path / "new"))
    new.migration.import_from(tmp_path / "moved.dingbridge", PASSPHRASE)
    assert len(new.events().events) == 5


def test_a_folder_without_a_database_can_move(tmp_path: Path) -> None:
    old = _app(tmp_path / "old", 1)
    old.configure({"callback": {"port": 9090}})
    assert not old.migration.export(tmp_path / "moved", PASSPHRASE).has_database

    new = _app(tmp_path / "new", 2)
    Journal.open(new.folder.root / "dingbridge.db", 0).close(
        10
    ) if new.folder.root.exists() else None
    assert not new.migration.import_from(tmp_path / "moved", PASSPHRASE).has_database
    assert not new.folder.database.exists()
    assert new.config().settings.callback.port == 9090


def test_what_was_here_is_moved_aside_and_kept(old: App, exported: Path, tmp_path: Path) -> None:
    new = _app(tmp_path / "new", 2)
    new.configure({"callback": {**ACTIVE_VALUES, "port": 9191}})
    Journal.open(new.folder.database, 0).close(10)

    view = new.migration.import_from(exported, PASSPHRASE)

    assert new.config() == old.config()
    kept = _app(Path(view.replaced), 2)
    assert kept.config().settings.callback.port == 9191
    assert kept.folder.database.exists()


def test_an_import_while_this_process_serves_stops_it_first(
    old: App, exported: Path, tmp_path: Path
) -> None:
    new = App(DataFolder(tmp_path / "new"))
    new.configure({"callback": LOOPBACK})
    new.start()
    try:
        new.migration.import_from(exported, PASSPHRASE)

        assert not new.is_serving
        address = new.start()
        assert address.endswith("/ding")
        assert new.config() == old.config()
    finally:
        assert new.stop() == ()


def _refused(app: App, source: Path, passphrase: str = PASSPHRASE) -> DingBridgeError:
    before = _state(app.folder.root)
    with pytest.raises(DingBridgeError) as caught:
        app.migration.import_from(source, passphrase)
    assert _state(app.folder.root) == before
    return caught.value


def test_a_service_of_another_process_is_left_alone(exported: Path, tmp_path: Path) -> None:
    running = app_on(tmp_path / "new")
    running.start()
    try:
        error = _refused(App(running.folder), exported)
        assert isinstance(error, AlreadyRunningError)
        assert error.values["pid"] == os.getpid()
        assert running.is_serving
    finally:
        assert running.stop() == ()


def test_a_service_goes_on_where_the_export_cannot_be_used(exported: Path, tmp_path: Path) -> None:
    running = app_on(tmp_path / "new")
    address = running.start()
    try:
        with pytest.raises(PassphraseWrongError):
            running.migration.import_from(exported, "another passphrase")
        assert running.is_serving
        _deliver(address, 1)
    finally:
        assert running.stop() == ()


def test_a_wrong_passphrase_and_a_damaged_file_change_nothing(
    exported: Path, tmp_path: Path
) -> None:
    new = _app(tmp_path / "new", 2)
    new.configure({"callback": {"port": 9191}})
    assert isinstance(_refused(new, exported, "another one"), PassphraseWrongError)

    exported.write_bytes(exported.read_bytes()[:-1])
    assert isinstance(_refused(new, exported), ExportDamagedError)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda head: head["settings"].update(version=99), FileNewerError),
        (lambda head: head["secrets"].update(version=99), FileNewerError),
        (lambda head: head["settings"]["callback"].update(port="x"), SettingsError),
        (lambda head: head.pop("settings"), ExportDamagedError),
        (lambda head: head.update(secrets=[]), ExportDamagedError),
        (lambda head: head.update(exported_at_ms="now"), ExportDamagedError),
    ],
)
def test_an_export_is_judged_whole_before_anything_is_changed(
    old: App, tmp_path: Path, change: Change, kind: type[DingBridgeError]
) -> None:
    settings, secrets = old._store.portable()
    head: dict[str, Any] = {
        "version": "9.0.0",
        "exported_at_ms": 1,
        "settings": settings,
        "secrets": secrets,
        "has_database": False,
    }
    change(head)
    write_export(tmp_path / "moved", Secret(PASSPHRASE), head, None)

    assert type(_refused(_app(tmp_path / "new", 2), tmp_path / "moved")) is kind


def _with_database(old: App, tmp_path: Path, content: bytes) -> Path:
    settings, secrets = old._store.portable()
    head: dict[str, object] = {
        "version": "1",
        "exported_at_ms": 1,
        "settings": settings,
        "secrets": secrets,
        "has_database": True,
    }
    (tmp_path / "other.db").write_bytes(content)
    write_export(tmp_path / "moved", Secret(PASSPHRASE), head, tmp_path / "other.db")
    return tmp_path / "moved"


def test_a_newer_or_damaged_database_is_refused(old: App, tmp_path: Path) -> None:
    new = _app(tmp_path / "new", 2)
    nonsense = _with_database(old, tmp_path, b"no database" * 1000)
    assert isinstance(_refused(new, nonsense), ExportDamagedError)

    with closing(sqlite3.connect(old.folder.database)) as conn:
        conn.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        conn.execute("PRAGMA wal_checkpoint")
    newer = _with_database(old, tmp_path, old.folder.database.read_bytes())
    assert isinstance(_refused(new, newer), JournalNewerError)


def test_a_short_passphrase_is_refused_with_the_length_needed(old: App, tmp_path: Path) -> None:
    with pytest.raises(PassphraseShortError) as caught:
        old.migration.export(tmp_path / "moved", "elevensigns")
    assert caught.value.values["minimum"] == 12
    assert not (tmp_path / "moved").exists()
    assert old.migration.judge_passphrase(" " * 20) is not None
    assert old.migration.judge_passphrase("twelve signs") is None


def test_settings_that_cannot_be_used_are_not_carried_elsewhere(old: App, tmp_path: Path) -> None:
    old.folder.settings.write_text('{"callback": {"port": "x"}}', "utf-8")

    with pytest.raises(SettingsError):
        old.migration.export(tmp_path / "moved", PASSPHRASE)
    assert not (tmp_path / "moved").exists()


def test_the_next_command_finishes_an_import_that_was_killed(
    old: App, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(*_: object) -> None:
        raise KilledError

    new = _app(tmp_path / "new", 2)
    with monkeypatch.context() as patch:
        patch.setattr(replacement, "_put_in_place", killed)
        with pytest.raises(KilledError):
            new.migration.import_from(exported, PASSPHRASE)
    assert not new.folder.settings.exists()

    again = _app(tmp_path / "new", 2)
    assert again.config() == old.config()
    assert _links(again) == [("zhang", "ZhangSan")]
