from dataclasses import replace
from sqlite3 import Connection

from server.directory.causes import Cause
from server.directory.change import Hold, HoldReason
from server.directory.model import Kind, Scope
from server.errors.message import Message
from server.journal import ledger, sync_state
from server.journal.runs import RunCause
from server.journal.sync_state import Held, NextRun, Quarantine, SyncState

HELD = Held(
    "0123456789abcdef",
    run_id=3,
    since_ms=100,
    holds=tuple(Hold(reason, kind, 5, 1, 3, 60) for reason in HoldReason for kind in Kind),
)
NEXT = NextRun(300, RunCause.RETRY)
QUARANTINE = Quarantine(
    100, 200, Cause("wecom-60020", Message("{ip}", {"ip": "1.2.3.4"}), Message("Add it")), 4, 60
)


def test_at_first_nothing_is_known(conn: Connection) -> None:
    assert sync_state.load(conn) == SyncState()


def test_all_of_it_is_read_back_as_it_was(conn: Connection) -> None:
    ledger.set_approved_scope(conn, Scope())
    sync_state.set_held(conn, HELD)
    sync_state.set_quarantine(conn, QUARANTINE)
    sync_state.set_next_full_run(conn, NEXT)
    sync_state.set_unfetched(conn, QUARANTINE.cause)
    sync_state.set_previewed(conn, HELD)
    assert sync_state.load(conn) == SyncState(HELD, QUARANTINE, NEXT, HELD, QUARANTINE.cause)


def test_each_can_be_taken_back(conn: Connection) -> None:
    sync_state.set_held(conn, HELD)
    sync_state.set_quarantine(conn, QUARANTINE)
    sync_state.set_next_full_run(conn, NEXT)
    sync_state.set_unfetched(conn, QUARANTINE.cause)
    assert not sync_state.set_held(conn, None)
    sync_state.set_quarantine(conn, None)
    sync_state.set_next_full_run(conn, None)
    sync_state.set_unfetched(conn, None)
    assert sync_state.load(conn) == SyncState()


def test_what_is_held_is_news_once(conn: Connection) -> None:
    assert sync_state.set_held(conn, HELD)
    assert not sync_state.set_held(conn, replace(HELD, run_id=4, since_ms=900))
    assert sync_state.load(conn).held == replace(HELD, run_id=4)
    assert sync_state.set_held(conn, replace(HELD, digest="other", since_ms=900))


def test_a_rejection_stays_for_the_same_digest_only(conn: Connection) -> None:
    sync_state.set_held(conn, HELD)
    assert sync_state.reject_held(conn, HELD.digest)
    sync_state.set_held(conn, replace(HELD, run_id=4))
    assert sync_state.load(conn).held == replace(HELD, run_id=4, is_rejected=True)
    sync_state.set_held(conn, replace(HELD, digest="other"))
    assert sync_state.load(conn).held == replace(HELD, digest="other")


def test_another_digest_than_the_held_one_cannot_be_rejected(conn: Connection) -> None:
    assert not sync_state.reject_held(conn, "other")
    sync_state.set_held(conn, HELD)
    assert not sync_state.reject_held(conn, "other")
    assert sync_state.load(conn).held == HELD
