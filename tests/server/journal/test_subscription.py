from sqlite3 import Connection

from server.directory.causes import Cause
from server.errors.message import Message
from server.journal import subscription
from server.journal.subscription import Finding, ShownRecord, Standing

EQUAL = Finding(
    5,
    "abc",
    Standing.EQUAL,
    record=ShownRecord("https://钉.example.com/", "ab••••yz", "••••", ("user_add_org",)),
    fits="active",
    missing_events=("user_leave_org",),
)
FAILED = Finding(
    6,
    "abc",
    Standing.FAILED,
    cause=Cause("made-up", Message("{a}.", {"a": "b"}), Message("c")),
    will_pass=True,
)


def test_there_is_none_at_first(conn: Connection) -> None:
    assert subscription.load(conn) is None


def test_the_last_finding_is_kept_whole(conn: Connection) -> None:
    for finding in (EQUAL, FAILED):
        subscription.note(conn, finding)
        stored = subscription.load(conn)
        assert stored is not None
        assert stored.is_like(finding)
        assert (stored.at_ms, stored.since_ms) == (finding.at_ms, finding.at_ms)


def test_the_same_again_is_no_news_and_keeps_its_beginning(conn: Connection) -> None:
    differs = Finding(5, "abc", Standing.DIFFERS, differences=("token",), unusable=("token",))
    assert subscription.note(conn, differs)
    again = Finding(9, "abc", Standing.DIFFERS, differences=("token",), unusable=("token",))
    assert not subscription.note(conn, again)
    stored = subscription.load(conn)
    assert stored is not None
    assert (stored.at_ms, stored.since_ms) == (9, 5)


def test_another_subject_is_news(conn: Connection) -> None:
    subscription.note(conn, EQUAL)
    assert subscription.note(conn, Finding(9, "other", Standing.EQUAL))
