"""When each set of credentials was last used by a genuine call, and from which address."""

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Connection


@dataclass(frozen=True, slots=True)
class Use:
    """`count` genuine calls under one set of credentials; the rest describes the last of them."""

    fingerprint: str
    at_ms: int
    remote: str
    event_type: str | None
    count: int = 1


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


def record(conn: Connection, uses: Sequence[Use]) -> None:
    """Note the uses, in their order; joins the transaction of the events that came with them."""
    for use in uses:
        row = (use.fingerprint, use.at_ms, use.remote, use.event_type, use.count)
        conn.execute(_RECORD, row)


def uses(conn: Connection) -> dict[str, LastUse]:
    """Return the last use of every set, by its fingerprint."""
    rows = conn.execute(
        "SELECT fingerprint, first_used_at_ms, last_used_at_ms, last_used_from, last_event_type,"
        " calls FROM credential_uses"
    )
    return {fingerprint: LastUse(*rest) for fingerprint, *rest in rows}
