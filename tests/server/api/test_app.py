"""The facade, in the process that serves and beside it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.credentials import CredentialField
from server.api.app import App
from server.api.status import EventView
from server.config.merge import Effect
from server.config.paths import DataFolder
from server.config.store import ConfigStore
from server.errors.base import FileAccessError, JournalDamagedError, NotInForceError, SettingsError
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from tests.crypto.made_up import AES_KEYS, KEYS, TOKENS
from tests.server.folders import ACTIVE_VALUES, OTHER_VALUES, app_on
from tests.server.simulator.seeds import seeded
from tests.waiting import until


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = app_on(tmp_path / "数据 夹")
    yield app
    assert app.stop() == ()


def sender(address: str, values: dict[str, str] = ACTIVE_VALUES) -> CallbackSender:
    patience = Patience(deadline_s=10, compression=1000)
    token, aes_key, key = values["token"], values["aes_key"], values["key"]
    return CallbackSender(address, token, aes_key, key, rng=seeded(2), patience=patience)


def codes(app: App) -> list[str]:
    return [notice.code for notice in app.status().notices]


def test_a_folder_that_is_not_there_yet_has_a_status(tmp_path: Path) -> None:
    app = App(DataFolder(tmp_path / "none"))
    status = app.status()
    assert (status.service.is_running, status.doctor) == (False, None)
    assert status.credentials.missing == ("token", "aes_key", "key")
    assert codes(app) == ["not-set-up"]
    assert (app.events().events, app.rejected_calls()) == ((), ())
    assert app.stop() == ()
    assert not app.is_serving
    assert list(tmp_path.iterdir()) == []


def test_what_is_configured_here_is_in_force_at_once(app: App) -> None:
    address = app.start()
    assert app.is_serving
    outcome = app.configure({"callback": OTHER_VALUES})
    assert outcome.credentials is Effect.PENDING
    for values in (ACTIVE_VALUES, OTHER_VALUES):
        with sender(address, values) as dingtalk:
            assert dingtalk.deliver({"EventType": "check_url"}).accepted
    # The service saves the promotion by itself; asking for anything to change does it at once.
    app.configure({})
    status = app.status().credentials
    assert status.active is not None
    assert (status.active.key, status.pending, status.in_use) == (KEYS[1], None, "active")


def test_a_change_that_is_refused_leaves_the_service_alone(app: App) -> None:
    address = app.start()
    with pytest.raises(SettingsError) as caught:
        app.configure({"callback": {"token": "x", "path": "/neu", "port": None}})
    assert [one.name for one in caught.value.problems] == ["callback.port", "callback.token"]
    with sender(address) as dingtalk:
        assert dingtalk.deliver({"EventType": "check_url"}).accepted


@pytest.mark.parametrize("fault", [FileAccessError(path="x", reason="busy"), ZeroDivisionError()])
def test_what_was_saved_and_cannot_be_taken_up_is_told_as_saved(
    app: App, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(_: ConfigStore) -> None:
        raise fault

    app.start()
    with monkeypatch.context() as patch:
        patch.setattr(ConfigStore, "reload", fail)
        with pytest.raises(NotInForceError) as caught:
            app.configure({"callback": {"path": "/neu"}, "ui": {"language": "en"}})
        assert caught.value.changed == ("callback.path", "ui.language")
        assert caught.value.__cause__ is fault
        assert App(app.folder).config().settings.callback.path == "/neu"
        assert codes(app) == ["trouble"]
    until(lambda: app.status().service.address.endswith("/neu"), "it is tried again")
    assert codes(app) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
@pytest.mark.parametrize(("mode", "told"), [(0o700, []), (0o755, ["folder-open"])])
def test_a_data_folder_that_is_open_to_others_is_warned_of(
    app: App, mode: int, told: list[str]
) -> None:
    app.folder.root.chmod(mode)
    assert codes(app) == told
    assert all(str(app.folder.root) in str(one.title) for one in app.status().notices)


def test_rejected_calls_are_seen_at_once_and_the_offered_key_adopted(app: App) -> None:
    address = app.start()
    other_key = ACTIVE_VALUES | {"key": KEYS[2]}
    with sender(address, other_key) as dingtalk:
        assert dingtalk.attempt(b"{}").fault is not None
        (call,) = app.rejected_calls()
        assert (call.verdict, call.offered_key, call.is_settled) == ("key", KEYS[2], False)
        assert codes(app) == ["rejected-call"]
        app.adopt_key(call.offered_key or "")
        assert dingtalk.attempt(b"{}").fault is None
    (call,) = app.rejected_calls()
    assert call.is_settled


def test_rejected_calls_come_newest_first(app: App) -> None:
    address = app.start()
    for wrong in ({"token": TOKENS[3]}, {"aes_key": AES_KEYS[3]}, {"key": KEYS[3]}):
        with sender(address, ACTIVE_VALUES | wrong) as dingtalk:
            assert dingtalk.attempt(b"{}").fault is not None
    until(lambda: len(app.rejected_calls()) == 3, "the calls are diagnosed within two seconds")
    verdicts = [call.verdict for call in app.rejected_calls()]
    times = [call.at_ms for call in app.rejected_calls()]
    assert sorted(verdicts, key=str) == ["aes_key", "key", "token"]
    assert times == sorted(times, reverse=True)
    app.stop()
    assert sorted(str(call.verdict) for call in app.rejected_calls()) == sorted(map(str, verdicts))


def listed(app: App, limit: int, **filters: str) -> list[EventView]:
    found: list[EventView] = []
    before_id = None
    while True:
        page = app.events(limit, before_id, **filters)
        assert len(page.events) <= limit
        found += page.events
        before_id = page.before_id
        if before_id is None:
            return found


def test_events_come_page_by_page_and_by_what_is_asked(app: App) -> None:
    address = app.start()
    with sender(address) as dingtalk:
        for number in range(25):
            event = {"EventType": f"t{number % 2}", "eventId": f"e{number}", "名": "张三"}
            assert dingtalk.deliver(event).accepted
    ids = [event.event_id for event in listed(app, 25)]
    assert ids == [f"e{number}" for number in range(24, -1, -1)]
    assert [event.event_id for event in listed(app, 7)] == ids
    assert [event.event_id for event in listed(app, 4, event_type="t1")] == ids[1::2]
    assert [event.event_id for event in listed(app, 4, text="e24")] == ["e24"]
    assert [event.event_id for event in listed(app, 9, text="张三")] == ids
    assert listed(app, 9, state="failed") == []
    assert [event.event_id for event in listed(app, 9, state="pending")] == ids
    app.stop()
    assert [event.event_id for event in listed(app, 10)] == ids


def test_what_cannot_be_read_becomes_a_notice(app: App) -> None:
    app.folder.settings.write_text("{")
    app.folder.database.write_bytes(b"no database" * 1000)
    assert codes(app) == ["file-damaged", "journal-damaged"]
    with pytest.raises(JournalDamagedError):
        app.events()
    app.folder.settings.unlink()
    app.configure({"callback": {"port": 0, "host": "127.0.0.1"}})
    app.start()
    assert codes(app) == ["database-moved"]
    assert app.status().service.is_running


def test_a_folder_that_cannot_be_looked_into_has_a_status(tmp_path: Path) -> None:
    status = App(DataFolder(tmp_path / ("x" * 5000))).status()
    assert {notice.code for notice in status.notices} >= {"file-access", "journal-access"}


def test_a_disk_that_runs_full_is_told_whether_or_not_a_service_runs(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert codes(app) == []
    monkeypatch.setattr("server.service.disk_space.ENOUGH_BYTES", 2**62)
    assert codes(app) == ["little-room"]
    app.start()
    (notice,) = app.status().notices
    assert str(app.folder.root) in str(notice.title)
    assert codes(App(DataFolder(app.folder.root / "none"))) == ["not-set-up"]


@pytest.mark.parametrize(
    ("field", "text", "value", "problem"),
    [
        (CredentialField.TOKEN, " “Abc123” ", "Abc123", None),
        (CredentialField.AES_KEY, f"{AES_KEYS[0]}=\n", AES_KEYS[0], None),
        (CredentialField.KEY, "", "", "key is empty. Copy it from the DingTalk console."),
        (
            CredentialField.AES_KEY,
            AES_KEYS[0][:42],
            AES_KEYS[0][:42],
            "aes_key has 42 characters, but must have exactly 43. Copy it again.",
        ),
    ],
)
def test_an_entered_value_is_cleaned_and_judged(
    field: CredentialField, text: str, value: str, problem: str | None
) -> None:
    cleaned, told = App.judge_value(field, text)
    assert (cleaned, told and str(told)) == (value, problem)


def test_a_pasted_block_is_taken_apart() -> None:
    block = f"Token: {TOKENS[0]}\naes_key：{AES_KEYS[0]}\nAppKey = {KEYS[0]}\n"
    assert App.split_pasted(block) == {
        CredentialField.TOKEN: TOKENS[0],
        CredentialField.AES_KEY: AES_KEYS[0],
        CredentialField.KEY: KEYS[0],
    }
