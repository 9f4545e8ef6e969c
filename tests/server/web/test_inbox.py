import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from server.errors import JournalBusyError, JournalFullError
from server.journal.contact import Use
from server.journal.events import NewEvent
from server.journal.writer import Ticket
from server.web import inbox as inbox_module
from server.web.inbox import BatchingInbox, DirectInbox, Entry


@dataclass
class FakeStore:
    """Keeps the batches; the outcome of a batch is decided by `settle`, or at once."""

    failure: Exception | None = None
    is_slow: bool = False
    batches: list[tuple[Sequence[NewEvent], Sequence[Use]]] = field(default_factory=list)
    tickets: list[Ticket[None]] = field(default_factory=list)

    def append(self, batch: Sequence[NewEvent], uses: Sequence[Use]) -> Ticket[None]:
        self.batches.append((batch, uses))
        ticket: Ticket[None] = Ticket(Path("made-up.db"))
        self.tickets.append(ticket)
        if not self.is_slow:
            self.settle()
        return ticket

    def settle(self) -> None:
        for ticket in self.tickets:
            if self.failure is None:
                ticket.resolve(None)
            else:
                ticket.fail(self.failure)
        self.tickets.clear()


@dataclass
class FakeTask:
    """A request that does `work` and notes what became of it."""

    work: Callable[[], None]
    outcome: str = "waiting"

    def service(self) -> None:
        try:
            self.work()
        except JournalFullError:
            self.outcome = "refused"
        except JournalBusyError:
            self.outcome = "too slow"
        else:
            self.outcome = "stored"

    def cancel(self) -> None:
        self.outcome = "cancelled"


def entry(event_id: str, fingerprint: str = "f") -> Entry:
    event = NewEvent(event_id, 0, "t", event_id, None, "{}")
    return Entry(Use(fingerprint, 0, event_id, "t"), event)


def queued(inbox: BatchingInbox, *entries: Entry) -> list[FakeTask]:
    tasks = [FakeTask(lambda one=one: inbox.store(one)) for one in entries]  # type: ignore[misc]  # mypy cannot type a lambda with a default
    for task in tasks:
        inbox.add_task(task)
    return tasks


def test_what_is_ready_together_is_one_batch_with_its_uses_summed() -> None:
    store = FakeStore()
    inbox = BatchingInbox(store)
    tasks = queued(inbox, entry("a"), entry("b"), entry("c", "other"))
    inbox.run_ready()
    assert [task.outcome for task in tasks] == ["stored"] * 3
    ((events, uses),) = store.batches
    assert [event.event_id for event in events] == ["a", "b", "c"]
    assert {("f", "b", 2), ("other", "c", 1)} == {
        (use.fingerprint, use.remote, use.count) for use in uses
    }


def test_a_failed_batch_is_refused_to_all_of_it() -> None:
    inbox = BatchingInbox(FakeStore(failure=JournalFullError(path="p")))
    tasks = queued(inbox, entry("a"), entry("b"))
    inbox.run_ready()
    assert [task.outcome for task in tasks] == ["refused"] * 2


def test_a_slow_batch_is_answered_when_it_is_stored() -> None:
    store = FakeStore(is_slow=True)
    inbox = BatchingInbox(store)
    (task,) = queued(inbox, entry("a"))
    inbox.run_ready()
    assert (task.outcome, inbox.is_waiting, inbox.is_busy) == ("waiting", True, True)
    store.settle()
    inbox.run_ready()
    assert (task.outcome, inbox.is_waiting, inbox.is_busy) == ("stored", False, False)


def test_a_batch_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "GIVE_UP_AFTER_S", 0)
    inbox = BatchingInbox(FakeStore(is_slow=True))
    (task,) = queued(inbox, entry("a"))
    inbox.run_ready()
    assert (task.outcome, inbox.is_busy) == ("too slow", False)


def test_a_request_that_fails_ends_neither_the_loop_nor_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inbox = BatchingInbox(FakeStore())

    def break_down() -> None:
        raise RuntimeError("broken")

    inbox.add_task(FakeTask(break_down))
    (task,) = queued(inbox, entry("a"))
    inbox.run_ready()
    assert task.outcome == "stored"
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_what_is_queued_can_be_given_up() -> None:
    inbox = BatchingInbox(FakeStore())
    inbox.set_thread_count(4)
    tasks = queued(inbox, entry("a"), entry("b"))
    assert not inbox.shutdown(cancel_pending=False)
    assert inbox.shutdown()
    assert [task.outcome for task in tasks] == ["cancelled"] * 2


def test_outside_the_loop_an_entry_is_stored_by_itself() -> None:
    store = FakeStore()
    BatchingInbox(store).store(entry("a"))
    DirectInbox(store).store(entry("b"))
    assert [len(events) for events, _ in store.batches] == [1, 1]


def test_outside_the_loop_failures_and_slowness_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JournalFullError):
        DirectInbox(FakeStore(failure=JournalFullError(path="p"))).store(entry("a"))
    monkeypatch.setattr(inbox_module, "GIVE_UP_AFTER_S", 0)
    with pytest.raises(JournalBusyError):
        DirectInbox(FakeStore(is_slow=True)).store(entry("a"))


def test_of_a_connection_that_sends_many_at_once_one_is_served_a_turn() -> None:
    served: list[str] = []
    inbox = BatchingInbox(FakeStore())

    def serve_one_of_many() -> None:
        served.append("many")
        if served.count("many") < 100:  # as waitress does where a connection has more
            inbox.add_task(FakeTask(serve_one_of_many))

    inbox.add_task(FakeTask(serve_one_of_many))
    inbox.add_task(FakeTask(lambda: served.append("one")))
    inbox.run_ready()
    assert served == ["many", "one"]
    assert inbox.has_ready
    for _ in range(99):
        inbox.run_ready()
    assert served.count("many") == 100
