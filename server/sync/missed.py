"""Events that DingTalk could not deliver: fetched, and stored before anything else is done.

Reading the list clears it at DingTalk, so each page is on the disk before the next one is asked
for, and one that cannot be stored is lost.
"""

import hashlib
import logging
from dataclasses import dataclass

from server.dingtalk.client import DingTalkClient
from server.dingtalk.events import read_failed_entry
from server.errors.base import JournalError
from server.errors.vendor import OutcomeUnknownError, VendorError
from server.journal.events import NewEvent, Source
from server.journal.journal import Journal
from server.sync.book import WAIT_S

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
