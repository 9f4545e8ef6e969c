"""The last comparison of DingTalk's own record of the subscription with ours.

DingTalk's record holds both secrets in clear. They are never stored, only whether they match ours
and the masked form that may be shown. For the values themselves, ask DingTalk again.
"""

import json
from dataclasses import astuple, dataclass, replace
from enum import StrEnum
from sqlite3 import Connection

from server.directory.causes import Cause
from server.journal.coding import cause_of, dump, plain_cause
from server.journal.connection import decode_errors


class Standing(StrEnum):
    """How DingTalk's record compares with ours. FAILED: DingTalk could not be asked."""

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
    """The result of a comparison. Times are milliseconds since 1970."""

    at_ms: int
    # A hash of our compared values; a finding about other values is outdated.
    subject: str
    standing: Standing
    # Since when the result is the same.
    since_ms: int = 0
    record: ShownRecord | None = None
    # The role of the set that DingTalk uses, if it is one of ours.
    fits: str | None = None
    # Of token, aes_key, url.
    differences: tuple[str, ...] = ()
    # DingTalk's values that we cannot use.
    unusable: tuple[str, ...] = ()
    missing_events: tuple[str, ...] = ()
    cause: Cause | None = None
    # The failure may pass without help.
    will_pass: bool = False

    def is_like(self, other: "Finding") -> bool:
        """Whether both say the same, whatever their times."""
        return replace(self, at_ms=0, since_ms=0) == replace(other, at_ms=0, since_ms=0)


@decode_errors()
def load(conn: Connection) -> Finding | None:
    """Return the last finding, None before the first."""
    row = conn.execute("SELECT finding FROM subscription_finding").fetchone()
    return None if row is None else _load(row[0])


def note(conn: Connection, finding: Finding) -> bool:
    """Replace the last finding; return whether the new one says something else."""
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
