"""Where genuine callbacks go before they are answered, and one loop that serves them in batches.

Measured: with a thread a request and a commit a request the interpreter's lock changes hands 30
to 50 times a callback, and throughput falls to a third of a bare route. So one thread does all:
it runs every request that is ready up to the point where its event must be stored, hands the
events to the journal as one batch, and goes on with the requests once the batch is on disk. Each
request runs in a greenlet, so a handler reads from top to bottom as if it were alone.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

from greenlet import getcurrent, greenlet

from server.journal.contact import Use
from server.journal.events import NewEvent
from server.journal.writer import Ticket

_log = logging.getLogger(__name__)

# A batch is normally on disk within a millisecond; waiting for it here is the quickest way on.
# Past that the loop turns to other requests and looks again every few milliseconds.
PATIENT_WAIT_S = 0.05
# After this the caller gets a 503 and will send again: DingTalk stops waiting at 1.5 s.
GIVE_UP_AFTER_S = 1.2


class Entry(NamedTuple):
    """What one genuine callback leaves behind: who called with which set, and the event if any."""

    use: Use | None
    event: NewEvent | None


class Inbox(Protocol):
    """Takes entries; returns once they are on disk."""

    def store(self, entry: Entry) -> None:
        """Store `entry` durably. Raises JournalError where that failed: nothing was stored."""


class BatchStore(Protocol):
    """The journal, as far as the inbox needs it."""

    def append(self, batch: Sequence[NewEvent], uses: Sequence[Use]) -> Ticket[None]:
        """Hand a batch to the journal."""


class DirectInbox:
    """Stores each entry by itself. For callers outside the loop."""

    def __init__(self, store: BatchStore) -> None:
        self._store = store

    def store(self, entry: Entry) -> None:
        """Store `entry` durably. Raises JournalError."""
        _hand_over(self._store, [entry]).result(GIVE_UP_AFTER_S)


def _hand_over(store: BatchStore, entries: Sequence[Entry]) -> Ticket[None]:
    events = [entry.event for entry in entries if entry.event is not None]
    return store.append(events, _summed([entry.use for entry in entries if entry.use is not None]))


def _summed(uses: Sequence[Use]) -> list[Use]:
    """Return one use for each set of credentials: the last, with the number of all."""
    last = {use.fingerprint: use for use in uses}
    if len(uses) == len(last):
        return list(uses)
    counts = Counter(use.fingerprint for use in uses)
    return [replace(use, count=counts[fingerprint]) for fingerprint, use in last.items()]


def _failure(ticket: Ticket[None]) -> Exception | None:
    """Return why a batch failed or is not on disk yet, None where it is."""
    try:
        ticket.result(0)
    except Exception as failure:  # noqa: BLE001 - it is raised again in every waiting request
        return failure
    return None


class Task(Protocol):
    """A request that waits to be run, as waitress hands it over."""

    def service(self) -> None:
        """Run the request and write the answer."""

    def cancel(self) -> None:
        """Give the request up."""


@dataclass(slots=True)
class _Batch:
    """Entries on their way to the disk and the greenlets that wait for them."""

    ticket: Ticket[None]
    waiting: Sequence[greenlet]
    give_up_at_s: float


@dataclass(slots=True)
class BatchingInbox:
    """Runs requests as greenlets and stores what they bring in batches; one thread only.

    Stands in for waitress's pool of threads: `add_task`, `set_thread_count` and `shutdown` are
    what waitress calls.
    """

    store_batch: BatchStore
    _tasks: deque[Task] = field(default_factory=deque)
    _entries: list[Entry] = field(default_factory=list)
    _waiting: list[greenlet] = field(default_factory=list)
    _in_flight: list[_Batch] = field(default_factory=list)
    _loop: greenlet | None = None

    def add_task(self, task: Task) -> None:
        """Queue a request (waitress calls this)."""
        self._tasks.append(task)

    def set_thread_count(self, count: int) -> None:
        """Do nothing: there is one thread (waitress calls this)."""

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:  # noqa: FBT001, FBT002 - waitress's signature
        """Give up what is queued (waitress calls this)."""
        del timeout
        while cancel_pending and self._tasks:
            self._tasks.popleft().cancel()
        return cancel_pending

    @property
    def is_waiting(self) -> bool:
        """Whether a batch is still on its way to a slow disk."""
        return bool(self._in_flight)

    @property
    def has_ready(self) -> bool:
        """Whether requests are queued that could be run at once."""
        return bool(self._tasks)

    @property
    def is_busy(self) -> bool:
        """Whether requests are queued or waiting for the disk."""
        return bool(self._tasks or self._entries or self._in_flight)

    def store(self, entry: Entry) -> None:
        """Store `entry` with the others of its batch. Called by handlers. Raises JournalError."""
        if self._loop is None or getcurrent() is self._loop:
            DirectInbox(self.store_batch).store(entry)
            return
        self._entries.append(entry)
        self._waiting.append(getcurrent())
        failure = self._loop.switch()
        if failure is not None:
            raise failure

    def run_ready(self) -> None:
        """Run queued requests up to their storing, hand that over, finish those that are stored.

        Of each connection one: who sends many at once must not keep the others waiting.
        """
        self._loop = getcurrent()
        for _ in range(len(self._tasks)):
            greenlet(_serve).switch(self._tasks.popleft())
        if self._entries:
            self._hand_over()
        if self._in_flight:
            self._finish()

    def _hand_over(self) -> None:
        entries, self._entries = self._entries, []
        waiting, self._waiting = self._waiting, []
        ticket = _hand_over(self.store_batch, entries)
        if ticket.wait(PATIENT_WAIT_S if not self._in_flight else 0):
            _resume(waiting, _failure(ticket))
            return
        self._in_flight.append(_Batch(ticket, waiting, time.monotonic() + GIVE_UP_AFTER_S))

    def _finish(self) -> None:
        batches, self._in_flight = self._in_flight, []
        for batch in batches:
            if batch.ticket.is_done or time.monotonic() >= batch.give_up_at_s:
                _resume(batch.waiting, _failure(batch.ticket))
            else:
                self._in_flight.append(batch)


def _serve(task: Task) -> None:
    try:
        task.service()
    except Exception:  # noqa: BLE001 - one request must not end the loop that serves all
        _log.exception("A request could not be served")


def _resume(waiting: Sequence[greenlet], failure: BaseException | None) -> None:
    for one in waiting:
        one.switch(failure)
