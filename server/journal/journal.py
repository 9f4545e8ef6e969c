"""The journal as the rest of the program holds it: one file, one writer, any number of readers."""

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
    `moved_aside` is where a damaged database was moved to at start, else None.
    """

    def __init__(self, path: Path, writer: "Writer | _NoWriter") -> None:
        """Take a writer that runs; use `open` or `shut`."""
        self.moved_aside: Path | None = None
        self.arrived = threading.Event()
        self._path = path
        self._writer = writer
        self._swap = threading.Lock()  # the writer, and whether there may be another one
        self._is_closed = False

    @classmethod
    def open(cls, path: Path, now_ms: int) -> Self:
        """Open or create the database, migrate it, and take back what a killed process had claimed.

        Only the one service of a data folder may do this; others use `opening.peek`. `now_ms`
        names a damaged file moved aside. Raises a `JournalError`.
        """
        opened = open_database(path, now_ms)
        journal = cls(path, _running(opened, path))
        journal.moved_aside = opened.moved_aside
        return journal

    @classmethod
    def shut(cls, path: Path, failure: JournalError) -> Self:
        """Return a journal that takes nothing, for `failure`, until it can be reopened."""
        return cls(path, _NoWriter(path, failure))

    def append(
        self, batch: Sequence[NewEvent], uses: Sequence[CredentialUse] = ()
    ) -> Ticket[frozenset[str]]:
        """Store events and the uses of credentials they came under; done means on the disk.

        The result is the keys of the events that were new.
        """

        def store(conn: Connection) -> frozenset[str]:
            new_keys = events.append(conn, batch) if batch else frozenset()
            rejections.record_uses(conn, uses, new_keys)
            return new_keys

        return self._writer.submit(store, self._announce if batch else _nothing)

    def run(self, job: Callable[[Connection], T], *, wakes_worker: bool = False) -> Ticket[T]:
        """Have the writer run `job` in a transaction; see `Writer` for what a job may do.

        `wakes_worker` says that it may make events pending (a requeue), and so sets `arrived`.
        """
        return self._writer.submit(job, self._announce if wakes_worker else _nothing)

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run `job` on a view of its own, on this thread, not blocked by the writer.

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
        """What proved that the file is damaged, whoever met it; None after `reopen`."""
        return self._writer.damage

    @property
    def must_reopen(self) -> bool:
        """Whether it takes `reopen` to go on: damaged, deleted, replaced, or not open at all."""
        writer = self._writer
        is_sound = not writer.is_closed and writer.damage is None and writer.is_in_place
        return not is_sound and not self._is_closed

    def reopen(self, now_ms: int, timeout_s: float = 5.0) -> None:
        """Begin anew where `must_reopen` says so.

        A damaged file is moved aside and replaced; a deleted one is put back as it was.
        Until this returns, whatever is submitted fails, and is told why. An id from before may name
        another event afterwards; but only working events can be completed or failed, and none is
        working in a new file. Raises a `JournalError`; then try again later.
        """
        before = self._writer
        damage = before.damage
        reason = damage or JournalGoneError(path=str(self._path))
        self._writer = _NoWriter(self._path, reason, damage)
        before.request_stop()
        if not before.join(timeout_s):
            self._writer = before  # to be waited for again: there must not be two
            raise JournalBusyError(path=str(self._path))
        try:
            opened = open_database(self._path, now_ms)
        except JournalError as failure:
            self._writer = _NoWriter(self._path, failure, damage)
            raise
        with self._swap:
            if self._is_closed:  # meanwhile, and the next process may have opened it
                opened.conn.close()
                closed = JournalClosedError(path=str(self._path))
                self._writer = _NoWriter(self._path, closed)
                raise closed
            self.moved_aside = opened.moved_aside
            self._writer = _running(opened, self._path)

    def close(self, timeout_s: float) -> bool:
        """Finish what is queued and close the file for good; return whether it took no longer."""
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
    """Stands where no writer can be: every job fails for the same reason.

    `damage` is what the last writer knew of the file.
    """

    path: Path
    failure: JournalError
    damage: JournalDamagedError | None = None

    @property
    def is_in_place(self) -> bool:
        """No: there is nothing yet."""
        return False

    @property
    def is_closed(self) -> bool:
        """Yes: it takes nothing."""
        return True

    def note_damage(self, damage: JournalDamagedError) -> None:
        """Mark the database to be checked when it is opened."""
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
        """Nothing runs."""
        return timeout_s >= 0


def _nothing() -> None:
    """Leave the worker asleep."""
