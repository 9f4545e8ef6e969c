from sqlite3 import Connection

import pytest

from server.directory.causes import Cause, cause
from server.directory.change import Action, Change, Fields
from server.directory.model import Kind
from server.errors.message import Message
from server.journal import runs
from server.journal.runs import (
    Ending,
    RecordedChange,
    Result,
    Run,
    RunCause,
    RunCounts,
    RunStatus,
)

ERROR = Cause("wecom-60020", Message("The address {ip}", {"ip": "1.2.3.4"}), Message("Add it"))
SUCCESS = Ending(RunStatus.SUCCESS, snapshot_complete=True)


def _change(
    dingtalk_id: str = "u1",
    result: Result = Result.DONE,
    action: Action = Action.UPDATE,
    error: Cause | None = None,
) -> RecordedChange:
    fields: Fields = {
        "name": ("Li", "Wang"),
        "department": (("1", "2"), ("2",)),
        "order": (None, (1, 2)),
    }
    warning = (Message("{field} was cut", {"field": "name"}),)
    return RecordedChange(action, Kind.PERSON, dingtalk_id, "w1", fields, result, error, warning)


def _run(
    conn: Connection, ending: Ending = SUCCESS, at_ms: int = 100, *, is_full: bool = True
) -> int:
    run_id = runs.begin(conn, RunCause.DAILY, at_ms, is_full=is_full)
    runs.finish(conn, run_id, ending, at_ms + 10)
    return run_id


def test_a_run_that_ended_is_read_back_as_it_was(conn: Connection) -> None:
    ending = Ending(
        RunStatus.HELD,
        digest="0123456789abcdef",
        snapshot_complete=False,
        incomplete_reason=(Message("{name} failed", {"name": "A"}), Message("more")),
        error=ERROR,
        counts=RunCounts(people=7, done=3, held=2),
        warnings=(Message("nobody's {field}", {"field": "email"}),),
    )
    run_id = _run(conn, ending)
    assert runs.latest(conn, 10) == [Run(run_id, RunCause.DAILY, True, 100, 110, ending)]  # noqa: FBT003 - the fields in their order


def test_the_newest_run_comes_first_and_pages_go_on_below(conn: Connection) -> None:
    ids = [_run(conn) for _ in range(5)]
    first = runs.latest(conn, 2)
    assert [run.id for run in first] == [ids[4], ids[3]]
    assert [run.id for run in runs.latest(conn, 9, before_id=first[-1].id)] == ids[2::-1]


def test_a_run_is_found_by_its_id(conn: Connection) -> None:
    run_id = _run(conn)
    assert [runs.find(conn, run_id)] == runs.latest(conn, 1)
    assert runs.find(conn, run_id + 1) is None


def test_changes_are_read_back_in_their_order_and_in_pages(conn: Connection) -> None:
    run_id = runs.begin(conn, RunCause.ASKED, 100)
    other = runs.begin(conn, RunCause.EVENTS, 100, is_full=False)
    changes = tuple(_change(f"u{number}", error=ERROR) for number in range(5))
    runs.record(conn, run_id, changes[0])
    runs.record(conn, other, _change("other"))
    runs.record(conn, run_id, *changes[1:])
    assert runs.changes(conn, run_id) == changes
    assert runs.changes(conn, run_id, limit=2, after=2) == changes[2:4]


def test_a_planned_change_is_recorded_with_its_own_cause() -> None:
    planned = Change(
        Action.CREATE, Kind.PERSON, "u1", "w1", {"name": ("", "Li")}, cause=cause("no-name", id="1")
    )
    recorded = RecordedChange.of(planned, Result.SKIPPED)
    assert (recorded.result, recorded.error) == (Result.SKIPPED, planned.cause)
    assert RecordedChange.of(planned, Result.FAILED, ERROR).error == ERROR


def test_counts_are_those_of_the_changes() -> None:
    changes = [
        _change(),
        _change(result=Result.FAILED),
        _change(action=Action.CONFLICT, result=Result.SKIPPED),
    ]
    expected = RunCounts(people=9, departments=2, done=1, skipped=1, failed=1, conflicts=1)
    assert RunCounts.of(changes, people=9, departments=2) == expected


def test_a_run_without_an_end_is_found_and_closed_once(conn: Connection) -> None:
    _run(conn)
    cut_short = runs.begin(conn, RunCause.ASKED, 100)
    assert [run.id for run in runs.interrupted(conn)] == [cut_short]
    assert [run.id for run in runs.close_interrupted(conn, 200)] == [cut_short]
    assert runs.interrupted(conn) == []
    found = runs.find(conn, cut_short)
    assert found is not None
    assert found.ending == Ending(RunStatus.INTERRUPTED)


@pytest.mark.parametrize(
    ("ending", "is_full", "moves_success", "moves_complete"),
    [
        (SUCCESS, True, True, True),
        (SUCCESS, False, False, False),
        (Ending(RunStatus.SUCCESS, snapshot_complete=False), True, False, False),
        (Ending(RunStatus.PARTIAL, snapshot_complete=True), True, False, True),
        (Ending(RunStatus.PARTIAL, snapshot_complete=False), True, False, False),
        (Ending(RunStatus.HELD, snapshot_complete=True), True, False, True),
        (Ending(RunStatus.FAILED, snapshot_complete=True), True, False, False),
        (Ending(RunStatus.REFUSED, snapshot_complete=True), True, False, False),
        (Ending(RunStatus.PREVIEW, snapshot_complete=True), True, False, False),
        (Ending(RunStatus.FAILED), True, False, False),
    ],
)
def test_only_full_success_moves_the_last_success(
    conn: Connection,
    ending: Ending,
    is_full: bool,  # noqa: FBT001 - a column of the table
    moves_success: bool,  # noqa: FBT001 - a column of the table
    moves_complete: bool,  # noqa: FBT001 - a column of the table
) -> None:
    _run(conn, SUCCESS, at_ms=100)
    _run(conn, ending, at_ms=500, is_full=is_full)
    assert runs.last_success_ms(conn) == (510 if moves_success else 110)
    assert runs.last_complete_full_ms(conn) == (510 if moves_complete else 110)


def test_the_last_run_that_wrote_what_it_found_is_told_by_its_beginning(conn: Connection) -> None:
    _run(conn, Ending(RunStatus.PARTIAL, snapshot_complete=True), at_ms=100)
    for status in (RunStatus.HELD, RunStatus.FAILED, RunStatus.PREVIEW):
        _run(conn, Ending(status, snapshot_complete=True), at_ms=500)
    _run(conn, Ending(RunStatus.PARTIAL, snapshot_complete=False), at_ms=500)
    _run(conn, SUCCESS, at_ms=500, is_full=False)
    assert runs.last_written_ms(conn) == 100


def test_before_the_first_run_there_is_no_success(conn: Connection) -> None:
    runs.begin(conn, RunCause.ASKED, 100)
    assert runs.last_written_ms(conn) is None
    assert runs.last_success_ms(conn) is None
    assert runs.last_complete_full_ms(conn) is None
    assert runs.last_ended(conn, is_full=True) is None


def test_previews_and_refusals_leave_the_last_run_what_it_was(conn: Connection) -> None:
    run_id = _run(conn)
    _run(conn, Ending(RunStatus.PREVIEW, snapshot_complete=True))
    _run(conn, Ending(RunStatus.REFUSED, snapshot_complete=True))
    events_run = _run(conn, is_full=False)
    found = [runs.last_ended(conn, is_full=is_full) for is_full in (True, False)]
    assert [run and run.id for run in found] == [run_id, events_run]


def test_a_conflict_is_explained_as_the_last_run_did(conn: Connection) -> None:
    for number in (1, 2):
        run_id = runs.begin(conn, RunCause.ASKED, number)
        error = Cause(f"cause-{number}", Message("a"), Message("b"))
        runs.record(conn, run_id, _change(action=Action.CONFLICT, error=error))
        runs.record(conn, run_id, _change(action=Action.UPDATE))
    found = runs.last_conflict(conn, Kind.PERSON, "u1")
    assert found is not None
    assert found.error is not None
    assert found.error.code == "cause-2"
    assert runs.last_conflict(conn, Kind.DEPARTMENT, "u1") is None
