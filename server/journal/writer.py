"""The one thread that writes: it runs what is queued in one transaction and one COMMIT.

A COMMIT waits for the disk, a statement does not; so everything that arrived while the last one
waited shares the next. Whoever submitted a job learns its result after the COMMIT, never before.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from sqlite3 import Connection
from typing import Any, Generic, TypeVar, cast

from server.errors.base import (
    JournalBusyError,
    JournalClosedError,
    JournalDamagedError,
    JournalGoneError,
)
from server.journal.connection import FileIdentity, MisreadError, roll_back, translate
from server.journal.opening import mark_damaged

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Ticket(Generic[T]):
    """What `Writer.submit` gives for a job: wait for it, then take its result or its error.

    Any number of threads may wait or ask. It is one bare lock, because a callback waits for one of
    these; `concurrent.futures.Future` costs several microseconds more. `path` stands in its errors.
    """

    __slots__ = ("_done", "_error", "_is_done", "_path", "_value")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = threading.Lock()
        self._done.acquire()
        # Asking the lock itself would tell those who ask at the same time that it is held: by us.
        self._is_done = False
        self._error: Exception | None = None
        self._value: T | None = None

    @property
    def is_done(self) -> bool:
        """Whether the job was committed or has failed."""
        return self._is_done

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the job is done, at most `timeout_s`; return whether it is."""
        if not self._is_done and self._done.acquire(timeout=-1 if timeout_s is None else timeout_s):
            self._done.release()  # for the next who waits
        return self._is_done

    def result(self, timeout_s: float | None = None) -> T:
        """Return what the job returned, once that is on the disk; raise what it raised.

        Errors of the database are `JournalError`: nothing of the job was stored. Only after
        `JournalBusyError`, which also says that the time was up, it may still be committed.
        """
        if not self.wait(timeout_s):
            raise JournalBusyError(path=str(self._path))
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def resolve(self, value: T) -> None:
        """Hand over the result; the writer does this once, and nobody else."""
        self._value = value
        self._end()

    def fail(self, error: Exception) -> None:
        """Hand over the error; the writer does this once, and nobody else."""
        self._error = error
        self._end()

    def _end(self) -> None:
        self._is_done = True
        self._done.release()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A job in the queue, its ticket, and what to call when it is on the disk."""

    job: Callable[[Connection], Any]
    ticket: Ticket[Any]
    committed: Callable[[], None]


class Writer:
    """Owns the writable connection and runs jobs on it in the order in which they come.

    A job gets the connection inside a transaction: it neither commits nor keeps the connection,
    and it is short, since callbacks wait behind it.
    """

    def __init__(self, conn: Connection, path: Path) -> None:
        self._conn = conn
        self._path = path
        self._place = FileIdentity(path)
        self._queue: SimpleQueue[_Entry | None] = SimpleQueue()
        self._door = threading.Lock()
        self._is_closed = False
        self._damage: JournalDamagedError | None = None
        self._thread = threading.Thread(target=self._run, name="dingbridge-journal", daemon=True)

    def start(self) -> None:
        """Begin to work on what is queued."""
        self._thread.start()

    def submit(
        self, job: Callable[[Connection], T], committed: Callable[[], None] = lambda: None
    ) -> Ticket[T]:
        """Queue `job`; any thread may. `committed` is called on the writer's thread after it.

        After `request_stop` the ticket has failed already, with `JournalClosedError`.
        """
        ticket: Ticket[T] = Ticket(self._path)
        with self._door:
            if not self._is_closed:
                self._queue.put(_Entry(job, ticket, committed))
                return ticket
        ticket.fail(JournalClosedError(path=str(self._path)))
        return ticket

    @property
    def is_in_place(self) -> bool:
        """Whether the database is still where it was opened. Any thread may ask."""
        return self._place.is_unchanged

    @property
    def damage(self) -> JournalDamagedError | None:
        """What proved that the database is damaged, None as long as nothing did."""
        return self._damage

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._is_closed

    def note_damage(self, damage: JournalDamagedError) -> None:
        """Remember that the database proved damaged, and mark it to be checked. Any thread."""
        if self._damage is None:
            _log.error("%s", damage)
            self._damage = damage
        mark_damaged(self._path)

    def request_stop(self) -> None:
        """Take nothing more; what is queued is still done, then the database is closed."""
        with self._door:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self.loop():
            pass
        self._close()

    def loop(self) -> bool:
        """Wait for work and do all there is; return whether there may be more."""
        queued = [self._queue.get()]
        while not self._queue.empty():
            queued.append(self._queue.get())
        group = [entry for entry in queued if entry is not None]
        if group:
            self._write(group)
        return len(group) == len(queued)

    def _write(self, group: Sequence[_Entry]) -> None:
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            results = self._run_alone(group[0]) if len(group) == 1 else self._run_each(group)
            self._ensure_in_place()
            self._conn.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - it belongs to those who submitted
            self._undo()
            for entry in group:
                entry.ticket.fail(self._explained(exc))
            return
        for entry, (value, error) in zip(group, results, strict=True):
            if error is not None:
                entry.ticket.fail(error)
            else:
                entry.committed()
                entry.ticket.resolve(value)

    def _ensure_in_place(self) -> None:
        if not self._place.is_unchanged:
            raise JournalGoneError(path=str(self._path))

    def _run_alone(self, entry: _Entry) -> list[tuple[Any, Exception | None]]:
        """Run the only job; its failure undoes the transaction, so it needs no savepoint."""
        return [(entry.job(self._conn), None)]

    def _run_each(self, group: Sequence[_Entry]) -> list[tuple[Any, Exception | None]]:
        return [self._run_guarded(entry) for entry in group]

    def _run_guarded(self, entry: _Entry) -> tuple[Any, Exception | None]:
        """Run a job so that its failure undoes only what it did itself."""
        self._conn.execute("SAVEPOINT job")
        try:
            value = entry.job(self._conn)
        except Exception as exc:
            if not self._conn.in_transaction:
                raise  # a full disk ends the whole transaction, and so the others' work too
            self._conn.execute("ROLLBACK TO job")
            self._conn.execute("RELEASE job")
            return None, self._explained(exc)
        self._conn.execute("RELEASE job")
        return value, None

    def _undo(self) -> None:
        try:
            roll_back(self._conn)
        except sqlite3.Error:
            _log.exception("The transaction could not be rolled back.")

    def _explained(self, exc: Exception) -> Exception:
        """Translate what SQLite or a value raised; of damage the whole journal is to know."""
        if not isinstance(exc, sqlite3.Error | MisreadError):
            return exc
        error = translate(exc, self._path)
        error.__cause__ = exc
        if isinstance(error, JournalDamagedError):
            self.note_damage(error)
        return error

    def _close(self) -> None:
        try:
            if not self._place.is_unchanged:
                self._place.put_back(self._conn)
            self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as exc:
            # Harmless: the next start reads what is left in the WAL.
            _log.warning("The journal's WAL stays: %s", translate(exc, self._path))
        finally:
            self._conn.close()
