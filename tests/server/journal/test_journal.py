import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from itertools import groupby
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.errors.base import (
    JournalBusyError,
    JournalClosedError,
    JournalDamagedError,
    JournalFullError,
    JournalGoneError,
)
from server.journal import events, listing
from server.journal import rejections as contact
from server.journal.connection import connect
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.opening import Opened, open_database, open_read_only
from server.journal.rejections import CredentialUse, LastUse
from server.journal.writer import Writer

MakeEvent = Callable[..., NewEvent]
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files from that")


def test_events_and_uses_are_stored_together(journal: Journal, new_event: MakeEvent) -> None:
    journal.append([new_event("a")], [CredentialUse("fp", 5, "1.1.1.1", "t")]).result(10)
    assert journal.read(listing.counts).pending == 1
    assert journal.read(contact.last_uses) == {"fp": LastUse(5, 5, "1.1.1.1", "t", 1)}


def test_a_batch_costs_four_statements(journal: Journal, new_event: MakeEvent) -> None:
    statements: list[str] = []
    assert isinstance(journal._writer, Writer)
    journal._writer._conn.set_trace_callback(statements.append)
    batch = [new_event(str(number)) for number in range(64)]
    journal.append(batch, [CredentialUse("fp", 5, "1.1.1.1", "t", 64)]).result(10)
    own = [statement for statement, _ in groupby(statements)]  # a trigger repeats its cause
    assert [statement.split()[0] for statement in own] == ["BEGIN", "INSERT", "INSERT", "COMMIT"]


def test_the_worker_hears_of_new_events(journal: Journal, new_event: MakeEvent) -> None:
    assert journal.arrived.is_set() is False
    journal.append([], [CredentialUse("fp", 5, "1.1.1.1", "check_url")]).result(10)
    assert journal.arrived.is_set() is False
    journal.append([new_event("a")]).result(10)
    assert journal.arrived.is_set()
    journal.append([new_event("b")]).result(10)
    journal.arrived.clear()
    journal.run(lambda conn: events.requeue(conn, [1]), wakes_worker=True).result(10)
    assert journal.arrived.is_set()


def test_a_job_gives_its_result(journal: Journal, new_event: MakeEvent) -> None:
    journal.append([new_event("a")]).result(10)
    (claimed,) = journal.run(lambda conn: events.claim(conn, 5, 0)).result(10)
    assert journal.run(lambda conn: events.complete(conn, [claimed.id])).result(10) == 1


def test_a_reader_is_not_blocked_by_the_writer(journal: Journal, new_event: MakeEvent) -> None:
    writing, seen = threading.Event(), threading.Event()

    def job(conn: Connection) -> None:
        events.append(conn, [new_event("a")])
        writing.set()
        assert seen.wait(10)

    ticket = journal.run(job)
    assert writing.wait(10)
    assert journal.read(listing.counts).events == 0
    seen.set()
    ticket.result(10)
    assert journal.read(listing.counts).events == 1


def test_a_duplicate_is_known_after_a_restart(path: Path, new_event: MakeEvent) -> None:
    for _ in range(3):
        journal = Journal.open(path, now_ms=0)
        journal.append([new_event("a")]).result(10)
        assert journal.close(10)
    assert open_read_only(path, listing.counts) == listing.Counts(1, 0, 0, 0, 0, duplicates=2)


def test_claims_of_a_stopped_process_return_at_start(path: Path, new_event: MakeEvent) -> None:
    journal = Journal.open(path, now_ms=0)
    journal.append([new_event("a")]).result(10)
    journal.run(lambda conn: events.claim(conn, 5, 0)).result(10)
    assert journal.close(10)
    journal = Journal.open(path, now_ms=0)
    assert journal.read(listing.counts).pending == 1
    assert journal.close(10)


def test_a_damaged_database_is_reported(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    journal = Journal.open(path, now_ms=0)
    assert journal.moved_aside is not None
    assert journal.moved_aside.exists()
    assert journal.close(10)


def test_a_sound_database_has_nothing_to_report(journal: Journal) -> None:
    assert journal.moved_aside is None


def test_damage_met_by_a_reader_is_marked_for_the_next_start(path: Path) -> None:
    journal = Journal.open(path, now_ms=0)
    assert journal.close(10)
    path.write_bytes(b"no database" * 100)
    with pytest.raises(JournalDamagedError):
        journal.read(listing.counts)
    assert path.with_name("dingbridge.db.suspect").exists()


def _find_damage(_conn: Connection) -> None:
    damage = sqlite3.DatabaseError("database disk image is malformed")
    damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise damage


def _state(journal: Journal) -> tuple[JournalDamagedError | None, bool]:
    return journal.damage, journal.must_reopen


def _by_writing(journal: Journal) -> None:
    journal.run(_find_damage).result(10)


def _by_reading(journal: Journal) -> None:
    journal.read(_find_damage)


@pytest.mark.parametrize("meet", [_by_writing, _by_reading])
def test_a_journal_knows_of_its_damage_whoever_met_it(
    journal: Journal, path: Path, meet: Callable[[Journal], None]
) -> None:
    assert _state(journal) == (None, False)
    with pytest.raises(JournalDamagedError) as met:
        meet(journal)
    assert _state(journal) == (met.value, True)
    assert met.value.values["path"] == str(path)
    with pytest.raises(JournalDamagedError):
        meet(journal)
    assert _state(journal) == (met.value, True)
    journal.reopen(now_ms=0)
    assert _state(journal) == (None, False)


def test_damage_is_not_forgotten_where_something_else_keeps_it_from_being_mended(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _now_ms: int) -> Opened:
        raise JournalFullError(path=str(path))

    with pytest.raises(JournalDamagedError) as met:
        _by_writing(journal)
    with monkeypatch.context() as patch:
        patch.setattr("server.journal.journal.open_database", refuse)
        for _ in range(2):
            with pytest.raises(JournalFullError):
                journal.reopen(now_ms=0)
            assert _state(journal) == (met.value, True)
        with pytest.raises(JournalFullError):
            journal.run(listing.counts).result(10)
    journal.reopen(now_ms=0)
    assert _state(journal) == (None, False)


def test_a_journal_that_is_closed_while_it_is_opened_anew_stays_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_slowly(path: Path, now_ms: int) -> Opened:
        opened = open_database(path, now_ms)
        assert journal.close(10)
        return opened

    journal = Journal.open(path, now_ms=0)
    with pytest.raises(JournalDamagedError):
        _by_writing(journal)
    monkeypatch.setattr("server.journal.journal.open_database", open_slowly)
    with pytest.raises(JournalClosedError):
        journal.reopen(now_ms=0)
    assert not journal.must_reopen
    with pytest.raises(JournalClosedError):
        journal.reopen(now_ms=0)
    with pytest.raises(JournalClosedError):
        journal.run(listing.counts).result(10)
    assert not path.with_name("dingbridge.db-wal").exists()  # nobody has it open


def test_a_closed_journal_takes_nothing(path: Path, new_event: MakeEvent) -> None:
    journal = Journal.open(path, now_ms=0)
    assert journal.close(10)
    with pytest.raises(JournalClosedError):
        journal.append([new_event("a")]).result(0)
    assert open_read_only(path, listing.counts).events == 0


@posix_only
def test_a_deleted_database_takes_nothing_until_it_is_put_back_whole(
    journal: Journal, path: Path, new_event: MakeEvent
) -> None:
    journal.append([new_event("before")]).result(10)
    in_place = [journal.is_in_place]
    for file in path.parent.iterdir():
        file.unlink()
    with pytest.raises(JournalGoneError):
        journal.append([new_event("meanwhile")]).result(10)
    in_place.append(journal.is_in_place)
    journal.reopen(now_ms=0)
    assert [*in_place, journal.is_in_place] == [True, False, True]
    assert journal.moved_aside is None
    journal.append([new_event("after")]).result(10)
    listed = journal.read(lambda conn: listing.latest(conn, 9)).events
    assert [event.event_id for event in listed] == ["after", "before"]
    assert not path.with_name("dingbridge.db.copy").exists()


@posix_only
def test_a_database_that_was_replaced_is_used_as_it_is(
    journal: Journal, path: Path, new_event: MakeEvent
) -> None:
    journal.append([new_event("old")]).result(10)
    other = path.with_name("other.db")
    with closing(open_database(other, now_ms=0).conn) as conn:
        events.append(conn, [new_event("restored")])
    other.replace(path)
    with pytest.raises(JournalGoneError):
        journal.append([new_event("meanwhile")]).result(10)
    journal.reopen(now_ms=0)
    listed = journal.read(lambda conn: listing.latest(conn, 9)).events
    assert [event.event_id for event in listed] == ["restored"]


@posix_only
def test_a_database_deleted_in_use_is_there_after_a_stop(path: Path, new_event: MakeEvent) -> None:
    journal = Journal.open(path, now_ms=0)
    journal.append([new_event("kept")]).result(10)
    path.unlink()
    assert journal.close(10)
    assert open_read_only(path, listing.counts).events == 1


@posix_only
def test_a_database_that_cannot_be_put_back_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "not here")

    journal = Journal.open(path, now_ms=0)
    path.unlink()
    monkeypatch.setattr(os, "link", refuse)
    assert journal.close(10)
    assert "could not be put back" in caplog.text
    assert not path.exists()


@posix_only
def test_nothing_is_put_back_where_the_folder_itself_is_gone(path: Path) -> None:
    journal = Journal.open(path, now_ms=0)
    shutil.rmtree(path.parent)
    assert journal.close(10)
    assert not path.parent.exists()


def test_a_journal_that_could_not_be_opened_takes_nothing_until_it_can(
    path: Path, new_event: MakeEvent
) -> None:
    journal = Journal.shut(path, JournalFullError(path=str(path)))
    assert (journal.is_in_place, journal.must_reopen, journal.damage) == (False, True, None)
    with pytest.raises(JournalFullError):
        journal.append([new_event("a")]).result(10)
    journal.reopen(now_ms=0)
    journal.append([new_event("a")]).result(10)
    assert journal.read(listing.counts).events == 1
    assert journal.close(10)


def test_damage_that_is_met_before_it_could_be_opened_is_marked(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    journal = Journal.shut(path, JournalFullError(path=str(path)))
    with pytest.raises(JournalDamagedError):
        journal.read(listing.counts)
    assert path.with_name("dingbridge.db.suspect").exists()
    journal.reopen(now_ms=0)
    assert journal.moved_aside is not None
    assert journal.close(10)


def test_a_writer_that_does_not_end_is_not_followed_by_another(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(journal._writer, "join", lambda _: False)
        with pytest.raises(JournalBusyError):
            journal.reopen(now_ms=0)
    assert journal.must_reopen
    journal.reopen(now_ms=0)
    assert journal.run(listing.counts).result(10).events == 0


def test_a_full_disk_refuses_the_batch_and_takes_it_when_there_is_room(
    journal: Journal, new_event: MakeEvent
) -> None:
    def limit(pages: int) -> None:
        sql = f"PRAGMA max_page_count = {pages}"
        journal.run(lambda conn: conn.execute(sql).fetchone()).result(10)

    limit(1)  # SQLite takes this as "what there is now"
    batch = [new_event(str(number)) for number in range(2000)]
    with pytest.raises(JournalFullError):
        journal.append(batch).result(10)
    assert journal.read(listing.counts).events == 0
    assert journal.arrived.is_set() is False
    limit(100_000)
    journal.append(batch).result(10)
    assert journal.read(listing.counts).events == 2000


_APPENDER = """
import sys
from pathlib import Path
from server.journal.events import NewEvent
from server.journal.journal import Journal

journal = Journal.open(Path(sys.argv[1]), now_ms=0)
for number in range(int(sys.argv[2]), 10**9, 4):
    keys = [str(number + n) for n in range(4)]
    again = [str(int(sys.argv[2]))]
    journal.append([NewEvent(k, number, "t", k, None, "{}") for k in keys + again]).result()
    print(*keys, flush=True)
"""


def test_a_killed_process_loses_no_acknowledged_event_and_doubles_none(path: Path) -> None:
    acknowledged: set[str] = set()
    for kill in range(5):
        acknowledged |= _append_until_killed(path, first=kill * 10**6, replies=5 + 13 * kill)
    with closing(connect(path, read_only=True)) as conn:
        stored = [key for (key,) in conn.execute("SELECT event_id FROM events")]
        assert conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored)
    counted = open_read_only(path, listing.counts)
    assert counted.events == counted.pending == len(stored)


def _append_until_killed(path: Path, first: int, replies: int) -> set[str]:
    acknowledged: set[str] = set()
    command = [sys.executable, "-c", _APPENDER, str(path), str(first)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for _ in range(replies):
            acknowledged.update(process.stdout.readline().split())
        process.kill()
        for line in process.stdout:
            if line.endswith("\n"):
                acknowledged.update(line.split())
    assert process.returncode != 0
    return acknowledged
