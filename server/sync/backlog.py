"""Pending events as work: who is to be read again, each once, and what becomes of each event."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection

from server.dingtalk.events import (
    DepartmentsChanged,
    FullRunNeeded,
    PersonChanged,
    read_hint,
)
from server.directory.model import Kind
from server.journal import events
from server.journal.events import StoredEvent
from server.sync.engine import Followed
from server.sync.gathering import Key
from server.sync.schedule import event_patience_ms, event_retry_ms


@dataclass(slots=True)
class Backlog:
    """Claimed events by what they ask for. Ten events for one person are one read."""

    named: list[tuple[StoredEvent, tuple[Key, ...]]] = field(default_factory=list)
    unclear: list[StoredEvent] = field(default_factory=list)
    ignored: list[StoredEvent] = field(default_factory=list)

    @classmethod
    def of(cls, claimed: Iterable[StoredEvent]) -> "Backlog":
        """Sort claimed events."""
        backlog = cls()
        for event in claimed:
            hint = read_hint(event.payload)
            if isinstance(hint, PersonChanged):
                backlog.named.append((event, _keys(Kind.PERSON, hint.userids)))
            elif isinstance(hint, DepartmentsChanged):
                backlog.named.append((event, _keys(Kind.DEPARTMENT, hint.department_ids)))
            elif isinstance(hint, FullRunNeeded):
                backlog.unclear.append(event)
            else:
                backlog.ignored.append(event)
        return backlog

    def ids(self, kind: Kind) -> list[str]:
        """Name what is to be read, each once, in the order it came."""
        return [dingtalk_id for found, dingtalk_id in self.keys() if found is kind]

    def keys(self) -> list[Key]:
        """Name all that the events name, each once."""
        return list(dict.fromkeys(key for _, keys in self.named for key in keys))

    def settle(self, conn: Connection, followed: Followed, now_ms: int) -> None:
        """Store what became of every event; a job for the journal."""
        events.ignore(conn, [event.id for event in self.ignored])
        done = [event.id for event in self.unclear]
        for event, keys in self.named:
            failure = followed.error or next(
                (followed.failed[key] for key in keys if key in followed.failed), None
            )
            if failure is None:
                done.append(event.id)
                continue
            wait_ms = _wait_ms(event, keys, followed)
            retry_at_ms = None if wait_ms is None else now_ms + wait_ms
            events.fail(conn, event.id, str(failure.title), retry_at_ms)
        events.complete(conn, done)


def _wait_ms(event: StoredEvent, keys: Sequence[Key], followed: Followed) -> int | None:
    """Return the wait before the next attempt, None where none is worth it."""
    if followed.error is not None:
        return event_patience_ms(event.attempts)
    if all(key in followed.refused for key in keys if key in followed.failed):
        return None
    return event_retry_ms(event.attempts)


def _keys(kind: Kind, ids: Sequence[str]) -> tuple[Key, ...]:
    return tuple((kind, dingtalk_id) for dingtalk_id in ids)
