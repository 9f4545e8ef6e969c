from sqlite3 import Connection

from server.directory.change import Action
from server.directory.model import Kind
from server.journal import runs
from server.journal.runs import RecordedChange, Result, RunCause, RunCounts, counts_so_far


def _change(dingtalk_id: str, result: Result, action: Action = Action.UPDATE) -> RecordedChange:
    return RecordedChange(action, Kind.PERSON, dingtalk_id, "w1", {}, result)


def test_a_run_under_way_is_counted_by_what_it_recorded(conn: Connection) -> None:
    run_id = runs.begin(conn, RunCause.DAILY, 100)
    assert counts_so_far(conn, run_id) == RunCounts()
    conflict = _change("u3", Result.SKIPPED, Action.CONFLICT)
    runs.record(conn, run_id, _change("u1", Result.DONE), _change("u2", Result.DONE), conflict)
    assert counts_so_far(conn, run_id) == RunCounts(done=2, skipped=1, conflicts=1)
