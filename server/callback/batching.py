"""Serves requests in turns: verify all that are ready, store them in one COMMIT, answer them all.

One thread does it all. Measured with one thread and one COMMIT per request: the interpreter's lock
changes hands 30 to 50 times per callback, and throughput falls to a third of a bare route.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from server.callback.handler import Outcome, Verified
from server.callback.limits import TimedChannel
from server.journal.events import NewEvent
from server.journal.rejections import CredentialUse
from server.journal.writer import Ticket

_log = logging.getLogger(__name__)

# How long one turn may work on requests before it looks at the sockets again.
WORK_BUDGET_S = 0.025
# A batch is normally on disk within a millisecond, so waiting for it is the fastest way. After
# this long the loop serves other requests and checks the batch again every few milliseconds.
PATIENT_WAIT_S = 0.05
# After this the caller gets a 503 and will send again; DingTalk stops waiting after 1.5 s.
GIVE_UP_AFTER_S = 1.2

# `Journal.append`; when its ticket is done, the events are on the disk.
Append = Callable[[Sequence[NewEvent], Sequence[CredentialUse]], Ticket[frozenset[str]]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Verified callbacks that are being stored, and the connections that wait for the answer."""

    ticket: Ticket[frozenset[str]]
    waiting: Sequence[tuple[TimedChannel, Verified]]
    give_up_at_s: float


class BatchingQueue:
    """Queues complete requests and stores genuine callbacks in batches. For one thread.

    Takes the place of waitress's thread pool, which calls `add_task`, `set_thread_count` and
    `shutdown`.
    """

    def __init__(self, append: Append) -> None:
        self._append = append
        self._ready: deque[TimedChannel] = deque()
        self._later: deque[TimedChannel] = deque()
        self._in_flight: list[_Batch] = []

    def add_task(self, task: TimedChannel) -> None:
        """Queue a connection whose request is complete (waitress calls this).

        Requests that cannot be callbacks, or are costly, wait until all others are done.
        """
        (self._ready if task.is_prompt else self._later).append(task)

    def set_thread_count(self, count: int) -> None:
        """Do nothing: there is one thread (waitress calls this)."""

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:  # noqa: FBT001, FBT002 - waitress's signature
        """Drop everything that is queued (waitress calls this)."""
        del timeout
        for queue in (self._ready, self._later):
            while cancel_pending and queue:
                queue.popleft().cancel()
        return cancel_pending

    @property
    def is_waiting(self) -> bool:
        """Whether a batch is still waiting for a slow disk."""
        return bool(self._in_flight)

    @property
    def has_ready(self) -> bool:
        """Whether requests are queued that could run now."""
        return bool(self._ready or self._later)

    @property
    def is_busy(self) -> bool:
        """Whether requests are queued or waiting for the disk."""
        return bool(self._ready or self._later or self._in_flight)

    def run_ready(self) -> None:
        """Run one turn: verify what is queued, store it, answer what is on the disk.

        Takes one request per connection: a client that sends many at once must not delay others.
        """
        until_s = monotonic() + WORK_BUDGET_S
        waiting = [*self._verified(self._ready, until_s), *self._verified(self._later, until_s)]
        if waiting:
            self._store(waiting)
        if self._in_flight:
            self._finish()

    def _verified(
        self, queue: deque[TimedChannel], until_s: float
    ) -> list[tuple[TimedChannel, Verified]]:
        """Verify the requests in `queue`, at least one; return the genuine callbacks."""
        waiting = []
        for _ in range(len(queue)):
            channel = queue.popleft()
            verified = _guarded(channel.verify)
            if verified is not None:
                waiting.append((channel, verified))
            if monotonic() >= until_s:
                break
        return waiting

    def _store(self, waiting: Sequence[tuple[TimedChannel, Verified]]) -> None:
        ticket = self._append(
            [verified.event for _, verified in waiting if verified.event is not None],
            [verified.use for _, verified in waiting if verified.use is not None],
        )
        batch = _Batch(ticket, waiting, monotonic() + GIVE_UP_AFTER_S)
        if ticket.wait(PATIENT_WAIT_S if not self._in_flight else 0):
            _answer(batch)
        else:
            self._in_flight.append(batch)

    def _finish(self) -> None:
        batches, self._in_flight = self._in_flight, []
        for batch in batches:
            if batch.ticket.is_done or monotonic() >= batch.give_up_at_s:
                _answer(batch)
            else:
                self._in_flight.append(batch)


def _answer(batch: _Batch) -> None:
    outcome = _outcome(batch.ticket)
    for channel, verified in batch.waiting:
        _guarded(partial(channel.conclude, verified, outcome))


def _outcome(ticket: Ticket[frozenset[str]]) -> Outcome:
    """Return the outcome of a batch: the keys of its new events, or why it was not stored."""
    try:
        return Outcome(ticket.result(0), None)
    except Exception as failure:  # noqa: BLE001 - each request of the batch handles it
        return Outcome(frozenset(), failure)


def _guarded(work: Callable[[], Verified | None]) -> Verified | None:
    try:
        return work()
    except Exception:  # noqa: BLE001 - one request must not end the loop that serves them all
        _log.exception("Request could not be served")
        return None
