"""The quarantine in force: no calls while nothing works, measured by the monotonic clock.

The journal keeps it over a restart. A clock that was wrong at its start does not prolong it; if the
clock is set, the stored end is corrected for the status and the next start.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from server.directory.causes import Cause
from server.journal import sync_state
from server.journal.journal import Journal
from server.journal.sync_state import Quarantine
from server.sync.ledger import WAIT_S
from server.sync.schedule import MINUTE_MS, Moment, quarantine_after

_LOG = logging.getLogger(__name__)


class Gate:
    """Closed during a quarantine. For one thread only."""

    def __init__(self, journal: Journal, moment: Callable[[], Moment]) -> None:
        self._journal = journal
        self._moment = moment
        self._quarantine: Quarantine | None = None
        self._until_steady_ms = 0

    @property
    def has_quarantine(self) -> bool:
        """Whether there is a quarantine, even if its time is over and a retry is due."""
        return self._quarantine is not None

    def left_ms(self, now: Moment) -> int:
        """Return how long to make no calls."""
        return max(0, self._until_steady_ms - now.steady_ms) if self._quarantine else 0

    def restore(self, quarantine: Quarantine | None) -> None:
        """Continue a quarantine that the journal holds."""
        now = self._moment()
        self._quarantine = quarantine
        if quarantine:
            self._until_steady_ms = now.steady_ms + quarantine.left_ms(now.wall_ms)

    def shut(self, cause: Cause, wait_s: float | None = None) -> None:
        """Begin or prolong the quarantine; the log reports only its beginning."""
        if self._quarantine is None:
            _LOG.error("Sync paused: %s %s", cause.title, cause.hint)
        self.restore(quarantine_after(self._quarantine, cause, self._moment().wall_ms, wait_s))
        self._store(self._quarantine)

    def lift(self) -> None:
        """End the quarantine, if there is one."""
        if self._quarantine is not None:
            self._store(None)
            self._quarantine = None

    def correct(self, now: Moment) -> None:
        """Store the end anew if the clock was set."""
        until_ms = now.wall_ms + self.left_ms(now)
        if self._quarantine and abs(until_ms - self._quarantine.until_ms) > MINUTE_MS:
            self._quarantine = replace(self._quarantine, until_ms=until_ms)
            self._store(self._quarantine)

    def _store(self, quarantine: Quarantine | None) -> None:
        job = self._journal.run(lambda conn: sync_state.set_quarantine(conn, quarantine))
        job.result(WAIT_S)
