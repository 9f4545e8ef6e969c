from collections.abc import Callable
from sqlite3 import Connection

import pytest

from server.directory.change import Action, Hold, HoldReason
from server.directory.model import Kind
from server.journal import runs, sync_state
from server.journal.events import CODES, NewEvent, append, claim, complete, fail, ignore
from server.journal.listing import counts, latest
from server.journal.retention import _PRUNE_EVENTS, prune_events, prune_runs
from server.journal.runs import Ending, RecordedChange, Result, RunCause, RunStatus
from server.journal.sync_state import Held

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
    assert prune_events(conn, older_than_ms=401, keep_at_most=100) == 4
    assert _ids(conn) == [5, 6, 7, 8, 9, 10]


def test_finished_events_go_by_number_the_oldest_first(
    conn: Connection, new_event: MakeEvent
) -> None:
    _fill(conn, new_event)
    complete(conn, [event.id for event in claim(conn, 10, 0)])
    assert prune_events(conn, older_than_ms=0, keep_at_most=7) == 3
    assert _ids(conn) == [4, 5, 6, 7, 8, 9, 10]
    assert prune_events(conn, older_than_ms=0, keep_at_most=7) == 0


def test_what_is_pending_or_worked_on_is_never_pruned(
    conn: Connection, new_event: MakeEvent
) -> None:
    _fill(conn, new_event)
    claim(conn, 5, 0)
    fail(conn, 1, "later", 10**15)
    complete(conn, [2])
    assert prune_events(conn, older_than_ms=10**15, keep_at_most=0) == 1
    assert _ids(conn) == [1, 3, 4, 5, 6, 7, 8, 9, 10]


def test_a_chunk_bounds_the_work(conn: Connection, new_event: MakeEvent) -> None:
    _fill(conn, new_event)
    complete(conn, [event.id for event in claim(conn, 10, 0)])
    went = [prune_events(conn, older_than_ms=10**15, keep_at_most=0, chunk=4) for _ in range(4)]
    assert went == [4, 4, 1, 0]
    assert counts(conn).events == 1


def test_an_id_is_never_used_twice(conn: Connection, new_event: MakeEvent) -> None:
    _fill(conn, new_event, number=3)
    complete(conn, [event.id for event in claim(conn, 3, 0)])
    prune_events(conn, older_than_ms=10**15, keep_at_most=0)
    append(conn, [new_event("another")])
    assert _ids(conn) == [3, 4]


def test_a_pruned_event_that_comes_again_is_a_new_one(
    conn: Connection, new_event: MakeEvent
) -> None:
    _fill(conn, new_event, number=3)
    complete(conn, [event.id for event in claim(conn, 3, 0)])
    prune_events(conn, older_than_ms=10**15, keep_at_most=0)
    append(conn, [new_event("1")])
    assert latest(conn, 1).events[0].event_id == "1"
    assert latest(conn, 1).events[0].duplicates == 0


def test_pruning_reads_the_finished_events_through_their_index(conn: Connection) -> None:
    values = {**CODES, "chunk": 1, "older_than_ms": 1, "excess": 1}
    plan = [row[-1] for row in conn.execute(f"EXPLAIN QUERY PLAN {_PRUNE_EVENTS}", values)]
    assert sum("SEARCH events USING INDEX events_by_state" in step for step in plan) == 3
    assert not [step for step in plan if step.startswith("SCAN events")]


CHANGE = RecordedChange(Action.UPDATE, Kind.PERSON, "u1", "w1", {}, Result.DONE)
SUCCESS = Ending(RunStatus.SUCCESS, snapshot_complete=True)


def _run(
    conn: Connection, ending: Ending = SUCCESS, at_ms: int = 100, *, is_full: bool = True
) -> int:
    run_id = runs.begin(conn, RunCause.DAILY, at_ms, is_full=is_full)
    runs.finish(conn, run_id, ending, at_ms + 10)
    return run_id


def _prune_all(conn: Connection, older_than_ms: int, keep_at_most: int, chunk: int = 2) -> None:
    for _ in range(100):
        if not prune_runs(conn, older_than_ms, keep_at_most, chunk):
            return
    pytest.fail("pruning never ends")


def test_old_runs_go_with_their_changes(conn: Connection) -> None:
    ids = [_run(conn, at_ms=at_ms) for at_ms in (100, 200, 300, 400)]
    for run_id in ids:
        runs.record(conn, run_id, *[CHANGE] * 5)
    _prune_all(conn, older_than_ms=300, keep_at_most=100)
    assert [run.id for run in runs.latest(conn, 10)] == [ids[3], ids[2]]
    assert [len(runs.changes(conn, run_id)) for run_id in ids] == [0, 0, 5, 5]


def test_runs_beyond_a_number_go(conn: Connection) -> None:
    ids = [_run(conn) for _ in range(6)]
    _prune_all(conn, older_than_ms=0, keep_at_most=2)
    assert [run.id for run in runs.latest(conn, 10)] == [ids[5], ids[4]]


def test_runs_that_the_status_tells_of_stay(conn: Connection) -> None:
    success = _run(conn)
    complete = _run(conn, Ending(RunStatus.PARTIAL, snapshot_complete=True))
    held = _run(conn, Ending(RunStatus.FAILED))
    hold = Hold(HoldReason.ALLOWANCE, Kind.PERSON, 5, 0, 1, 20)
    sync_state.set_held(conn, Held("d1", held, 100, (hold,)))
    last_full = _run(conn, Ending(RunStatus.FAILED))
    _run(conn, is_full=False)
    last_of_events = _run(conn, is_full=False)
    open_run = runs.begin(conn, RunCause.ASKED, 100)
    _prune_all(conn, older_than_ms=10_000, keep_at_most=1)
    expected = [open_run, last_of_events, last_full, held, complete, success]
    assert [run.id for run in runs.latest(conn, 10)] == expected


def test_an_id_is_not_given_twice(conn: Connection) -> None:
    first = _run(conn, Ending(RunStatus.PREVIEW))
    _prune_all(conn, older_than_ms=10_000, keep_at_most=0)
    assert runs.latest(conn, 1) == []
    assert runs.begin(conn, RunCause.ASKED, 100) == first + 1
