"""A company of 300 people in 40 departments meets an empty WeCom."""

from pathlib import Path

from server.directory.change import HoldReason
from server.journal import sync_state
from server.journal.runs import Result, RunStatus
from server.simulator.company_generator import generate
from server.simulator.comparison import is_reachable
from tests.server.sync.world import World, differences, open_world


def test_the_first_run_is_held_whole_until_its_preview_is_approved(tmp_path: Path) -> None:
    with open_world(tmp_path, generate(300, 40, 7)) as world:
        held = world.sync()
        assert (held.status, held.holds[0].reason) == (RunStatus.HELD, HoldReason.FIRST_RUN)
        assert world.attempted_writes() == []
        assert world.sync(preview=True).digest == held.digest
        done = world.sync(allow=held.digest)
        unreachable = [p for p in world.company.roster.people.values() if not is_reachable(p)]
        skipped = [one for one in done.changes if one.result is Result.SKIPPED]
        assert done.status is RunStatus.PARTIAL
        assert {one.dingtalk_id for one in skipped} == {one.userid for one in unreachable}
        assert all(one.error and one.error.code == "no-contact" for one in skipped)
        assert differences(world) == []
        assert world.wecom.directory.invited == []


def test_a_second_run_with_nothing_changed_attempts_no_write(tmp_path: Path) -> None:
    with open_world(tmp_path, generate(60, 12, 3), approve_first_run=False) as world:
        world.sync()
        world.forget_calls()
        world.sync()
        assert world.attempted_writes() == []
        # One call a department for each of three facts about it, and nobody read again.
        counts = world.dingtalk.log.counts()
        assert counts["/topapi/v2/department/listsub"] == 13
        assert counts["/topapi/v2/user/list"] == 13
        assert counts["/topapi/v2/user/get"] == 0


def test_any_other_digest_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with open_world(tmp_path, generate(10, 3, 3)) as world:
        held = world.sync()
        refused = world.sync(allow="0123456789abcdef")
        assert (refused.status, refused.digest) == (RunStatus.REFUSED, held.digest)
        assert world.attempted_writes() == []


def test_a_preview_notes_why_its_list_would_be_held_and_holds_nothing(tmp_path: Path) -> None:
    with open_world(tmp_path, generate(5, 2, 7)) as world:
        preview = world.sync(preview=True)
        state = world.journal.read(sync_state.load)
        assert state.held is None
        assert state.previewed is not None
        assert state.previewed.digest == preview.digest
        assert [one.reason for one in state.previewed.holds] == [HoldReason.FIRST_RUN]
        world.sync(allow=preview.digest)
        world.sync(preview=True)
        assert world.journal.read(sync_state.load).previewed is None


def test_a_preview_writes_nothing_and_lists_what_would_be_done(world: World) -> None:
    world.hire("王伟", mobile="13800000001")
    preview = world.sync(preview=True)
    assert preview.status is RunStatus.PREVIEW
    assert [(one.action.value, one.result.value) for one in preview.changes] == [
        ("create", "planned")
    ]
    assert world.attempted_writes() == []
    assert world.ledger().people == {}


def test_a_changed_scope_asks_for_approval_again(tmp_path: Path) -> None:
    with open_world(tmp_path, generate(20, 4, 5)) as world:
        world.first_sync()
        other = next(iter(world.company.roster.departments.values())).dept_id
        assert other == 1
        excluded = sorted(world.company.roster.departments)[1]
        world.set(excluded_department_ids=(excluded,))
        assert not world.engine.is_approved()
        held = world.sync()
        assert held.holds[0].reason is HoldReason.SCOPE_CHANGED


def test_everything_works_where_nothing_but_ids_can_be_read_back(tmp_path: Path) -> None:
    with open_world(tmp_path, generate(20, 4, 9), approve_first_run=False) as world:
        world.sync()
        reads = {
            one.path.removeprefix("/cgi-bin/")
            for one in world.wecom.log.calls()
            if one.path not in {each.path for each in world.wecom.writes()}
        }
        assert reads == {"gettoken", "department/simplelist", "user/list_id"}
