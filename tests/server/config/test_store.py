import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crypto.credentials import CredentialField, Credentials, Keyring
from server.config.locks import FileLock
from server.config.merge import Effect
from server.config.paths import DataFolder
from server.config.sealing import DpapiSealer
from server.config.settings import Settings
from server.config.store import Config, ConfigStore
from server.errors.base import (
    FileAccessError,
    FileDamagedError,
    FileMissingError,
    FileNewerError,
    SecretsLockedError,
    SettingsError,
)

AES_KEY = "4g5j64qlyl3zvetqxz5jiocdr586fn2zvjpa8zls3ij"
WHOLE = {"callback": {"token": "123456", "aes_key": AES_KEY, "key": "suite4xxxxxxxxxxxxxxx"}}
FIRST = Credentials.of("123456", AES_KEY, "suite4xxxxxxxxxxxxxxx")
ROOT = Path(__file__).resolve().parents[3]
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "数据 文件夹")


@pytest.fixture
def store(folder: DataFolder) -> ConfigStore:
    return ConfigStore(folder)


def on_disk(path: Path) -> Any:
    return json.loads(path.read_bytes())


def contents(folder: DataFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.root.iterdir()}


def problems(store: ConfigStore, changes: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        store.merge(changes)
    return {problem.name: str(problem.message) for problem in caught.value.problems}


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


# Loading


def test_nothing_is_written_by_loading_an_empty_folder(
    store: ConfigStore, folder: DataFolder
) -> None:
    assert Config() == store.load()
    assert not folder.root.exists()


def test_a_file_that_notepad_saved_is_read(store: ConfigStore, folder: DataFolder) -> None:
    folder.ensure()
    folder.settings.write_text('{"callback": {"port": 9}}', encoding="utf-8-sig")
    assert store.load().settings.callback.port == 9


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"version": 1,\n "callback": }', "line 2, column 14: Expecting value"),
        (b"", "line 1, column 1: Expecting value"),
        (b'{"a": "\n\xff\xfe"}', "line 2: not text in UTF-8"),
        (b"[]", "not a JSON object"),
        (b'{"ui": {}, "ui": {}}', '"ui" stands twice in the same place'),
        (b"[" * 100_000, "numbers too long or values nested too deep"),
        (b'{"version": ' + b"9" * 5000 + b"}", "numbers too long or values nested too deep"),
        (b'{"version": true}', '"version" is not a positive integer'),
    ],
)
def test_a_damaged_file_is_reported_and_left_alone(
    store: ConfigStore, folder: DataFolder, content: bytes, reason: str
) -> None:
    store.merge({"callback": {"port": 81}})
    store.merge({"callback": {"port": 82}})
    folder.settings.write_bytes(content)
    for attempt in (store.load, lambda: store.merge({"callback": {"port": 83}})):
        with pytest.raises(FileDamagedError) as caught:
            attempt()
        backup = folder.root / "settings.json.bak"
        expected = {"path": str(folder.settings), "reason": reason, "backup": str(backup)}
        assert expected == caught.value.values
        assert content == folder.settings.read_bytes()
        assert on_disk(backup)["callback"] == {"port": 81}


def test_a_newer_format_is_refused_and_left_alone(store: ConfigStore, folder: DataFolder) -> None:
    folder.ensure()
    folder.secrets.write_text('{"version": 2}')
    folder.secrets.chmod(0o600)
    with pytest.raises(FileNewerError) as caught:
        store.merge(WHOLE)
    assert caught.value.values == {"path": str(folder.secrets), "version": 2, "supported": 1}
    assert folder.secrets.read_text() == '{"version": 2}'


def test_a_value_that_was_edited_wrongly_is_named_and_can_be_put_right(
    store: ConfigStore, folder: DataFolder
) -> None:
    folder.ensure()
    folder.settings.write_text('{"callback": {"port": "x", "path": 1}}')
    with pytest.raises(SettingsError):
        store.load()
    assert {"callback.path"} == problems(store, {"callback": {"port": 80}}).keys()
    store.merge({"callback": {"port": 80, "path": "/a"}})
    assert store.load().settings.callback.path == "/a"


def test_names_a_newer_version_wrote_are_kept_and_told(
    store: ConfigStore, folder: DataFolder
) -> None:
    folder.ensure()
    folder.settings.write_text('{"version": 1, "callback": {"colour": 1}, "robot": {"on": true}}')
    config = store.merge({"callback": {"port": 80}}).config
    assert [note.values["names"] for note in config.notes] == ["callback.colour, robot"]
    expected = {"version": 1, "callback": {"colour": 1, "port": 80}, "robot": {"on": True}}
    assert expected == on_disk(folder.settings)


# Merging


def test_what_was_merged_is_loaded_by_everybody(store: ConfigStore, folder: DataFolder) -> None:
    outcome = store.merge(
        {
            "callback": {"port": 9000},
            "sync": {"department_links": {"2": "15"}},
            "dingtalk": {"app_key": "dingabc", "app_secret": " s3cret\n"},
            "wecom": {"contact_secret": "contact-secret"},
        }
    )
    config = ConfigStore(folder).load()
    assert config == outcome.config
    assert (config.settings.callback.port, config.settings.sync.department_links) == (9000, {2: 15})
    assert config.secrets.app_secret.reveal() == "s3cret"
    assert "s3cret" not in folder.settings.read_text()


def test_an_outcome_names_what_changed_and_whether_a_restart_is_needed(store: ConfigStore) -> None:
    outcome = store.merge({"callback": {"port": 8080, "path": "/x"}, "ui": {"language": "en"}})
    assert outcome.changed == ("callback.path", "ui.language")
    assert not outcome.needs_restart
    outcome = store.merge({"callback": {"port": 8081}, "wecom": {"contact_secret": "abc"}})
    assert outcome.changed == ("callback.port", "wecom.contact_secret")
    assert outcome.needs_restart
    assert store.merge({"wecom": {"contact_secret": "abc"}}).changed == ()


def test_all_problems_are_named_and_nothing_is_changed(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge({"callback": {"port": 81}})
    before = contents(folder)
    named = problems(
        store,
        {
            "callback": {"port": 82, "prot": 1, "aes_key": "short", "token": None, "key": "a b/"},
            "callback.path": "/x",
            "dingtalk": {"app_secret": 12},
            "colour": {},
            "wecom": [],
        },
    )
    assert named == {
        "callback.prot": "unknown setting; did you mean callback.port?",
        "callback.path": 'write it nested, like {"callback": {"path": "…"}}',
        "colour": "unknown setting",
        "wecom": "an object with settings is expected",
        "callback.token": 'text in quotes is expected, like "abc"',
        "callback.aes_key": named["callback.aes_key"],
        "callback.key": named["callback.key"],
        "dingtalk.app_secret": 'text in quotes is expected, like "abc"',
    }
    assert "43" in named["callback.aes_key"]
    assert before == contents(folder)


def test_the_version_is_no_setting(store: ConfigStore) -> None:
    assert list(problems(store, {"version": 1})) == ["version"]


def test_a_name_from_outside_is_shown_on_one_line(store: ConfigStore) -> None:
    assert list(problems(store, {"a\nb\ud800": {}})) == ["a\\nb\\ud800"]


def test_a_section_in_capitals_is_recognised(store: ConfigStore) -> None:
    assert "did you mean callback?" in str(problems(store, {"Callback": {}})["Callback"])


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["token", "key", "port"]), inner)
    ),
    max_leaves=8,
)
some_sections = st.dictionaries(st.sampled_from(["callback", "sync", "wecom"]), json_values)


@given(changes=json_values | some_sections)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_value_is_merged_or_refused(tmp_path: Path, changes: Any) -> None:
    store = ConfigStore(DataFolder(tmp_path))
    try:
        config = store.merge(changes).config
    except SettingsError as exc:
        assert exc.problems  # noqa: PT017 - either may happen
        assert str(exc).encode()  # noqa: PT017 - as above
    else:
        assert config == store.load()


# Credentials


def test_a_first_whole_set_is_active_at_once(store: ConfigStore) -> None:
    outcome = store.merge(WHOLE)
    assert (outcome.credentials, outcome.missing) == (Effect.ACTIVE, ())
    assert outcome.changed == ("callback.token", "callback.aes_key", "callback.key")
    assert outcome.config.secrets.keyring == Keyring(active=FIRST)


def test_pasted_values_are_cleaned(store: ConfigStore) -> None:
    pasted = {"token": ' "123456"\r\n', "aes_key": AES_KEY + "=\n", "key": " " + FIRST.key}
    assert store.merge({"callback": pasted}).config.secrets.keyring.active == FIRST


def test_an_incomplete_set_is_a_draft_until_the_rest_comes(
    store: ConfigStore, folder: DataFolder
) -> None:
    outcome = store.merge({"callback": {"token": "123456"}})
    assert (outcome.credentials, outcome.missing) == (
        Effect.INCOMPLETE,
        (CredentialField.AES_KEY, CredentialField.KEY),
    )
    assert outcome.config.secrets.keyring == Keyring()
    rest = {"aes_key": AES_KEY, "key": FIRST.key}
    outcome = ConfigStore(folder).merge({"callback": rest})
    assert (outcome.credentials, outcome.missing) == (Effect.ACTIVE, ())
    assert outcome.config.secrets.keyring == Keyring(active=FIRST)
    assert outcome.config.secrets.draft.missing == tuple(CredentialField)


def test_single_new_values_complete_the_set_the_admin_last_worked_on(store: ConfigStore) -> None:
    store.merge(WHOLE)
    store.merge({"callback": {"token": "newtoken"}})
    outcome = store.merge({"callback": {"key": "dingnew"}})
    pending = Credentials.of("newtoken", AES_KEY, "dingnew")
    assert outcome.credentials == Effect.PENDING
    assert outcome.changed == ("callback.key",)
    assert outcome.config.secrets.keyring == Keyring(FIRST, pending)


def test_entering_the_active_set_again_withdraws_the_pending_one(store: ConfigStore) -> None:
    store.merge(WHOLE)
    store.merge({"callback": {"token": "newtoken"}})
    outcome = store.merge(WHOLE)
    assert outcome.credentials == Effect.ACTIVE
    assert outcome.config.secrets.keyring == Keyring(active=FIRST)


def test_other_settings_leave_credentials_and_their_file_alone(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge(WHOLE)
    before = folder.secrets.stat()
    outcome = store.merge({"callback": {"port": 81}})
    assert outcome.credentials == Effect.UNTOUCHED
    assert before == folder.secrets.stat()


def test_a_promoted_keyring_is_kept(store: ConfigStore, folder: DataFolder) -> None:
    store.merge(WHOLE)
    store.merge({"callback": {"token": "newtoken"}})
    config = store.update_keyring(lambda ring: ring.promoted(1000, 500))
    assert config.secrets.keyring.previous == FIRST
    assert config == ConfigStore(folder).load()
    assert not store.changed_since_load()


# Noticing, sealing, rights


def test_a_change_by_somebody_else_is_noticed(store: ConfigStore, folder: DataFolder) -> None:
    assert store.changed_since_load()
    store.load()
    assert not store.changed_since_load()
    for changes in ({"callback": {"port": 81}}, WHOLE):
        ConfigStore(folder).merge(changes)
        assert store.changed_since_load()
        store.load()
        assert not store.changed_since_load()


def test_a_damaged_file_is_reported_once_until_it_changes(
    store: ConfigStore, folder: DataFolder
) -> None:
    folder.ensure()
    folder.settings.write_text("{")
    with pytest.raises(FileDamagedError):
        store.load()
    assert not store.changed_since_load()
    folder.settings.write_text("{}")
    assert store.changed_since_load()


def test_a_file_that_vanished_is_not_taken_for_an_empty_one(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge(WHOLE)
    folder.secrets.rename(folder.root / "x")
    for _ in range(2):
        assert store.changed_since_load()
        with pytest.raises(FileMissingError) as caught:
            store.reload()
        assert str(folder.secrets) == caught.value.values["path"]
        with pytest.raises(FileMissingError):
            store.update_keyring(lambda ring: ring)
    assert not folder.secrets.exists()
    (folder.root / "x").rename(folder.secrets)
    assert store.reload().secrets.keyring == Keyring(FIRST)


@pytest.mark.parametrize("has_settings", [True, False])
def test_a_file_of_which_only_an_older_copy_is_left_is_told(
    store: ConfigStore, folder: DataFolder, *, has_settings: bool
) -> None:
    store.merge(WHOLE)
    store.merge({"callback": {"token": "newToken1", **({"port": 81} if has_settings else {})}})
    folder.secrets.unlink()
    (note,) = ConfigStore(folder).load().notes
    assert str(folder.secrets) + ".bak" in str(note)
    assert not folder.secrets.exists()


def test_secrets_of_another_account_can_be_entered_again(folder: DataFolder) -> None:
    ConfigStore(folder, DpapiSealer(lambda b: b[::-1], lambda b: b[::-1])).merge(WHOLE)
    sealed = folder.secrets.read_bytes()
    store = ConfigStore(folder)
    with pytest.raises(SecretsLockedError):
        store.merge({"callback": {"port": 81}})
    assert problems(store, {"callback": {"token": "x"}})
    assert sealed == folder.secrets.read_bytes()
    outcome = store.merge(WHOLE)
    assert outcome.config.secrets.keyring == Keyring(active=FIRST)
    assert sealed == (folder.root / "secrets.json.locked").read_bytes()
    assert len(outcome.config.notes) == 1


def test_secrets_of_several_accounts_are_all_kept(folder: DataFolder) -> None:
    kept = {}
    for number in (1, 2, 2, 3):
        folder.secrets.unlink(missing_ok=True)
        sealer = DpapiSealer(lambda text, n=number: bytes([n]) + text, lambda blob: blob[1:])  # type: ignore[misc] # a default keeps the number
        ConfigStore(folder, sealer).merge(WHOLE)
        name = "secrets.json.locked" if number == 1 else f"secrets.json.locked-{number}"
        kept[name] = folder.secrets.read_bytes()
        note = ConfigStore(folder).merge(WHOLE).config.notes[-1]
        assert note.values["path"] == str(folder.root / name)
    assert {path.name: path.read_bytes() for path in folder.root.glob("*.locked*")} == kept


@posix_only
def test_files_are_for_their_owner_only(store: ConfigStore, folder: DataFolder) -> None:
    before = os.umask(0)
    try:
        store.merge(WHOLE | {"ui": {"language": "en"}})
        store.merge({"callback": {"token": "newtoken", "port": 81}})
    finally:
        os.umask(before)
    rights = {path.name: path.stat().st_mode & 0o777 for path in folder.root.iterdir()}
    names = ("settings.json", "settings.json.bak", "secrets.json", "secrets.json.bak")
    assert rights == dict.fromkeys((*names, "config.lock"), 0o600)


@posix_only
def test_a_secrets_file_that_others_can_read_is_narrowed_and_told(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge(WHOLE)
    folder.secrets.chmod(0o644)
    assert [str(folder.secrets)] == [note.values["path"] for note in store.load().notes]
    assert folder.secrets.stat().st_mode & 0o777 == 0o600
    assert store.load().notes == ()


# Trouble with the disk


def test_a_system_that_cannot_seal_is_reported_and_nothing_is_stored(folder: DataFolder) -> None:
    def refuse(_: bytes) -> bytes:
        raise OSError(5, "Access is denied.")

    store = ConfigStore(folder, DpapiSealer(refuse, refuse))
    with pytest.raises(FileAccessError) as caught:
        store.merge(WHOLE | {"ui": {"language": "en"}})
    assert caught.value.values["reason"] == "Access is denied"
    assert [path.name for path in folder.root.iterdir()] == ["config.lock"]


def failing(error: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    return fail


@pytest.mark.parametrize(
    ("function", "error"),
    [("fsync", errno.ENOSPC), ("replace", errno.EACCES), ("open", errno.EROFS)],
)
def test_a_disk_that_refuses_leaves_everything_as_it_was(
    store: ConfigStore,
    folder: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    error: int,
) -> None:
    store.merge(WHOLE)
    before = contents(folder)
    monkeypatch.setattr(os, function, failing(error))
    with pytest.raises(FileAccessError) as caught:
        store.merge({"callback": {"port": 81, "token": "newtoken"}})
    assert os.strerror(error) == caught.value.values["reason"]
    monkeypatch.undo()
    assert before == contents(folder)
    assert store.load().settings == Settings()


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(FileAccessError):
        ConfigStore(DataFolder(tmp_path / "taken")).merge({})


@pytest.fixture
def hung(
    store: ConfigStore, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[float]]:
    """Somebody saved half a file and hangs; the waits for the lock that we were ready for."""
    store.merge(WHOLE)
    waits: list[float] = []

    class Noted(FileLock):
        def __init__(self, path: Path, wait_s: float) -> None:
            waits.append(wait_s)
            super().__init__(path, wait_s / 100)

    with FileLock(folder.config_lock):
        monkeypatch.setattr("server.config.store.FileLock", Noted)
        yield waits


def test_settings_are_read_where_no_lock_can_be_made(
    store: ConfigStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.merge(WHOLE)
    monkeypatch.setattr(FileLock, "acquire", failing(errno.EACCES))
    assert store.load().secrets.keyring == Keyring(FIRST)
    with pytest.raises(FileAccessError):
        store.merge({"callback": {"port": 81}})


def test_a_lock_that_is_never_released_is_reported(
    store: ConfigStore, folder: DataFolder, hung: list[float]
) -> None:
    with pytest.raises(FileAccessError) as caught:
        store.merge({"callback": {"port": 81}})
    assert str(folder.config_lock) == caught.value.values["path"]
    assert len(hung) == 1


def test_each_thread_waits_for_the_lock_as_long_as_it_takes(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge(WHOLE)
    failures: list[Exception] = []

    def save() -> None:
        try:
            store.update_keyring(lambda ring: ring)
        except FileAccessError as failure:
            failures.append(failure)

    threads = [Thread(target=save) for _ in range(3)]
    with FileLock(folder.config_lock):
        for thread in threads:
            thread.start()
            Event().wait(0.1)
    for thread in threads:
        thread.join()
    assert failures == []


def test_who_saves_waits_also_after_a_reader_has_waited_in_vain(
    store: ConfigStore, hung: list[float]
) -> None:
    assert store.load().secrets.keyring == Keyring(FIRST)
    for _ in range(2):
        with pytest.raises(FileAccessError):
            store.merge({"callback": {"port": 81}})
    assert hung == [2.0, 2.0, 2.0]


def test_who_hangs_while_saving_keeps_nobody_from_reading_and_is_waited_for_once(
    store: ConfigStore, folder: DataFolder, hung: list[float]
) -> None:
    half_saved = folder.root / "secrets.json.tmp"
    half_saved.write_text("{")
    for _ in range(3):
        assert store.load().secrets.keyring == Keyring(FIRST)
    assert hung == [2.0, 0.0, 0.0]
    assert half_saved.exists()


# Several processes

SAVE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from server.config.paths import DataFolder
from server.config.store import ConfigStore
store = ConfigStore(DataFolder(Path(sys.argv[1])))
print("ready", flush=True)
for count in itertools.count():
    letter = "ab"[count % 2]
    store.merge({"callback": {"token": letter * 40, "path": "/" + letter * 150}})
"""


def test_a_process_killed_while_saving_leaves_whole_files(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge(WHOLE | {"callback": {**WHOLE["callback"], "path": "/" + "a" * 150}})
    expected = {"/" + letter * 150 for letter in "ab"}
    for round_number in range(20):
        with start(SAVE_FOR_EVER, str(folder.root)) as saver:
            assert saver.stdout is not None
            assert saver.stdout.readline() == "ready\n"
            Event().wait(random.Random(round_number).uniform(0, 0.03))  # noqa: S311 - no secret
            saver.kill()
        config = store.load()
        assert config.settings.callback.path in expected
        assert config.secrets.keyring.active == FIRST
    assert [path.name for path in folder.root.iterdir() if path.suffix == ".tmp"] == []


CONFIGURE = """
import sys
from pathlib import Path
from server.config.paths import DataFolder
from server.config.store import ConfigStore
store = ConfigStore(DataFolder(Path(sys.argv[1])))
for number in range(30):
    links = {"department_links": {"7": number + 1}}
    store.merge({"sync": links, "callback": {"token": f"token{number}"}})
"""
PROMOTE = """
import sys
from pathlib import Path
from server.config.paths import DataFolder
from server.config.store import ConfigStore
store = ConfigStore(DataFolder(Path(sys.argv[1])))
for number in range(30):
    store.update_keyring(lambda ring: ring.promoted(number, 10))
    store.merge({"wecom": {"contact_secret": f"secret{number}"}})
"""


def test_two_processes_never_lose_each_others_change(
    store: ConfigStore, folder: DataFolder
) -> None:
    store.merge(WHOLE)
    with start(CONFIGURE, str(folder.root)) as one, start(PROMOTE, str(folder.root)) as other:
        assert (one.wait(60), other.wait(60)) == (0, 0)
    config = store.load()
    ring = config.secrets.keyring
    newest = ring.pending or ring.active
    assert newest is not None
    assert newest.token.reveal() == "token29"
    assert config.secrets.contact_secret.reveal() == "secret29"
    assert config.settings.sync.department_links == {7: 30}
