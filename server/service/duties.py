"""The housekeeper's duties that remember something from one tick to the next."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from sqlite3 import Connection

from server.callback.handler import HandlerState
from server.callback.rejections import RejectionLog
from server.errors.base import JournalClosedError, JournalError, Trouble
from server.journal import rejections as stored_rejections
from server.journal.journal import Journal
from server.journal.rejections import Rejection
from server.service.instance import InstanceLock

_log = logging.getLogger(__name__)

JOB_S = 30.0
# The whole file is read to find the damage. Where none is found, whoever meets it again has to
# wait: callbacks are refused meanwhile.
_SECOND_LOOK_S = 60.0


class ReopenJournal:
    """Begins anew with a database that proved damaged or gone, or could not be opened at first."""

    name = "open the database anew"

    def __init__(
        self,
        journal: Journal,
        clock_ms: Callable[[], int],
        facts: Callable[[], HandlerState],
        on_reopened: Callable[[], object],
        stopping: threading.Event,
    ) -> None:
        self._journal = journal
        self._on_reopened = on_reopened
        self._clock_ms = clock_ms
        self._facts = facts
        self._stopping = stopping
        self._not_before_s = 0.0
        self._settled: JournalError | None = None

    def due(self) -> bool:
        """Tell whether nothing can be stored without it."""
        if self._stopping.is_set():  # the next start does it, and nobody waits for that
            return False
        if self._journal.damage is not None and time.monotonic() < self._not_before_s:
            return False
        return self._journal.must_reopen

    def run(self) -> None:
        """Open the database anew; raises JournalError."""
        if not self.due():
            return
        damage = self._journal.damage
        self._journal.reopen(self._clock_ms())
        self._settled = self._facts().unstored
        self._on_reopened()
        if self._journal.moved_aside is not None:
            _log.warning("The damaged database was moved to %s", self._journal.moved_aside)
        elif damage is not None:
            _log.warning("The database was checked, and no damage was found")
            self._not_before_s = time.monotonic() + _SECOND_LOOK_S

    def unstored(self) -> JournalError | None:
        """Return why callbacks cannot be stored, None where that is over or not known.

        The desk hears that it is over with the next callback, which may take days.
        """
        failure = self._facts().unstored
        is_over = failure is self._settled or isinstance(failure, JournalClosedError)
        return None if is_over else failure


class StoreRejections:
    """Stores the list of rejected calls, and tells of a new one whoever has to know."""

    name = "store the list of rejected calls"

    def __init__(
        self,
        log: RejectionLog,
        journal: Journal,
        on_news: Callable[[list[Rejection]], object],
        may_begin: Callable[[], bool],
    ) -> None:
        """Store nothing before `may_begin`: what is stored has to be read before."""
        self._log = log
        self._journal = journal
        self._on_news = on_news
        self._may_begin = may_begin
        self._unstored: list[Rejection] | None = None

    def due(self) -> bool:
        """Tell whether the list changed since it was stored."""
        changed = self._log.taken_if_changed()
        if changed is not None:
            self._unstored = changed
            self._on_news(changed)
        return self._unstored is not None and self._may_begin()

    def run(self) -> None:
        """Store the list; raises JournalError."""
        self.due()  # also after a failure the newest is stored
        latest = self._unstored
        if latest is None or not self._may_begin():
            return

        def store(conn: Connection) -> None:
            stored_rejections.replace_all(conn, latest)

        self._journal.run(store).result(JOB_S)
        self._unstored = None


class Publish:
    """Tells the other commands where callbacks are accepted, and what fails."""

    name = "tell the other commands how all stands"

    def __init__(
        self,
        instance: InstanceLock,
        address: Callable[[], str],
        facts: Callable[[], HandlerState],
        troubles: Callable[[], Iterator[Trouble]],
        stopping: threading.Event,
    ) -> None:
        self._instance = instance
        self._address = address
        self._facts = facts
        self._troubles = troubles
        self._stopping = stopping
        self._published: object = None

    def due(self) -> bool:
        """Tell whether something else is to be told than before."""
        return self._seen() != self._published and not self._stopping.is_set()

    def run(self) -> None:
        """Tell it; raises FileAccessError."""
        address, difference_ms, troubles = seen = self._seen()
        self._instance.publish(address, clock_difference_ms=difference_ms, troubles=troubles)
        self._published = seen

    def _seen(self) -> tuple[str, int | None, tuple[Trouble, ...]]:
        found: list[Trouble] = []
        for trouble in self._troubles():  # several may fail for the same reason
            if trouble not in found:
                found.append(trouble)
        return self._address(), self._facts().clock_difference_ms, tuple(found)
