import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.errors.base import (
    JournalBusyError,
    JournalClosedError,
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalUnreadableError,
)
from server.journal import connection, writer
from server.journal.connection import connect, decode_errors
from server.journal.writer import Ticket, Writer


class Gate:
    """A job that holds the writer until it is opened, so that others queue behind it."""

    def __init__(self) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()

    def __call__(self, _conn: Connection) -> None:
        self._reached.set()
        assert self._opened.wait(10)

    def wait_reached(self) -> None:
        assert self._reached.wait(10)

    def open(self) -> None:
        self._opened.set()


@pytest.fixture
def statements() -> list[str]:
    return []


@pytest.fixture
def running(path: Path, statements: list[str]) -> Iterator[Writer]:
    conn = connect(path)
    conn.execute("CREATE TABLE t (x UNIQUE)")
    conn.set_trace_callback(statements.append)
    running = Writer(conn, path)
    running.start()
    yield running
    running.request_stop()
    assert running.join(10)


def _insert(value: object) -> Callable[[Connection], int]:
    def job(conn: Connection) -> int:
        return conn.execute("INSERT INTO t VALUES (?)", (value,)).rowcount

    return job


def _fail(_conn: Connection) -> None:
    raise ZeroDivisionError


def _stored(path: Path) -> list[object]:
    with closing(connect(path, read_only=True)) as conn:
        return [value for (value,) in conn.execute("SELECT x FROM t ORDER BY x")]


def _group(running: Writer, *jobs: Callable[[Connection], int | None]) -> list[Ticket[int | None]]:
    """Submit the jobs so that they meet in one group."""
    gate = Gate()
    running.submit(gate)
    gate.wait_reached()
    tickets = [running.submit(job) for job in jobs]
    gate.open()
    for ticket in tickets:
        assert ticket.wait(10)
    return tickets


def test_a_result_is_given_once_it_is_stored(running: Writer, path: Path) -> None:
    assert running.submit(_insert(1)).result(10) == 1
    assert _stored(path) == [1]


def test_a_lone_job_costs_three_statements(running: Writer, statements: list[str]) -> None:
    running.submit(_insert(1)).result(10)
    assert statements == ["BEGIN IMMEDIATE", "INSERT INTO t VALUES (1)", "COMMIT"]


def test_a_ticket_that_is_done_says_so_to_everybody_who_asks_at_once(path: Path) -> None:
    ticket: Ticket[int] = Ticket(path)
    assert not ticket.is_done
    ticket.resolve(1)
    until_s, wrong = time.monotonic() + 1.0, []

    def ask() -> None:
        while time.monotonic() < until_s:
            if not (ticket.is_done and ticket.wait(0) and ticket.result(0) == 1):
                wrong.append(threading.current_thread().name)
                return

    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        askers = [threading.Thread(target=ask) for _ in range(3)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    finally:
        sys.setswitchinterval(before_s)
    assert wrong == []


def test_a_ticket_is_done_before_those_who_wait_are_woken(path: Path) -> None:
    class Watched:
        def release(self) -> None:
            woken.append(ticket.is_done)

    woken: list[bool] = []
    ticket: Ticket[int] = Ticket(path)
    ticket._done = Watched()  # type: ignore[assignment] # of a lock only this is used
    ticket.resolve(1)
    assert woken == [True]


def test_what_is_queued_shares_one_commit(
    running: Writer, path: Path, statements: list[str]
) -> None:
    tickets = _group(running, *(_insert(number) for number in range(50)))
    assert [ticket.result() for ticket in tickets] == [1] * 50
    assert statements.count("COMMIT") == 2  # one of them for the gate
    assert _stored(path) == list(range(50))


def test_a_result_is_not_given_before_the_commit(running: Writer, path: Path) -> None:
    first = Gate()
    running.submit(first)
    first.wait_reached()
    early, last = running.submit(_insert(1)), Gate()
    running.submit(last)
    first.open()
    last.wait_reached()  # the insert has run, in the same transaction
    assert early.wait(0.01) is False
    assert early.is_done is False
    with pytest.raises(JournalBusyError) as told:
        early.result(0)
    assert told.value.values == {"path": str(path)}
    last.open()
    assert early.result(10) == 1
    assert early.is_done


def test_many_may_wait_for_one_ticket(running: Writer) -> None:
    gate = Gate()
    ticket = running.submit(gate)
    results: list[bool] = []
    waiting = [threading.Thread(target=lambda: results.append(ticket.wait(10))) for _ in range(5)]
    for thread in waiting:
        thread.start()
    gate.open()
    for thread in waiting:
        thread.join(10)
    assert results == [True] * 5


def test_a_failing_job_alone_leaves_nothing(running: Writer, path: Path) -> None:
    def job(conn: Connection) -> None:
        _insert(1)(conn)
        _fail(conn)

    with pytest.raises(ZeroDivisionError):
        running.submit(job).result(10)
    assert running.submit(_insert(2)).result(10) == 1
    assert _stored(path) == [2]


def test_a_failing_job_undoes_nothing_of_its_neighbours(running: Writer, path: Path) -> None:
    def half(conn: Connection) -> None:
        _insert(3)(conn)
        _fail(conn)

    good, bad, doubled, also_good = _group(running, _insert(1), half, _insert(1), _insert(2))
    assert [good.result(), also_good.result()] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        bad.result()
    with pytest.raises(JournalError, match="UNIQUE") as caught:
        doubled.result()
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert _stored(path) == [1, 2]


@decode_errors()
def _misread(_: Connection) -> None:
    json.loads("{garbage")


def test_a_value_that_makes_no_sense_fails_only_the_job_that_reads_it(running: Writer) -> None:
    alone = running.submit(_misread)
    with pytest.raises(JournalUnreadableError):
        alone.result(10)
    good, bad = _group(running, _insert(1), _misread)
    assert good.result() == 1
    with pytest.raises(JournalUnreadableError, match="JSONDecodeError"):
        bad.result()


def test_a_fault_of_a_job_is_not_taken_for_a_value_that_makes_no_sense(running: Writer) -> None:
    def find_what_is_not_there(_: Connection) -> int:
        return {"here": 1}["absent"]

    alone = running.submit(find_what_is_not_there)
    with pytest.raises(KeyError):
        alone.result(10)
    _, among_others = _group(running, _insert(1), find_what_is_not_there)
    with pytest.raises(KeyError):
        among_others.result()


def _leave_room(pages: int) -> Callable[[Connection], None]:
    """A full disk for SQLite: it may not grow beyond its size now and `pages` more."""

    def job(conn: Connection) -> None:
        (size,) = conn.execute("PRAGMA page_count").fetchone()
        conn.execute(f"PRAGMA max_page_count = {size + pages}").fetchone()

    return job


def test_a_full_disk_stores_nothing_and_work_goes_on_when_there_is_room(
    running: Writer, path: Path
) -> None:
    running.submit(_leave_room(1)).result(10)
    with pytest.raises(JournalFullError):
        running.submit(_insert("x" * 50_000)).result(10)
    assert _stored(path) == []
    running.submit(_leave_room(1000)).result(10)
    assert running.submit(_insert("x" * 50_000)).result(10) == 1
    assert len(_stored(path)) == 1


def test_a_full_disk_fails_whole_groups_or_single_jobs_but_never_lies(
    running: Writer, path: Path
) -> None:
    running.submit(_leave_room(1)).result(10)
    tickets = _group(running, _insert("a"), _insert("x" * 50_000), _insert("b"))
    acknowledged = []
    for value, ticket in zip(("a", "x", "b"), tickets, strict=True):
        try:
            ticket.result()
            acknowledged.append(value)
        except JournalFullError:
            pass
    assert _stored(path) == acknowledged
    assert "x" not in acknowledged
    assert running.submit(_insert("c")).result(10) == 1


def test_where_the_transaction_is_lost_the_whole_group_fails(running: Writer, path: Path) -> None:
    def lose(conn: Connection) -> None:
        conn.execute("ROLLBACK")  # what SQLite does by itself on some errors
        raise sqlite3.OperationalError("disk I/O error")

    tickets = _group(running, _insert(1), lose, _insert(2))
    for ticket in tickets:
        with pytest.raises(JournalError, match="disk I/O error"):
            ticket.result()
    assert _stored(path) == []
    assert running.submit(_insert(3)).result(10) == 1


def test_a_failed_commit_fails_every_job(running: Writer, path: Path) -> None:
    def defer(conn: Connection) -> None:
        conn.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        conn.execute("CREATE TABLE child (p REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)")
        conn.execute("INSERT INTO child VALUES (1)")

    running._conn.execute("PRAGMA foreign_keys = ON")
    for ticket in _group(running, _insert(1), defer):
        with pytest.raises(JournalError, match="FOREIGN KEY"):
            ticket.result()
    assert _stored(path) == []


def test_a_job_that_commits_by_itself_is_told_so(running: Writer) -> None:
    with pytest.raises(JournalError, match="no transaction is active"):
        running.submit(lambda conn: conn.execute("COMMIT").close()).result(10)
    assert running.submit(_insert(1)).result(10) == 1


def test_a_held_database_is_busy_and_works_when_it_is_let_go(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 20)
    with closing(connect(path)) as holder:
        holder.execute("CREATE TABLE t (x)")
        running = Writer(connect(path), path)
        running.start()
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalBusyError):
            running.submit(_insert(1)).result(10)
        holder.execute("ROLLBACK")
        assert running.submit(_insert(2)).result(10) == 1
        running.request_stop()
        assert running.join(10)
    assert _stored(path) == [2]


def _find_damage(_conn: Connection) -> None:
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    raise error


def test_damage_met_while_running_is_marked_for_the_next_start(running: Writer, path: Path) -> None:
    with pytest.raises(JournalDamagedError):
        running.submit(_find_damage).result(10)
    assert path.with_name("dingbridge.db.suspect").exists()
    assert running.submit(_insert(1)).result(10) == 1


def test_a_failing_rollback_fails_the_job_and_not_the_writer(
    running: Writer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(conn: Connection) -> None:
        conn.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(writer, "roll_back", refuse)
    with pytest.raises(ZeroDivisionError):
        running.submit(_fail).result(10)
    assert running.submit(_insert(1)).result(10) == 1
    assert "could not be rolled back" in caplog.text


def test_what_is_queued_is_stored_before_the_end(running: Writer, path: Path) -> None:
    gate = Gate()
    running.submit(gate)
    gate.wait_reached()
    queued = [running.submit(_insert(number)) for number in range(20)]
    running.request_stop()
    running.request_stop()
    late = running.submit(_insert(99))
    assert running.join(0) is False
    gate.open()
    assert running.join(10)
    assert [ticket.result(0) for ticket in queued] == [1] * 20
    with pytest.raises(JournalClosedError):
        late.result(0)
    assert _stored(path) == list(range(20))


def test_the_wal_is_emptied_at_the_end(path: Path) -> None:
    running = Writer(connect(path), path)
    running.start()
    running.submit(lambda conn: conn.execute("CREATE TABLE t (x)")).result(10)
    running.request_stop()
    assert running.join(10)
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_a_checkpoint_that_fails_at_the_end_is_only_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Writer(connect(path), path)
    running._conn.close()
    running.start()
    running.request_stop()
    assert running.join(10)
    assert "WAL was not merged" in caplog.text


def test_two_threads_may_submit_thousands(running: Writer, path: Path) -> None:
    def submit(first: int) -> None:
        tickets.extend(running.submit(_insert(first + number)) for number in range(2000))

    tickets: list[Ticket[int]] = []
    threads = [threading.Thread(target=submit, args=(first,)) for first in (0, 2000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(ticket.result(30) for ticket in tickets) == 4000
    assert _stored(path) == list(range(4000))
