"""Events are claimed, what they name is read again, and what became of each is stored."""

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
class Batch:
    """Claimed events and what following them came to."""

    backlog: EventBatch
    followed: EventOutcome
    is_full: bool

    @property
    def needs_full_run(self) -> bool:
        """Whether only a full run does what the events ask for."""
        return bool(self.backlog.unclear) or self.followed.needs_full

    @property
    def is_part(self) -> bool:
        """Whether events that name people or departments were put off for the next batch."""
        return bool(self.backlog.postponed) and self.followed.error is None


class Follower:
    """Follows events, some at a time. Used by one thread; nobody else claims events."""

    def __init__(self, journal: Journal, engine: Engine, stop: StopSignal) -> None:
        self._journal = journal
        self._engine = engine
        self._stop = stop
        self._healed_at: Moment | None = None

    def follow(self, now: Moment) -> Batch | None:
        """Read again what the next events name; None where none is due."""
        claimed = self._claimed(now)
        if not claimed:
            return None
        backlog = EventBatch.of(claimed)
        return Batch(backlog, self._followed(backlog.keys()), len(claimed) == _BATCH)

    def record_outcome(self, batch: Batch, now_ms: int) -> None:
        """Store what became of each event."""
        settled = self._journal.run(
            lambda conn: batch.backlog.record_outcome(conn, batch.followed, now_ms)
        )
        settled.result(WAIT_S)
        _LOG.info("Followed %d events", batch.backlog.size)

    def next_due_ms(self, now_ms: int) -> int | None:
        """Say how long until a delayed event is due, None where there is none."""
        due_ms = self._journal.read(events.next_due_ms)
        return None if due_ms is None else max(0, due_ms - now_ms)

    def _claimed(self, now: Moment) -> list[StoredEvent]:
        """Take the next events. What is working now, its end was not stored."""
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

    def _followed(self, keys: Sequence[Key]) -> EventOutcome:
        """Read again what events named; a fault of ours fails what it is about, and that alone.

        Whose fault it is, halves tell: both are followed anew, down to the one that it is about.
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
        except Exception:  # noqa: BLE001 - told in full, and the events end where they are seen
            _LOG.exception("Following events met a fault of its own")
        if len(keys) == 1:
            return EventOutcome(dict.fromkeys(keys, FAULT))
        middle = len(keys) // 2
        return _joined(self._followed(keys[:middle]), self._followed(keys[middle:]))


def _joined(one: EventOutcome, other: EventOutcome) -> EventOutcome:
    """Return what following both parts of a list came to."""
    worse = one if one.error else other
    return replace(
        worse,
        failed={**one.failed, **other.failed},
        needs_full=one.needs_full or other.needs_full,
        refused=one.refused | other.refused,
        seen={**one.seen, **other.seen},
    )
