"""Claims events, has what they name read again, and stores the outcome of each."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from sqlite3 import Connection

from server.directory.change import Key
from server.directory.model import Kind
from server.errors.base import DingBridgeError
from server.journal import events
from server.journal.events import StoredEvent
from server.journal.journal import Journal
from server.sync.clients import StopSignal
from server.sync.engine import Engine
from server.sync.events import FAULT, EventBatch
from server.sync.ledger import WAIT_S
from server.sync.outcome import EventOutcome
from server.sync.schedule import EVENT_RETRY_MS, Moment, was_set

_LOG = logging.getLogger(__name__)
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class FollowedEvents:
    """A claimed batch and its outcome. `is_full`: more events may be waiting."""

    batch: EventBatch
    outcome: EventOutcome
    is_full: bool

    @property
    def needs_full_run(self) -> bool:
        """Whether some of the events need a full run."""
        return bool(self.batch.unclear) or self.outcome.needs_full

    @property
    def is_part(self) -> bool:
        """Whether events were postponed to the next batch."""
        return bool(self.batch.postponed) and self.outcome.error is None


class Follower:
    """Follows events in batches. For one thread only; nothing else claims events."""

    def __init__(self, journal: Journal, engine: Engine, stop: StopSignal) -> None:
        self._journal = journal
        self._engine = engine
        self._stop = stop
        self._healed_at: Moment | None = None

    def follow(self, now: Moment) -> FollowedEvents | None:
        """Read again what the next events name; None if no event is due."""
        claimed = self._claimed(now)
        if not claimed:
            return None
        batch = EventBatch.of(claimed)
        return FollowedEvents(batch, self._read_again(batch.keys()), len(claimed) == _BATCH)

    def record_outcome(self, followed: FollowedEvents, now_ms: int) -> None:
        """Store the outcome of each event."""
        stored = self._journal.run(
            lambda conn: followed.batch.record_outcome(conn, followed.outcome, now_ms)
        )
        stored.result(WAIT_S)
        _LOG.info("Followed %d events", followed.batch.size)

    def next_due_ms(self, now_ms: int) -> int | None:
        """Return the time until a delayed event is due; None if there is none."""
        due_ms = self._journal.read(events.next_due_ms)
        return None if due_ms is None else max(0, due_ms - now_ms)

    def _claimed(self, now: Moment) -> list[StoredEvent]:
        """Claim the next events, and those whose outcome could not be stored last time."""
        needs_healing = self._healed_at is None or was_set(self._healed_at, now)

        def claim(conn: Connection) -> list[StoredEvent]:
            events.release_stale(conn)
            if needs_healing:  # first of this process or by this clock
                events.heal_delays(conn, now.wall_ms, EVENT_RETRY_MS)
            return events.claim(conn, _BATCH, now.wall_ms)

        claimed = self._journal.run(claim).result(WAIT_S)
        if needs_healing:
            self._healed_at = now
        return claimed

    def _read_again(self, keys: Sequence[Key]) -> EventOutcome:
        """Read again what events named; a bug of ours fails only the events it concerns.

        They are found by bisection: both halves are followed anew, down to a single key.
        """
        if not keys:
            return EventOutcome()
        people, departments = (
            [dingtalk_id for found, dingtalk_id in keys if found is kind]
            for kind in (Kind.PERSON, Kind.DEPARTMENT)
        )
        try:
            return self._engine.follow(people, departments, self._stop)
        except DingBridgeError:
            raise
        except Exception:  # noqa: BLE001 - logged, and the events are marked as failed
            _LOG.exception("Following events hit an internal error")
        if len(keys) == 1:
            return EventOutcome(dict.fromkeys(keys, FAULT))
        middle = len(keys) // 2
        return _joined(self._read_again(keys[:middle]), self._read_again(keys[middle:]))


def _joined(one: EventOutcome, other: EventOutcome) -> EventOutcome:
    """Merge the outcomes of both halves."""
    worse = one if one.error else other
    return replace(
        worse,
        failed={**one.failed, **other.failed},
        needs_full=one.needs_full or other.needs_full,
        refused=one.refused | other.refused,
        seen={**one.seen, **other.seen},
    )
