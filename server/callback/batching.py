"""Requests are served in turns: verify all that is ready, store it with one COMMIT, answer all.

Measured: with a thread a request and a commit a request the interpreter's lock changes hands 30
to 50 times a callback, and throughput falls to a third of a bare route. So one thread does all.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

from server.callback.handler import Outcome, Verified
from server.callback.limits import PatientChannel
from server.journal.events import NewEvent
from server.journal.rejections import CredentialUse
from server.journal.writer import Ticket

_log = logging.getLogger(__name__)

# How long one turn may go on with requests before it looks at the sockets again.
WORK_BUDGET_S = 0.05
# A batch is normally on disk within a millisecond; waiting for it here is the quickest way on.
# Past that the loop turns to other requests and looks again every few milliseconds.
PATIENT_WAIT_S = 0.05
# After this the caller gets a 503 and will send again: DingTalk stops waiting at 1.5 s.
GIVE_UP_AFTER_S = 1.2

# The journal's way to store events and uses; done means on the disk.
Append = Callable[[Sequence[NewEvent], Sequence[CredentialUse]], Ticket[frozenset[str]]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Verified callbacks on their way to the disk, and the connections that wait for them."""

    ticket: Ticket[frozenset[str]]
    waiting: Sequence[tuple[PatientChannel, Verified]]
    give_up_at_s: float


class BatchingInbox:
    """Runs the requests that are ready and stores what they bring in batches; one thread only.

    Stands in for waitress's pool of threads: `add_task`, `set_thread_count` and `shutdown` are
    what waitress calls.
    """

    def __init__(self, append: Append) -> None:
        self._append = append
        self._ready: deque[PatientChannel] = deque()
        self._later: deque[PatientChannel] = deque()
        self._in_flight: list[_Batch] = []

    def add_task(self, task: PatientChannel) -> None:
        """Queue a connection whose request is complete (waitress calls this).

        What cannot be a callback, or is costly, waits until all others were looked at.
        """
        (self._ready if task.is_prompt else self._later).append(task)

    def set_thread_count(self, count: int) -> None:
        """Do nothing: there is one thread (waitress calls this)."""

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:  # noqa: FBT001, FBT002 - waitress's signature
        """Give up what is queued (waitress calls this)."""
        del timeout
        for queue in (self._ready, self._later):
            while cancel_pending and queue:
                queue.popleft().cancel()
        return cancel_pending

    @property
    def is_waiting(self) -> bool:
        """Whether a batch is still on its way to a slow disk."""
        return bool(self._in_flight)

    @property
    def has_ready(self) -> bool:
        """Whether requests are queued that could be run at once."""
        return bool(self._ready or self._later)

    @property
    def is_busy(self) -> bool:
        """Whether requests are queued or waiting for the disk."""
        return bool(self._ready or self._later or self._in_flight)

    def run_ready(self) -> None:
        """Take one turn: verify what is queued, have it stored, answer what is on the disk.

        Of each connection one request: who sends many at once must not keep the others waiting.
        """
        until_s = monotonic() + WORK_BUDGET_S
        waiting = [*self._verified(self._ready, until_s), *self._verified(self._later, until_s)]
        if waiting:
            self._hand_over(waiting)
        if self._in_flight:
            self._finish()

    def _verified(
        self, queue: deque[PatientChannel], until_s: float
    ) -> list[tuple[PatientChannel, Verified]]:
        """Verify what is in `queue`, at least one; return those callbacks that are genuine."""
        waiting = []
        for _ in range(len(queue)):
            channel = queue.popleft()
            verified = _guarded(channel.verify)
            if verified is not None:
                waiting.append((channel, verified))
            if monotonic() >= until_s:
                break
        return waiting

    def _hand_over(self, waiting: Sequence[tuple[PatientChannel, Verified]]) -> None:
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
    """Return what became of a batch: the keys of its new events, or why it is not on the disk."""
    try:
        return Outcome(ticket.result(0), None)
    except Exception as failure:  # noqa: BLE001 - every request of the batch deals with it
        return Outcome(frozenset(), failure)


def _guarded(work: Callable[[], Verified | None]) -> Verified | None:
    try:
        return work()
    except Exception:  # noqa: BLE001 - one request must not end the loop that serves all
        _log.exception("A request could not be served")
        return None
