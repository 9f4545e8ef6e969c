"""Pending events as work: who is to be read again, each once, and what becomes of each event."""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from sqlite3 import Connection

from server.dingtalk.client import DingTalkClient
from server.dingtalk.events import (
    MOST_IDS,
    DepartmentsChanged,
    FullRunNeeded,
    Hint,
    PersonChanged,
    read_failed_entry,
    read_hint,
)
from server.directory.causes import Cause
from server.directory.change import Key
from server.directory.model import Kind
from server.errors.base import JournalError
from server.errors.message import N_, Message
from server.errors.vendor import OutcomeUnknownError, VendorError
from server.journal import events
from server.journal.events import NewEvent, Source, StoredEvent
from server.journal.journal import Journal
from server.sync.ledger import WAIT_S
from server.sync.outcome import EventOutcome
from server.sync.schedule import event_patience_ms, event_retry_ms, look_again_ms

_LOG = logging.getLogger(__name__)
_MOST_PAGES = 500  # 100,000 events; a list that never ends must not hold up everything else


@dataclass(frozen=True, slots=True)
class Missed:
    """How many events were fetched, and whether a page of them may have been lost."""

    found: int
    is_lost: bool


def fetch_missed(client: DingTalkClient, journal: Journal, now_ms: int) -> Missed:
    """Store what DingTalk could not deliver; raises `VendorError`."""
    found = 0
    for _ in range(_MOST_PAGES):
        try:
            page = client.take_failed_events()
        except OutcomeUnknownError:
            return Missed(found, is_lost=True)
        except VendorError:
            raise
        except Exception:  # noqa: BLE001 - told in full; the list is cleared by the next call whatever it held
            _LOG.exception("A list of missed events could not be read")
            return Missed(found, is_lost=True)
        if page.payloads:
            batch = [missed_event(payload, now_ms) for payload in page.payloads]
            try:
                journal.append(batch).result(WAIT_S)
            except JournalError as failure:
                _LOG.error("Missed events were fetched and could not be stored: %s", failure)
                return Missed(found, is_lost=True)
            found += len(batch)
        if not page.has_more:
            return Missed(found, is_lost=False)
    return Missed(found, is_lost=True)


def missed_event(payload: str, now_ms: int) -> NewEvent:
    """Make an event of an entry; two equal entries are one event."""
    entry = read_failed_entry(payload)
    digest = hashlib.sha256(payload.encode()).hexdigest()
    return NewEvent(
        dedupe_key=f"missed-{digest}",
        received_at_ms=now_ms,
        event_type=entry.event_type,
        event_id=None,
        corp_id=entry.corp_id,
        payload=payload,
        source=Source.MISSED,
    )


FAULT = Cause(
    "fault",
    Message(N_("DingBridge ran into an internal error while processing this event.")),
    Message(N_("Send the log file to your administrator.")),
)


_UNSEEN = Message(
    N_(
        "DingTalk does not show the change announced by this event yet; DingBridge will "
        "check again."
    )
)


@dataclass(frozen=True, slots=True)
class Named:
    """An event, what it names, and whether it says that this is there or gone, if either."""

    event: StoredEvent
    keys: tuple[Key, ...]
    is_there: bool | None

    def is_contradicted(self, followed: EventOutcome) -> bool:
        """Whether what was read says the opposite, for the change is perhaps not to be seen yet."""
        return self.is_there is not None and any(
            followed.seen.get(key, self.is_there) is not self.is_there for key in self.keys
        )


@dataclass(slots=True)
class EventBatch:
    """Claimed events by what they ask for. Ten events for one person are one read.

    unreadable: they fail for good, lest one of them keeps all others from being followed.
    postponed: would be too many reads for one go, during which everything else waits.
    """

    named: list[Named] = field(default_factory=list)
    unclear: list[StoredEvent] = field(default_factory=list)
    ignored: list[StoredEvent] = field(default_factory=list)
    unreadable: list[StoredEvent] = field(default_factory=list)
    postponed: list[StoredEvent] = field(default_factory=list)

    @classmethod
    def of(cls, claimed: Iterable[StoredEvent]) -> "EventBatch":
        """Sort claimed events."""
        backlog, known = cls(), set[Key]()
        for event in claimed:
            try:
                hint = read_hint(event.payload)
            except Exception:  # noqa: BLE001 - told in full, and the event ends where it is seen
                _LOG.exception("The event %d could not be read", event.id)
                backlog.unreadable.append(event)
            else:
                backlog._add(event, hint, known)
        return backlog

    def _add(self, event: StoredEvent, hint: Hint, known: set[Key]) -> None:
        if isinstance(hint, FullRunNeeded):
            self.unclear.append(event)
        elif isinstance(hint, PersonChanged | DepartmentsChanged):
            keys = _keys(hint)
            if known and len(known.union(keys)) > MOST_IDS:
                self.postponed.append(event)
                return
            known.update(keys)
            self.named.append(Named(event, keys, hint.is_there))
        else:
            self.ignored.append(event)

    @property
    def size(self) -> int:
        """How many events are dealt with."""
        others = self.unclear + self.ignored + self.unreadable
        return len(self.named) + len(others)

    def keys(self) -> list[Key]:
        """Name all that the events name, each once."""
        return list(dict.fromkeys(key for named in self.named for key in named.keys))

    def record_outcome(self, conn: Connection, followed: EventOutcome, now_ms: int) -> None:
        """Store what became of every event; a job for the journal."""
        events.ignore(conn, [event.id for event in self.ignored])
        events.postpone(conn, [event.id for event in self.postponed])
        for event in self.unreadable:
            events.fail(conn, event.id, str(FAULT.title), None)
        done = [event.id for event in self.unclear]
        for named in self.named:
            error, wait_ms = _verdict(named, followed)
            if error is None:
                done.append(named.event.id)
            else:
                retry_at_ms = None if wait_ms is None else now_ms + wait_ms
                events.fail(conn, named.event.id, str(error), retry_at_ms)
        events.complete(conn, done)


def _verdict(named: Named, followed: EventOutcome) -> tuple[Message | None, int | None]:
    """Say why an event is not done, if it is not, and how long until the next attempt at it."""
    failure = followed.error or next(
        (followed.failed[key] for key in named.keys if key in followed.failed), None
    )
    if failure is not None:
        return failure.title, _wait_ms(named.event, named.keys, followed)
    if named.is_contradicted(followed):
        wait_ms = look_again_ms(named.event.attempts)
        if wait_ms is not None:
            return _UNSEEN, wait_ms
        _LOG.info("DingTalk never showed what event %d announced", named.event.id)
    return None, None


def _wait_ms(event: StoredEvent, keys: Sequence[Key], followed: EventOutcome) -> int | None:
    """Return the wait before the next attempt, None where none is worth it."""
    if followed.error is not None:
        return event_patience_ms(event.attempts)
    if all(key in followed.refused for key in keys if key in followed.failed):
        return None
    return event_retry_ms(event.attempts)


def _keys(hint: PersonChanged | DepartmentsChanged) -> tuple[Key, ...]:
    if isinstance(hint, PersonChanged):
        return tuple((Kind.PERSON, userid) for userid in hint.userids)
    return tuple((Kind.DEPARTMENT, department_id) for department_id in hint.department_ids)
