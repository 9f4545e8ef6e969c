"""The housekeeper's duties that keep state from one tick to the next.

Simple duties are a `Routine` or a `Once` of `server.service.housekeeper`.
"""

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
# A check reads the whole file, and callbacks are refused meanwhile. So if one finds no damage, the
# next one waits for this long.
_RECHECK_AFTER_S = 60.0


class ReopenJournal:
    """Reopens a database that is damaged or gone, or could not be opened at start."""

    name = "reopen the database"

    def __init__(
        self,
        journal: Journal,
        clock_ms: Callable[[], int],
        handler_state: Callable[[], HandlerState],
        on_reopened: Callable[[], object],
        stopping: threading.Event,
    ) -> None:
        self._journal = journal
        self._on_reopened = on_reopened
        self._clock_ms = clock_ms
        self._handler_state = handler_state
        self._stopping = stopping
        self._not_before_s = 0.0
        self._settled: JournalError | None = None

    def due(self) -> bool:
        """Whether nothing can be stored until it is reopened."""
        if self._stopping.is_set():  # the next start will do it
            return False
        if self._journal.damage is not None and time.monotonic() < self._not_before_s:
            return False
        return self._journal.must_reopen

    def run(self) -> None:
        """Reopen the database. Raises JournalError."""
        if not self.due():
            return
        damage = self._journal.damage
        self._journal.reopen(self._clock_ms())
        self._settled = self._handler_state().unstored
        self._on_reopened()
        if self._journal.moved_aside is not None:
            _log.warning("The damaged database was moved to %s", self._journal.moved_aside)
        elif damage is not None:
            _log.warning("The database was checked, and no damage was found")
            self._not_before_s = time.monotonic() + _RECHECK_AFTER_S

    def unstored(self) -> JournalError | None:
        """Return why callbacks cannot be stored, None if they can or it is not known.

        The handler's state alone would not do: it only changes with the next callback, which may
        take days.
        """
        failure = self._handler_state().unstored
        is_over = failure is self._settled or isinstance(failure, JournalClosedError)
        return None if is_over else failure


class StoreRejections:
    """Stores the list of rejected calls whenever it changed, and reports the change."""

    name = "store the list of rejected calls"

    def __init__(
        self,
        log: RejectionLog,
        journal: Journal,
        on_news: Callable[[list[Rejection]], object],
        may_begin: Callable[[], bool],
    ) -> None:
        """Store nothing before `may_begin`: the stored list must be restored first."""
        self._log = log
        self._journal = journal
        self._on_news = on_news
        self._may_begin = may_begin
        self._unstored: list[Rejection] | None = None

    def due(self) -> bool:
        """Whether the list changed since it was stored."""
        changed = self._log.taken_if_changed()
        if changed is not None:
            self._unstored = changed
            self._on_news(changed)
        return self._unstored is not None and self._may_begin()

    def run(self) -> None:
        """Store the list. Raises JournalError."""
        self.due()  # after a failure, store the newest list, not the one that failed
        latest = self._unstored
        if latest is None or not self._may_begin():
            return

        def store(conn: Connection) -> None:
            stored_rejections.replace_all(conn, latest)

        self._journal.run(store).result(JOB_S)
        self._unstored = None


class Publish:
    """Publishes where callbacks are accepted, and what fails, for the other commands."""

    name = "publish the state of the service"

    def __init__(
        self,
        instance: InstanceLock,
        address: Callable[[], str],
        handler_state: Callable[[], HandlerState],
        troubles: Callable[[], Iterator[Trouble]],
        stopping: threading.Event,
    ) -> None:
        self._instance = instance
        self._address = address
        self._handler_state = handler_state
        self._troubles = troubles
        self._stopping = stopping
        self._published: object = None

    def due(self) -> bool:
        """Whether something changed since it was published."""
        return self._current() != self._published and not self._stopping.is_set()

    def run(self) -> None:
        """Publish the present state. Raises FileAccessError."""
        address, difference_ms, troubles = current = self._current()
        self._instance.publish(address, clock_difference_ms=difference_ms, troubles=troubles)
        self._published = current

    def _current(self) -> tuple[str, int | None, tuple[Trouble, ...]]:
        found: list[Trouble] = []
        for trouble in self._troubles():  # several parts may fail for the same reason
            if trouble not in found:
                found.append(trouble)
        return self._address(), self._handler_state().clock_difference_ms, tuple(found)
