from collections.abc import Callable
from sqlite3 import Connection

from server.journal.events import CODES, NewEvent, append, claim, complete, fail, ignore
from server.journal.listing import counts, latest
from server.journal.retention import _PRUNE, prune

MakeEvent = Callable[..., NewEvent]


def _fill(conn: Connection, new_event: MakeEvent, number: int = 10) -> None:
    append(conn, [new_event(str(n), 100 * n) for n in range(1, number + 1)])


def _ids(conn: Connection) -> list[int]:
    return sorted(event.id for event in latest(conn, 1000).events)


def test_finished_events_go_by_age(conn: Connection, new_event: MakeEvent) -> None:
    _fill(conn, new_event)
    claim(conn, 10, 0)
    complete(conn, [1, 4])
    ignore(conn, [2, 5])
    fail(conn, 3, "why", None)
    assert prune(conn, older_than_ms=401, keep_at_most=100) == 4
    assert _ids(conn) == [5, 6, 7, 8, 9, 10]


def test_finished_events_go_by_number_the_oldest_first(
    conn: Connection, new_event: MakeEvent
) -> None:
    _fill(conn, new_event)
    complete(conn, [event.id for event in claim(conn, 10, 0)])
    assert prune(conn, older_than_ms=0, keep_at_most=7) == 3
    assert _ids(conn) == [4, 5, 6, 7, 8, 9, 10]
    assert prune(conn, older_than_ms=0, keep_at_most=7) == 0


def test_what_is_pending_or_worked_on_is_never_pruned(
    conn: Connection, new_event: MakeEvent
) -> None:
    _fill(conn, new_event)
    claim(conn, 5, 0)
    fail(conn, 1, "later", 10**15)
    complete(conn, [2])
    assert prune(conn, older_than_ms=10**15, keep_at_most=0) == 1
    assert _ids(conn) == [1, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_chunk_bounds_the_work(conn: Connection, new_event: MakeEvent) -> None:
    _fill(conn, new_event)
    complete(conn, [event.id for event in claim(conn, 10, 0)])
    went = [prune(conn, older_than_ms=10**15, keep_at_most=0, chunk=4) for _ in range(4)]
    assert went == [4, 4, 1, 0]
    assert counts(conn).events == 1


def test_an_id_is_never_used_twice(conn: Connection, new_event: MakeEvent) -> None:
    _fill(conn, new_event, number=3)
    complete(conn, [event.id for event in claim(conn, 3, 0)])
    prune(conn, older_than_ms=10**15, keep_at_most=0)
    append(conn, [new_event("another")])
    assert _ids(conn) == [3, 4]


def test_a_pruned_event_that_comes_again_is_a_new_one(
    conn: Connection, new_event: MakeEvent
) -> None:
    _fill(conn, new_event, number=3)
    complete(conn, [event.id for event in claim(conn, 3, 0)])
    prune(conn, older_than_ms=10**15, keep_at_most=0)
    append(conn, [new_event("1")])
    assert latest(conn, 1).events[0].event_id == "1"
    assert latest(conn, 1).events[0].duplicates == 0


def test_pruning_reads_the_finished_events_through_their_index(conn: Connection) -> None:
    values = {**CODES, "chunk": 1, "older_than_ms": 1, "excess": 1}
    plan = [row[-1] for row in conn.execute(f"EXPLAIN QUERY PLAN {_PRUNE}", values)]
    assert sum("SEARCH events USING INDEX events_by_state" in step for step in plan) == 3
    assert not [step for step in plan if step.startswith("SCAN events")]
