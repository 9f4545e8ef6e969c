"""The last comparison of DingTalk's own record of the subscription with ours.

DingTalk gives its record with both secrets in clear. They are never stored: what stays of them is
whether they fit, and the masked form that may be shown. Who needs the values asks DingTalk again.
"""

import json
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from sqlite3 import Connection

from server.directory.causes import Cause
from server.journal.coding import cause_of, dump, plain_cause
from server.journal.connection import decode_errors


class Standing(StrEnum):
    """How DingTalk's record stands to ours. FAILED: DingTalk could not be asked."""

    EQUAL = "equal"
    DIFFERS = "differs"
    NO_RECORD = "no-record"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """What may be shown of DingTalk's record: token and aes_key are masked."""

    url: str
    token: str
    aes_key: str
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a comparison found. Times are milliseconds since 1970.

    subject: stands for what of ours was compared; a finding about another one says nothing now.
    since_ms: since when it is found like this. fits: the set that DingTalk's values are, None for
    none. differences: token, aes_key, url. unusable: which of DingTalk's values cannot be taken.
    will_pass: what failed may well succeed later without anybody's help.
    """

    at_ms: int
    subject: str
    standing: Standing
    since_ms: int = 0
    record: ShownRecord | None = None
    fits: str | None = None
    differences: tuple[str, ...] = ()
    unusable: tuple[str, ...] = ()
    missing_events: tuple[str, ...] = ()
    cause: Cause | None = None
    will_pass: bool = False

    def is_like(self, other: "Finding") -> bool:
        """Whether both say the same, whenever they were found."""
        return replace(self, at_ms=0, since_ms=0) == replace(other, at_ms=0, since_ms=0)


@decode_errors()
def load(conn: Connection) -> Finding | None:
    """Return the last finding, None before the first."""
    row = conn.execute("SELECT finding FROM subscription_finding").fetchone()
    return None if row is None else _load(row[0])


def note(conn: Connection, finding: Finding) -> bool:
    """Store a finding in place of the last; tells whether it says something else than that."""
    last = load(conn)
    is_news = last is None or not last.is_like(finding)
    since_ms = finding.at_ms if last is None or is_news else last.since_ms
    conn.execute(
        "INSERT OR REPLACE INTO subscription_finding VALUES (1, ?)",
        (_dump(replace(finding, since_ms=since_ms)),),
    )
    return is_news


def _dump(finding: Finding) -> str:
    record, cause = finding.record, finding.cause
    return dump(
        {
            "at_ms": finding.at_ms,
            "subject": finding.subject,
            "standing": finding.standing,
            "since_ms": finding.since_ms,
            "record": None if record is None else astuple(record),
            "fits": finding.fits,
            "differences": finding.differences,
            "unusable": finding.unusable,
            "missing_events": finding.missing_events,
            "cause": None if cause is None else plain_cause(cause),
            "will_pass": finding.will_pass,
        }
    )


def _load(text: str) -> Finding:
    plain = json.loads(text)
    record, cause = plain["record"], plain["cause"]
    return Finding(
        at_ms=plain["at_ms"],
        subject=plain["subject"],
        standing=Standing(plain["standing"]),
        since_ms=plain["since_ms"],
        record=None if record is None else _shown(*record),
        fits=plain["fits"],
        differences=tuple(plain["differences"]),
        unusable=tuple(plain["unusable"]),
        missing_events=tuple(plain["missing_events"]),
        cause=None if cause is None else cause_of(cause),
        will_pass=plain["will_pass"],
    )


def _shown(url: str, token: str, aes_key: str, event_types: list[str]) -> ShownRecord:
    return ShownRecord(url, token, aes_key, tuple(event_types))
