"""Removes old finished events and ended runs, by age and by number.

Unfinished ones are never removed. The newest event stays as well, because its id decides the next
one: with an id used twice, completing one event could complete another. Each job removes a little
and is submitted again until it returns 0, so that callbacks are stored in between. `Pruning` does
this once an hour.
"""

import logging
import threading
import time
from collections.abc import Callable
from sqlite3 import Connection
from typing import Protocol

from server.config.settings import JournalSettings
from server.errors.base import JournalError
from server.journal import requests, runs, sync_state
from server.journal.coding import dump
from server.journal.events import CODES
from server.journal.listing import counts
from server.rest.vendor_clock import DAY_MS, VendorClock

# The oldest finished events, at most a chunk of each state: bounded work even if a million older
# ones are still pending.
_PRUNE_EVENTS = """
    DELETE FROM events WHERE id IN (
        SELECT id FROM (
            SELECT id, received_at_ms, row_number() OVER (ORDER BY id) AS place FROM (
                SELECT * FROM (SELECT id, received_at_ms FROM events WHERE state = :done
                               ORDER BY id LIMIT :chunk)
                UNION ALL
                SELECT * FROM (SELECT id, received_at_ms FROM events WHERE state = :ignored
                               ORDER BY id LIMIT :chunk)
                UNION ALL
                SELECT * FROM (SELECT id, received_at_ms FROM events WHERE state = :failed
                               ORDER BY id LIMIT :chunk)
            )
        )
        WHERE (received_at_ms < :older_than_ms OR place <= :excess)
            AND id < (SELECT max(id) FROM events)
        ORDER BY id LIMIT :chunk
    )
"""

_DOOMED_RUNS = """
    SELECT id FROM sync_runs WHERE finished_at_ms IS NOT NULL AND (started_at_ms < ?
        OR id <= (SELECT id FROM sync_runs ORDER BY id DESC LIMIT 1 OFFSET ?))
        AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?
"""

_PRUNE_CHANGES = """
    DELETE FROM sync_changes WHERE (run_id, number) IN (
        SELECT run_id, number FROM sync_changes
        WHERE run_id IN (SELECT value FROM json_each(?)) LIMIT ?)
"""

_PRUNE_RUNS = """
    DELETE FROM sync_runs WHERE id IN (SELECT value FROM json_each(?))
        AND id NOT IN (SELECT run_id FROM sync_changes)
"""


def prune_events(conn: Connection, older_than_ms: int, keep_at_most: int, chunk: int = 100) -> int:
    """Remove up to `chunk` finished events, the oldest first; return how many went.

    Removes those received before `older_than_ms`, and those beyond `keep_at_most` in all.
    """
    excess = counts(conn).events - keep_at_most
    values = {**CODES, "chunk": chunk, "older_than_ms": older_than_ms, "excess": excess}
    return conn.execute(_PRUNE_EVENTS, values).rowcount


def prune_runs(conn: Connection, older_than_ms: int, keep_at_most: int, chunk: int = 500) -> int:
    """Remove up to `chunk` changes, and the ended runs that have none left; return how many rows.

    Removes runs begun before `older_than_ms`, and those beyond the newest `keep_at_most`, except
    for runs that the status still shows.
    """
    doomed = conn.execute(
        _DOOMED_RUNS, (older_than_ms, keep_at_most, dump(_told_of(conn)), chunk)
    ).fetchall()
    ids = dump([run_id for (run_id,) in doomed])
    changes_gone = conn.execute(_PRUNE_CHANGES, (ids, chunk)).rowcount
    return changes_gone + conn.execute(_PRUNE_RUNS, (ids,)).rowcount


def _told_of(conn: Connection) -> list[int]:
    """Return the runs that the status shows; they stay, however old."""
    told = [
        runs.last_success(conn),
        runs.last_complete_full(conn),
        runs.last_ended(conn, is_full=True),
        runs.last_ended(conn, is_full=False),
    ]
    held = sync_state.load(conn).held
    return [run.id for run in told if run] + ([held.run_id] if held else [])


_log = logging.getLogger(__name__)

_EVERY_S = 60 * 60
_KEPT_RUNS = 1000


class Write(Protocol):
    """Runs a job on the journal's writer and waits for its result. Raises JournalError."""

    def __call__(self, job: Callable[[Connection], int]) -> int:
        """Return what the job returned."""


class Pruning:
    """Removes what is too old by the settings. For one thread."""

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
        """Note how far DingTalk's clock was ahead of ours at the last genuine callback.

        Without the mirror, no other source tells the time. Call this soon after each callback.
        """
        if difference_ms is not None and difference_ms != self._told_ms:
            self._told_ms = difference_ms
            self._vendors.note("callbacks", difference_ms)

    def do_what_is_due(self, kept: JournalSettings) -> None:
        """Prune if an hour has passed. Failures are logged and retried in the next hour."""
        moment_s = self._steady_s()
        is_due = self._last_s is None or moment_s - self._last_s >= _EVERY_S
        if not is_due or self._stopping.is_set():
            return
        self._last_s = moment_s
        if self._vendors.is_wrong(DAY_MS):
            _log.info("Old events are kept while this computer's clock is wrong")
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
        """Repeat a job until it removes nothing more; return how much it removed."""
        gone = 0
        while not self._stopping.is_set() and (count := self._write(job)):
            gone += count
        return gone
