"""The thread `dingbridge-journal`: runs all queued jobs in one transaction with one COMMIT.

A COMMIT waits for the disk, a statement does not. So all jobs that arrive during one COMMIT share
the next. A job's result is known only after the COMMIT.
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
    """The future result of a submitted job.

    Any number of threads may wait for it. It is a bare lock, because callbacks wait for it, and
    `concurrent.futures.Future` costs several microseconds more. Its errors name `path`.
    """

    __slots__ = ("_done", "_error", "_is_done", "_path", "_value")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = threading.Lock()
        self._done.acquire()
        # A probe of the lock would hold it for a moment and mislead another probe.
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
            self._done.release()  # for the next waiting thread
        return self._is_done

    def result(self, timeout_s: float | None = None) -> T:
        """Return what the job returned, once that is on the disk; raise what it raised.

        A `JournalError` means that nothing of the job was stored, except for `JournalBusyError`:
        it is also raised after `timeout_s`, and then the job may still be committed.
        """
        if not self.wait(timeout_s):
            raise JournalBusyError(path=str(self._path))
        if self._error is not None:
            raise self._error
        return cast("T", self._value)

    def resolve(self, value: T) -> None:
        """Set the result; only the writer calls this, once."""
        self._value = value
        self._end()

    def fail(self, error: Exception) -> None:
        """Set the error; only the writer calls this, once."""
        self._error = error
        self._end()

    def _end(self) -> None:
        self._is_done = True
        self._done.release()


@dataclass(frozen=True, slots=True)
class _PendingJob:
    """A queued job, its ticket, and what to call after the COMMIT."""

    job: Callable[[Connection], Any]
    ticket: Ticket[Any]
    committed: Callable[[], None]


class Writer:
    """Owns the writable connection and runs jobs on it in the order of submission.

    A job gets the connection in a transaction. It must not commit or keep the connection, and it
    must be short, because callbacks wait behind it.
    """

    def __init__(self, conn: Connection, path: Path) -> None:
        self._conn = conn
        self._path = path
        self._place = FileIdentity(path)
        self._queue: SimpleQueue[_PendingJob | None] = SimpleQueue()
        self._door = threading.Lock()
        self._is_closed = False
        self._damage: JournalDamagedError | None = None
        self._thread = threading.Thread(target=self._run, name="dingbridge-journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def submit(
        self, job: Callable[[Connection], T], committed: Callable[[], None] = lambda: None
    ) -> Ticket[T]:
        """Queue `job`; any thread may. `committed` is called on the writer's thread afterwards.

        After `request_stop` the returned ticket has failed with `JournalClosedError`.
        """
        ticket: Ticket[T] = Ticket(self._path)
        with self._door:
            if not self._is_closed:
                self._queue.put(_PendingJob(job, ticket, committed))
                return ticket
        ticket.fail(JournalClosedError(path=str(self._path)))
        return ticket

    @property
    def is_in_place(self) -> bool:
        """Whether the database is still the file that was opened. Any thread may ask."""
        return self._place.is_unchanged

    @property
    def damage(self) -> JournalDamagedError | None:
        """The error that proved the database damaged, None if there was none."""
        return self._damage

    @property
    def is_closed(self) -> bool:
        """Whether it takes no more jobs."""
        return self._is_closed

    def note_damage(self, damage: JournalDamagedError) -> None:
        """Remember damage, and have the next opening check the database. Any thread."""
        if self._damage is None:
            _log.error("%s", damage)
            self._damage = damage
        mark_damaged(self._path)

    def request_stop(self) -> None:
        """Take no more jobs, finish the queued ones, then close the database."""
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
        """Wait for jobs and run all there are; return whether there may be more."""
        queued = [self._queue.get()]
        while not self._queue.empty():
            queued.append(self._queue.get())
        group = [entry for entry in queued if entry is not None]
        if group:
            self._write(group)
        return len(group) == len(queued)

    def _write(self, group: Sequence[_PendingJob]) -> None:
        try:
            self._conn.execute("BEGIN IMMEDIATE")
            results = self._run_alone(group[0]) if len(group) == 1 else self._run_each(group)
            self._ensure_in_place()
            self._conn.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 - passed on to those who submitted
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

    def _run_alone(self, entry: _PendingJob) -> list[tuple[Any, Exception | None]]:
        """Run a single job; its failure undoes the transaction, so it needs no savepoint."""
        return [(entry.job(self._conn), None)]

    def _run_each(self, group: Sequence[_PendingJob]) -> list[tuple[Any, Exception | None]]:
        return [self._run_guarded(entry) for entry in group]

    def _run_guarded(self, entry: _PendingJob) -> tuple[Any, Exception | None]:
        """Run a job in a savepoint, so that its failure undoes only its own work."""
        self._conn.execute("SAVEPOINT job")
        try:
            value = entry.job(self._conn)
        except Exception as exc:
            if not self._conn.in_transaction:
                raise  # a full disk ends the whole transaction, with the other jobs' work
            self._conn.execute("ROLLBACK TO job")
            self._conn.execute("RELEASE job")
            return None, self._explained(exc)
        self._conn.execute("RELEASE job")
        return value, None

    def _undo(self) -> None:
        try:
            roll_back(self._conn)
        except sqlite3.Error:
            _log.exception("The transaction could not be rolled back")

    def _explained(self, exc: Exception) -> Exception:
        """Translate an error of SQLite or of decoding; damage is noted for the whole journal."""
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
            _log.warning("The journal's WAL was not merged: %s", translate(exc, self._path))
        finally:
            self._conn.close()
