"""The last use of each set of credentials, and the list of rejected calls.

The list is bounded. Neither holds secrets or the content of calls.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class CredentialUse:
    """`count` genuine calls under one set of credentials, and the details of the last of them.

    Anybody can replay a captured call, so a replay is only counted.
    """

    fingerprint: str
    at_ms: int
    remote: str
    event_type: str | None
    count: int = 1
    # If set, the call is a replay if the event with this key was stored before.
    dedupe_key: str | None = None
    is_replay: bool = False

    def was_sent_again(self, new_keys: frozenset[str]) -> bool:
        """Whether the call was a replay, given the keys of the new events."""
        return self.is_replay or not (self.dedupe_key is None or self.dedupe_key in new_keys)


@dataclass(frozen=True, slots=True)
class LastUse:
    """The first and last use of one set of credentials."""

    first_used_at_ms: int
    last_used_at_ms: int
    last_used_from: str
    last_event_type: str | None
    calls: int


# The last write wins, not the latest time: a time from a fast clock must not stay.
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


def record_uses(
    conn: Connection, uses: Sequence[CredentialUse], new_keys: frozenset[str] = frozenset()
) -> None:
    """Record the last use of each set and count all uses, in the transaction of their events.

    `new_keys` are the keys of the events that were not stored before.
    """
    counts: Counter[str] = Counter()
    last: dict[str, CredentialUse] = {}
    last_new: dict[str, CredentialUse] = {}
    for use in uses:
        counts[use.fingerprint] += use.count
        last[use.fingerprint] = use
        if not use.was_sent_again(new_keys):
            last_new[use.fingerprint] = use
    for fingerprint, use in (last | last_new).items():
        statement = _RECORD if fingerprint in last_new else _COUNT
        row = (fingerprint, use.at_ms, use.remote, use.event_type, counts[fingerprint])
        conn.execute(statement, row)


def last_uses(conn: Connection) -> dict[str, LastUse]:
    """Return the last use of every set, by its fingerprint."""
    rows = conn.execute(
        "SELECT fingerprint, first_used_at_ms, last_used_at_ms, last_used_from, last_event_type,"
        " calls FROM credential_uses"
    )
    return {fingerprint: LastUse(*rest) for fingerprint, *rest in rows}


# A flood of calls must not fill the disk.
MAX_REJECTIONS = 200


@dataclass(frozen=True, slots=True)
class Rejection:
    """Similar rejected calls: the last at `at_ms`, the first at `first_at_ms`, `count` in all.

    `verdict` is the key doctor's; `offered_key` is the key that came if it is not the one set.
    """

    at_ms: int
    remote: str
    cause: str
    verdict: str | None
    offered_key: str | None
    count: int
    first_at_ms: int


def replace_all(conn: Connection, rejections: Sequence[Rejection]) -> None:
    """Replace the stored list by this one, the newest first, cut to the maximum."""
    conn.execute("DELETE FROM rejections")
    newest = sorted(rejections, key=lambda rejection: -rejection.at_ms)[:MAX_REJECTIONS]
    conn.executemany(
        "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(position, *astuple(each)) for position, each in enumerate(newest)],
    )


def latest(conn: Connection, limit: int = MAX_REJECTIONS) -> list[Rejection]:
    """Return the newest rejections, the newest first."""
    rows = conn.execute(
        "SELECT at_ms, remote, cause, verdict, offered_key, count, first_at_ms FROM rejections"
        " ORDER BY position LIMIT ?",
        (limit,),
    )
    return [Rejection(*row) for row in rows]
