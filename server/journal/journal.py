"""The journal as the rest of the program sees it: one file, one writer, any number of readers.

Reopens the file after damage; how that is done is `server.journal.opening`'s business.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection
from typing import Self, TypeVar

from server.errors.base import (
    JournalBusyError,
    JournalClosedError,
    JournalDamagedError,
    JournalError,
    JournalGoneError,
)
from server.journal import events, rejections
from server.journal.events import NewEvent
from server.journal.opening import Opened, mark_damaged, open_database, read
from server.journal.rejections import CredentialUse
from server.journal.writer import Ticket, Writer

T = TypeVar("T")


class Journal:
    """The open journal. Every method may be called from any thread.

    `arrived` is set when there may be new pending events; the worker clears it, then claims.
    `moved_aside` is where a damaged database was moved to, None if there was none.
    """

    def __init__(self, path: Path, writer: "Writer | _NoWriter") -> None:
        """Take a running writer; call `open` or `shut` instead."""
        self.moved_aside: Path | None = None
        self.arrived = threading.Event()
        self._path = path
        self._writer = writer
        self._swap = threading.Lock()  # guards the writer and `_is_closed`
        self._is_closed = False

    @classmethod
    def open(cls, path: Path, now_ms: int) -> Self:
        """Open or create the database, migrate it, and release what a killed process had claimed.

        Only the service of a data folder may do this; others use `opening.open_read_only`. The
        name of a damaged file that is moved aside holds `now_ms`. Raises a `JournalError`.
        """
        opened = open_database(path, now_ms)
        journal = cls(path, _running(opened, path))
        journal.moved_aside = opened.moved_aside
        return journal

    @classmethod
    def shut(cls, path: Path, failure: JournalError) -> Self:
        """Return a journal that refuses everything with `failure` until it is reopened."""
        return cls(path, _NoWriter(path, failure))

    def append(
        self, batch: Sequence[NewEvent], uses: Sequence[CredentialUse] = ()
    ) -> Ticket[frozenset[str]]:
        """Store events and the uses of credentials; when the ticket is done, they are on the disk.

        The ticket's result is the keys of the new events.
        """

        def store(conn: Connection) -> frozenset[str]:
            new_keys = events.append(conn, batch) if batch else frozenset()
            rejections.record_uses(conn, uses, new_keys)
            return new_keys

        return self._writer.submit(store, self._announce if batch else _nothing)

    def run(self, job: Callable[[Connection], T], *, wakes_worker: bool = False) -> Ticket[T]:
        """Run `job` on the writer's thread in a transaction; `Writer` says what a job may do.

        `wakes_worker`: the job may make events pending, so set `arrived` afterwards.
        """
        return self._writer.submit(job, self._announce if wakes_worker else _nothing)

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run `job` on this thread on its own snapshot, not blocked by the writer.

        Raises a `JournalError`.
        """
        writer = self._writer
        try:
            return read(self._path, job)
        except JournalDamagedError as damage:
            writer.note_damage(damage)
            raise

    @property
    def is_in_place(self) -> bool:
        """Whether the database is still the file that was opened."""
        return self._writer.is_in_place

    @property
    def damage(self) -> JournalDamagedError | None:
        """The error that proved the file damaged; None after `reopen`."""
        return self._writer.damage

    @property
    def must_reopen(self) -> bool:
        """Whether `reopen` is needed: the file is damaged, deleted, replaced, or not open."""
        writer = self._writer
        is_sound = not writer.is_closed and writer.damage is None and writer.is_in_place
        return not is_sound and not self._is_closed

    def reopen(self, now_ms: int, timeout_s: float = 5.0) -> None:
        """Open the database again if `must_reopen`.

        Moves a damaged file aside and replaces it; puts a deleted file back. Until this returns,
        every submitted job fails with the reason. An old id may name another event afterwards, but
        only working events can be completed or failed, and a new file has none. Raises a
        `JournalError`; then retry later.
        """
        before = self._writer
        damage = before.damage
        reason = damage or JournalGoneError(path=str(self._path))
        self._writer = _NoWriter(self._path, reason, damage)
        before.request_stop()
        if not before.join(timeout_s):
            self._writer = before  # wait for it again next time: there must not be two writers
            raise JournalBusyError(path=str(self._path))
        try:
            opened = open_database(self._path, now_ms)
        except JournalError as failure:
            self._writer = _NoWriter(self._path, failure, damage)
            raise
        with self._swap:
            if self._is_closed:  # in the meantime, and the next process may have opened it
                opened.conn.close()
                closed = JournalClosedError(path=str(self._path))
                self._writer = _NoWriter(self._path, closed)
                raise closed
            self.moved_aside = opened.moved_aside
            self._writer = _running(opened, self._path)

    def close(self, timeout_s: float) -> bool:
        """Finish what is queued and close the file for good; return whether it ended in time."""
        with self._swap:
            self._is_closed = True
        self._writer.request_stop()
        return self._writer.join(timeout_s)

    def _announce(self) -> None:
        if not self.arrived.is_set():
            self.arrived.set()


def _running(opened: Opened, path: Path) -> Writer:
    writer = Writer(opened.conn, path)
    writer.start()
    return writer


@dataclass(frozen=True, slots=True)
class _NoWriter:
    """Takes the writer's place while there is none: every job fails for the same reason.

    `damage` is what the last writer knew of the file.
    """

    path: Path
    failure: JournalError
    damage: JournalDamagedError | None = None

    @property
    def is_in_place(self) -> bool:
        """False: nothing is open."""
        return False

    @property
    def is_closed(self) -> bool:
        """True: it takes no jobs."""
        return True

    def note_damage(self, damage: JournalDamagedError) -> None:
        """Have the next opening check the database."""
        del damage
        mark_damaged(self.path)

    def submit(self, job: Callable[[Connection], T], committed: Callable[[], None]) -> Ticket[T]:
        """Fail the job."""
        del job, committed
        ticket: Ticket[T] = Ticket(self.path)
        ticket.fail(self.failure)
        return ticket

    def request_stop(self) -> None:
        """Do nothing: nothing runs."""

    def join(self, timeout_s: float) -> bool:
        """Return at once: nothing runs."""
        return timeout_s >= 0


def _nothing() -> None:
    """Leave the worker asleep."""
