from contextlib import closing
from pathlib import Path

import pytest

from server.api.app import App
from server.api.status import SyncState
from server.api.sync import SyncDispatcher
from server.config.paths import DataFolder
from server.directory.causes import cause
from server.directory.change import Action, Hold, HoldReason
from server.directory.model import Conflict, Kind
from server.errors.base import SettingsError
from server.journal import ledger, runs, sync_state
from server.journal.connection import transaction
from server.journal.opening import open_database
from server.journal.requests import Answer
from server.journal.runs import Ending, RecordedChange, Result, RunCause, RunStatus
from server.journal.sync_state import Held


@pytest.fixture
def app(tmp_path: Path) -> App:
    folder = DataFolder(tmp_path)
    with closing(open_database(folder.database, 0).conn) as conn, transaction(conn):
        for number in range(3):
            run_id = runs.begin(conn, RunCause.ASKED, number)
            error = cause("no-name", id="u3")
            runs.record(
                conn,
                run_id,
                _change("u1", Result.HELD),
                _change("u2", Result.DONE),
                RecordedChange(Action.CONFLICT, Kind.PERSON, "u3", "w", {}, Result.SKIPPED, error),
            )
            runs.finish(conn, run_id, Ending(RunStatus.HELD, "d1", snapshot_complete=True), number)
        hold = Hold(HoldReason.ALLOWANCE, Kind.PERSON, 5, 1, 3, 60)
        sync_state.set_held(conn, Held("d1", 2, 100, (hold,)))
        ledger.put_conflict(conn, Conflict(Kind.PERSON, "u3", "w9", "13800000001"))
    return App(folder)


def _change(dingtalk_id: str, result: Result) -> RecordedChange:
    return RecordedChange(Action.DISABLE, Kind.PERSON, dingtalk_id, "w", {}, result)


def test_runs_are_listed_page_by_page(app: App) -> None:
    assert [run.id for run in app.mirror.runs(limit=2)] == [3, 2]
    assert [run.id for run in app.mirror.runs(limit=2, before_id=2)] == [1]


def test_a_run_and_pages_of_its_changes_are_shown(app: App) -> None:
    run = app.mirror.run(3)
    assert run is not None
    assert [change.dingtalk_id for change in run.changes] == ["u1", "u2", "u3"]
    assert app.mirror.changes(3, limit=1, after=1) == run.changes[1:2]
    assert app.mirror.run(99) is None


def test_the_held_list_is_what_awaits_approval(app: App) -> None:
    assert [change.dingtalk_id for change in app.mirror.held_changes()] == ["u1"]


def test_conflicts_are_listed_with_their_explanation(app: App) -> None:
    (conflict,) = app.mirror.conflicts()
    assert conflict.error is not None
    assert (conflict.dingtalk_id, conflict.error.code) == ("u3", "no-name")


def test_a_held_list_can_be_rejected_by_its_digest_only(app: App) -> None:
    assert not app.mirror.reject("another")
    assert app.mirror.reject("d1")
    held = app.status().sync.held
    assert held is not None
    assert held.is_rejected


def test_the_status_tells_of_the_mirror(app: App) -> None:
    status = app.status()
    assert (status.sync.state, status.sync.conflicts) == (SyncState.HELD, 1)
    codes = [notice.code for notice in status.notices]
    assert codes == ["not-set-up", "sync-held", "sync-conflicts"]


def test_sync_is_switched_on_and_off(app: App) -> None:
    app.switch_sync(is_on=True)
    assert app.status().sync.is_enabled
    app.switch_sync(is_on=False)
    assert not app.status().sync.is_enabled


def test_a_mirror_that_is_not_set_up_says_what_is_missing(app: App) -> None:
    with pytest.raises(SettingsError) as caught:
        app.sync()
    expected = ["dingtalk.app_key", "dingtalk.app_secret", "wecom.corp_id", "wecom.contact_secret"]
    assert [problem.name for problem in caught.value.problems] == expected
    assert list(app.mirror.missing()) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(refusal=cause("no-name", id="u1")), "no-name"),
        (Answer(run_id=99), "run-lost"),
    ],
)
def test_a_sync_that_led_to_no_run_is_shown_as_failed(
    app: App, monkeypatch: pytest.MonkeyPatch, answer: Answer, expected: str
) -> None:
    app.configure(
        {
            "dingtalk": {"app_key": "dingmadeup", "app_secret": "made-up"},
            "wecom": {"corp_id": "wwmadeup", "contact_secret": "made-up"},
        }
    )
    monkeypatch.setattr(SyncDispatcher, "carry_out", lambda *_: answer)
    run = app.sync()
    assert run.summary.error is not None
    assert (run.summary.status, run.summary.error.code) == ("failed", expected)
    assert run.changes == ()


def test_before_anything_happened_there_is_nothing_to_show(tmp_path: Path) -> None:
    app = App(DataFolder(tmp_path / "new"))
    assert app.mirror.runs() == ()
    assert app.mirror.held_changes() == ()
    assert app.mirror.conflicts() == ()
