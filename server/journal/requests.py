"""Passes a request for a run from a `sync` command to the service, and the answer back.

Through the database, never over HTTP: the command posts a row and polls for the answer; the service
takes the oldest row and answers with the resulting run. Requests left by a dead service are refused
at the next start, because an approval must not take effect hours later.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from server.directory.causes import Cause
from server.journal.coding import dump_cause, load_cause
from server.journal.connection import connect, decode_errors, transaction, translated
from server.journal.schema import check_not_newer

T = TypeVar("T")


class RequestKind(StrEnum):
    """What is requested: a full run, its preview, or a full run that also does what is held."""

    FULL = "full"
    PREVIEW = "preview"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """A request for a run. `digest` is what ALLOW approves; `post` assigns the `id`."""

    kind: RequestKind
    digest: str | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request: the resulting run, or why there was none."""

    run_id: int | None = None
    refusal: Cause | None = None


def post(conn: Connection, request: SyncRequest, at_ms: int) -> int:
    """Post a request for the service; return its id."""
    row = conn.execute(
        "INSERT INTO sync_requests (posted_at_ms, kind, digest) VALUES (?, ?, ?) RETURNING id",
        (at_ms, request.kind, request.digest),
    ).fetchone()
    return int(row[0])


def is_waiting(conn: Connection) -> bool:
    """Whether there is a request to take; the service polls this."""
    (found,) = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM sync_requests WHERE state = 'waiting')"
    ).fetchone()
    return bool(found)


@decode_errors()
def take(conn: Connection) -> SyncRequest | None:
    """Take the oldest request, None if there is none."""
    row = conn.execute(
        "UPDATE sync_requests SET state = 'taken' WHERE id ="
        " (SELECT min(id) FROM sync_requests WHERE state = 'waiting') RETURNING kind, digest, id"
    ).fetchone()
    return None if row is None else SyncRequest(RequestKind(row[0]), row[1], row[2])


def answer(conn: Connection, request_id: int, given: Answer) -> None:
    """Answer a request that was taken."""
    conn.execute(
        "UPDATE sync_requests SET state = 'answered', run_id = ?, refusal = ? WHERE id = ?",
        (given.run_id, dump_cause(given.refusal), request_id),
    )


@decode_errors()
def answer_of(conn: Connection, request_id: int) -> Answer | None:
    """Return the answer to a request, None until there is one."""
    row = conn.execute(
        "SELECT run_id, refusal FROM sync_requests WHERE id = ? AND state = 'answered'",
        (request_id,),
    ).fetchone()
    return None if row is None else Answer(row[0], load_cause(row[1]))


def withdraw(conn: Connection, request_id: int) -> bool:
    """Withdraw a request; return False if the service has taken it already."""
    deleted = conn.execute(
        "DELETE FROM sync_requests WHERE id = ? AND state = 'waiting'", (request_id,)
    )
    return deleted.rowcount == 1


def refuse_stale(conn: Connection, refusal: Cause) -> int:
    """Refuse the requests that a previous service left unanswered; return how many."""
    return conn.execute(
        "UPDATE sync_requests SET state = 'answered', refusal = ? WHERE state != 'answered'",
        (dump_cause(refusal),),
    ).rowcount


def prune(conn: Connection, older_than_ms: int) -> int:
    """Delete answered requests posted before `older_than_ms`; return how many."""
    return conn.execute(
        "DELETE FROM sync_requests WHERE state = 'answered' AND posted_at_ms < ?",
        (older_than_ms,),
    ).rowcount


def write_beside(path: Path, job: Callable[[Connection], T]) -> T:
    """Run a short `job` in its own transaction, beside the service that owns the database.

    Raises a `JournalError` if nothing was written.
    """
    with translated(path), closing(connect(path)) as conn:
        check_not_newer(conn, path)
        with transaction(conn):
            return job(conn)
