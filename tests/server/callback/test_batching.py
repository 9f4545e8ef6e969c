import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server.callback import batching as inbox_module
from server.callback.batching import BatchingQueue
from server.callback.handler import Outcome, Verified
from server.errors.base import JournalBusyError, JournalFullError
from server.journal.events import NewEvent
from server.journal.rejections import CredentialUse
from server.journal.writer import Ticket


@dataclass
class FakeStore:
    """Keeps the batches; the outcome of a batch is decided by `settle`, or at once."""

    failure: Exception | None = None
    is_slow: bool = False
    batches: list[tuple[Sequence[NewEvent], Sequence[CredentialUse]]] = field(default_factory=list)
    tickets: list[Ticket[frozenset[str]]] = field(default_factory=list)

    def append(
        self, batch: Sequence[NewEvent], uses: Sequence[CredentialUse]
    ) -> Ticket[frozenset[str]]:
        self.batches.append((batch, uses))
        ticket: Ticket[frozenset[str]] = Ticket(Path("made-up.db"))
        self.tickets.append(ticket)
        if not self.is_slow:
            self.settle()
        return ticket

    def settle(self) -> None:
        for ticket in self.tickets:
            if self.failure is None:
                ticket.resolve(frozenset({"a"}))
            else:
                ticket.fail(self.failure)
        self.tickets.clear()


@dataclass
class FakeChannel:
    """A connection whose request verifies as `work` says, and what became of it."""

    work: Callable[[], Verified | None]
    is_prompt: bool = True
    outcome: Outcome | str = "waiting"

    def verify(self) -> Verified | None:
        return self.work()

    def conclude(self, verified: Verified, outcome: Outcome) -> None:
        assert verified is not None
        self.outcome = outcome

    def cancel(self) -> None:
        self.outcome = "cancelled"


STORED = Outcome(frozenset({"a"}), None)


def verified(event_id: str) -> Verified:
    event = NewEvent(event_id, 0, "t", event_id, None, "{}")
    nobody: Any = None
    return Verified(nobody, nobody, CredentialUse("f", 0, event_id, "t"), event, None, 0)


def queued(queue: BatchingQueue, *event_ids: str) -> list[FakeChannel]:
    return [add(queue, lambda one=one: verified(one)) for one in event_ids]  # type: ignore[misc]  # mypy cannot type a lambda with a default


def add(
    queue: BatchingQueue, work: Callable[[], Verified | None], *, is_prompt: bool = True
) -> FakeChannel:
    channel: Any = FakeChannel(work, is_prompt)
    queue.add_task(channel)
    added: FakeChannel = channel
    return added


def test_what_is_ready_together_is_one_batch() -> None:
    store = FakeStore()
    queue = BatchingQueue(store.append)
    channels = queued(queue, "a", "b", "c")
    queue.run_ready()
    assert [channel.outcome for channel in channels] == [STORED] * 3
    ((events, uses),) = store.batches
    assert [event.event_id for event in events] == ["a", "b", "c"]
    assert [use.remote for use in uses] == ["a", "b", "c"]


def test_a_check_leaves_a_use_and_a_self_test_nothing() -> None:
    store = FakeStore()
    queue = BatchingQueue(store.append)
    check, self_test = (verified("a")._replace(event=None) for _ in range(2))
    add(queue, lambda: check)
    add(queue, lambda: self_test._replace(use=None))
    queue.run_ready()
    assert [(events, len(uses)) for events, uses in store.batches] == [([], 1)]


def test_where_nothing_is_to_be_stored_nothing_is() -> None:
    store = FakeStore()
    queue = BatchingQueue(store.append)
    add(queue, lambda: None)
    queue.run_ready()
    assert store.batches == []


def test_a_failed_batch_is_refused_to_all_of_it() -> None:
    failure = JournalFullError(path="p")
    queue = BatchingQueue(FakeStore(failure=failure).append)
    channels = queued(queue, "a", "b")
    queue.run_ready()
    assert [channel.outcome for channel in channels] == [Outcome(frozenset(), failure)] * 2


def test_a_slow_batch_is_answered_when_it_is_stored() -> None:
    store = FakeStore(is_slow=True)
    queue = BatchingQueue(store.append)
    (channel,) = queued(queue, "a")
    queue.run_ready()
    assert (channel.outcome, queue.is_waiting, queue.is_busy) == ("waiting", True, True)
    store.settle()
    queue.run_ready()
    assert (channel.outcome, queue.is_waiting, queue.is_busy) == (STORED, False, False)


def test_a_batch_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "GIVE_UP_AFTER_S", 0)
    queue = BatchingQueue(FakeStore(is_slow=True).append)
    (channel,) = queued(queue, "a")
    queue.run_ready()
    assert isinstance(channel.outcome, Outcome)
    assert isinstance(channel.outcome.failure, JournalBusyError)
    assert not queue.is_busy


def test_a_request_that_fails_ends_neither_the_loop_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue = BatchingQueue(FakeStore().append)

    def break_down() -> None:
        raise RuntimeError("broken")

    add(queue, break_down)
    (channel,) = queued(queue, "a")
    queue.run_ready()
    assert channel.outcome == STORED
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_what_is_queued_can_be_given_up() -> None:
    queue = BatchingQueue(FakeStore().append)
    queue.set_thread_count(4)
    channels = [*queued(queue, "a"), add(queue, lambda: None, is_prompt=False)]
    assert not queue.shutdown(cancel_pending=False)
    assert queue.shutdown()
    assert [channel.outcome for channel in channels] == ["cancelled"] * 2


def test_of_a_connection_that_sends_many_at_once_one_is_served_a_turn() -> None:
    served: list[str] = []
    queue = BatchingQueue(FakeStore().append)

    def serve_one_of_many() -> None:
        served.append("many")
        if served.count("many") < 100:  # as waitress does where a connection has more
            add(queue, serve_one_of_many)

    add(queue, serve_one_of_many)
    add(queue, lambda: served.append("one"))
    queue.run_ready()
    assert served == ["many", "one"]
    assert queue.has_ready
    for _ in range(99):
        queue.run_ready()
    assert served.count("many") == 100


def test_what_is_costly_waits_for_all_others_and_ends_with_the_turns_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(inbox_module, "monotonic", lambda: now_s[0])
    served: list[str] = []
    queue = BatchingQueue(FakeStore().append)

    def costly() -> None:
        served.append("costly")
        now_s[0] += inbox_module.WORK_BUDGET_S

    for _ in range(3):
        add(queue, costly, is_prompt=False)
    for _ in range(2):
        add(queue, lambda: served.append("call"))
    queue.run_ready()
    assert served == ["call", "call", "costly"]
    add(queue, lambda: served.append("call"))
    queue.run_ready()
    assert served[3:] == ["call", "costly"]


def test_a_turn_ends_with_its_time_even_where_all_is_prompt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(inbox_module, "monotonic", lambda: now_s[0])
    queue = BatchingQueue(FakeStore().append)
    served: list[int] = []

    def work(number: int) -> None:
        served.append(number)
        now_s[0] += inbox_module.WORK_BUDGET_S / 2

    for number in range(5):
        add(queue, lambda number=number: work(number))  # type: ignore[misc]  # mypy cannot type a lambda with a default
    queue.run_ready()
    assert (served, queue.has_ready) == ([0, 1], True)
