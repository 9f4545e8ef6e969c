"""Old events, runs and requests go, once an hour, a little at a time so that callbacks get in."""

import logging
import threading
from collections.abc import Callable
from sqlite3 import Connection
from typing import Protocol

from server.config.settings import JournalSettings
from server.errors import JournalError
from server.journal import requests
from server.journal.retention import prune_events, prune_runs

_log = logging.getLogger(__name__)

_EVERY_MS = 60 * 60 * 1000
_DAY_MS = 24 * _EVERY_MS
_KEPT_RUNS = 1000


class Write(Protocol):
    """Has the journal's writer do a job and waits for its result; raises JournalError."""

    def __call__(self, job: Callable[[Connection], int]) -> int:
        """Return what the job returned."""


class Pruning:
    """Removes what the settings say is too old. Used by one thread."""

    def __init__(
        self, write: Write, clock_ms: Callable[[], int], stopping: threading.Event
    ) -> None:
        self._write = write
        self._clock_ms = clock_ms
        self._stopping = stopping
        self._last_ms = 0

    def do_what_is_due(self, kept: JournalSettings) -> None:
        """Prune where an hour has passed; failures are logged, and the next hour tries again."""
        moment_ms = self._clock_ms()
        if abs(moment_ms - self._last_ms) < _EVERY_MS or self._stopping.is_set():
            return
        self._last_ms = moment_ms
        older_than_ms = moment_ms - kept.keep_days * _DAY_MS
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
