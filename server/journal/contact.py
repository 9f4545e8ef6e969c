"""When each set of credentials was last used by a genuine call, and from which address."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class Use:
    """`count` genuine calls under one set of credentials; the rest describes the last of them.

    Anybody can send a captured call again; such a one is counted and no more. `is_replay` says
    that it is one; `dedupe_key`, that it is one where this event had been stored before.
    """

    fingerprint: str
    at_ms: int
    remote: str
    event_type: str | None
    count: int = 1
    dedupe_key: str | None = None
    is_replay: bool = False

    def was_sent_again(self, new_keys: frozenset[str]) -> bool:
        """Whether this was no call of DingTalk's, given the keys of the events that were new."""
        return self.is_replay or not (self.dedupe_key is None or self.dedupe_key in new_keys)


@dataclass(frozen=True, slots=True)
class LastUse:
    """What is known of the use of one set of credentials."""

    first_used_at_ms: int
    last_used_at_ms: int
    last_used_from: str
    last_event_type: str | None
    calls: int


# The last one written wins, not the largest time: a clock that was once ahead must not stay.
_RECORD = """
    INSERT INTO credential_uses VALUES (?1, ?2, ?2, ?3, ?4, ?5)
    ON CONFLICT (fingerprint) DO UPDATE SET
        last_used_at_ms = excluded.last_used_at_ms,
        last_used_from = excluded.last_used_from,
        last_event_type = excluded.last_event_type,
        calls = calls + excluded.calls
"""

_COUNT = """
    INSERT INTO credential_uses VALUES (?1, ?2, ?2, ?3, ?4, ?5)
    ON CONFLICT (fingerprint) DO UPDATE SET calls = calls + excluded.calls
"""


def record(conn: Connection, uses: Sequence[Use], new_keys: frozenset[str] = frozenset()) -> None:
    """Note the last use of each set, and count all; joins the transaction of their events.

    `new_keys` are those of the events that were not stored before.
    """
    counts: Counter[str] = Counter()
    last: dict[str, Use] = {}
    last_new: dict[str, Use] = {}
    for use in uses:
        counts[use.fingerprint] += use.count
        last[use.fingerprint] = use
        if not use.was_sent_again(new_keys):
            last_new[use.fingerprint] = use
    for fingerprint, use in (last | last_new).items():
        statement = _RECORD if fingerprint in last_new else _COUNT
        row = (fingerprint, use.at_ms, use.remote, use.event_type, counts[fingerprint])
        conn.execute(statement, row)


def uses(conn: Connection) -> dict[str, LastUse]:
    """Return the last use of every set, by its fingerprint."""
    rows = conn.execute(
        "SELECT fingerprint, first_used_at_ms, last_used_at_ms, last_used_from, last_event_type,"
        " calls FROM credential_uses"
    )
    return {fingerprint: LastUse(*rest) for fingerprint, *rest in rows}
