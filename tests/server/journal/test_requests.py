from pathlib import Path
from sqlite3 import Connection

import pytest

from server.directory.causes import Cause
from server.errors.base import JournalNewerError, JournalUnreadableError
from server.errors.message import Message
from server.journal import requests, sync_state
from server.journal.journal import Journal
from server.journal.requests import Answer, RequestKind, SyncRequest, write_beside

ALLOW = SyncRequest(RequestKind.ALLOW, "0123456789abcdef")
REFUSAL = Cause("service-stopped", Message("The service stopped."), Message("Ask again."))


def test_requests_are_taken_once_in_their_order(conn: Connection) -> None:
    first = requests.post(conn, SyncRequest(RequestKind.FULL), 100)
    second = requests.post(conn, ALLOW, 50)
    assert requests.is_waiting(conn)
    assert requests.take(conn) == SyncRequest(RequestKind.FULL, None, first)
    assert requests.take(conn) == SyncRequest(RequestKind.ALLOW, ALLOW.digest, second)
    assert requests.take(conn) is None
    assert not requests.is_waiting(conn)


def test_an_answer_reaches_the_one_who_asked(conn: Connection) -> None:
    ids = [requests.post(conn, ALLOW, 100) for _ in range(3)]
    for _ in ids:
        requests.take(conn)
    requests.answer(conn, ids[0], Answer(run_id=7))
    requests.answer(conn, ids[1], Answer(refusal=REFUSAL))
    expected = [Answer(run_id=7), Answer(refusal=REFUSAL), None]
    assert [requests.answer_of(conn, each) for each in ids] == expected


def test_a_request_can_be_withdrawn_until_it_is_taken(conn: Connection) -> None:
    waiting, taken = [requests.post(conn, ALLOW, 100) for _ in range(2)]
    assert requests.withdraw(conn, waiting)
    requests.take(conn)
    assert not requests.withdraw(conn, taken)
    assert not requests.withdraw(conn, waiting)


def test_what_a_dead_service_left_is_refused(conn: Connection) -> None:
    answered, taken, waiting = [requests.post(conn, ALLOW, 100) for _ in range(3)]
    requests.take(conn)
    requests.take(conn)
    requests.answer(conn, answered, Answer(run_id=1))
    assert requests.refuse_stale(conn, REFUSAL) == 2
    found = [requests.answer_of(conn, each) for each in (answered, taken, waiting)]
    assert found == [Answer(run_id=1), Answer(refusal=REFUSAL), Answer(refusal=REFUSAL)]
    assert requests.take(conn) is None


def test_old_answers_are_forgotten_and_open_requests_kept(conn: Connection) -> None:
    old, young, still_open = [requests.post(conn, ALLOW, at_ms) for at_ms in (100, 300, 100)]
    for each in (old, young):
        requests.answer(conn, each, Answer(run_id=each))
    assert requests.prune(conn, older_than_ms=200) == 1
    assert requests.answer_of(conn, old) is None
    assert requests.answer_of(conn, young) == Answer(run_id=young)
    assert requests.take(conn) == SyncRequest(RequestKind.ALLOW, ALLOW.digest, still_open)


def test_another_process_posts_beside_the_open_journal(journal: Journal, path: Path) -> None:
    posted = write_beside(path, lambda conn: requests.post(conn, ALLOW, 100))
    taken = journal.run(requests.take).result(10)
    assert taken == SyncRequest(RequestKind.ALLOW, ALLOW.digest, posted)


def test_nothing_is_written_into_a_newer_database(journal: Journal, path: Path) -> None:
    journal.run(lambda conn: conn.execute("PRAGMA user_version = 99")).result(10)
    with pytest.raises(JournalNewerError):
        write_beside(path, lambda conn: requests.post(conn, ALLOW, 100))
    assert not journal.read(requests.is_waiting)


def test_a_bystander_who_writes_hears_of_a_value_that_makes_no_sense(path: Path) -> None:
    Journal.open(path, now_ms=0).close(10)
    spoilt = "INSERT INTO sync_state VALUES ('held', 'garbage{')"
    write_beside(path, lambda conn: conn.execute(spoilt).rowcount)
    with pytest.raises(JournalUnreadableError):
        write_beside(path, lambda conn: sync_state.reject_held(conn, "0123456789abcdef"))
