from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.api.status import ErrorView, Level, RunSummary, RunTotals, SyncState, SyncView
from server.api.views.sync import (
    change_views,
    conflict_views,
    held_view,
    run_summary,
    run_view,
    sync_notices,
    sync_view,
)
from server.directory.causes import UNMATCHED, Cause, cause
from server.directory.change import Action, Fields, Hold, HoldReason
from server.directory.model import (
    Conflict,
    DepartmentLink,
    DepartmentState,
    Kind,
    MemberState,
    PersonLink,
)
from server.errors.message import Message
from server.journal import ledger, runs, sync_state
from server.journal.connection import connect_in_memory
from server.journal.runs import Ending, RecordedChange, Result, RunCause, RunCounts, RunStatus
from server.journal.schema import migrate
from server.journal.sync_state import Held, Quarantine

SUCCESS = Ending(RunStatus.SUCCESS, snapshot_complete=True)
PARTIAL = Ending(RunStatus.PARTIAL, snapshot_complete=True)
FAILED = Ending(RunStatus.FAILED, error=cause("no-name", id="7"))
HELD = Held("d1", 1, 100, (Hold(HoldReason.ALLOWANCE, Kind.PERSON, 5, 1, 3, 60),))
QUARANTINE = Quarantine(100, 200, Cause("wecom-60020", Message("not trusted"), Message("add it")))


@pytest.fixture
def conn() -> Iterator[Connection]:
    with closing(connect_in_memory()) as conn:
        migrate(conn, Path("memory.db"))
        yield conn


def _run(conn: Connection, ending: Ending = SUCCESS, *, is_full: bool = True) -> int:
    run_id = runs.begin(conn, RunCause.DAILY, 100, is_full=is_full)
    runs.finish(conn, run_id, ending, 110)
    return run_id


def _view(conn: Connection, *, is_alive: bool = False) -> SyncView:
    return sync_view(conn, is_enabled=True, is_alive=is_alive)


def test_before_the_first_run_the_state_is_never(conn: Connection) -> None:
    assert _view(conn) == SyncView(is_enabled=True, state=SyncState.NEVER)


@pytest.mark.parametrize(
    ("full", "of_events", "expected"),
    [
        (SUCCESS, None, SyncState.SUCCESS),
        (PARTIAL, SUCCESS, SyncState.PARTIAL),
        (SUCCESS, PARTIAL, SyncState.PARTIAL),
        (SUCCESS, FAILED, SyncState.FAILED),
        (Ending(RunStatus.HELD), SUCCESS, SyncState.HELD),
        (FAILED, SUCCESS, SyncState.FAILED),
        (None, SUCCESS, SyncState.SUCCESS),
        (Ending(RunStatus.INTERRUPTED), None, SyncState.FAILED),
    ],
)
def test_a_run_of_events_makes_the_state_worse_but_never_better(
    conn: Connection, full: Ending | None, of_events: Ending | None, expected: SyncState
) -> None:
    if full is not None:
        _run(conn, full)
    if of_events is not None:
        _run(conn, of_events, is_full=False)
    assert _view(conn).state == expected


def test_a_full_run_makes_good_what_events_left(conn: Connection) -> None:
    _run(conn, FAILED, is_full=False)
    _run(conn, SUCCESS)
    assert _view(conn).state == SyncState.SUCCESS


def test_a_preview_leaves_the_state_as_it_was(conn: Connection) -> None:
    _run(conn, Ending(RunStatus.PREVIEW))
    assert _view(conn).state == SyncState.NEVER
    success = _run(conn)
    _run(conn, Ending(RunStatus.PREVIEW))
    view = _view(conn)
    assert view.state == SyncState.SUCCESS
    assert view.last_run is not None
    assert view.last_run.id == success


@pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.INTERRUPTED])
def test_a_preview_that_came_to_nothing_is_no_sync_that_failed(
    conn: Connection, status: RunStatus
) -> None:
    success = _run(conn)
    run_id = runs.begin(conn, RunCause.PREVIEW, 200)
    runs.finish(conn, run_id, Ending(status, error=FAILED.error), 210)
    view = _view(conn)
    assert view.state == SyncState.SUCCESS
    assert view.last_full_run is not None
    assert view.last_full_run.id == success
    assert _codes(view) == []
    assert view.last_preview is not None
    assert (view.last_preview.id, view.last_preview.status) == (run_id, str(status))
    _run(conn)
    assert _view(conn).last_preview is None


def test_the_quarantine_is_the_state(conn: Connection) -> None:
    _run(conn, FAILED)
    sync_state.set_quarantine(conn, QUARANTINE)
    view = _view(conn)
    assert view.state == SyncState.QUARANTINED
    assert view.quarantine is not None
    assert view.quarantine.error.code == "wecom-60020"


def test_a_run_is_under_way_only_while_somebody_is_at_it(conn: Connection) -> None:
    run_id = runs.begin(conn, RunCause.ASKED, 100)
    assert _view(conn, is_alive=False).current_run is None
    current = _view(conn, is_alive=True).current_run
    assert current is not None
    assert (current.id, current.status) == (run_id, None)


def test_a_run_under_way_tells_how_far_it_is(conn: Connection) -> None:
    run_id = runs.begin(conn, RunCause.ASKED, 100)
    conflict = _change("u2", {}, Action.CONFLICT)
    runs.record(conn, run_id, _change("u1", {}), replace(conflict, result=Result.SKIPPED))
    current = _view(conn, is_alive=True).current_run
    assert current is not None
    assert current.totals == RunTotals(failed=1, skipped=1, conflicts=1)


@pytest.mark.parametrize("run_cause", list(RunCause))
def test_every_cause_of_a_run_has_a_text(conn: Connection, run_cause: RunCause) -> None:
    runs.begin(conn, run_cause, 100)
    assert str(run_summary(runs.latest(conn, 1)[0]).cause)


@pytest.mark.parametrize("reason", list(HoldReason))
@pytest.mark.parametrize("kind", list(Kind))
def test_every_reason_to_hold_has_a_text_with_its_numbers(reason: HoldReason, kind: Kind) -> None:
    view = held_view(Held("d", 1, 100, (Hold(reason, kind, 5, 1, 3, 60),)))
    (shown,) = map(str, view.reasons)
    if reason is HoldReason.ALLOWANCE:
        assert ("People" in shown) is (kind is Kind.PERSON)
        assert "5" in shown
        assert "3" in shown


def _change(dingtalk_id: str, fields: Fields, action: Action = Action.UPDATE) -> RecordedChange:
    error = cause("mobile-held", name="Li", wecom_id="w9")
    return RecordedChange(action, Kind.PERSON, dingtalk_id, "w1", fields, Result.FAILED, error)


def test_a_change_is_shown_with_the_name_it_has_or_had(conn: Connection) -> None:
    ledger.put_person(conn, PersonLink("u3", "w3", MemberState("赵")))
    run_id = _run(conn)
    named = _change("u1", {"name": ("李", "王")})
    cleared = _change("u2", {"name": ("李", "")})
    linked = _change("u3", {"mobile": ("1", "2")})
    unknown = _change("u4", {"mobile": ("1", "2")})
    runs.record(conn, run_id, named, cleared, linked, unknown)
    views = change_views(conn, run_id)
    assert [view.name for view in views] == ["王", "李", "赵", ""]
    assert [view.dingtalk_id for view in views] == ["u1", "u2", "u3", "u4"]
    assert views[0].fields == {"name": ("李", "王")}
    assert views[0].error == ErrorView("mobile-held", named.error.title, named.error.hint)  # type: ignore[union-attr] # it was given one


def test_ids_in_fields_are_shown_with_their_names(conn: Connection) -> None:
    ledger.put_person(conn, PersonLink("u3", "w3", MemberState("赵")))
    ledger.put_department(conn, DepartmentLink("10", "2", DepartmentState("研发", "1", 5)))
    run_id = _run(conn)
    fields: Fields = {"department": (("2", "9"), ("2",)), "direct_leader": (None, "w3")}
    runs.record(conn, run_id, _change("u1", fields), _change("u2", {}))
    first, second = change_views(conn, run_id)
    assert first.names == {("department", "2"): "研发", ("person", "w3"): "赵"}
    assert second.names == {}


def test_a_run_is_shown_with_its_ending_and_changes(conn: Connection) -> None:
    reason, warning = Message("not read"), Message("nobody's email")
    counts = RunCounts(people=5, failed=1)
    run_id = _run(conn, Ending(RunStatus.HELD, "d1", False, (reason,), None, counts, (warning,)))  # noqa: FBT003 - the fields in their order
    runs.record(conn, run_id, _change("u1", {}))
    view = run_view(conn, run_id)
    assert view is not None
    summary = view.summary
    assert isinstance(summary, RunSummary)
    assert (summary.status, summary.digest, summary.snapshot_complete) == ("held", "d1", False)
    assert (summary.incomplete_reason, summary.warnings) == ((reason,), (warning,))
    assert (summary.totals.people, summary.totals.failed) == (5, 1)
    assert len(view.changes) == 1
    assert run_view(conn, run_id + 1) is None


def test_a_run_tells_why_it_is_held_while_it_still_is(conn: Connection) -> None:
    held_run = _run(conn, Ending(RunStatus.HELD, "d1"))
    sync_state.set_held(conn, HELD)
    view = run_view(conn, held_run)
    assert view is not None
    assert view.hold_reasons == held_view(HELD).reasons
    sync_state.set_held(conn, replace(HELD, digest="d2"))
    later = run_view(conn, held_run)
    assert later is not None
    assert later.hold_reasons == ()


def test_a_preview_tells_why_its_list_would_be_held(conn: Connection) -> None:
    run_id = _run(conn, Ending(RunStatus.PREVIEW, "d1"))
    sync_state.set_previewed(conn, HELD)
    view = run_view(conn, run_id)
    assert view is not None
    assert view.hold_reasons == held_view(HELD).reasons
    assert _view(conn).previewed == held_view(HELD)
    assert _view(conn).held is None


def test_a_list_says_what_the_run_behind_it_could_not_foresee(conn: Connection) -> None:
    told = Message(UNMATCHED, {"count": 2, "people": 7})
    warnings = (Message("Something else."), told)
    run_id = _run(conn, Ending(RunStatus.HELD, "d1", warnings=warnings))
    sync_state.set_held(conn, replace(HELD, run_id=run_id))
    held = _view(conn).held
    assert held is not None
    assert held.unforeseen == (told,)
    view = run_view(conn, run_id)
    assert view is not None
    assert view.summary.unforeseen == (told,)
    sync_state.set_held(conn, replace(HELD, digest="d2", run_id=run_id + 1))
    gone = _view(conn).held
    assert gone is not None
    assert gone.unforeseen == ()


def test_a_conflict_is_shown_as_the_last_run_explained_it(conn: Connection) -> None:
    conflicts = [Conflict(Kind.PERSON, key, "w9", "13800000001") for key in ("u1", "u2")]
    for conflict in conflicts:
        ledger.put_conflict(conn, conflict)
    runs.record(conn, _run(conn), _change("u1", {}, Action.CONFLICT))
    explained, bare = conflict_views(conn, ledger.conflicts(conn))
    assert explained.error is not None
    assert explained.error.code == "mobile-held"
    assert (bare.dingtalk_id, bare.error) == ("u2", None)
    assert _view(conn).conflicts == 2


def _codes(view: SyncView) -> list[str]:
    return [notice.code for notice in sync_notices(view)]


def test_a_sound_mirror_calls_for_no_notice(conn: Connection) -> None:
    _run(conn)
    assert _codes(_view(conn)) == []


def test_a_failure_is_told_with_its_remedy(conn: Connection) -> None:
    _run(conn, FAILED)
    (notice,) = sync_notices(_view(conn))
    assert (notice.code, notice.title) == ("sync-failed", cause("no-name", id="7").title)


def test_the_quarantine_takes_the_place_of_the_failure(conn: Connection) -> None:
    _run(conn, FAILED)
    sync_state.set_quarantine(conn, QUARANTINE)
    assert _codes(_view(conn)) == ["sync-quarantined"]


def test_what_is_held_is_told_until_it_is_rejected(conn: Connection) -> None:
    _run(conn)
    sync_state.set_held(conn, HELD)
    (notice,) = sync_notices(_view(conn))
    assert notice.code == "sync-held"
    assert "d1" in str(notice.hint)
    sync_state.reject_held(conn, "d1")
    assert _codes(_view(conn)) == []


def test_conflicts_and_an_incomplete_reading_are_told(conn: Connection) -> None:
    ledger.put_conflict(conn, Conflict(Kind.PERSON, "u1", "w9", "13800000001"))
    _run(
        conn,
        replace(PARTIAL, incomplete_reason=(Message("a"),), warnings=(Message("b"), Message("c"))),
    )
    expected = ["sync-conflicts", "sync-incomplete", "sync-warning", "sync-warning"]
    assert _codes(_view(conn)) == expected


def test_what_single_records_lack_is_told_until_the_next_full_run(conn: Connection) -> None:
    counts = RunCounts(done=9, failed=1, skipped=3, conflicts=2)
    _run(conn, replace(PARTIAL, counts=counts))
    _run(conn, SUCCESS, is_full=False)
    (notice,) = sync_notices(_view(conn))
    assert (notice.code, notice.title.values) == ("sync-left-out", {"count": 2})
    _run(conn)
    assert _codes(_view(conn)) == []


def test_a_failed_full_run_is_told_also_after_events_were_followed(conn: Connection) -> None:
    _run(conn, FAILED)
    _run(conn, SUCCESS, is_full=False)
    assert _codes(_view(conn)) == ["sync-failed"]


def test_an_interrupted_run_without_an_error_calls_for_no_notice(conn: Connection) -> None:
    _run(conn, Ending(RunStatus.INTERRUPTED))
    assert _codes(_view(conn)) == []


def test_that_missed_events_cannot_be_fetched_is_told_with_its_remedy(conn: Connection) -> None:
    sync_state.set_unfetched(conn, QUARANTINE.cause)
    (notice,) = sync_notices(_view(conn))
    assert (notice.code, notice.level) == ("missed-events", Level.WARNING)
    assert (notice.title.values, notice.hint) == ({"code": "wecom-60020"}, QUARANTINE.cause.hint)
    sync_state.set_quarantine(conn, QUARANTINE)
    assert _codes(_view(conn)) == ["sync-quarantined"]
    sync_state.set_unfetched(conn, None)
    sync_state.set_quarantine(conn, None)
    assert _codes(_view(conn)) == []
