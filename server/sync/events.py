"""Pending events as work: missed ones are fetched, all are grouped by what has to be read again.

Decides what becomes of each event afterwards; reads nothing of the directory itself.
"""

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
from server.sync.schedule import event_patience_ms, event_retry_ms, reread_delay_ms

_LOG = logging.getLogger(__name__)
_MOST_PAGES = 500  # 100,000 events; a list that never ends must not hold up everything else
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
class Missed:
    """How many events were fetched, and whether a page of them may have been lost."""

    found: int
    is_lost: bool


def fetch_missed(client: DingTalkClient, journal: Journal, now_ms: int) -> Missed:
    """Fetch and store what DingTalk could not deliver; raises `VendorError`.

    DingTalk clears its list with the call, so whatever cannot be stored is lost.
    """
    found = 0
    for _ in range(_MOST_PAGES):
        try:
            page = client.take_failed_events()
        except OutcomeUnknownError:
            return Missed(found, is_lost=True)
        except VendorError:
            raise
        except Exception:  # noqa: BLE001 - logged; the next call clears the list whatever it held
            _LOG.exception("A list of missed events could not be read")
            return Missed(found, is_lost=True)
        if page.payloads:
            batch = [missed_event(payload, now_ms) for payload in page.payloads]
            try:
                journal.append(batch).result(WAIT_S)
            except JournalError as failure:
                _LOG.error("Missed events were fetched but could not be stored: %s", failure)
                return Missed(found, is_lost=True)
            found += len(batch)
        if not page.has_more:
            return Missed(found, is_lost=False)
    return Missed(found, is_lost=True)


def missed_event(payload: str, now_ms: int) -> NewEvent:
    """Return the event of a list entry; equal entries are one event."""
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


@dataclass(frozen=True, slots=True)
class NamedEvent:
    """An event and the people or departments it names."""

    event: StoredEvent
    keys: tuple[Key, ...]
    # What the event claims: they exist, they are gone, or neither.
    is_there: bool | None

    def is_contradicted(self, outcome: EventOutcome) -> bool:
        """Whether DingTalk showed the opposite; its reads may lag behind its events."""
        return self.is_there is not None and any(
            outcome.seen.get(key, self.is_there) is not self.is_there for key in self.keys
        )


@dataclass(slots=True)
class EventBatch:
    """Claimed events by what they ask for. Ten events for one person are one read."""

    named: list[NamedEvent] = field(default_factory=list)
    # Only a full run can serve these.
    unclear: list[StoredEvent] = field(default_factory=list)
    ignored: list[StoredEvent] = field(default_factory=list)
    # These fail for good: retried, one of them would block all others for ever.
    unreadable: list[StoredEvent] = field(default_factory=list)
    # Too many reads for one batch, during which everything else waits.
    postponed: list[StoredEvent] = field(default_factory=list)

    @classmethod
    def of(cls, claimed: Iterable[StoredEvent]) -> "EventBatch":
        """Sort claimed events."""
        batch, known = cls(), set[Key]()
        for event in claimed:
            try:
                hint = read_hint(event.payload)
            except Exception:  # noqa: BLE001 - logged, and the event is marked as failed
                _LOG.exception("The event %d could not be read", event.id)
                batch.unreadable.append(event)
            else:
                batch._add(event, hint, known)
        return batch

    def _add(self, event: StoredEvent, hint: Hint, known: set[Key]) -> None:
        if isinstance(hint, FullRunNeeded):
            self.unclear.append(event)
        elif isinstance(hint, PersonChanged | DepartmentsChanged):
            keys = _keys(hint)
            if known and len(known.union(keys)) > MOST_IDS:
                self.postponed.append(event)
                return
            known.update(keys)
            self.named.append(NamedEvent(event, keys, hint.is_there))
        else:
            self.ignored.append(event)

    @property
    def size(self) -> int:
        """The number of events that this batch completes or fails."""
        others = self.unclear + self.ignored + self.unreadable
        return len(self.named) + len(others)

    def keys(self) -> list[Key]:
        """Return what the events name, each once."""
        return list(dict.fromkeys(key for named in self.named for key in named.keys))

    def record_outcome(self, conn: Connection, outcome: EventOutcome, now_ms: int) -> None:
        """Store the outcome of every event; a job for the journal."""
        events.ignore(conn, [event.id for event in self.ignored])
        events.postpone(conn, [event.id for event in self.postponed])
        for event in self.unreadable:
            events.fail(conn, event.id, str(FAULT.title), None)
        done = [event.id for event in self.unclear]
        for named in self.named:
            error, wait_ms = _failure_of(named, outcome)
            if error is None:
                done.append(named.event.id)
            else:
                retry_at_ms = None if wait_ms is None else now_ms + wait_ms
                events.fail(conn, named.event.id, str(error), retry_at_ms)
        events.complete(conn, done)


def _failure_of(named: NamedEvent, outcome: EventOutcome) -> tuple[Message | None, int | None]:
    """Return why an event is not done (None if it is), and the wait before the next attempt."""
    failure = outcome.error or next(
        (outcome.failed[key] for key in named.keys if key in outcome.failed), None
    )
    if failure is not None:
        return failure.title, _wait_ms(named.event, named.keys, outcome)
    if named.is_contradicted(outcome):
        wait_ms = reread_delay_ms(named.event.attempts)
        if wait_ms is not None:
            return _UNSEEN, wait_ms
        _LOG.info("DingTalk never showed what event %d announced", named.event.id)
    return None, None


def _wait_ms(event: StoredEvent, keys: Sequence[Key], outcome: EventOutcome) -> int | None:
    """Return the wait before the next attempt; None if there should be none."""
    if outcome.error is not None:
        return event_patience_ms(event.attempts)
    if all(key in outcome.refused for key in keys if key in outcome.failed):
        return None
    return event_retry_ms(event.attempts)


def _keys(hint: PersonChanged | DepartmentsChanged) -> tuple[Key, ...]:
    if isinstance(hint, PersonChanged):
        return tuple((Kind.PERSON, userid) for userid in hint.userids)
    return tuple((Kind.DEPARTMENT, department_id) for department_id in hint.department_ids)
