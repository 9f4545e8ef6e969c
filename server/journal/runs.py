"""The runs of the sync and their changes, one row each, written as they are applied.

Every function takes a connection; those that write are jobs for the writer. A run without an end
was killed or is under way; `interrupted` finds the killed ones at the next start.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from sqlite3 import Connection
from typing import Any, Self

from server.directory.causes import Cause
from server.directory.change import Action, Change, Fields
from server.directory.model import Kind
from server.errors.message import Message
from server.journal.coding import (
    dump,
    dump_cause,
    dump_fields,
    dump_messages,
    load_cause,
    load_fields,
    load_messages,
)
from server.journal.connection import decode_errors


class RunCause(StrEnum):
    """Why a run was made. PREVIEW: somebody wanted to see what a run would do."""

    ASKED = "asked"
    PREVIEW = "preview"
    ENABLED = "enabled"
    DAILY = "daily"
    START = "start"
    INTERRUPTED = "interrupted"
    WAKE = "wake"
    SETTINGS = "settings"
    EVENTS = "events"
    UNCLEAR_EVENT = "unclear-event"
    MISSED_EVENTS = "missed-events"
    RETRY = "retry"


class RunStatus(StrEnum):
    """How a run ended. INTERRUPTED: the process ended before the run did."""

    SUCCESS = "success"
    PARTIAL = "partial"
    HELD = "held"
    REFUSED = "refused"
    FAILED = "failed"
    PREVIEW = "preview"
    INTERRUPTED = "interrupted"


class Result(StrEnum):
    """The result of a change."""

    PLANNED = "planned"
    DONE = "done"
    HELD = "held"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RecordedChange:
    """A change and its result; `error` says why it failed, and what to do."""

    action: Action
    kind: Kind
    dingtalk_id: str
    wecom_id: str
    fields: Fields
    result: Result
    error: Cause | None = None
    warnings: tuple[Message, ...] = ()

    @classmethod
    def of(cls, change: Change, result: Result, error: Cause | None = None) -> Self:
        """Record a planned change; without an `error`, its own cause is recorded."""
        return cls(
            change.action,
            change.kind,
            change.dingtalk_id,
            change.wecom_id,
            change.fields,
            result,
            error or change.cause,
            change.warnings,
        )


@dataclass(frozen=True, slots=True)
class RunCounts:
    """How much a run read, and how many changes had which result. Conflicts count as skipped."""

    people: int = 0
    departments: int = 0
    done: int = 0
    held: int = 0
    skipped: int = 0
    failed: int = 0
    planned: int = 0
    conflicts: int = 0

    @classmethod
    def of(cls, changes: Iterable[RecordedChange], people: int = 0, departments: int = 0) -> Self:
        """Count the changes of a run that read so many people and departments."""
        listed = list(changes)
        results = Counter(change.result for change in listed)
        return cls(
            people,
            departments,
            **{str(result): results[result] for result in Result},
            conflicts=sum(1 for change in listed if change.action is Action.CONFLICT),
        )


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    # INTERRUPTED only as `close_interrupted` finds it.
    status: RunStatus
    # Of what awaits approval.
    digest: str | None = None
    # None if the run ended before reading.
    snapshot_complete: bool | None = None
    # What could not be read.
    incomplete_reason: tuple[Message, ...] = ()
    error: Cause | None = None
    counts: RunCounts = field(default_factory=RunCounts)
    # What the admin should know about the run although nothing failed.
    warnings: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run without its changes; `finished_at_ms` and `ending` are None while it is under way."""

    id: int
    cause: RunCause
    # It compared everything in scope, not only what events named.
    is_full: bool
    started_at_ms: int
    finished_at_ms: int | None = None
    ending: Ending | None = None


_COLUMNS = (
    "id, cause, is_full, started_at_ms, finished_at_ms, status, digest, snapshot_complete,"
    " incomplete_reason, error, counts, warnings"
)

_CHANGE_COLUMNS = "action, kind, dingtalk_id, wecom_id, fields, result, error, warnings"

_RECORD = f"""
    INSERT INTO sync_changes (run_id, number, {_CHANGE_COLUMNS})
    SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
    FROM sync_changes WHERE run_id = ?1
"""  # noqa: S608 - the columns are a constant

_FINISH = """
    UPDATE sync_runs SET finished_at_ms = ?, status = ?, digest = ?, snapshot_complete = ?,
        incomplete_reason = ?, error = ?, counts = ?, warnings = ?
    WHERE id = ?
"""

# The statuses of a run that compared the whole directory, whatever the results of its changes.
_COMPARED = (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.HELD)


def begin(conn: Connection, cause: RunCause, at_ms: int, *, is_full: bool = True) -> int:
    """Record that a run begins; return its id."""
    row = conn.execute(
        "INSERT INTO sync_runs (cause, is_full, started_at_ms) VALUES (?, ?, ?) RETURNING id",
        (cause, is_full, at_ms),
    ).fetchone()
    return int(row[0])


def record(conn: Connection, run_id: int, *changes: RecordedChange) -> None:
    """Add changes and their results to a run, in order."""
    conn.executemany(_RECORD, [(run_id, *_change_row(change)) for change in changes])


def finish(conn: Connection, run_id: int, ending: Ending, at_ms: int) -> None:
    """Record how a run ended."""
    row = (
        at_ms,
        ending.status,
        ending.digest,
        ending.snapshot_complete,
        dump_messages(ending.incomplete_reason),
        dump_cause(ending.error),
        dump(asdict(ending.counts)),
        dump_messages(ending.warnings),
        run_id,
    )
    conn.execute(_FINISH, row)


def latest(conn: Connection, limit: int, before_id: int | None = None) -> list[Run]:
    """List up to `limit` runs, the newest first, below `before_id`, with the one under way."""
    return _runs(
        conn,
        "WHERE ?1 IS NULL OR id < ?1 ORDER BY id DESC LIMIT ?2",
        before_id,
        limit,
    )


def find(conn: Connection, run_id: int) -> Run | None:
    """Return a run, None if it was pruned or never existed."""
    found = _runs(conn, "WHERE id = ?", run_id)
    return found[0] if found else None


@decode_errors()
def changes(
    conn: Connection, run_id: int, limit: int = -1, after: int = 0
) -> tuple[RecordedChange, ...]:
    """List up to `limit` changes of a run (-1: all) in their order, from the one after `after`.

    `after` counts changes: the next page begins after as many as have been seen.
    """
    rows = conn.execute(
        f"SELECT {_CHANGE_COLUMNS} FROM sync_changes"  # noqa: S608 - the columns are a constant
        " WHERE run_id = ? AND number > ? ORDER BY number LIMIT ?",
        (run_id, after, limit),
    )
    return tuple(map(_change, rows))


@decode_errors()
def last_conflict(conn: Connection, kind: Kind, dingtalk_id: str) -> RecordedChange | None:
    """Return this conflict as recorded by the last run that met it."""
    row = conn.execute(
        f"SELECT {_CHANGE_COLUMNS} FROM sync_changes"  # noqa: S608 - the columns are a constant
        " WHERE kind = ? AND dingtalk_id = ? AND action = ?"
        " ORDER BY run_id DESC, number DESC LIMIT 1",
        (kind.value, dingtalk_id, Action.CONFLICT.value),
    ).fetchone()
    return None if row is None else _change(row)


def interrupted(conn: Connection) -> list[Run]:
    """List the runs without an end, the oldest first.

    Before the first run of a process, these are the runs that a kill cut short.
    """
    return _runs(conn, "INDEXED BY sync_runs_open WHERE finished_at_ms IS NULL ORDER BY id")


def close_interrupted(conn: Connection, at_ms: int) -> list[Run]:
    """Mark the runs without an end as interrupted and return them. For the start only."""
    found = interrupted(conn)
    for run in found:
        finish(conn, run.id, Ending(RunStatus.INTERRUPTED), at_ms)
    return found


def last_success(conn: Connection) -> Run | None:
    """Return the last full run in which everything succeeded."""
    return _last_complete_full(conn, (RunStatus.SUCCESS,))


def last_success_ms(conn: Connection) -> int | None:
    """Return when the last full run ended in which everything succeeded."""
    run = last_success(conn)
    return run.finished_at_ms if run else None


def last_complete_full(conn: Connection) -> Run | None:
    """Return the last full run that read and compared everything."""
    return _last_complete_full(conn, _COMPARED)


def last_complete_full_ms(conn: Connection) -> int | None:
    """Return when the last full run ended that read and compared everything."""
    run = last_complete_full(conn)
    return run.finished_at_ms if run else None


def last_written_ms(conn: Connection) -> int | None:
    """Return when the last full run began that read everything and wrote the changes."""
    run = _last_complete_full(conn, (RunStatus.SUCCESS, RunStatus.PARTIAL))
    return run.started_at_ms if run else None


def last_ended(conn: Connection, *, is_full: bool) -> Run | None:
    """Return the last ended run, full or of events, that was neither a preview nor refused.

    A preview says nothing about the mirror, however it ends.
    """
    found = _runs(
        conn,
        "WHERE is_full = ? AND finished_at_ms IS NOT NULL AND status NOT IN (?, ?) AND cause <> ?"
        " ORDER BY id DESC LIMIT 1",
        is_full,
        RunStatus.PREVIEW,
        RunStatus.REFUSED,
        RunCause.PREVIEW,
    )
    return found[0] if found else None


def _last_complete_full(conn: Connection, statuses: Iterable[RunStatus]) -> Run | None:
    found = _runs(
        conn,
        "WHERE is_full AND snapshot_complete AND status IN (SELECT value FROM json_each(?))"
        " ORDER BY id DESC LIMIT 1",
        dump(list(statuses)),
    )
    return found[0] if found else None


@decode_errors()
def _runs(conn: Connection, rest: str, *values: object) -> list[Run]:
    sql = f"SELECT {_COLUMNS} FROM sync_runs {rest}"  # noqa: S608 - constants of this module
    return [_run(row) for row in conn.execute(sql, values)]


def _run(row: tuple[Any, ...]) -> Run:
    run_id, cause, is_full, started_at_ms, finished_at_ms, *rest = row
    ending = None if finished_at_ms is None else _ending(rest)
    return Run(run_id, RunCause(cause), bool(is_full), started_at_ms, finished_at_ms, ending)


def _ending(row: Sequence[Any]) -> Ending:
    status, digest, snapshot_complete, incomplete_reason, error, counts, warnings = row
    return Ending(
        RunStatus(status),
        digest,
        None if snapshot_complete is None else bool(snapshot_complete),
        load_messages(incomplete_reason),
        load_cause(error),
        RunCounts(**json.loads(counts)),
        load_messages(warnings),
    )


def _change_row(change: RecordedChange) -> tuple[object, ...]:
    return (
        change.action.value,
        change.kind.value,
        change.dingtalk_id,
        change.wecom_id,
        dump_fields(change.fields),
        change.result,
        dump_cause(change.error),
        dump_messages(change.warnings),
    )


def _change(row: tuple[Any, ...]) -> RecordedChange:
    action, kind, dingtalk_id, wecom_id, fields, result, error, warnings = row
    return RecordedChange(
        Action(action),
        Kind(kind),
        dingtalk_id,
        wecom_id,
        load_fields(fields),
        Result(result),
        load_cause(error),
        load_messages(warnings),
    )


@decode_errors()
def counts_so_far(conn: Connection, run_id: int) -> RunCounts:
    """Count a run's results so far; how much it read is only known at its end."""
    rows = conn.execute(
        "SELECT result, count(*), sum(action = ?) FROM sync_changes WHERE run_id = ?"
        " GROUP BY result",
        (Action.CONFLICT.value, run_id),
    ).fetchall()
    counted = {Result(result).value: count for result, count, _ in rows}
    return RunCounts(**counted, conflicts=sum(conflicts for _, _, conflicts in rows))
