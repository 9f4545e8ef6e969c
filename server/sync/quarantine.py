"""The quarantine in force: no call while nothing works, counted on the clock that nobody can set.

The journal keeps it over a restart. A clock that was wrong when it began makes it no longer, and
where the clock is set meanwhile the stored end is set anew, for the status and the next start.
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
    """Closed while there is a quarantine. Used by one thread."""

    def __init__(self, journal: Journal, moment: Callable[[], Moment]) -> None:
        self._journal = journal
        self._moment = moment
        self._quarantine: Quarantine | None = None
        self._until_steady_ms = 0

    @property
    def has_quarantine(self) -> bool:
        """Whether there is one, also where its time is over and the next try is due."""
        return self._quarantine is not None

    def left_ms(self, now: Moment) -> int:
        """Say how long to keep still."""
        return max(0, self._until_steady_ms - now.steady_ms) if self._quarantine else 0

    def take_up(self, quarantine: Quarantine | None) -> None:
        """Go on with what the journal holds."""
        now = self._moment()
        self._quarantine = quarantine
        if quarantine:
            self._until_steady_ms = now.steady_ms + quarantine.left_ms(now.wall_ms)

    def shut(self, cause: Cause, wait_s: float | None = None) -> None:
        """Begin or prolong the quarantine; the admin is told by the status, once."""
        if self._quarantine is None:
            _LOG.error("The sync keeps still: %s %s", cause.title, cause.hint)
        self.take_up(quarantine_after(self._quarantine, cause, self._moment().wall_ms, wait_s))
        self._store(self._quarantine)

    def lift(self) -> None:
        """End it; harmless where there is none."""
        if self._quarantine is not None:
            self._store(None)
            self._quarantine = None

    def correct(self, now: Moment) -> None:
        """Store anew until when it goes on, where the clock was set meanwhile."""
        until_ms = now.wall_ms + self.left_ms(now)
        if self._quarantine and abs(until_ms - self._quarantine.until_ms) > MINUTE_MS:
            self._quarantine = replace(self._quarantine, until_ms=until_ms)
            self._store(self._quarantine)

    def _store(self, quarantine: Quarantine | None) -> None:
        job = self._journal.run(lambda conn: sync_state.set_quarantine(conn, quarantine))
        job.result(WAIT_S)
