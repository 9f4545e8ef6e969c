from collections.abc import Callable
from dataclasses import replace
from sqlite3 import Connection

import pytest

from server.journal.events import (
    EventState,
    NewEvent,
    Source,
    StateCode,
    StoredEvent,
    append,
    claim,
    complete,
    fail,
    first_id_since,
    ignore,
    next_due_ms,
    release_stale,
    requeue,
    requeue_failed,
)
from server.journal.listing import counts, latest

MakeEvent = Callable[..., NewEvent]


def _all(conn: Connection) -> list[StoredEvent]:
    return sorted(latest(conn, 1000).events, key=lambda event: event.id)


def _states(conn: Connection) -> list[EventState]:
    return [event.state for event in _all(conn)]


def _ids(events: list[StoredEvent]) -> list[int]:
    return [event.id for event in events]


def test_an_event_is_stored_as_it_came(conn: Connection) -> None:
    new = NewEvent("k", 5, "user_add_org", "e1", "ding1", '{"部门":"钉钉 🎈"}', Source.MISSED)
    append(conn, [new])
    assert _all(conn) == [
        StoredEvent(
            id=1,
            received_at_ms=5,
            event_type="user_add_org",
            event_id="e1",
            corp_id="ding1",
            state=EventState.PENDING,
            error=None,
            payload='{"部门":"钉钉 🎈"}',
            duplicates=0,
            attempts=0,
            source=Source.MISSED,
        )
    ]


def test_the_keys_of_new_events_are_told(conn: Connection, new_event: MakeEvent) -> None:
    first, second = new_event("a"), new_event("b")
    assert append(conn, [first, first]) == {first.dedupe_key}
    assert append(conn, [first, second, first]) == {second.dedupe_key}
    assert append(conn, [second]) == frozenset()


def test_a_text_that_is_not_json_is_stored_without_a_type(conn: Connection) -> None:
    append(conn, [NewEvent("k", 5, None, None, None, "plain")])
    (event,) = _all(conn)
    assert (event.event_type, event.event_id, event.corp_id) == (None, None, None)
    assert event.payload == "plain"


@pytest.mark.parametrize(
    "payload", ["", "'; DROP TABLE events; --", '"\\u0000', "\x7f\x01", "x" * 1_000_000]
)
def test_any_text_comes_back(conn: Connection, payload: str) -> None:
    append(conn, [NewEvent(payload, 5, None, None, None, payload)])
    assert _all(conn)[0].payload == payload


def test_a_nul_does_not_cut_the_text_off(conn: Connection) -> None:
    append(conn, [NewEvent("k", 5, None, None, None, "a\0b")])
    assert _all(conn)[0].payload == "a␀b"


def test_half_a_surrogate_pair_is_stored_and_does_not_break_the_list(conn: Connection) -> None:
    append(conn, [NewEvent("\ud800", 5, "a\ud800", None, None, "{}")])
    (event,) = _all(conn)
    assert event.event_type is not None
    assert event.event_type.startswith("a")


def test_ids_follow_the_order_of_the_batch(conn: Connection, new_event: MakeEvent) -> None:
    append(conn, [new_event(key) for key in "cab"])
    assert [event.event_id for event in _all(conn)] == ["c", "a", "b"]


def test_a_duplicate_is_counted_and_not_stored_again(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event("a"), new_event("b")])
    append(conn, [new_event("c"), new_event("a"), new_event("d")])
    assert [(event.id, event.event_id, event.duplicates) for event in _all(conn)] == [
        (1, "a", 1),
        (2, "b", 0),
        (3, "c", 0),
        (4, "d", 0),
    ]
    assert counts(conn).duplicates == 1


def test_a_duplicate_in_the_same_batch_is_counted(conn: Connection, new_event: MakeEvent) -> None:
    append(conn, [new_event("a"), new_event("a"), new_event("a")])
    assert [event.duplicates for event in _all(conn)] == [2]


def test_a_duplicate_leaves_the_event_where_it_stands(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event("a", received_at_ms=1)])
    complete(conn, _ids(claim(conn, 1, 0)))
    append(conn, [replace(new_event("a"), received_at_ms=9, payload="another")])
    (event,) = _all(conn)
    assert (event.state, event.received_at_ms, event.duplicates) == (EventState.DONE, 1, 1)
    assert event.payload == '{"eventId":"a"}'


def test_an_empty_batch_stores_nothing(conn: Connection) -> None:
    append(conn, [])
    assert _all(conn) == []


def test_the_oldest_are_claimed_first(conn: Connection, new_event: MakeEvent) -> None:
    append(conn, [new_event(key) for key in "abcde"])
    claimed = claim(conn, 3, 0)
    assert _ids(claimed) == [1, 2, 3]
    assert {event.state for event in claimed} == {EventState.WORKING}
    assert {event.attempts for event in claimed} == {1}
    assert _ids(claim(conn, 3, 0)) == [4, 5]
    assert claim(conn, 3, 0) == []


def test_claimed_events_are_completed_or_ignored(conn: Connection, new_event: MakeEvent) -> None:
    append(conn, [new_event(key) for key in "abc"])
    claim(conn, 2, 0)
    assert complete(conn, [1]) == 1
    assert ignore(conn, [2]) == 1
    assert _states(conn) == [EventState.DONE, EventState.IGNORED, EventState.PENDING]


def test_what_is_not_being_worked_on_cannot_be_finished(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event("a")])
    assert complete(conn, [1, 77]) == 0
    assert ignore(conn, [1]) == 0
    assert fail(conn, 1, "why", None) == 0
    assert _states(conn) == [EventState.PENDING]


def test_a_failed_event_says_why_and_stays(conn: Connection, new_event: MakeEvent) -> None:
    append(conn, [new_event("a")])
    claim(conn, 1, 0)
    assert fail(conn, 1, "60104: the mobile is taken", None) == 1
    (event,) = _all(conn)
    assert (event.state, event.error) == (EventState.FAILED, "60104: the mobile is taken")
    assert claim(conn, 1, 10**15) == []


def test_a_failed_event_may_be_tried_again_later(conn: Connection, new_event: MakeEvent) -> None:
    append(conn, [new_event("a"), new_event("b")])
    claim(conn, 1, 0)
    fail(conn, 1, "timeout", retry_at_ms=5000)
    assert next_due_ms(conn) == 5000
    assert _all(conn)[0].state is EventState.PENDING
    assert _all(conn)[0].error == "timeout"
    assert _ids(claim(conn, 5, 4999)) == [2]
    (again,) = claim(conn, 5, 5000)
    assert (again.id, again.attempts, again.error) == (1, 2, "timeout")
    assert next_due_ms(conn) is None
    complete(conn, [1])
    assert _all(conn)[0].error is None


def test_a_delayed_event_that_is_due_comes_before_newer_ones(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event("a"), new_event("b")])
    claim(conn, 1, 0)
    fail(conn, 1, "timeout", retry_at_ms=10)
    assert _ids(claim(conn, 5, 10)) == [1, 2]


def test_finished_and_delayed_events_can_be_requeued(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event(key) for key in "abcdef"])
    claim(conn, 5, 0)
    complete(conn, [1])
    ignore(conn, [2])
    fail(conn, 3, "for good", None)
    fail(conn, 4, "later", 10**15)
    assert requeue(conn, [1, 2, 3, 4, 5, 6, 77]) == 4
    assert [(event.state.value, event.error, event.attempts) for event in _all(conn)] == [
        ("pending", None, 0),
        ("pending", None, 0),
        ("pending", None, 0),
        ("pending", None, 0),
        ("working", None, 1),
        ("pending", None, 0),
    ]
    assert next_due_ms(conn) is None
    assert _ids(claim(conn, 9, 0)) == [1, 2, 3, 4, 6]


def test_all_that_failed_since_a_moment_can_be_requeued(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event(str(at), received_at_ms=at) for at in range(100, 600, 100)])
    for event in claim(conn, 5, 0):
        fail(conn, event.id, "why", None)
    assert requeue_failed(conn, since_ms=250, limit=2) == 2
    assert requeue_failed(conn, since_ms=250, limit=2) == 1
    assert requeue_failed(conn, since_ms=250, limit=2) == 0
    assert [state.value for state in _states(conn)] == ["failed"] * 2 + ["pending"] * 3


def test_what_a_killed_process_was_working_on_is_pending_again(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event(key) for key in "abc"])
    claim(conn, 2, 0)
    assert release_stale(conn) == 2
    assert release_stale(conn) == 0
    assert [event.attempts for event in claim(conn, 5, 0)] == [2, 2, 1]


def test_the_first_event_since_a_moment_is_found_across_gaps(
    conn: Connection, new_event: MakeEvent
) -> None:
    times = (100, 200, 200, 300, 400)
    append(conn, [new_event(str(n), received_at_ms=at) for n, at in enumerate(times)])
    conn.execute("DELETE FROM events WHERE id IN (1, 3)")
    moments = {0: 1, 100: 1, 101: 1, 200: 1, 201: 3, 300: 3, 301: 5, 400: 5, 401: 6}
    for at_ms, expected in moments.items():
        first = first_id_since(conn, at_ms)
        at_or_after = [event.id for event in _all(conn) if event.id >= first]
        assert at_or_after == [event.id for event in _all(conn) if event.received_at_ms >= at_ms]
        assert first == expected
    conn.execute("DELETE FROM events")
    assert first_id_since(conn, 5) == 1


def test_every_code_has_a_state() -> None:
    assert {code.state for code in StateCode} == set(EventState)
