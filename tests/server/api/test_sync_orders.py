from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from server.api.sync import SyncDispatcher
from server.config.paths import DataFolder
from server.directory.causes import Cause
from server.errors.message import Message
from server.journal import requests, runs
from server.journal.journal import Journal
from server.journal.opening import open_read_only
from server.journal.requests import Answer, RequestKind, SyncRequest
from server.journal.runs import RunCause
from server.service.instance import acquire
from tests.waiting import until

FULL = SyncRequest(RequestKind.FULL)
ALLOW = SyncRequest(RequestKind.ALLOW, "d1")
ADDRESS = "http://127.0.0.1:8080/api/callback"
REFUSAL = Cause("made-up", Message("no"), Message("ask again"))


def _clock_ms() -> int:
    return 1_700_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.ensure()
    return made


@pytest.fixture
def orders(folder: DataFolder) -> SyncDispatcher:
    return SyncDispatcher(folder, _clock_ms)


@contextmanager
def _service(folder: DataFolder, address: str = ADDRESS) -> Iterator[Journal]:
    """Hold the data folder as a service does."""
    lock = acquire(folder, "1", 0)
    journal = Journal.open(folder.database, 0)
    try:
        lock.publish(address)
        yield journal
    finally:
        assert journal.close(10)
        lock.release()


class Asking:
    """A command that waits for the service, on a thread of its own."""

    def __init__(self, orders: SyncDispatcher, request: SyncRequest = FULL) -> None:
        self.stop = Event()
        self.answer: Answer | None = None
        self.ran_here = False
        self._thread = Thread(target=self._ask, args=(orders, request))
        self._thread.start()

    def _ask(self, orders: SyncDispatcher, request: SyncRequest) -> None:
        self.answer = orders.carry_out(request, self._run_here, self.stop)

    def _run_here(self, journal: Journal) -> int:
        self.ran_here = True
        return _run(journal)

    def result(self) -> Answer | None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        return self.answer


def _run(journal: Journal) -> int:
    return journal.run(lambda conn: runs.begin(conn, RunCause.ASKED, 5)).result(10)


def _taken(journal: Journal) -> SyncRequest:
    """Wait for the request and take it, as the service's worker does."""
    return until(lambda: journal.run(requests.take).result(10), "a request came")


def _posted(journal: Journal) -> None:
    until(lambda: journal.read(requests.is_waiting), "a request came")


def test_without_a_service_the_run_is_made_here_under_the_lock(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    def run_here(journal: Journal) -> int:
        locked_out = SyncDispatcher(folder, _clock_ms)
        assert locked_out._lock() is None
        return _run(journal)

    answer = orders.carry_out(FULL, run_here, Event())
    assert answer == Answer(run_id=1)
    acquire(folder, "1", 0).release()


def test_a_run_that_fails_here_gives_the_folder_back(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    def run_here(_journal: Journal) -> int:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        orders.carry_out(FULL, run_here, Event())
    acquire(folder, "1", 0).release()


def test_a_service_is_asked_and_its_answer_waited_for(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    with _service(folder) as journal:
        asking = Asking(orders, ALLOW)
        request = _taken(journal)
        assert (request.kind, request.digest) == (RequestKind.ALLOW, "d1")
        run_id = _run(journal)
        journal.run(lambda conn: requests.answer(conn, request.id, Answer(run_id))).result(10)
        assert asking.result() == Answer(run_id)
    assert not asking.ran_here


def test_a_refusal_of_the_service_is_handed_on(folder: DataFolder, orders: SyncDispatcher) -> None:
    with _service(folder) as journal:
        asking = Asking(orders)
        _posted(journal)
        journal.run(lambda conn: requests.refuse_stale(conn, REFUSAL)).result(10)
        assert asking.result() == Answer(refusal=REFUSAL)


def test_a_service_that_ends_before_it_took_the_request_is_replaced(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    with _service(folder) as journal:
        asking = Asking(orders)
        _posted(journal)
    assert asking.result() == Answer(run_id=1)
    assert asking.ran_here
    assert not open_read_only(folder.database, requests.is_waiting)


def test_a_service_that_ends_in_the_middle_is_told_of(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    with _service(folder) as journal:
        asking = Asking(orders)
        _taken(journal)
    answer = asking.result()
    assert answer is not None
    assert answer.refusal is not None
    assert answer.refusal.code == "service-gone"
    assert not asking.ran_here


def test_giving_up_takes_the_request_back(folder: DataFolder, orders: SyncDispatcher) -> None:
    with _service(folder) as journal:
        asking = Asking(orders)
        _posted(journal)
        asking.stop.set()
        answer = asking.result()
        assert not journal.read(requests.is_waiting)
    assert answer is not None
    assert answer.refusal is not None
    assert answer.refusal.code == "sync-given-up"


def test_giving_up_leaves_a_run_of_the_service_alone(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    with _service(folder) as journal:
        asking = Asking(orders)
        _taken(journal)
        asking.stop.set()
        answer = asking.result()
    assert answer is not None
    assert answer.refusal is not None
    assert answer.refusal.code == "sync-not-waited-for"


def test_who_holds_the_folder_without_an_address_is_waited_for_and_not_asked(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    with _service(folder, address="") as journal:
        asking = Asking(orders)
        asking.stop.wait(1.0)
        assert not journal.read(requests.is_waiting)
    assert asking.result() == Answer(run_id=1)


def test_a_job_is_written_with_and_without_a_service(
    folder: DataFolder, orders: SyncDispatcher
) -> None:
    assert orders.write(lambda conn: requests.post(conn, FULL, 0)) == 1
    with _service(folder):
        assert orders.write(lambda conn: requests.post(conn, FULL, 0)) == 2
