"""Lists events for people: page by page, their counts, a small chart.

A call reads a bounded number of rows, however large the table and whatever the search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from sqlite3 import Connection
from typing import Any

from server.journal.connection import decode_errors
from server.journal.events import (
    CODES,
    COLUMNS,
    EventState,
    StateCode,
    StoredEvent,
    first_id_since,
    stored_event,
)

# How many rows a call scans for a filter without an index: a few ms.
SCAN_ROWS = 10_000

_NEWEST = 2**63 - 1

_DUPLICATES = 9

# INDEXED BY, because the planner has no statistics and sometimes scans the whole table. The other
# filters have a + or an OR, which keeps the planner from using their index.
_PAGE = """
    SELECT {columns} FROM events {index} AND id < :before_id AND id >= :floor_id
        AND (:event_type IS NULL OR event_type = :event_type)
        AND (:code IS NULL OR +state = :code OR (:code = :pending AND +state = :delayed))
        AND (:text IS NULL OR payload LIKE :text ESCAPE '\\' OR event_id LIKE :text ESCAPE '\\'
             OR error LIKE :text ESCAPE '\\')
    ORDER BY id DESC LIMIT :limit
"""

# The lowest of the newest :scan ids; 0 if there are fewer.
_FLOOR = """
    SELECT CASE count(*) WHEN :scan THEN min(id) ELSE 0 END FROM (
        SELECT id FROM events {index} AND id < :before_id ORDER BY id DESC LIMIT :scan)
"""

_BY_ID = "NOT INDEXED WHERE true"
_BY_TYPE = "INDEXED BY events_by_type WHERE event_type = :event_type"
_BY_STATE = "INDEXED BY events_by_state WHERE state = :code"
_BY_DELAYED = "INDEXED BY events_by_state WHERE state = :delayed"
_BY_PENDING = "INDEXED BY events_by_state WHERE state IN (:pending, :delayed)"


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, the newest first, and the `before_id` for the next page; None at the end.

    A page may hold fewer events than the limit, even none, without being the last: the search
    stops after a bounded number of rows.
    """

    events: tuple[StoredEvent, ...]
    before_id: int | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to list; None means any. `text` is searched in payload, eventId and error."""

    event_type: str | None = None
    state: EventState | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """The events in each state, and the duplicates since the first start."""

    pending: int
    working: int
    done: int
    ignored: int
    failed: int
    duplicates: int

    @property
    def events(self) -> int:
        """The number of all events."""
        return self.pending + self.working + self.done + self.ignored + self.failed


@decode_errors()
def latest(
    conn: Connection,
    limit: int,
    before_id: int | None = None,
    event_type: str | None = None,
    state: EventState | None = None,
    text: str | None = None,
) -> Page:
    """List up to `limit` (1 or more) matching events, the newest first, below `before_id`."""
    wanted = Filter(event_type, state, text)
    values = _values(wanted, limit, before_id)
    values["floor_id"] = _floor_id(conn, wanted, values)
    events = tuple(map(stored_event, conn.execute(_page_sql(wanted), values)))
    if events and len(events) == limit:
        return Page(events, events[-1].id)
    return Page(events, values["floor_id"] or None)


def _floor_id(conn: Connection, wanted: Filter, values: dict[str, Any]) -> int:
    """Return the id at which this call stops scanning; 0 is the end of the table."""
    index = _index(wanted)
    walks = (_BY_STATE, _BY_DELAYED) if index is _BY_PENDING else (index,)
    floors = [conn.execute(_FLOOR.format(index=walk), values).fetchone()[0] for walk in walks]
    return int(max(floors))


def _page_sql(wanted: Filter) -> str:
    """Build the statement of a page; only constants of this module are joined."""
    return _PAGE.format(columns=COLUMNS, index=_index(wanted))


def _index(wanted: Filter) -> str:
    """Choose the most selective index; most events are usually done or ignored."""
    is_common = wanted.state in {EventState.DONE, EventState.IGNORED}
    if wanted.event_type is not None and (wanted.state is None or is_common):
        return _BY_TYPE
    if wanted.state is None:
        return _BY_ID
    return _BY_PENDING if wanted.state is EventState.PENDING else _BY_STATE


def _values(wanted: Filter, limit: int, before_id: int | None) -> dict[str, Any]:
    is_indexed = wanted.text is None and (wanted.event_type is None or wanted.state is None)
    return {
        **CODES,
        "limit": limit,
        "scan": limit if is_indexed else max(limit, SCAN_ROWS),
        "before_id": _NEWEST if before_id is None else before_id,
        "event_type": wanted.event_type,
        "code": None if wanted.state is None else StateCode[wanted.state.name],
        "text": None if wanted.text is None else f"%{_escaped(wanted.text)}%",
    }


def _escaped(text: str) -> str:
    """Escape LIKE's special characters: people search for what they see."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@decode_errors()
def counts(conn: Connection) -> Counts:
    """Return the events in each state and the duplicates; takes constant time."""
    total: dict[int, int] = dict(conn.execute("SELECT code, total FROM counters"))
    return Counts(
        pending=total[StateCode.PENDING] + total[StateCode.DELAYED],
        working=total[StateCode.WORKING],
        done=total[StateCode.DONE],
        ignored=total[StateCode.IGNORED],
        failed=total[StateCode.FAILED],
        duplicates=total[_DUPLICATES],
    )


def daily_counts(conn: Connection, starts_ms: Sequence[int]) -> list[int]:
    """Count the events received from each of the ascending moments up to the next.

    The last period has no end. The caller decides where days begin. Counts by ids, which have no
    gaps, so pruned events between others are counted, too.
    """
    (end,) = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM events").fetchone()
    bounds = [first_id_since(conn, start_ms) for start_ms in starts_ms]
    return [later - earlier for earlier, later in pairwise([*bounds, end])]
