"""Nobody who exists is removed: DingTalk is changed while a full run reads it."""

from collections.abc import Callable
from functools import partial
from sqlite3 import Connection
from threading import Event
from typing import Any

import pytest

from server.config.settings import Leavers
from server.directory.change import Action
from server.journal import sync_state
from server.journal.runs import RunStatus
from server.simulator.httpd import Reply
from server.simulator.roster import ROOT_ID
from server.sync.outcome import RunResult
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences

USER_GET, USER_LIST = "/topapi/v2/user/get", "/topapi/v2/user/list"
DEPARTMENT_GET, LISTSUB = "/topapi/v2/department/get", "/topapi/v2/department/listsub"


def _read_before(
    world: World, path: str, first: int, second: int, act: Callable[[], object]
) -> None:
    """Let `act` happen when department `first` was read and `second` was not."""
    happened = Event()

    def answer(parameters: dict[str, Any], ask: Callable[[dict[str, Any]], object]) -> object:
        if parameters["dept_id"] == second:
            assert happened.wait(5)
        return ask(parameters)

    def happen() -> None:
        act()
        happened.set()

    world.dingtalk.answer_by(path, answer)
    world.dingtalk.after_call(happen, path, asking={"dept_id": first})


def _assert_nobody_is_lost(world: World) -> None:
    """What exists in DingTalk and is ours is enabled in WeCom, or there."""
    roster, ledger = world.company.roster, world.ledger()
    known = world.wecom.directory.snapshot()
    for key, link in ledger.people.items():
        if key in roster.people:
            assert known.members[link.wecom_userid].is_enabled, key
    for key, place in ledger.departments.items():
        if int(key) in roster.departments:
            assert int(place.wecom_id) in known.departments, key


def _removals(result: RunResult) -> set[tuple[str, str]]:
    return {
        (change.dingtalk_id, change.result.value)
        for change in result.changes
        if change.action in (Action.DISABLE, Action.DELETE)
    }


def _assert_in_step(world: World) -> None:
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.attempted_writes() == []


def _two_departments(world: World) -> tuple[int, int]:
    first, second = world.department("甲部"), world.department("乙部")
    for number in range(12):
        world.hire(f"同事{number}", first, mobile=f"138000001{number:02}")
    return first, second


def test_who_moves_to_where_the_walk_has_been_is_kept(world: World) -> None:
    first, second = _two_departments(world)
    mover = world.hire("王五", second, mobile="13900000001")
    world.sync()
    _read_before(
        world, USER_LIST, first, second, partial(world.company.move, mover.userid, (first,))
    )
    result = world.sync()
    assert (result.status, result.snapshot_complete) == (RunStatus.PARTIAL, False)
    assert result.has_moved
    assert "王五" in str(result.incomplete_reason[0])
    assert _removals(result) == set()
    _assert_nobody_is_lost(world)
    world.dingtalk.answer_plainly()
    _assert_in_step(world)


def test_who_stood_behind_a_leaver_on_the_next_page_is_kept(world: World) -> None:
    """`cursor` is an offset: with one less before it a page begins one later."""
    department = world.department("大部")
    people = [
        world.hire(f"同事{number}", department, mobile=f"138{number:08}") for number in range(130)
    ]
    world.sync()
    order = [one.userid for one in world.company.roster.members(department)]
    leaver = order[3]
    world.dingtalk.after_call(
        lambda: world.company.leave(leaver), USER_LIST, asking={"dept_id": department}
    )
    result = world.sync()
    assert len(people) == 130
    assert _removals(result) == set()
    assert result.has_moved
    _assert_nobody_is_lost(world)
    assert _removals(world.sync()) == {(leaver, "done")}
    _assert_in_step(world)


@pytest.mark.parametrize("size", [1, 3])
def test_a_team_that_moves_is_kept_and_its_people_are_not_held(world: World, size: int) -> None:
    first, second = _two_departments(world)
    team = world.department("小组", second)
    for number in range(size):
        world.hire(f"组员{number}", team, mobile=f"1390000000{number}")
    world.sync()
    _read_before(
        world,
        LISTSUB,
        first,
        second,
        partial(world.company.change_department, team, parent_id=first),
    )
    result = world.sync()
    assert (result.status, result.digest) == (RunStatus.PARTIAL, None)
    assert result.has_moved
    assert _removals(result) == set()
    _assert_nobody_is_lost(world)
    world.dingtalk.answer_plainly()
    _assert_in_step(world)


def test_what_lies_below_a_department_that_moves_is_kept(world: World) -> None:
    first, second = _two_departments(world)
    upper = world.department("上", second)
    lower = world.department("下", upper)
    world.hire("王五", lower, mobile="13900000001")
    world.sync()
    _read_before(
        world,
        LISTSUB,
        first,
        second,
        partial(world.company.change_department, upper, parent_id=first),
    )
    assert _removals(world.sync()) == set()
    _assert_nobody_is_lost(world)
    world.dingtalk.answer_plainly()
    _assert_in_step(world)


def test_who_moves_into_a_department_made_during_the_read_is_placed_there(world: World) -> None:
    first, second = _two_departments(world)
    mover = world.hire("王五", second, mobile="13900000001")
    world.sync()

    def found_and_move() -> None:
        (made,) = world.company.create_department("新部")
        world.company.move(mover.userid, made["deptId"])

    world.dingtalk.after_call(found_and_move, LISTSUB, asking={"dept_id": ROOT_ID})
    result = world.sync()
    assert result.has_moved
    assert _removals(result) == set()
    assert first
    assert differences(world) == []
    _assert_in_step(world)


def test_a_leaver_costs_one_read_and_nobody_missing_none(world: World) -> None:
    world.set(max_removal_percent=100)
    _two_departments(world)
    empty = world.department("空部")
    leaver = world.hire("王五", mobile="13900000001")
    world.sync()
    world.now_ms += 8 * DAY_MS
    world.sync()
    world.forget_calls()
    world.sync()
    still = world.dingtalk.log.counts()
    assert world.attempted_writes() == []
    world.company.leave(leaver.userid)
    world.company.remove_department(empty)
    world.forget_calls()
    result = world.sync()
    counts = world.dingtalk.log.counts()
    assert result.status is RunStatus.SUCCESS
    assert _removals(result) == {(leaver.userid, "done"), (str(empty), "done")}
    assert USER_GET not in still
    assert counts[USER_GET] == 1
    # One department less to be read for its order, and one more to be proven gone.
    assert counts[DEPARTMENT_GET] == still[DEPARTMENT_GET]
    world.forget_calls()
    world.sync()
    assert USER_GET not in world.dingtalk.log.counts()
    assert world.attempted_writes() == []


@pytest.mark.parametrize("code", [33012, 60111, 60121])
def test_every_code_for_no_such_person_is_proof(world: World, code: int) -> None:
    _two_departments(world)
    leaver = world.hire("王五", mobile="13900000001")
    world.sync()
    world.company.leave(leaver.userid)
    refusal = Reply.of_json({"errcode": code, "errmsg": "找不到该用户"})
    world.dingtalk_faults.add(Rule(Fault.ANSWERED, path=USER_GET, answer=refusal))
    assert _removals(world.sync()) == {(leaver.userid, "done")}


@pytest.mark.parametrize("code", [50002, 50004, 60003, 40035, 60011, 71007, 99999, -1])
@pytest.mark.parametrize("way", ["run", "event"])
def test_no_other_answer_about_a_person_is_proof(world: World, code: int, way: str) -> None:
    _two_departments(world)
    leaver = world.hire("王五", mobile="13900000001")
    world.sync()
    world.company.leave(leaver.userid)
    refusal = Reply.of_json({"errcode": code, "errmsg": "?"})
    world.dingtalk_faults.add(Rule(Fault.ANSWERED, path=USER_GET, answer=refusal))
    if way == "event":
        world.engine.follow([leaver.userid], [])
    else:
        result = world.sync()
        assert (result.status, result.has_moved) == (RunStatus.PARTIAL, False)
        assert any("王五" in str(each) for each in result.incomplete_reason)
    assert world.member_of(leaver.userid).is_enabled
    world.dingtalk_faults.switch_off()
    assert _removals(world.sync()) == {(leaver.userid, "done")}


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.DROPPED, Fault.BUSY, Fault.THROTTLED])
def test_a_read_that_fails_keeps_many_and_the_rest_of_the_run_goes_on(
    world: World, fault: Fault
) -> None:
    _two_departments(world)
    leavers = [world.hire(f"王{number}", mobile=f"1390000000{number}") for number in range(7)]
    newcomer_department = world.department("新部")
    world.sync()
    for leaver in leavers:
        world.company.leave(leaver.userid)
    world.company.change_department(newcomer_department, name="改名")
    world.dingtalk_faults.add(Rule(fault, path=USER_GET))
    result = world.sync()
    assert (result.status, result.digest) == (RunStatus.PARTIAL, None)
    assert [(each.dingtalk_id, each.result.value) for each in result.changes] == [
        (str(newcomer_department), "done")
    ]
    assert all(world.member_of(leaver.userid).is_enabled for leaver in leavers)
    assert result.retryable


@pytest.mark.parametrize("code", [50004, 60121, 40035, 60011, 99999, -1])
def test_no_other_answer_about_a_department_is_proof(world: World, code: int) -> None:
    _two_departments(world)
    gone = world.department("空部")
    world.sync()
    world.company.remove_department(gone)
    refusal = Reply.of_json({"errcode": code, "errmsg": "?"})
    world.dingtalk_faults.add(
        Rule(Fault.ANSWERED, path=DEPARTMENT_GET, containing=str(gone), answer=refusal)
    )
    result = world.sync()
    assert result.status is RunStatus.PARTIAL
    assert _removals(result) == set()
    assert any("空部" in str(each) for each in result.incomplete_reason)
    world.engine.follow([], [str(gone)])
    assert str(gone) in world.ledger().departments
    world.dingtalk_faults.switch_off()
    assert _removals(world.sync()) == {(str(gone), "done")}


def test_a_smaller_scope_in_the_console_removes_nobody(world: World) -> None:
    first, second = _two_departments(world)
    person = world.hire("王五", second, mobile="13900000001")
    world.set(source_department_ids=(first,))
    world.sync()
    assert person.userid not in world.ledger().people
    team = world.department("小组", first)
    teammate = world.hire("组员", team, mobile="13900000002")
    world.sync()
    world.dingtalk.rules.scope_departments = frozenset({first, second})
    world.company.change_department(team, parent_id=ROOT_ID)
    result = world.sync()
    assert result.status is RunStatus.PARTIAL
    assert _removals(result) == set()
    assert world.member_of(teammate.userid).is_enabled


def test_who_is_moved_out_of_the_sources_is_disabled(world: World) -> None:
    """Our own settings say that they are not mirrored; DingTalk shows where they are."""
    first, second = _two_departments(world)
    mover = world.hire("王五", first, mobile="13900000001")
    world.set(source_department_ids=(first,))
    world.sync()
    world.company.move(mover.userid, (second,))
    assert _removals(world.sync()) == {(mover.userid, "done")}
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.attempted_writes() == []


def test_who_moves_below_an_excluded_department_is_disabled(world: World) -> None:
    first, second = _two_departments(world)
    below = world.department("下", second)
    mover = world.hire("王五", first, mobile="13900000001")
    world.set(excluded_department_ids=(second,))
    world.sync()
    world.company.move(mover.userid, (below,))
    assert _removals(world.sync()) == {(mover.userid, "done")}


def test_those_proven_gone_go_while_others_prove_to_be_there(world: World) -> None:
    first, second = _two_departments(world)
    mover = world.hire("王五", second, mobile="13900000001")
    leaver = world.hire("赵六", second, mobile="13900000002")
    world.sync()
    world.company.leave(leaver.userid)
    _read_before(
        world, USER_LIST, first, second, partial(world.company.move, mover.userid, (first,))
    )
    result = world.sync()
    assert _removals(result) == {(leaver.userid, "done")}
    assert result.has_moved
    _assert_nobody_is_lost(world)


def test_the_held_list_names_nobody_who_is_there(world: World) -> None:
    first, second = _two_departments(world)
    world.set(max_removals=0)
    mover = world.hire("王五", second, mobile="13900000001")
    leaver = world.hire("赵六", second, mobile="13900000002")
    world.sync()
    world.company.leave(leaver.userid)
    _read_before(
        world, USER_LIST, first, second, partial(world.company.move, mover.userid, (first,))
    )
    held = world.sync()
    assert _removals(held) == {(leaver.userid, "held")}
    world.dingtalk.answer_plainly()
    assert world.sync().digest == held.digest
    assert _removals(world.sync(allow=held.digest)) == {(leaver.userid, "done")}


def test_a_held_list_is_taken_back_where_all_on_it_prove_to_be_there(world: World) -> None:
    first, second = _two_departments(world)
    world.set(max_removals=0)
    mover = world.hire("王五", second, mobile="13900000001")
    world.sync()
    world.company.leave(mover.userid)
    assert world.sync().digest
    world.company.hire(world.company.left[mover.userid])
    _read_before(
        world, USER_LIST, first, second, partial(world.company.move, mover.userid, (first,))
    )
    assert world.sync().has_moved
    assert world.journal.read(_held) is None


def test_a_deletion_after_the_waiting_days_is_proven_anew(world: World) -> None:
    world.set(leavers=Leavers.DELETE, delete_after_days=0)
    first, second = _two_departments(world)
    person = world.hire("王五", second, mobile="13900000001")
    world.sync()
    world.company.leave(person.userid)
    assert _removals(world.sync()) == {(person.userid, "done")}
    world.company.hire(world.company.left[person.userid])
    _read_before(
        world, USER_LIST, first, second, partial(world.company.move, person.userid, (first,))
    )
    assert _removals(world.sync()) == set()
    world.dingtalk.answer_plainly()
    world.sync()
    assert world.member_of(person.userid).is_enabled


def test_nobody_takes_over_the_member_of_somebody_who_is_there(world: World) -> None:
    first, second = _two_departments(world)
    holder = world.hire("王五", second, mobile="13900000001")
    world.sync()

    def move_and_pass_on() -> None:
        world.company.change(holder.userid, mobile="13900000009")
        world.company.move(holder.userid, (first,))
        world.hire("王五", second, mobile="13900000001")

    _read_before(world, USER_LIST, first, second, move_and_pass_on)
    world.sync()
    assert holder.userid in world.ledger().people
    _assert_nobody_is_lost(world)
    world.dingtalk.answer_plainly()
    _assert_in_step(world)


def test_with_leavers_kept_nobody_is_asked_for_them(world: World) -> None:
    world.set(leavers=Leavers.KEEP)
    _two_departments(world)
    leader = world.hire("王五", mobile="13900000001")
    report = world.hire("赵六", mobile="13900000002", manager_userid=leader.userid)
    world.sync()
    world.now_ms += 8 * DAY_MS
    world.sync()
    world.company.leave(leader.userid)
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    asked = [call.parameters for call in world.dingtalk.log.calls() if call.path == USER_GET]
    assert asked == [{"userid": report.userid}]
    assert world.member_of(report.userid).direct_leader == ()
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert USER_GET not in world.dingtalk.log.counts()


def test_an_event_removes_nobody_whom_a_list_shows(world: World) -> None:
    """The list and the single read contradict each other: a full run is to decide."""
    first, _ = _two_departments(world)
    person = world.hire("王五", first, mobile="13900000001")
    world.sync()
    refusal = Reply.of_json({"errcode": 60121, "errmsg": "找不到该用户"})
    world.dingtalk_faults.add(
        Rule(Fault.ANSWERED, path=USER_GET, containing=person.userid, answer=refusal)
    )
    followed = world.engine.follow([person.userid], [str(first)])
    assert followed.needs_full
    assert world.member_of(person.userid).is_enabled


def _held(conn: Connection) -> sync_state.Held | None:
    return sync_state.load(conn).held


def test_what_a_wrong_removal_left_behind_is_put_right_by_the_next_run(world: World) -> None:
    """Should DingTalk itself say wrongly that somebody is gone: their reports lose their leader."""
    first, second = _two_departments(world)
    leader = world.hire("王五", second, mobile="13900000001")
    report = world.hire("赵六", first, mobile="13900000002", manager_userid=leader.userid)
    world.sync()
    refusal = Reply.of_json({"errcode": 60121, "errmsg": "找不到该用户"})
    world.dingtalk_faults.add(
        Rule(Fault.ANSWERED, path=USER_GET, containing=leader.userid, answer=refusal)
    )

    def move() -> None:
        world.company.move(leader.userid, (first,))

    _read_before(world, USER_LIST, first, second, move)
    assert _removals(world.sync()) == {(leader.userid, "done")}
    assert world.member_of(report.userid).direct_leader == ()
    world.dingtalk_faults.switch_off()
    world.dingtalk.answer_plainly()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.member_of(report.userid).direct_leader == (leader.userid,)
    _assert_in_step(world)
