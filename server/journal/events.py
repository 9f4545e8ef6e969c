"""The events and their life: appended, claimed, then completed, ignored, or failed and retried.

Every function takes a connection inside a transaction, so each is a job for the writer. Nothing
leaves the table before it has been dealt with; a duplicate of an event is only counted.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from sqlite3 import Connection, Row
from typing import Any

from server.journal.connection import decode_errors


class EventState(StrEnum):
    """Where an event stands, as people and programs see it."""

    PENDING = "pending"
    WORKING = "working"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"


class StateCode(IntEnum):
    """Where an event stands, as it is stored.

    DELAYED is a pending event that waits for its next attempt. It has a number of its own so that
    a claim never walks over ten thousand of them to find a new one.
    """

    PENDING = 0
    WORKING = 1
    DONE = 2
    IGNORED = 3
    FAILED = 4
    DELAYED = 5

    @property
    def state(self) -> EventState:
        """What this is called outside."""
        return EventState.PENDING if self is StateCode.DELAYED else EventState[self.name]


class Source(StrEnum):
    """How an event reached us."""

    CALLBACK = "callback"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `dedupe_key` is DingTalk's eventId, or a hash where it sent none."""

    dedupe_key: str
    received_at_ms: int
    event_type: str | None
    event_id: str | None
    corp_id: str | None
    payload: str
    source: Source = Source.CALLBACK


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it stands; `duplicates` counts how often it came again."""

    id: int
    received_at_ms: int
    event_type: str | None
    event_id: str | None
    corp_id: str | None
    state: EventState
    error: str | None
    payload: str
    duplicates: int
    attempts: int
    source: Source


# The columns of a StoredEvent, in its order.
COLUMNS = (
    "id, received_at_ms, event_type, event_id, corp_id, state, error, payload, duplicates, "
    "attempts, source"
)

# One statement for the whole batch: sqlite3 gives up the interpreter lock at every call, and the
# event loop takes it. `json_extract`, not `->>`: that needs SQLite 3.38.
_APPEND = """
    INSERT INTO events
        (dedupe_hash, received_at_ms, event_type, event_id, corp_id, payload, source)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),
        json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),
        json_extract(value, '$[6]')
    FROM json_each(?)
    WHERE true
    ON CONFLICT (dedupe_hash) DO UPDATE SET duplicates = duplicates + 1
    RETURNING dedupe_hash, duplicates
"""

# SQLite ends a text from JSON at its first NUL; no JSON payload has one, a plaintext may.
_NUL = "\N{SYMBOL FOR NULL}"

# A moment is never further away than the pause that led to it: the clock may have been ahead when
# it was written down. The pauses are by the number of attempts, the last for all further ones.
_HEAL_DELAYED = """
    UPDATE events SET not_before_ms = :now_ms + pause_ms FROM (
        SELECT events.id AS delayed_id, value AS pause_ms FROM events, json_each(:pauses_ms)
        WHERE not_before_ms > :now_ms
            AND key = min(max(attempts, 1), json_array_length(:pauses_ms)) - 1
            AND not_before_ms > :now_ms + value)
    WHERE events.id = delayed_id
"""

_WAKE_DELAYED = """
    UPDATE events SET state = :pending, not_before_ms = NULL WHERE id IN (
        SELECT id FROM events WHERE not_before_ms <= :now_ms ORDER BY not_before_ms LIMIT :limit)
"""

_CLAIM = f"""
    UPDATE events SET state = :working, attempts = attempts + 1 WHERE id IN (
        SELECT id FROM events WHERE state = :pending ORDER BY id LIMIT :limit)
    RETURNING {COLUMNS}
"""  # noqa: S608 - the columns are a constant

_FINISH = """
    UPDATE events SET state = :code, error = NULL
    WHERE state = :working AND id IN (SELECT value FROM json_each(:ids))
"""

_FAIL = """
    UPDATE events SET state = :code, error = :error, not_before_ms = :retry_at_ms
    WHERE state = :working AND id = :id
"""

_REQUEUE = """
    UPDATE events SET state = :pending, not_before_ms = NULL, error = NULL, attempts = 0
    WHERE state NOT IN (:pending, :working) AND id IN (SELECT value FROM json_each(:ids))
"""

_REQUEUE_FAILED = """
    UPDATE events SET state = :pending, error = NULL, attempts = 0 WHERE id IN (
        SELECT id FROM events WHERE state = :failed AND id >= :first_id ORDER BY id LIMIT :limit)
"""

_POSTPONE = """
    UPDATE events SET state = :pending, attempts = attempts - 1
    WHERE state = :working AND id IN (SELECT value FROM json_each(:ids))
"""

_RELEASE = "UPDATE events SET state = :pending WHERE state = :working"

CODES: dict[str, int] = {code.name.lower(): int(code) for code in StateCode}


def append(conn: Connection, batch: Sequence[NewEvent]) -> frozenset[str]:
    """Store the events that are not there yet, as pending; count the others as duplicates.

    Two with one key in the same batch are one event. A key is forgotten when its event is pruned.
    Returns the keys of those that were not there.
    """
    rows = [
        (
            _hash(event.dedupe_key),
            event.received_at_ms,
            event.event_type,
            event.event_id,
            event.corp_id,
            event.payload.replace("\0", _NUL),
            event.source,
        )
        for event in batch
    ]
    keys = {row[0]: event.dedupe_key for row, event in zip(rows, batch, strict=True)}
    stored = conn.execute(_APPEND, (json.dumps(rows),)).fetchall()
    return frozenset(keys[dedupe_hash] for dedupe_hash, duplicates in stored if not duplicates)


def _hash(dedupe_key: str) -> int:
    """Shorten the key to 8 bytes: two of a million keys are equal once in 37 million journals."""
    digest = hashlib.blake2b(dedupe_key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@decode_errors()
def claim(conn: Connection, limit: int, now_ms: int) -> list[StoredEvent]:
    """Take up to `limit` pending events that are due, the oldest first; they are working then.

    Types are not chosen here: who claims an event of a type that it does not handle ignores it.
    """
    values = {**CODES, "limit": limit, "now_ms": now_ms}
    conn.execute(_WAKE_DELAYED, values)
    claimed = map(stored_event, conn.execute(_CLAIM, values))
    return sorted(claimed, key=lambda event: event.id)  # RETURNING promises no order


def heal_delays(conn: Connection, now_ms: int, pauses_ms: Sequence[int]) -> int:
    """Bring nearer what a wrong clock has put off beyond its pause; return how many.

    `pauses_ms`: the longest wait after each number of attempts.
    """
    values = {"now_ms": now_ms, "pauses_ms": json.dumps(list(pauses_ms))}
    return conn.execute(_HEAL_DELAYED, values).rowcount


def next_due_ms(conn: Connection) -> int | None:
    """Say when the next delayed event is due, so that the worker can wait until then."""
    (due_ms,) = conn.execute("SELECT min(not_before_ms) FROM events").fetchone()
    return None if due_ms is None else int(due_ms)


def complete(conn: Connection, ids: Sequence[int]) -> int:
    """Say that the claimed events have been dealt with; return how many were working."""
    return _finish(conn, ids, StateCode.DONE)


def ignore(conn: Connection, ids: Sequence[int]) -> int:
    """Say that there is nothing to do for the claimed events; return how many were working."""
    return _finish(conn, ids, StateCode.IGNORED)


def _finish(conn: Connection, ids: Sequence[int], code: StateCode) -> int:
    return conn.execute(_FINISH, {**CODES, "code": code, "ids": json.dumps(ids)}).rowcount


def fail(conn: Connection, event_id: int, error: str, retry_at_ms: int | None) -> int:
    """Say that a claimed event failed: for good, or pending again and due at `retry_at_ms`.

    `error` is shown to people and holds no secret. Returns how many were working: 1 or 0.
    """
    code = StateCode.FAILED if retry_at_ms is None else StateCode.DELAYED
    values = {**CODES, "id": event_id, "code": code, "error": error, "retry_at_ms": retry_at_ms}
    return conn.execute(_FAIL, values).rowcount


def postpone(conn: Connection, ids: Sequence[int]) -> int:
    """Make claimed events pending again that nobody has tried; return how many were working."""
    return conn.execute(_POSTPONE, {**CODES, "ids": json.dumps(ids)}).rowcount


def requeue(conn: Connection, ids: Sequence[int]) -> int:
    """Make the events pending and due at once, whatever became of them; return how many did.

    Those that are working or pending already are left alone.
    """
    return conn.execute(_REQUEUE, {**CODES, "ids": json.dumps(ids)}).rowcount


def requeue_failed(conn: Connection, since_ms: int, limit: int = 1000) -> int:
    """Make up to `limit` failed events received since then pending again; return how many.

    For more, submit it again until it returns 0, so that callbacks get in between.
    """
    first_id = first_id_since(conn, since_ms)
    values = {**CODES, "first_id": first_id, "limit": limit}
    return conn.execute(_REQUEUE_FAILED, values).rowcount


def release_stale(conn: Connection) -> int:
    """Make pending again what is working and nobody is at; return how many.

    A killed process leaves such events, and a full disk where their end could not be stored. For
    the one who claims, before a claim, and at start.
    """
    return conn.execute(_RELEASE, CODES).rowcount


def first_id_since(conn: Connection, at_ms: int) -> int:
    """Find the first event received at `at_ms` or later; one beyond the last where none was.

    A binary search over the ids, which spares an index on the time at every insert. Where the
    PC's clock was set back, the answer is near, not exact.
    """
    (last,) = conn.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        found, received_at_ms = conn.execute(
            "SELECT id, received_at_ms FROM events WHERE id >= ? ORDER BY id LIMIT 1", (middle,)
        ).fetchone()
        if received_at_ms < at_ms:
            low = found + 1
        else:
            high = middle
    return int(low)


def stored_event(row: Row | tuple[Any, ...]) -> StoredEvent:
    """Make an event of a row of `COLUMNS`."""
    event_id, received_at_ms, event_type, dingtalk_event_id, corp_id, code, *rest = row
    error, payload, duplicates, attempts, source = rest
    return StoredEvent(
        id=event_id,
        received_at_ms=received_at_ms,
        event_type=event_type,
        event_id=dingtalk_event_id,
        corp_id=corp_id,
        state=StateCode(code).state,
        error=error,
        payload=payload,
        duplicates=duplicates,
        attempts=attempts,
        source=Source(source),
    )
