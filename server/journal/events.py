"""The events: appended, claimed, then completed, ignored, or failed and retried.

Every function takes a connection in a transaction, so each is a job for the writer. No event is
removed before it has been processed; a duplicate is only counted.
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
    """An event's state as people and programs see it."""

    PENDING = "pending"
    WORKING = "working"
    DONE = "done"
    IGNORED = "ignored"
    FAILED = "failed"


class StateCode(IntEnum):
    """An event's state as it is stored.

    DELAYED is a pending event that waits for its next attempt. It has its own number so that a
    claim need not scan ten thousand of them to find a new event.
    """

    PENDING = 0
    WORKING = 1
    DONE = 2
    IGNORED = 3
    FAILED = 4
    DELAYED = 5

    @property
    def state(self) -> EventState:
        """The state that is shown."""
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
    """A stored event; `duplicates` counts how often it came again."""

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

# One statement for the whole batch, because sqlite3 releases the interpreter lock at every call
# and the listener's thread takes it. `json_extract` instead of `->>`, which needs SQLite 3.38.
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

# SQLite cuts text from JSON at its first NUL. No JSON payload holds one, but other plaintext may.
_NUL = "\N{SYMBOL FOR NULL}"

# A retry is never further away than the pause that led to it; otherwise the clock was fast when it
# was stored. There is one pause per number of attempts, the last one for all further attempts.
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
    """Store new events as pending and count known ones as duplicates; return the new keys.

    Two with the same key in one batch are one event. A key is forgotten when its event is pruned.
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
    """Hash the key to 8 bytes: of a million keys, two collide in one of 37 million journals."""
    digest = hashlib.blake2b(dedupe_key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@decode_errors()
def claim(conn: Connection, limit: int, now_ms: int) -> list[StoredEvent]:
    """Take up to `limit` pending events that are due, the oldest first, and mark them working.

    Returns events of every type; the worker ignores those that it does not handle.
    """
    values = {**CODES, "limit": limit, "now_ms": now_ms}
    conn.execute(_WAKE_DELAYED, values)
    claimed = map(stored_event, conn.execute(_CLAIM, values))
    return sorted(claimed, key=lambda event: event.id)  # RETURNING promises no order


def heal_delays(conn: Connection, now_ms: int, pauses_ms: Sequence[int]) -> int:
    """Shorten delays that a wrong clock made longer than their pause; return how many.

    `pauses_ms` is the longest wait after each number of attempts.
    """
    values = {"now_ms": now_ms, "pauses_ms": json.dumps(list(pauses_ms))}
    return conn.execute(_HEAL_DELAYED, values).rowcount


def next_due_ms(conn: Connection) -> int | None:
    """Return when the next delayed event is due; the worker waits until then."""
    (due_ms,) = conn.execute("SELECT min(not_before_ms) FROM events").fetchone()
    return None if due_ms is None else int(due_ms)


def complete(conn: Connection, ids: Sequence[int]) -> int:
    """Mark claimed events as done; return how many were working."""
    return _finish(conn, ids, StateCode.DONE)


def ignore(conn: Connection, ids: Sequence[int]) -> int:
    """Mark claimed events as ignored; return how many were working."""
    return _finish(conn, ids, StateCode.IGNORED)


def _finish(conn: Connection, ids: Sequence[int], code: StateCode) -> int:
    return conn.execute(_FINISH, {**CODES, "code": code, "ids": json.dumps(ids)}).rowcount


def fail(conn: Connection, event_id: int, error: str, retry_at_ms: int | None) -> int:
    """Mark a claimed event as failed, or as pending again and due at `retry_at_ms`.

    `error` is shown to people, so it must hold no secret. Returns how many were working: 1 or 0.
    """
    code = StateCode.FAILED if retry_at_ms is None else StateCode.DELAYED
    values = {**CODES, "id": event_id, "code": code, "error": error, "retry_at_ms": retry_at_ms}
    return conn.execute(_FAIL, values).rowcount


def postpone(conn: Connection, ids: Sequence[int]) -> int:
    """Make claimed events pending again without counting an attempt; return how many were."""
    return conn.execute(_POSTPONE, {**CODES, "ids": json.dumps(ids)}).rowcount


def requeue(conn: Connection, ids: Sequence[int]) -> int:
    """Make finished, failed and delayed events pending and due at once; return how many.

    Those that are working or pending already stay as they are.
    """
    return conn.execute(_REQUEUE, {**CODES, "ids": json.dumps(ids)}).rowcount


def requeue_failed(conn: Connection, since_ms: int, limit: int = 1000) -> int:
    """Make up to `limit` failed events received since `since_ms` pending again; return how many.

    Submit it again until it returns 0, so that callbacks are stored in between.
    """
    first_id = first_id_since(conn, since_ms)
    values = {**CODES, "first_id": first_id, "limit": limit}
    return conn.execute(_REQUEUE_FAILED, values).rowcount


def release_stale(conn: Connection) -> int:
    """Make events pending again that are marked working, but not being worked on.

    A killed process leaves such events, and so does a full disk when their result could not be
    stored. Only for the claiming worker, before a claim, and for the start. Returns how many.
    """
    return conn.execute(_RELEASE, CODES).rowcount


def first_id_since(conn: Connection, at_ms: int) -> int:
    """Return the id of the first event received at `at_ms` or later; after the last if none was.

    A binary search over the ids, which saves an index on the time. If the clock was set back, the
    result is approximate.
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
    """Build an event from a row of `COLUMNS`."""
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
