"""The way of a genuine callback to the disk, and what is answered where it does not get there."""

import itertools
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

from crypto.callback import CallbackVerifier
from crypto.credentials import Keyring
from server.callback.batching import Append
from server.errors.base import JournalFullError
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.rejections import CredentialUse
from server.journal.writer import Ticket
from server.simulator.dingtalk.callbacks import event_text
from server.simulator.dingtalk.payloads import EventMaker, as_captured
from server.simulator.dingtalk.reply import ReplyFault
from tests.server.callback.service import (
    CREDENTIALS,
    OTHER,
    Service,
    sealed,
    sender_for,
    serving,
)
from tests.server.simulator.seeds import seeded
from tests.waiting import until

# A clock that moves on: captured events carry no eventId, so their time tells them apart.
MAKER = EventMaker(seeded(1), "dingcorp", itertools.count(1_700_000_000_000, 10_000).__next__)
DINGTALK_WAITS_S = 1.5


def test_a_burst_of_all_kinds_is_stored_each_once(service: Service) -> None:
    events = MAKER.mixed(300)
    with sender_for(service.port) as sender:
        deliveries = sender.burst(events * 2, connections=16)
    assert {None} == {delivery.fault for delivery in deliveries}
    stored = service.events()
    assert sorted(event_text(event).decode() for event in events) == sorted(
        event.payload for event in stored
    )
    assert sum(event.duplicates for event in stored) == 300
    assert [use.calls for use in service.uses().values()] == [600]


def test_a_duplicate_is_answered_like_the_first(service: Service) -> None:
    event = MAKER.of_company("org_change")
    with sender_for(service.port) as sender:
        assert [sender.deliver(event).fault for _ in range(3)] == [None] * 3
        assert [sender.deliver(as_captured(event)).fault for _ in range(2)] == [None] * 2
    assert [stored.duplicates for stored in service.events()] == [2, 1]


def test_an_unknown_type_is_stored_and_acknowledged(service: Service) -> None:
    with sender_for(service.port) as sender:
        assert sender.deliver({"EventType": "never_heard_of_it", "eventId": "e"}).accepted
    assert [event.event_type for event in service.events()] == ["never_heard_of_it"]


def test_the_second_set_takes_over_while_calls_arrive(tmp_path: Path) -> None:
    event = MAKER.of_company("org_change")
    with (
        serving(tmp_path / "j.db", Keyring(CREDENTIALS, pending=OTHER)) as service,
        sender_for(service.port) as old,
        sender_for(service.port, OTHER) as new,
    ):
        faults = [sender.deliver(event).fault for sender in (old, new)]
        keyring = service.promotions[0].keyring.promoted(0, 2**60)
        service.handler.replace_verifier(CallbackVerifier(keyring))
        faults += [sender.deliver(event).fault for sender in (old, new)]
    assert faults == [None] * 4


def test_credentials_change_under_load_without_a_lost_call(service: Service) -> None:
    both = [
        CallbackVerifier(Keyring(CREDENTIALS, OTHER)),
        CallbackVerifier(Keyring(OTHER, None, CREDENTIALS, 2**60)),
    ]
    with sender_for(service.port) as old, sender_for(service.port, OTHER) as new:
        service.handler.replace_verifier(both[0])
        with ThreadPoolExecutor(2) as pool:
            running = [pool.submit(one.burst, MAKER.mixed(200), 4) for one in (old, new)]
            while not all(one.done() for one in running):
                both.reverse()
                service.handler.replace_verifier(both[0])
        faults = {delivery.fault for one in running for delivery in one.result()}
    assert {None} == faults
    assert len(service.events()) == 400


def limit_pages(service: Service, extra: int) -> None:
    """Leave the database room for so many more pages."""

    def job(conn: Connection) -> None:
        (pages,) = conn.execute("PRAGMA page_count").fetchone()
        conn.execute(f"PRAGMA max_page_count = {pages + extra}")

    service.journal.run(job).result(20)


def test_a_full_disk_is_503_until_there_is_room(service: Service) -> None:
    limit_pages(service, 0)
    large = {"EventType": "t", "eventId": "large", "text": "x" * 50_000}
    with sender_for(service.port) as sender:
        refused = service.call(sealed(large))
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
        noted = service.handler.state.unstored
        limit_pages(service, 1000)
        assert sender.deliver(large).accepted
    assert (isinstance(noted, JournalFullError), service.handler.state.unstored) == (True, None)
    assert [event.event_id for event in service.events()] == ["large"]


def test_a_held_database_is_503_in_time_and_then_works_again(service: Service) -> None:
    path = service.journal._path
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            texts = [sealed({"EventType": "t", "eventId": f"held{n}"}) for n in range(8)]
            statuses = [answer.status for answer in pool.map(service.call, texts)]
        elapsed_s = time.monotonic() - started
        other.execute("ROLLBACK")
    assert statuses == [503] * 8
    assert elapsed_s < DINGTALK_WAITS_S + 5  # the rest is a slow machine's; never a hang
    assert service.call(sealed({"EventType": "t", "eventId": "free"})).status == 200


class SlowStore:
    """A journal whose batches are on the disk only when told."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.tickets: list[Ticket[frozenset[str]]] = []

    def append(
        self, batch: Sequence[NewEvent], uses: Sequence[CredentialUse]
    ) -> Ticket[frozenset[str]]:
        del batch, uses
        self.tickets.append(Ticket(Path("never-done.db")))
        return self.tickets[-1]


def test_a_disk_that_does_not_answer_is_503_and_others_are_served(tmp_path: Path) -> None:
    stores: list[SlowStore] = []

    def slow(journal: Journal) -> Append:
        stores.append(SlowStore(journal))
        return stores[-1].append

    with serving(tmp_path / "j.db", store=slow) as service:
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(service.call, sealed({"EventType": "t"}))
            assert service.exchange(b"GET /healthz HTTP/1.0\r\n\r\n").status == 200
            assert pending.result(20).status == 503
        for ticket in stores[0].tickets:
            ticket.resolve(frozenset())


def test_what_was_answered_before_a_stop_is_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    events = MAKER.mixed(2000)
    with serving(path) as service, ThreadPoolExecutor(1) as pool:
        sender = sender_for(service.port)
        running = pool.submit(sender.burst, events, 8)
        until(lambda: service.handler.state.clock_difference_ms is not None)
        service.listener.request_stop()
        deliveries = running.result(60)
        sender.close()
    faults = {delivery.fault for delivery in deliveries}
    assert faults <= {None, ReplyFault.UNREACHABLE, ReplyFault.NOT_HTTP, ReplyFault.WRONG_STATUS}
    acknowledged = {
        event_text(event).decode()
        for event, delivery in zip(events, deliveries, strict=True)
        if delivery.accepted
    }
    assert set() == acknowledged - payloads(path)


def payloads(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as conn:
        return {payload for (payload,) in conn.execute("SELECT payload FROM events")}


def test_a_bad_request_in_a_batch_disturbs_no_other(service: Service) -> None:
    good = [sealed({"EventType": "t", "eventId": f"good{n}"}) for n in range(40)]
    bad = [sealed({"EventType": "t"}, OTHER) for _ in range(40)]
    mixed = [text for pair in zip(good, bad, strict=True) for text in pair]
    with ThreadPoolExecutor(16) as pool:
        statuses = [answer.status for answer in pool.map(service.call, mixed)]
    assert statuses == [200, 403] * 40
    assert len(service.events()) == 40
