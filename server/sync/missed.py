"""Events that DingTalk could not deliver: fetched, and stored before anything else is done.

Reading the list clears it at DingTalk, so each page is on the disk before
the next one is asked for.
"""

import hashlib
import json
from collections.abc import Mapping

from server.dingtalk.client import DingTalkClient
from server.errors import OutcomeUnknownError
from server.journal.events import NewEvent, Source
from server.journal.journal import Journal
from server.rest import fields
from server.sync.book import WAIT_S

_MOST_PAGES = 500  # 100,000 events; a list that never ends must not hold up everything else


def fetch_missed(client: DingTalkClient, journal: Journal, now_ms: int) -> bool:
    """Store what DingTalk could not deliver; returns whether a page may have been lost.

    Raises `VendorError` and `JournalError`.
    """
    for _ in range(_MOST_PAGES):
        try:
            page = client.take_failed_events()
        except OutcomeUnknownError:
            return True
        if page.payloads:
            batch = [missed_event(payload, now_ms) for payload in page.payloads]
            journal.append(batch).result(WAIT_S)
        if not page.has_more:
            return False
    return True


def missed_event(payload: str, now_ms: int) -> NewEvent:
    """Make an event of an entry; two equal entries are one event."""
    entry = _parsed(payload)
    tag = fields.identifier(entry.get("call_back_tag"))
    inner = entry.get(tag) if tag else None
    corp_id = inner.get("corpid") if isinstance(inner, Mapping) else None
    digest = hashlib.sha256(payload.encode()).hexdigest()
    return NewEvent(
        dedupe_key=f"missed-{digest}",
        received_at_ms=now_ms,
        event_type=tag,
        event_id=None,
        corp_id=fields.identifier(corp_id),
        payload=payload,
        source=Source.MISSED,
    )


def _parsed(payload: str) -> Mapping[str, object]:
    entry = json.loads(payload)  # the client wrote it
    return entry if isinstance(entry, Mapping) else {}
