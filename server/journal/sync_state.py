"""What the sync must remember over a restart besides ledger and runs: named values.

They are what is held, the quarantine, and the next full run. Setters are jobs for the writer.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from sqlite3 import Connection
from typing import TypeVar

from server.directory.causes import Cause
from server.directory.change import Hold, HoldReason
from server.directory.model import Kind
from server.journal.coding import cause_of, dump, dump_cause, load_cause, plain_cause
from server.journal.connection import decode_errors
from server.journal.runs import RunCause

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """What awaits the admin's approval: its digest, the run that lists it, since when, and why.

    `is_rejected`: the admin rejected it, so it no longer counts as open, but can still be allowed.
    """

    digest: str
    run_id: int
    since_ms: int
    holds: tuple[Hold, ...]
    is_rejected: bool = False


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A pause in which the sync makes no calls, unless an admin asks for a run."""

    since_ms: int
    until_ms: int
    cause: Cause
    # How many attempts failed alike; the next pause is longer.
    failures: int = 1
    # The length of this pause: a clock that was wrong when it began must not make it longer.
    pause_ms: int = 24 * 60 * 60 * 1000

    def left_ms(self, now_ms: int) -> int:
        """Return how long it still lasts."""
        return min(max(0, self.until_ms - now_ms), self.pause_ms)


@dataclass(frozen=True, slots=True)
class NextRun:
    """When the next full run is due, and why."""

    at_ms: int
    cause: RunCause


@dataclass(frozen=True, slots=True)
class SyncState:
    """All stored values; times are milliseconds since 1970."""

    held: Held | None = None
    quarantine: Quarantine | None = None
    next_full_run: NextRun | None = None
    # What the last preview would have held.
    previewed: Held | None = None
    # Why the missed events could not be fetched.
    unfetched: Cause | None = None


_HELD = "held"
_PREVIEWED = "previewed"
_QUARANTINE = "quarantine"
_NEXT_FULL_RUN = "next-full-run"
_UNFETCHED = "unfetched"


@decode_errors()
def load(conn: Connection) -> SyncState:
    """Read all of it."""
    stored = dict(conn.execute("SELECT name, value FROM sync_state"))

    def read(name: str, parse: Callable[[str], T]) -> T | None:
        return parse(stored[name]) if name in stored else None

    return SyncState(
        held=read(_HELD, _load_held),
        quarantine=read(_QUARANTINE, _load_quarantine),
        next_full_run=read(_NEXT_FULL_RUN, _load_next_run),
        previewed=read(_PREVIEWED, _load_held),
        unfetched=read(_UNFETCHED, load_cause),
    )


def set_held(conn: Connection, held: Held | None) -> bool:
    """Store what awaits approval, None for nothing; return whether that is new to the admin.

    The same digest keeps its first time and its rejection.
    """
    known = load(conn).held
    is_known = known is not None and held is not None and known.digest == held.digest
    if held is not None and known is not None and is_known:
        held = replace(held, since_ms=known.since_ms, is_rejected=known.is_rejected)
    _store(conn, _HELD, None if held is None else _dump_held(held))
    return held is not None and not is_known


def set_previewed(conn: Connection, previewed: Held | None) -> None:
    """Note what the last preview would have held, None for nothing."""
    _store(conn, _PREVIEWED, None if previewed is None else _dump_held(previewed))


def is_held(conn: Connection, digest: str) -> bool:
    """Whether exactly this awaits approval, rejected or not."""
    held = load(conn).held
    return held is not None and held.digest == digest


def reject_held(conn: Connection, digest: str) -> bool:
    """Record that the admin rejects what is held; False if another digest is held now."""
    held = load(conn).held
    if held is None or held.digest != digest:
        return False
    _store(conn, _HELD, _dump_held(replace(held, is_rejected=True)))
    return True


def set_quarantine(conn: Connection, quarantine: Quarantine | None) -> None:
    """Start, prolong or (None) lift the quarantine."""
    _store(conn, _QUARANTINE, None if quarantine is None else _dump_quarantine(quarantine))


def set_next_full_run(conn: Connection, next_run: NextRun | None) -> None:
    """Note when the next full run is due."""
    text = None if next_run is None else dump([next_run.at_ms, next_run.cause])
    _store(conn, _NEXT_FULL_RUN, text)


def set_unfetched(conn: Connection, cause: Cause | None) -> None:
    """Store why the missed events could not be fetched, None if they could."""
    _store(conn, _UNFETCHED, dump_cause(cause))


def _store(conn: Connection, name: str, value: str | None) -> None:
    if value is None:
        conn.execute("DELETE FROM sync_state WHERE name = ?", (name,))
    else:
        conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (name, value))


def _dump_held(held: Held) -> str:
    holds = [
        {**asdict(hold), "reason": hold.reason.value, "kind": hold.kind.value}
        for hold in held.holds
    ]
    return dump([held.digest, held.run_id, held.since_ms, holds, held.is_rejected])


def _load_held(text: str) -> Held:
    digest, run_id, since_ms, holds, is_rejected = json.loads(text)
    return Held(digest, run_id, since_ms, tuple(map(_hold, holds)), is_rejected)


def _hold(plain: dict[str, object]) -> Hold:
    reason, kind = HoldReason(plain.pop("reason")), Kind(plain.pop("kind"))
    return Hold(reason, kind, **plain)  # type: ignore[arg-type] # our own numbers, by their names


def _dump_quarantine(quarantine: Quarantine) -> str:
    return dump(
        [
            quarantine.since_ms,
            quarantine.until_ms,
            plain_cause(quarantine.cause),
            quarantine.failures,
            quarantine.pause_ms,
        ]
    )


def _load_quarantine(text: str) -> Quarantine:
    since_ms, until_ms, cause, *rest = json.loads(text)
    return Quarantine(since_ms, until_ms, cause_of(cause), *rest)


def _load_next_run(text: str) -> NextRun:
    at_ms, cause = json.loads(text)
    return NextRun(at_ms, RunCause(cause))
