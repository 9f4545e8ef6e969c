"""The service's own duties: what is taken up, saved, tried again and told."""

import contextlib
import logging
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from crypto.credentials import Credentials, Keyring
from server.app import App
from server.config.files import read_image
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.errors import (
    AlreadyRunningError,
    DingBridgeError,
    FileAccessError,
    FileDamagedError,
    FileMissingError,
    JournalAccessError,
    JournalBusyError,
    JournalFullError,
    JournalNewerError,
    PortInUseError,
)
from server.housekeeper import Housekeeper, Routine
from server.instance import Trouble, running_service
from server.journal.writer import Ticket
from server.logs import SecretMask
from server.pruning import Pruning
from server.service import Service, local_url
from server.simulator.dingtalk_callbacks import CallbackSender, Patience
from server.simulator.reply import ReplyFault
from server.status import EventView
from server.web.listener import Listener
from tests.crypto.made_up import SETS
from tests.server.clocks import WallClock
from tests.server.folders import app_on
from tests.server.simulator.seeds import seeded
from tests.waiting import until

OLD, NEW, NEWEST = SETS
HOUR_MS = 60 * 60 * 1000


@dataclass
class Store(ConfigStore):
    """A real store that lets a test act in the middle of a reload."""

    folder: DataFolder
    after_load: list[Callable[[], object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.folder)

    def load(self) -> Config:
        config = super().load()
        while self.after_load:
            self.after_load.pop()()
        return config


@dataclass
class Set:
    """A service that is driven by the test: its housekeeper waits, the test does the duties."""

    folder: DataFolder
    store: Store
    clock: WallClock
    service: Service
    mask: SecretMask

    def accepts(
        self, credentials: Credentials, event: bytes = b'{"EventType":"check_url"}'
    ) -> bool:
        return self.fault(credentials, event) is None

    def fault(self, credentials: Credentials, event: bytes) -> ReplyFault | None:
        with CallbackSender(
            self.service.address,
            credentials.token.reveal(),
            credentials.aes_key.reveal(),
            credentials.key,
            rng=seeded(1),
            patience=Patience(deadline_s=10),
        ) as sender:
            return sender.attempt(event).fault

    def tick(self) -> None:
        self.service.housekeeper.tick()

    def enter(self, credentials: Credentials) -> None:
        app_on(self.folder.root, **texts(credentials))

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        record = running_service(self.folder)
        assert record is not None
        return record.troubles

    def events(self) -> tuple[EventView, ...]:
        return App(self.folder).events().events

    def stored(self) -> Keyring:
        return ConfigStore(self.folder).load().secrets.keyring


def texts(credentials: Credentials) -> dict[str, str]:
    return {
        "token": credentials.token.reveal(),
        "aes_key": credentials.aes_key.reveal(),
        "key": credentials.key,
    }


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Set]:
    monkeypatch.setattr("server.housekeeper._TICK_S", 3600.0)
    folder = app_on(tmp_path / "数据 夹", **texts(OLD)).folder
    clock, store, mask = WallClock(), Store(folder), SecretMask()
    service = Service(folder, store, mask, clock)
    # A promotion wakes the housekeeper; here the test decides when its duties are done.
    monkeypatch.setattr(service, "wake", lambda: None)
    service.start()
    at_work = Set(folder, store, clock, service, mask)
    yield at_work
    monkeypatch.undo()
    assert service.stop() == ()


def test_a_promotion_is_in_force_before_it_is_saved(at_work: Set) -> None:
    at_work.enter(NEW)
    at_work.service.take_up_changes()
    assert at_work.accepts(NEW)
    assert at_work.stored() == Keyring(OLD, NEW)
    assert at_work.accepts(OLD)
    at_work.service.take_up_changes()
    until_ms = at_work.clock.now_ms + 24 * HOUR_MS
    assert at_work.stored() == Keyring(NEW, None, OLD, until_ms)


def test_a_promotion_in_the_middle_of_a_reload_is_kept(at_work: Set) -> None:
    at_work.enter(NEW)
    at_work.service.take_up_changes()
    app_on(at_work.folder.root, path="/neu", **texts(NEW))
    at_work.store.after_load.append(lambda: at_work.accepts(NEW))
    at_work.service.take_up_changes()
    at_work.service.take_up_changes()
    assert at_work.accepts(NEW)
    assert (at_work.stored().active, at_work.stored().previous) == (NEW, OLD)


def test_a_set_entered_before_a_promotion_is_saved_stays_pending(at_work: Set) -> None:
    at_work.enter(NEW)
    at_work.service.take_up_changes()
    assert at_work.accepts(NEW)
    at_work.enter(NEWEST)
    at_work.service.take_up_changes()
    assert (at_work.stored().active, at_work.stored().pending) == (NEW, NEWEST)
    assert [at_work.accepts(one) for one in (OLD, NEW, NEWEST)] == [True, True, True]


def test_a_second_promotion_while_the_first_is_being_saved_is_saved_too(
    at_work: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work.enter(NEW)
    at_work.service.take_up_changes()
    assert at_work.accepts(NEW)
    at_work.enter(NEWEST)
    # The set entered meanwhile comes with the save, and is used before the save is over.
    with monkeypatch.context() as patch:
        patch.setattr(at_work.mask, "unregister", lambda _: at_work.accepts(NEWEST))
        at_work.service.take_up_changes()
    assert at_work.stored() == Keyring(NEW, NEWEST, OLD, at_work.stored().previous_until_ms)
    at_work.service.take_up_changes()
    assert (at_work.stored().active, at_work.stored().previous) == (NEWEST, NEW)


def test_previous_credentials_end_with_their_time(
    at_work: Set, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    at_work.enter(NEW)
    at_work.service.take_up_changes()
    assert at_work.accepts(NEW)
    at_work.clock.now_ms += 24 * HOUR_MS - 1
    at_work.tick()
    assert at_work.stored().previous == OLD
    at_work.clock.now_ms += 1
    assert not at_work.accepts(OLD)
    for _ in range(3):
        at_work.tick()
    assert at_work.stored() == Keyring(NEW)
    assert caplog.text.count("no longer accepted") == 1


def test_secrets_that_vanish_stay_in_force_and_are_missed(
    at_work: Set, caplog: pytest.LogCaptureFixture
) -> None:
    secrets = at_work.folder.secrets
    secrets.rename(secrets.with_name("elsewhere"))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            at_work.tick()
    assert at_work.accepts(OLD)
    assert at_work.troubles == (Trouble.of(FileMissingError(path=str(secrets))),)
    assert [record.levelname for record in caplog.records if "gone" in record.message] == ["ERROR"]
    at_work.enter(NEW)
    at_work.tick()
    assert at_work.accepts(NEW)
    assert len(at_work.troubles) == 0


def test_a_promotion_that_cannot_be_saved_is_told_once_and_tried_again(
    at_work: Set, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(change: object) -> Config:
        raise FileAccessError(path=str(at_work.folder.secrets), reason=type(change).__name__)

    at_work.enter(NEW)
    at_work.service.take_up_changes()
    with monkeypatch.context() as patch:
        patch.setattr(at_work.store, "update_keyring", refuse)
        patch.setattr("server.journal.rejections.replace_all", failing(JournalBusyError(path="x")))
        assert not at_work.accepts(NEWEST)
        assert at_work.accepts(NEW)
        for _ in range(3):
            at_work.tick()
        told = [one.values["path"] for one in at_work.troubles]
        assert told == [str(at_work.folder.secrets), "x"]
    errors = [one.levelname for one in caplog.records if one.levelno >= logging.ERROR]
    assert errors == ["ERROR", "ERROR"]
    at_work.tick()
    assert at_work.troubles == ()
    assert at_work.stored().active == NEW


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_the_list_of_rejected_calls_is_stored_once_the_journal_takes_it(
    at_work: Set, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not at_work.accepts(NEWEST)
    with monkeypatch.context() as patch:
        for module in ("duties", "service"):
            patch.setattr(f"server.{module}.JOB_S", 0.0)
        never_done_here(at_work, patch)
        at_work.tick()
    at_work.tick()
    (call,) = app_on(at_work.folder.root, **texts(OLD)).rejected_calls()
    assert (call.verdict, call.count) == ("unknown_sender", 1)


def test_the_status_shows_at_once_what_the_desk_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.housekeeper._TICK_S", 3600.0)
    monkeypatch.setattr("server.housekeeper._PAUSE_S", 0.0)
    app = app_on(tmp_path, **texts(OLD))
    mask = SecretMask()
    service = Service(app.folder, ConfigStore(app.folder), mask, WallClock())
    service.start()
    at_work = Set(app.folder, Store(app.folder), WallClock(), service, mask)
    try:
        assert not at_work.accepts(NEWEST)
        until(lambda: App(app.folder).status().doctor is not None)
        assert at_work.accepts(OLD)  # sent by the real clock, years after this one
        until(lambda: "clock" in [one.code for one in App(app.folder).status().notices])
    finally:
        assert service.stop() == ()


def never_done_here(at_work: Set, patch: pytest.MonkeyPatch) -> None:
    """Make the journal slow for this thread; the sync's thread has jobs of its own."""
    journal, here = at_work.service.journal(), threading.current_thread()
    run = journal.run

    def submitted(job: Any, **options: Any) -> Ticket[Any]:
        is_here = threading.current_thread() is here
        return Ticket(at_work.folder.database) if is_here else run(job, **options)

    patch.setattr(journal, "run", submitted)


def test_the_clocks_difference_outlives_a_change_of_the_path(at_work: Set) -> None:
    assert at_work.accepts(OLD)  # sent by the real clock, years after this one
    at_work.tick()
    before = running_service(at_work.folder)
    app_on(at_work.folder.root, path="/neu", **texts(OLD))
    at_work.service.take_up_changes()
    after = running_service(at_work.folder)
    assert before is not None
    assert before.clock_difference_ms is not None
    assert after == replace(before, address=before.address.replace("/api/callback", "/neu"))
    assert at_work.service.address.endswith("/neu")
    assert at_work.accepts(OLD)


def test_old_events_go_after_an_hour_and_waiting_ones_stay(
    at_work: Set, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for number in (1, 2):
        event = f'{{"EventType":"t","eventId":"e{number}"}}'.encode()
        assert at_work.accepts(OLD, event)
    journal = at_work.service.journal()
    journal.run(
        lambda conn: conn.execute("UPDATE events SET state = 3 WHERE event_id = 'e1'")
    ).result(9)
    at_work.clock.now_ms += 91 * 24 * HOUR_MS
    at_work.tick()
    left = journal.read(lambda conn: conn.execute("SELECT event_id FROM events").fetchall())
    assert left == [("e2",)]
    assert caplog.text.count("Removed 1 old events") == 1


def test_a_fault_of_its_own_is_told_and_keeps_no_other_duty_from_being_done(
    at_work: Set, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(Pruning, "do_what_is_due", failing(ZeroDivisionError()))
        for number in range(3):
            at_work.tick()
            assert not at_work.accepts(NEWEST, b'{"number": %d}' % number)
        at_work.tick()
        (trouble,) = at_work.troubles
        assert trouble.values == {"kind": "ZeroDivisionError"}
        (call,) = app_on(at_work.folder.root, **texts(OLD)).rejected_calls()
        assert call.count == 3
    at_work.tick()
    assert at_work.troubles == ()
    assert caplog.text.count("Traceback") == 1


def test_the_housekeepers_thread_does_the_duties_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.housekeeper._TICK_S", 0.001)
    monkeypatch.setattr("server.housekeeper._PAUSE_S", 0.001)
    ticks: list[None] = []
    housekeeper = Housekeeper([Routine("count", lambda: ticks.append(None))])
    housekeeper.start()
    until(lambda: len(ticks) > 3)
    housekeeper.request_stop()
    assert housekeeper.join(10)
    done = len(ticks)
    assert not (tmp_path / "none").exists()
    assert len(ticks) == done


@contextlib.contextmanager
def a_port_held(folder: DataFolder) -> Iterator[type[DingBridgeError]]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        app_on(folder.root, port=holder.getsockname()[1])
        yield PortInUseError
    app_on(folder.root)


@contextlib.contextmanager
def damaged_settings(folder: DataFolder) -> Iterator[type[DingBridgeError]]:
    sound = read_image(folder.settings).content or b""
    folder.settings.write_bytes(sound[:-5])
    yield FileDamagedError
    folder.settings.write_bytes(sound)


@contextlib.contextmanager
def a_newer_database(folder: DataFolder) -> Iterator[type[DingBridgeError]]:
    with contextlib.closing(sqlite3.connect(folder.database)) as conn:
        conn.execute("PRAGMA user_version = 99")
    yield JournalNewerError
    folder.database.unlink()


@pytest.mark.parametrize("obstacle", [a_port_held, damaged_settings, a_newer_database])
def test_a_start_that_fails_leaves_nothing_behind(
    tmp_path: Path,
    obstacle: Callable[[DataFolder], contextlib.AbstractContextManager[type[DingBridgeError]]],
) -> None:
    app = app_on(tmp_path)
    with obstacle(app.folder) as expected, pytest.raises(expected):
        app.start()
    assert running_service(app.folder) is None
    assert not app.is_serving
    app.start()
    assert app.stop() == ()


def test_only_one_serves_a_folder_and_the_refused_one_disturbs_nothing(at_work: Set) -> None:
    with pytest.raises(AlreadyRunningError) as caught:
        app_on(at_work.folder.root, **texts(OLD)).start()
    assert caught.value.values["address"] == at_work.service.address
    assert at_work.accepts(OLD)


def test_who_does_not_stop_in_time_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = app_on(tmp_path)
    app.start()
    with monkeypatch.context() as patch:
        patch.setattr(Listener, "join", lambda _, timeout_s: timeout_s < 0)
        assert app.stop() == ("dingbridge-web",)
    assert "The thread dingbridge-web did not stop in time" in caplog.text


def test_an_address_of_ipv6_is_written_with_brackets() -> None:
    assert local_url("::1", 8080, "/api/callback") == "http://[::1]:8080/api/callback"
    assert local_url("127.0.0.1", 80, "/") == "http://127.0.0.1:80/"


def test_a_database_that_turns_out_damaged_is_replaced_while_serving(at_work: Set) -> None:
    event = b'{"EventType":"user_add_org","eventId":"%d"}'
    assert at_work.fault(OLD, event % 1) is None
    at_work.service.journal().run(spoil).result()
    assert at_work.fault(OLD, event % 2) is ReplyFault.WRONG_STATUS
    at_work.tick()
    assert at_work.fault(OLD, event % 2) is None
    assert [event.event_id for event in at_work.events()] == ["2"]
    assert len(list(at_work.folder.root.glob("*.damaged-*.db"))) == 1
    at_work.tick()
    assert len(list(at_work.folder.root.glob("*.damaged-*.db"))) == 1


def test_a_service_that_starts_on_a_full_disk_goes_on_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise JournalAccessError(path=str(path), reason="disk I/O error")

    monkeypatch.setattr("server.housekeeper._TICK_S", 3600.0)
    app = app_on(tmp_path, **texts(OLD))
    mask = SecretMask()
    service = Service(app.folder, ConfigStore(app.folder), mask, WallClock())
    monkeypatch.setattr(service, "wake", lambda: None)
    at_work = Set(app.folder, Store(app.folder), WallClock(), service, mask)
    event = b'{"EventType":"user_add_org","eventId":"1"}'
    with monkeypatch.context() as full:
        full.setattr("server.journal.opening._open_sound", refuse)
        with pytest.raises(JournalAccessError):  # something else than a full disk
            service.start()
        full.setattr("server.journal.opening._FULL_BELOW_BYTES", 2**62)
        service.start()
        assert at_work.fault(OLD, event) is ReplyFault.WRONG_STATUS
        at_work.tick()
        troubles = [at_work.troubles]
    at_work.tick()
    assert at_work.fault(OLD, event) is None
    at_work.tick()
    troubles.append(at_work.troubles)
    assert troubles == [(Trouble.of(JournalFullError(path=str(app.folder.database))),), ()]
    assert {"dingbridge-sync", "dingbridge-subscription"} <= {
        one.name for one in threading.enumerate()
    }
    monkeypatch.undo()
    assert service.stop() == ()
    assert [event.event_id for event in at_work.events()] == ["1"]


def test_a_service_that_never_had_room_stops_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _now_ms: int) -> None:
        raise JournalFullError(path=str(path))

    app = app_on(tmp_path, **texts(OLD))
    monkeypatch.setattr("server.journal.journal.open_database", refuse)
    app.start()
    assert app.stop() == ()


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files from being deleted")
def test_a_database_that_is_deleted_in_use_is_put_back_before_a_call_is_lost(at_work: Set) -> None:
    event = b'{"EventType":"user_add_org","eventId":"%d"}'
    assert at_work.fault(OLD, event % 1) is None
    for file in at_work.folder.root.glob("dingbridge.db*"):
        file.unlink()
    at_work.tick()
    assert at_work.fault(OLD, event % 2) is None
    for file in at_work.folder.root.glob("dingbridge.db*"):
        file.unlink()
    assert at_work.fault(OLD, event % 3) is ReplyFault.WRONG_STATUS
    at_work.tick()
    assert at_work.fault(OLD, event % 3) is None
    at_work.tick()
    assert at_work.troubles == ()
    assert [event.event_id for event in at_work.events()] == ["3", "2", "1"]


def spoil(conn: sqlite3.Connection) -> None:
    """Point the table to a page that is not there, as after a bad write; take note of it anew."""
    (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
    conn.execute("PRAGMA writable_schema = ON")
    conn.execute("UPDATE sqlite_schema SET rootpage = 999999 WHERE rootpage = ?", (page,))
    conn.execute("PRAGMA schema_version = 4711")
