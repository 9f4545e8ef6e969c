"""What WeCom said about mobiles (`user/getuserid`): the answers, and how often it knew none.

WeCom closes the call for a day after too many wrong numbers, whether we were started anew or not.
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
    """Who holds a mobile, "" for nobody, and when WeCom said so."""

    wecom_userid: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the WeCom of one company said.

    misses_ms: when it knew no holder. answers: by mobile.
    """

    misses_ms: tuple[int, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)


@decode_errors()
def load(conn: Connection, corp_id: str) -> Lookups:
    """Read what is stored of a company; nothing is where another one was asked last."""
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
    """Keep this in place of all before; a job for the writer."""
    answers = {mobile: [one.wecom_userid, one.at_ms] for mobile, one in lookups.answers.items()}
    value = dump([corp_id, lookups.misses_ms, answers])
    conn.execute("INSERT OR REPLACE INTO sync_state VALUES (?, ?)", (_NAME, value))
