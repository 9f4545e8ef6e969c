"""The list of rejected calls that the admin sees: bounded, without secrets and without bodies."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from sqlite3 import Connection

# Who floods the address must not fill the disk.
MAX_REJECTIONS = 200


@dataclass(frozen=True, slots=True)
class Rejection:
    """Equal rejected calls: the last at `at_ms`, the first at `first_at_ms`, `count` in all.

    `verdict` is the key doctor's; `offered_key` the key that came where another is set.
    """

    at_ms: int
    remote: str
    cause: str
    verdict: str | None
    offered_key: str | None
    count: int
    first_at_ms: int


def replace_all(conn: Connection, rejections: Sequence[Rejection]) -> None:
    """Store the list, the newest first, in place of the one before; what is too much is cut."""
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
