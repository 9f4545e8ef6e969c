"""The service's own duties: what is taken up, saved, tried again and told."""

import contextlib
import logging
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto.credentials import Keyring
from server.api.app import App
from server.callback.listener import Listener
from server.config.files import read_image
from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.errors.base import (
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
    Trouble,
)
from server.journal.retention import Pruning
from server.journal.writer import Ticket
from server.service.housekeeper import Housekeeper, Routine
from server.service.instance import running_service
from server.service.logs import SecretMask
from server.service.service import Service, local_url, now_ms
from server.simulator.dingtalk.reply import ReplyFault
from tests.server.clocks import WallClock
from tests.server.folders import app_on
from tests.server.service.driven import NEW, NEWEST, OLD, Driven, Store, driven, spoil, texts
from tests.waiting import until

HOUR_MS = 60 * 60 * 1000


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    at_work = driven(app_on(tmp_path / "数据 夹", **texts(OLD)).folder, monkeypatch)
    at_work.service.start()
    yield at_work
    monkeypatch.undo()
    assert at_work.service.stop() == ()


def test_a_promotion_is_in_force_before_it_is_saved(at_work: Driven) -> None:
    at_work.enter(NEW)
    at_work.service.reload_settings()
    assert at_work.accepts(NEW)
    assert at_work.stored() == Keyring(OLD, NEW)
    assert at_work.accepts(OLD)
    at_work.service.reload_settings()
    until_ms = at_work.clock.now_ms + 24 * HOUR_MS
    assert at_work.stored() == Keyring(NEW, None, OLD, until_ms)


def test_a_promotion_in_the_middle_of_a_reload_is_kept(at_work: Driven) -> None:
    at_work.enter(NEW)
    at_work.service.reload_settings()
    app_on(at_work.folder.root, path="/neu", **texts(NEW))
    at_work.store.after_load.append(lambda: at_work.accepts(NEW))
    at_work.service.reload_settings()
    at_work.service.reload_settings()
    assert at_work.accepts(NEW)
    assert (at_work.stored().active, at_work.stored().previous) == (NEW, OLD)


def test_a_set_entered_before_a_promotion_is_saved_stays_pending(at_work: Driven) -> None:
    at_work.enter(NEW)
    at_work.service.reload_settings()
    assert at_work.accepts(NEW)
    at_work.enter(NEWEST)
    at_work.service.reload_settings()
    assert (at_work.stored().active, at_work.stored().pending) == (NEW, NEWEST)
    assert [at_work.accepts(one) for one in (OLD, NEW, NEWEST)] == [True, True, True]


def test_a_second_promotion_while_the_first_is_being_saved_is_saved_too(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work.enter(NEW)
    at_work.service.reload_settings()
    assert at_work.accepts(NEW)
    at_work.enter(NEWEST)
    # The set entered meanwhile comes with the save, and is used before the save is over.
    with monkeypatch.context() as patch:
        patch.setattr(at_work.mask, "unregister", lambda _: at_work.accepts(NEWEST))
        at_work.service.reload_settings()
    assert at_work.stored() == Keyring(NEW, NEWEST, OLD, at_work.stored().previous_until_ms)
    at_work.service.reload_settings()
    assert (at_work.stored().active, at_work.stored().previous) == (NEWEST, NEW)


def test_previous_credentials_end_with_their_time(
    at_work: Driven, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    at_work.enter(NEW)
    at_work.service.reload_settings()
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


def codes_shown(at_work: Driven) -> set[str]:
    app = App(at_work.folder, clock_ms=at_work.clock)
    return {one.code for one in app.status().notices} - {"clock"}


def goes_back(at_work: Driven) -> None:
    """Let DingTalk use the new credentials once, and then the former ones again."""
    at_work.enter(NEW)
    at_work.service.reload_settings()
    assert at_work.accepts(NEW)
    at_work.tick()
    assert codes_shown(at_work) == set()
    at_work.clock.now_ms += HOUR_MS
    assert at_work.accepts(OLD)


def test_former_credentials_that_are_used_again_are_warned_of_and_do_not_end(
    at_work: Driven,
) -> None:
    goes_back(at_work)
    assert codes_shown(at_work) == {"previous-in-use"}
    for _ in range(14 * 24):
        at_work.clock.now_ms += HOUR_MS
        at_work.tick()
    assert at_work.accepts(OLD)
    assert codes_shown(at_work) == {"previous-in-use"}
    assert at_work.accepts(NEW)
    assert codes_shown(at_work) == set()


def test_former_credentials_in_use_outlive_a_computer_that_is_off_for_days(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_back(at_work)
    at_work.tick()
    assert at_work.service.stop() == ()
    following = driven(at_work.folder, monkeypatch)
    following.clock.now_ms = at_work.clock.now_ms + 9 * 24 * HOUR_MS
    following.service.start()
    assert following.accepts(OLD)
    assert codes_shown(following) == {"previous-in-use"}
    assert following.service.stop() == ()


def test_each_use_of_former_credentials_prolongs_them_beside_the_new_ones(at_work: Driven) -> None:
    goes_back(at_work)
    last_ms = at_work.clock.now_ms
    for hour in range(72):
        at_work.clock.now_ms += HOUR_MS
        at_work.tick()
        assert at_work.accepts(NEW)
        if hour in {20, 40}:
            at_work.clock.now_ms -= 1
            assert at_work.accepts(OLD)
            at_work.clock.now_ms += 1
            last_ms = at_work.clock.now_ms
            assert at_work.accepts(NEW)
        elif at_work.clock.now_ms < last_ms + 24 * HOUR_MS:
            assert at_work.stored().previous == OLD
    assert at_work.stored() == Keyring(NEW)
    assert not at_work.accepts(OLD)


def test_former_credentials_are_written_down_a_few_times_a_day_at_most(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[None] = []
    update = at_work.store.update_keyring

    def counted(change: Callable[[Keyring], Keyring]) -> Config:
        writes.append(None)
        return update(change)

    goes_back(at_work)
    monkeypatch.setattr(at_work.store, "update_keyring", counted)
    for _ in range(4 * 24 * 4):
        at_work.clock.now_ms += HOUR_MS // 4
        at_work.tick()
    assert len(writes) == 8  # twice a day


def test_a_clock_that_was_ahead_does_not_keep_former_credentials_for_years(
    at_work: Driven,
) -> None:
    at_work.enter(NEW)
    at_work.service.reload_settings()
    at_work.clock.now_ms += 3650 * 24 * HOUR_MS
    assert at_work.accepts(NEW)
    at_work.tick()
    at_work.clock.now_ms -= 3650 * 24 * HOUR_MS
    at_work.tick()
    assert at_work.stored().previous_until_ms == at_work.clock.now_ms + 24 * HOUR_MS
    assert at_work.accepts(NEW)
    at_work.clock.now_ms += 25 * HOUR_MS
    at_work.tick()
    assert at_work.stored() == Keyring(NEW)


def test_secrets_that_vanish_stay_in_force_and_are_missed(
    at_work: Driven, caplog: pytest.LogCaptureFixture
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
    at_work: Driven, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(change: object) -> Config:
        raise FileAccessError(path=str(at_work.folder.secrets), reason=type(change).__name__)

    at_work.enter(NEW)
    at_work.service.reload_settings()
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
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not at_work.accepts(NEWEST)
    with monkeypatch.context() as patch:
        for module in ("duties", "service"):
            patch.setattr(f"server.service.{module}.JOB_S", 0.0)
        never_done_here(at_work, patch)
        at_work.tick()
    at_work.tick()
    (call,) = app_on(at_work.folder.root, **texts(OLD)).rejected_calls()
    assert (call.verdict, call.count) == ("unknown_sender", 1)


def test_the_status_shows_at_once_what_the_desk_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.service.housekeeper._TICK_S", 3600.0)
    monkeypatch.setattr("server.service.housekeeper._PAUSE_S", 0.0)
    app = app_on(tmp_path, **texts(OLD))
    mask = SecretMask()
    service = Service(app.folder, ConfigStore(app.folder), mask, WallClock())
    service.start()
    at_work = Driven(app.folder, Store(app.folder), WallClock(), service, mask)
    try:
        assert not at_work.accepts(NEWEST)
        until(lambda: App(app.folder).status().doctor is not None)
        assert at_work.accepts(OLD)  # sent by the real clock, years after this one
        until(lambda: "clock" in [one.code for one in App(app.folder).status().notices])
    finally:
        assert service.stop() == ()


def never_done_here(at_work: Driven, patch: pytest.MonkeyPatch) -> None:
    """Make the journal slow for this thread; the sync's thread has jobs of its own."""
    journal, here = at_work.service.journal(), threading.current_thread()
    run = journal.run

    def submitted(job: Any, **options: Any) -> Ticket[Any]:
        is_here = threading.current_thread() is here
        return Ticket(at_work.folder.database) if is_here else run(job, **options)

    patch.setattr(journal, "run", submitted)


def test_the_clocks_difference_outlives_a_change_of_the_path(at_work: Driven) -> None:
    assert at_work.accepts(OLD)  # sent by the real clock, years after this one
    at_work.tick()
    before = running_service(at_work.folder)
    app_on(at_work.folder.root, path="/neu", **texts(OLD))
    at_work.service.reload_settings()
    after = running_service(at_work.folder)
    assert before is not None
    assert before.clock_difference_ms is not None
    assert after == replace(before, address=before.address.replace("/api/callback", "/neu"))
    assert at_work.service.address.endswith("/neu")
    assert at_work.accepts(OLD)


def test_old_events_go_once_a_callback_told_the_time_and_waiting_ones_stay(
    at_work: Driven, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    at_work.clock.now_ms = now_ms()
    for number in (1, 2):
        event = f'{{"EventType":"t","eventId":"e{number}"}}'.encode()
        assert at_work.accepts(OLD, event)
    at_work.tick()
    journal = at_work.service.journal()
    journal.run(
        lambda conn: conn.execute(
            "UPDATE events SET state = 3, received_at_ms = 1 WHERE event_id = 'e1'"
        )
    ).result(9)
    pruning = at_work.service._pruning
    for thrown_ms in (91 * 24 * HOUR_MS, -91 * 24 * HOUR_MS):
        pruning._last_s = None
        assert len(journal.read(lambda conn: conn.execute("SELECT id FROM events").fetchall())) == 2
        at_work.clock.now_ms += thrown_ms
        at_work.tick()
    left = journal.read(lambda conn: conn.execute("SELECT event_id FROM events").fetchall())
    assert left == [("e2",)]
    assert caplog.text.count("Removed 1 old events") == 1


def test_a_fault_of_its_own_is_told_and_keeps_no_other_duty_from_being_done(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
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
    monkeypatch.setattr("server.service.housekeeper._TICK_S", 0.001)
    monkeypatch.setattr("server.service.housekeeper._PAUSE_S", 0.001)
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


def test_only_one_serves_a_folder_and_the_refused_one_disturbs_nothing(at_work: Driven) -> None:
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
    assert "Thread dingbridge-web did not stop in time" in caplog.text


def test_an_address_of_ipv6_is_written_with_brackets() -> None:
    assert local_url("::1", 8080, "/api/callback") == "http://[::1]:8080/api/callback"
    assert local_url("127.0.0.1", 80, "/") == "http://127.0.0.1:80/"


def test_a_database_that_turns_out_damaged_is_replaced_while_serving(at_work: Driven) -> None:
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

    at_work = driven(app_on(tmp_path, **texts(OLD)).folder, monkeypatch)
    service = at_work.service
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
    assert troubles == [(Trouble.of(JournalFullError(path=str(at_work.folder.database))),), ()]
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
def test_a_database_that_is_deleted_in_use_is_put_back_before_a_call_is_lost(
    at_work: Driven,
) -> None:
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
