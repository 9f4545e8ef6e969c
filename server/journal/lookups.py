"""WeCom's answers to `user/getuserid`, and how many mobiles it did not know.

Stored because WeCom blocks the call for a day after too many misses, and a restart of ours does
not reset its count.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from sqlite3 import Connection

from server.journal.coding import dump
from server.journal.connection import decode_errors

_NAME = "mobile-lookups"


@dataclass(frozen=True, slots=True)
class Answer:
    """The holder of a mobile ("" for nobody), and when WeCom said so."""

    wecom_userid: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Lookups:
    """The answers of one company's WeCom by mobile, and the times of the misses."""

    misses_ms: tuple[int, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


@decode_errors()
def load(conn: Connection, corp_id: str) -> Lookups:
    """Read a company's answers; empty if another company was asked last."""
    row = conn.execute("SELECT value FROM sync_state WHERE name = ?", (_NAME,)).fetchone()
    if row is None:
        return Lookups()
    asked_corp, misses, answers = json.loads(row[0])
    found = Lookups(
        tuple(map(int, misses)),
        {mobile: Answer(str(userid), int(at_ms)) for mobile, (userid, at_ms) in answers.items()},
    )
    return found if asked_corp == corp_id else Lookups()


def store(conn: Connection, corp_id: str, lookups: Lookups) -> None:
    """Replace everything stored by this; a job for the writer."""
    answers = {mobile: [one.wecom_userid, one.at_ms] for mobile, one in lookups.answers.items()}
    value = dump([corp_id, lookups.misses_ms, answers])
    conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (_NAME, value))
