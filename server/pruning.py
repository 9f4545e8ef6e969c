"""Old events, runs and requests go, once an hour, a little at a time so that callbacks get in.

What is old, a clock says, and what is gone is gone for good: nothing goes while this computer's
clock is off, and nothing for its age before somebody else has told the time.
"""

import logging
import threading
import time
from collections.abc import Callable
from sqlite3 import Connection
from typing import Protocol

from server.config.settings import JournalSettings
from server.errors.base import JournalError
from server.journal import requests
from server.journal.retention import prune_events, prune_runs
from server.rest.vendor_clock import DAY_MS, VendorClock

_log = logging.getLogger(__name__)

_EVERY_S = 60 * 60
_KEPT_RUNS = 1000


class Write(Protocol):
    """Has the journal's writer do a job and waits for its result; raises JournalError."""

    def __call__(self, job: Callable[[Connection], int]) -> int:
        """Return what the job returned."""


class Pruning:
    """Removes what the settings say is too old. Used by one thread."""

    def __init__(
        self,
        write: Write,
        clock_ms: Callable[[], int],
        stopping: threading.Event,
        vendors: VendorClock,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._clock_ms = clock_ms
        self._stopping = stopping
        self._vendors = vendors
        self._steady_s = steady_s
        self._last_s: float | None = None
        self._told_ms: int | None = None

    def compare_clocks(self, difference_ms: int | None) -> None:
        """Take how far the last genuine callback found DingTalk's clock ahead of ours.

        Without the mirror nothing else tells the time. To be called soon after each callback.
        """
        if difference_ms is not None and difference_ms != self._told_ms:
            self._told_ms = difference_ms
            self._vendors.note("callbacks", difference_ms)

    def do_what_is_due(self, kept: JournalSettings) -> None:
        """Prune where an hour has passed; failures are logged, and the next hour tries again."""
        moment_s = self._steady_s()
        is_due = self._last_s is None or moment_s - self._last_s >= _EVERY_S
        if not is_due or self._stopping.is_set():
            return
        self._last_s = moment_s
        if self._vendors.is_wrong(DAY_MS):
            _log.warning("Old events are kept while the clock of this computer is off")
            return
        is_known = self._vendors.difference_ms() is not None
        older_than_ms = self._clock_ms() - kept.keep_days * DAY_MS if is_known else 0
        try:
            gone = self._emptied(lambda conn: prune_events(conn, older_than_ms, kept.keep_events))
            self._emptied(lambda conn: prune_runs(conn, older_than_ms, _KEPT_RUNS))
            self._write(lambda conn: requests.prune(conn, older_than_ms))
        except JournalError as failure:
            _log.warning("Old events could not be removed: %s", failure)
            return
        if gone:
            _log.info("Removed %d old events", gone)

    def _emptied(self, job: Callable[[Connection], int]) -> int:
        """Repeat a job that removes a little until nothing is left; returns how much went."""
        gone = 0
        while not self._stopping.is_set() and (count := self._write(job)):
            gone += count
        return gone
