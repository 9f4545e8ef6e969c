"""Each step of the start, and of what mends it, fails once: everything runs when the cause is gone.

As long as it stands, the status says so.
"""

import pkgutil
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.api.app import App
from server.errors.base import (
    FileAccessError,
    FileDamagedError,
    JournalBusyError,
    JournalDamagedError,
    JournalFullError,
    JournalUnreadableError,
    PortInUseError,
    SecretsLockedError,
    Trouble,
)
from server.journal import requests
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.opening import open_read_only
from server.journal.rejections import CredentialUse
from server.journal.requests import RequestKind, SyncRequest, write_beside
from server.journal.writer import Ticket
from server.service.housekeeper import Housekeeper, Once, Routine
from server.service.instance import running_service
from tests.server.folders import app_on
from tests.server.service.driven import NEW, NEWEST, OLD, Driven, driven, spoil, texts
from tests.waiting import until

DAY_MS = 24 * 60 * 60 * 1000
BUSY, FULL = JournalBusyError(path="db"), JournalFullError(path="db")
REFUSED = FileAccessError(path="file", reason="Permission denied")
DENIED = PermissionError(13, "Permission denied")
NO_THREAD = RuntimeError("can't start new thread")
NO_ROOM = sqlite3.OperationalError("database or disk is full")
NO_ROOM.sqlite_errorcode = sqlite3.SQLITE_FULL


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **_options: object) -> None:
        raise error

    return fail


@contextmanager
def standing(target: str, fault: Callable[..., Any]) -> Iterator[None]:
    """Have `target` do `fault` for a while; also for who took hold of it meanwhile."""
    place, _, name = target.rpartition(".")
    owner = pkgutil.resolve_name(place)
    original = getattr(owner, name)
    cause = [fault]

    def obstructed(*arguments: Any, **options: Any) -> Any:
        return (cause[0] if cause else original)(*arguments, **options)

    setattr(owner, name, obstructed)
    try:
        yield
    finally:
        cause.clear()
        setattr(owner, name, original)


def threads() -> set[str]:
    return {one.name for one in threading.enumerate() if one.name.startswith("dingbridge")}


def is_well_after_a_tick(at_work: Driven) -> bool:
    at_work.tick()
    return not at_work.troubles


def ensure_sync_answers(at_work: Driven) -> None:
    """Ask for a run as another command does; where no mirror is set up, it fails at once."""
    database = at_work.folder.database
    asked = write_beside(
        database, lambda conn: requests.post(conn, SyncRequest(RequestKind.PREVIEW), 1)
    )
    at_work.tick()  # which looks for requests
    until(
        lambda: open_read_only(database, lambda conn: requests.answer_of(conn, asked)),
        "it is answered",
    )


def assert_all_runs(at_work: Driven, event_id: str) -> None:
    event = b'{"EventType":"user_add_org","eventId":"%s"}' % event_id.encode()
    assert at_work.fault(OLD, event) is None
    assert event_id in [one.event_id for one in at_work.events()]
    ensure_sync_answers(at_work)
    assert threads() == {
        "dingbridge-web",
        "dingbridge-journal",
        "dingbridge-sync",
        "dingbridge-subscription",
        "dingbridge-housekeeper",
    }
    at_work.tick()
    notices = [one.code for one in App(at_work.folder).status().notices]
    assert set(notices) - {"database-moved", "clock", "pending"} == set()
    assert len(at_work.troubles) == 0


@pytest.fixture
def at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Driven]:
    at_work = driven(app_on(tmp_path, **texts(OLD)).folder, monkeypatch)
    yield at_work
    monkeypatch.undo()
    assert at_work.service.stop() == ()


# --- the start


@dataclass(frozen=True)
class Step:
    """What is made to fail, with what, and whether others can be told while it does."""

    target: str
    error: Exception
    is_told_to_others: bool = True


STARTING = [
    Step("server.journal.opening._open_sound", FULL),
    Step("server.journal.opening._open_sound", BUSY),
    Step("server.callback.rejections.RejectionLog.restore", BUSY),
    Step(
        "server.callback.rejections.RejectionLog.restore",
        JournalUnreadableError(path="", reason=""),
    ),
    Step("server.sync.worker.Worker.refuse_left_over", BUSY),
    Step("server.sync.worker.Worker.refuse_left_over", FULL),
    Step("server.sync.worker.Worker.refuse_left_over", JournalDamagedError(path="", reason="")),
    Step("server.sync.worker.Worker.start", NO_THREAD),
    Step("server.subscription.watch.Watch.start", NO_THREAD),
    Step("server.service.instance.write_atomically", REFUSED, is_told_to_others=False),
    Step("server.service.instance.InstanceLock.keep", REFUSED),
    Step("server.service.running_config.RunningConfig.has_changed", REFUSED),
    Step("server.journal.retention.Pruning.do_what_is_due", BUSY),
    Step("server.journal.requests.is_waiting", BUSY),
]


@pytest.mark.parametrize("step", STARTING, ids=lambda step: f"{step.target} {step.error!r}"[:90])
def test_a_step_of_the_start_that_fails_is_done_when_the_cause_is_gone(
    at_work: Driven, step: Step
) -> None:
    with standing(step.target, failing(step.error)):
        at_work.service.start()
        for _ in range(2):
            at_work.tick()
        told = at_work.service.record.troubles
        assert len(told) == 1
        if "refuse_left_over" in step.target:  # else it would answer what is to be refused
            assert "dingbridge-sync" not in threads()
        assert (at_work.troubles == told) is step.is_told_to_others
    at_work.tick()
    assert_all_runs(at_work, "after")


REFUSING = [
    ("server.config.paths.DataFolder.ensure", REFUSED),
    ("server.service.service.acquire", REFUSED),
    ("server.config.store.ConfigStore.load", FileDamagedError(path="", reason="", backup="")),
    ("server.journal.opening._open_sound", JournalUnreadableError(path="", reason="")),
    ("server.service.service.open_socket", PortInUseError(port=1)),
    ("server.callback.listener.Listener.start", NO_THREAD),
    ("server.service.housekeeper.Housekeeper.start", NO_THREAD),
]


@pytest.mark.parametrize(("target", "error"), REFUSING, ids=[target for target, _ in REFUSING])
def test_what_a_person_has_to_mend_ends_the_start_and_leaves_nothing_behind(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch, target: str, error: Exception
) -> None:
    folder = at_work.folder
    with standing(target, failing(error)), pytest.raises(type(error)):
        driven(folder, monkeypatch).service.start()
    assert running_service(folder) is None
    until(lambda: not threads(), "all threads have ended")
    at_work.service.start()
    assert_all_runs(at_work, "after")


# --- a damaged database

HEALING = [
    ("server.journal.writer.Writer.join", lambda *_: False),
    ("server.journal.opening._finish_replacing", failing(DENIED)),
    ("server.journal.opening._open_sound", failing(BUSY)),
    ("server.journal.opening._check", failing(DENIED)),
    ("server.journal.opening.migrate", failing(NO_ROOM)),
    ("server.journal.opening.salvage", failing(NO_ROOM)),
    ("server.journal.opening._move_aside", failing(DENIED)),
    ("server.journal.opening._free_name", failing(DENIED)),
]


@pytest.mark.parametrize(("target", "fault"), HEALING, ids=[target for target, _ in HEALING])
def test_a_step_of_the_healing_that_fails_is_done_when_the_cause_is_gone(
    at_work: Driven, target: str, fault: Callable[..., Any]
) -> None:
    at_work.service.start()
    assert at_work.accepts(OLD, b'{"EventType":"t","eventId":"before"}')
    at_work.service.journal().run(spoil).result(9)
    assert at_work.refuses
    with standing(target, fault):
        for _ in range(2):
            at_work.tick()
        assert at_work.refuses
        at_work.tick()
        codes = [one.title for one in at_work.troubles]
        assert JournalDamagedError.title_text in codes
        assert len(codes) > 1  # the damage, and what keeps it from being mended
    at_work.tick()
    assert_all_runs(at_work, "after")
    assert len(list(at_work.folder.root.glob("*.damaged-*.db"))) == 1


def by_a_callback(at_work: Driven) -> None:
    assert at_work.refuses


def by_the_sync(at_work: Driven) -> None:
    def claim(conn: sqlite3.Connection) -> None:
        conn.execute("SELECT * FROM events").fetchall()

    with pytest.raises(JournalDamagedError):
        at_work.service.journal().run(claim).result(9)


def by_a_reader(at_work: Driven) -> None:
    with pytest.raises(JournalDamagedError):
        at_work.service.journal().read(lambda conn: conn.execute("SELECT * FROM events").fetchall())


def by_pruning(at_work: Driven) -> None:
    at_work.clock.now_ms += 91 * DAY_MS
    at_work.tick()


@pytest.mark.parametrize("meet", [by_a_callback, by_the_sync, by_a_reader, by_pruning])
def test_damage_is_mended_whoever_met_it(at_work: Driven, meet: Callable[[Driven], None]) -> None:
    at_work.service.start()
    at_work.service.journal().run(spoil).result(9)
    meet(at_work)
    at_work.tick()
    assert at_work.service.journal().moved_aside is not None
    # And not only after the next call, which may take days; the sync tries again by itself.
    until(lambda: is_well_after_a_tick(at_work), "nothing is told any more")
    assert_all_runs(at_work, "after")
    assert len(list(at_work.folder.root.glob("*.damaged-*.db"))) == 1


def test_damage_behind_another_failure_is_mended_too(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, is_busy = Journal.append, threading.Event()

    def busy_at_times(
        journal: Journal, batch: Sequence[NewEvent], uses: Sequence[CredentialUse] = ()
    ) -> Ticket[frozenset[str]]:
        if not is_busy.is_set():
            return append(journal, batch, uses)
        ticket: Ticket[frozenset[str]] = Ticket(Path("db"))
        ticket.fail(BUSY)
        return ticket

    monkeypatch.setattr(Journal, "append", busy_at_times)
    at_work.service.start()
    journal = at_work.service.journal()
    is_busy.set()
    assert at_work.refuses
    is_busy.clear()
    at_work.tick()
    assert [one.title for one in at_work.troubles] == [BUSY.title_text]
    journal.run(spoil).result(9)
    assert at_work.refuses
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "reopen", failing(FULL))
        at_work.tick()
        shown = [one.title for one in at_work.troubles]
        assert shown[0] == JournalDamagedError.title_text
        assert FULL.title_text in shown
    at_work.tick()
    assert_all_runs(at_work, "after")


def test_damage_that_is_not_found_costs_callbacks_one_check_and_not_one_a_second(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    reopen = Journal.reopen

    def counted(journal: Journal, now_ms: int) -> None:
        opened.append(at_work.folder.database)
        reopen(journal, now_ms)

    def misread(_: sqlite3.Connection) -> None:
        damage = sqlite3.DatabaseError("database disk image is malformed")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage

    monkeypatch.setattr(Journal, "reopen", counted)
    at_work.service.start()
    for _ in range(4):
        with pytest.raises(JournalDamagedError):
            at_work.service.journal().run(misread).result(9)
        at_work.tick()
    assert len(opened) == 1
    assert [one.title for one in at_work.troubles] == [JournalDamagedError.title_text]
    monkeypatch.setattr("server.service.duties.time.monotonic", lambda: 2.0**40)
    at_work.tick()
    assert len(opened) == 2
    assert_all_runs(at_work, "after")


def test_a_journal_is_not_opened_again_while_the_service_stops(
    at_work: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work.service.start()
    at_work.service.journal().run(spoil).result(9)
    by_a_reader(at_work)
    opened: list[Journal] = []
    monkeypatch.setattr(Journal, "reopen", lambda journal, _: opened.append(journal))
    assert at_work.service.stop() == ()
    assert opened == []
    monkeypatch.undo()
    app = App(at_work.folder)
    app.start()
    assert [one.code for one in app.status().notices] == ["database-moved"]
    assert app.stop() == ()


# --- the duties

DUTIES = [
    ("server.config.store.ConfigStore.update_keyring", REFUSED),
    ("server.config.store.ConfigStore.reload", REFUSED),
    ("server.config.store.ConfigStore.changed_since_load", REFUSED),
    ("server.journal.rejections.replace_all", BUSY),
    ("server.service.instance.InstanceLock.keep", REFUSED),
    ("server.journal.retention.Pruning.do_what_is_due", ZeroDivisionError()),
    ("server.journal.requests.is_waiting", BUSY),
]


@pytest.mark.parametrize(("target", "error"), DUTIES, ids=[target for target, _ in DUTIES])
def test_a_duty_that_fails_is_told_and_done_when_the_cause_is_gone(
    at_work: Driven, target: str, error: Exception
) -> None:
    at_work.enter(NEW)
    with standing(target, failing(error)):
        at_work.service.start()
        assert at_work.accepts(NEW)  # a promotion
        assert not at_work.accepts(NEWEST)  # a rejected call
        at_work.tick()
        app_on(at_work.folder.root, path="/alt")
        for _ in range(2):
            at_work.tick()
        assert len(at_work.troubles) == 1
    app_on(at_work.folder.root, path="/neu")
    at_work.tick()
    assert (at_work.stored().active, at_work.stored().previous) == (NEW, OLD)
    assert at_work.service.address.endswith("/neu")
    (call,) = App(at_work.folder).rejected_calls()
    assert (call.verdict, call.count) == ("unknown_sender", 1)
    ensure_sync_answers(at_work)
    assert len(at_work.troubles) == 0


def test_settings_that_could_not_be_read_once_are_taken_up_though_they_change_no_more(
    at_work: Driven,
) -> None:
    at_work.service.start()
    app_on(at_work.folder.root, path="/neu")
    locked = SecretsLockedError(path=str(at_work.folder.secrets))
    with standing("server.config.store.parse_secrets", failing(locked)):
        for _ in range(3):
            at_work.tick()
            assert at_work.troubles == (Trouble.of(locked),)
    at_work.tick()
    assert at_work.service.address.endswith("/neu")
    assert len(at_work.troubles) == 0


def test_a_duty_that_failed_is_run_again_though_it_is_due_no_more() -> None:
    faults: list[Exception] = [ZeroDivisionError(), BUSY]
    due, runs = [True], [0]

    def run() -> None:
        runs[0] += 1
        if faults:
            raise faults.pop()

    housekeeper = Housekeeper([Routine("do it", run, lambda: bool(due and due.pop()))])
    told = []
    for _ in range(4):
        housekeeper.tick()
        told.append([one.title for one in housekeeper.troubles])
    assert runs == [3]
    fault = "DingBridge ran into an internal error ({kind}) during housekeeping and will retry."
    assert told == [[BUSY.title_text], [fault], [], []]


def test_a_step_that_failed_is_not_done() -> None:
    step = Once("do it", failing(BUSY))
    with pytest.raises(JournalBusyError):
        step.run()
    assert (step.is_done, step.due()) == (False, True)
