"""Departments come, move and go without ever touching what is not ours."""

from dataclasses import replace

import pytest

from server.journal import ledger as stored
from server.journal.runs import Result, RunStatus
from server.simulator.httpd import Reply
from server.sync.outcome import RunResult
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences


def test_a_foreign_department_of_the_same_name_is_a_conflict_until_it_is_named(
    world: World,
) -> None:
    foreign = world.console.add_department("研发部")
    department = world.department("研发部")
    below = world.department("一组", department)
    person = world.hire("王伟", below, mobile="13800000001")
    result = world.sync()
    told = {one.dingtalk_id: (one.result, one.error and one.error.code) for one in result.changes}
    assert told == {
        str(department): (Result.SKIPPED, "department-name-taken"),
        str(below): (Result.SKIPPED, "department-waits"),
        person.userid: (Result.SKIPPED, "person-waits"),
    }
    world.set(department_links={department: foreign})
    assert world.sync().status is RunStatus.SUCCESS
    assert world.ledger().departments[str(department)].wecom_id == str(foreign)
    assert world.ledger().conflicts == ()
    assert differences(world) == []


def test_a_solved_name_conflict_is_noticed_when_the_admin_asks_again(world: World) -> None:
    foreign = world.console.add_department("研发部")
    world.department("研发部")
    world.hire("王伟", mobile="13800000001")
    assert world.sync().status is RunStatus.PARTIAL
    world.console.change_department(foreign, name="别的部门")
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


@pytest.fixture
def waiting(world: World) -> int:
    """A department that waits for a stranger's name, and others below it and led from it."""
    foreign = world.console.add_department("研发部")
    upper, other = world.department("研发部"), world.department("销售部")
    lower = world.department("前端组", upper)
    chief = world.hire("主管", upper, mobile="13800000001")
    world.hire("王伟", lower, mobile="13800000002", manager_userid=chief.userid)
    world.hire("李雷", other, lower, mobile="13800000003", manager_userid=chief.userid)
    assert world.sync().status is RunStatus.PARTIAL
    return foreign


def test_what_waited_for_a_solved_conflict_comes_in_the_same_run(
    world: World, waiting: int
) -> None:
    world.console.change_department(waiting, name="别的部门")
    result = world.sync()
    assert (result.status, differences(world)) == (RunStatus.SUCCESS, [])
    world.forget_calls()
    assert world.sync().changes == ()
    assert world.attempted_writes() == []


@pytest.mark.usefixtures("waiting")
def test_a_conflict_that_is_not_solved_costs_one_try_and_nothing_beside(world: World) -> None:
    def told(result: RunResult) -> list[tuple[str, Result, str]]:
        return [
            (one.dingtalk_id, one.result, one.error.code) for one in result.changes if one.error
        ]

    world.forget_calls()
    first = told(world.sync())
    assert world.attempted_writes() == ["/cgi-bin/department/create"]
    assert [code for _, _, code in first] == [
        "department-name-taken",
        "department-waits",
        "person-waits",
        "person-waits",
    ]
    assert told(world.sync()) == first


@pytest.mark.usefixtures("waiting")
def test_a_run_that_is_stopped_still_tells_what_waits(world: World) -> None:
    world.hire("新人", mobile="13900000000")
    refusal = Reply.of_json({"errcode": 48002, "errmsg": "api forbidden"})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path="user/create", answer=refusal))
    result = world.sync()
    assert result.status is RunStatus.FAILED
    codes = {one.error and one.error.code for one in result.changes}
    assert codes == {"wecom-48002", "department-name-taken", "department-waits", "person-waits"}


def test_our_own_leavers_are_moved_out_before_their_department_goes(world: World) -> None:
    world.hire("李雷", mobile="13800000001")
    department = world.department("研发部")
    leaver = world.hire("韩梅", department, mobile="13800000002")
    world.sync()
    world.company.leave(leaver.userid)
    world.company.remove_department(department)
    assert world.sync().status is RunStatus.SUCCESS
    assert world.member_of(leaver.userid).department_ids == (1,)
    assert len(world.wecom.directory.snapshot().departments) == 1


def test_a_department_that_holds_strangers_is_kept_and_reported(world: World) -> None:
    world.hire("李雷", mobile="13800000001")
    department = world.department("研发部")
    world.sync()
    place = int(world.ledger().departments[str(department)].wecom_id)
    world.console.add_member("stranger", "外人", (place,), mobile="13700000000")
    world.company.remove_department(department)
    result = world.sync()
    assert [(one.result, one.error and one.error.code) for one in result.changes] == [
        (Result.SKIPPED, "department-not-empty")
    ]
    assert place in world.wecom.directory.snapshot().departments


def test_a_department_deleted_in_the_console_is_created_again(world: World) -> None:
    department = world.department("研发部")
    world.hire("李雷", mobile="13800000001")
    world.sync()
    world.console.delete_department(int(world.ledger().departments[str(department)].wecom_id))
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


def test_two_departments_that_swap_their_places_converge(world: World) -> None:
    upper = world.department("上")
    lower = world.department("下", upper)
    world.hire("李雷", lower, mobile="13800000001")
    world.sync()
    world.company.change_department(lower, parent_id=1)
    world.company.change_department(upper, parent_id=lower)
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


@pytest.mark.parametrize("errcode", [60005, 60006])
def test_what_cannot_be_deleted_yet_is_tried_again_at_the_end(world: World, errcode: int) -> None:
    world.hire("李雷", mobile="13800000001")
    department = world.department("研发部")
    world.sync()
    world.company.remove_department(department)
    answer = Reply.of_json({"errcode": errcode, "errmsg": "department contains"})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path="department/delete", times=1, answer=answer))
    assert world.sync().status is RunStatus.SUCCESS


def test_an_incomplete_reading_removes_nobody_and_says_why(world: World) -> None:
    department = world.department("研发部")
    world.hire("李雷", mobile="13800000009")
    people = [world.hire(f"王伟{n}", department, mobile=f"1380000000{n}") for n in range(4)]
    world.sync()
    world.company.leave(people[0].userid)
    world.company.change(people[1].userid, title="经理")
    newcomer = world.hire("新人", mobile="13900000000")
    world.dingtalk_faults.add(
        Rule(Fault.SERVER_ERROR, path="user/list", containing=str(department))
    )
    result = world.sync()
    assert (result.status, result.snapshot_complete) == (RunStatus.PARTIAL, False)
    assert "could not be read" in str(result.incomplete_reason[0])
    assert world.member_of(people[0].userid).is_enabled
    assert world.member_of(newcomer.userid).name == "新人"
    world.dingtalk_faults.switch_off()
    assert world.sync().status is RunStatus.SUCCESS
    assert not world.member_of(people[0].userid).is_enabled


def test_a_company_that_shows_nobody_removes_nobody(world: World) -> None:
    world.hire("李雷", mobile="13800000001")
    world.sync()
    for userid in list(world.company.roster.people):
        world.company.leave(userid)
    result = world.sync()
    assert (result.status, result.snapshot_complete) == (RunStatus.PARTIAL, False)
    assert result.changes == ()


def test_removals_above_the_allowance_wait_for_exactly_their_digest(world: World) -> None:
    people = [world.hire(f"王伟{n:02}", mobile=f"138000000{n:02}") for n in range(40)]
    world.sync()
    for person in people[:4]:
        world.company.leave(person.userid)
    newcomer = world.hire("新人", mobile="13900000000")
    held = world.sync()
    assert held.status is RunStatus.HELD
    assert sorted(one.result.value for one in held.changes) == ["done", *["held"] * 4]
    assert world.member_of(newcomer.userid).is_enabled
    assert world.sync(allow="0" * 16).status is RunStatus.REFUSED
    assert all(world.member_of(person.userid).is_enabled for person in people[:4])
    assert world.sync(allow=held.digest).status is RunStatus.SUCCESS
    assert not any(world.member_of(person.userid).is_enabled for person in people[:4])
    # Approved ones do not use up what is allowed without asking.
    world.company.leave(people[4].userid)
    world.now_ms += DAY_MS // 2
    assert world.sync().status is RunStatus.SUCCESS


def test_what_was_announced_and_never_made_is_forgotten_when_it_is_gone(world: World) -> None:
    world.hire("李雷", mobile="13800000001")
    department = world.department("研发部")
    world.wecom_faults.add(Rule(Fault.DROPPED, path="department/create"))
    world.sync()
    assert str(department) in world.ledger().departments
    world.wecom_faults.switch_off()
    world.company.remove_department(department)
    assert world.sync().status is RunStatus.SUCCESS
    assert world.ledger().departments == {}


@pytest.mark.parametrize("lists_disabled", [True, False])
@pytest.mark.parametrize("goes_later", [True, False])
def test_a_leaver_keeps_no_department_alive_where_the_list_hides_them(
    world: World, *, lists_disabled: bool, goes_later: bool
) -> None:
    world.wecom.rules.members.lists_disabled = lists_disabled
    place, stays = world.department("要撤的部门"), world.department("研发部")
    person = world.hire("王伟", place, stays, mobile="13800000001")
    lone = world.hire("韩梅", place, mobile="13800000003")
    world.hire("李娜", mobile="13800000002")
    world.set(max_removal_percent=100)
    world.sync()
    for leaver in (person, lone):
        world.company.leave(leaver.userid)
    if goes_later:
        world.sync()
        assert not world.member_of(lone.userid).is_enabled
    world.company.remove_department(place)
    assert world.sync().status is RunStatus.SUCCESS
    assert str(place) not in world.ledger().departments
    kept = int(world.ledger().departments[str(stays)].wecom_id)
    assert world.member_of(person.userid).department_ids == (kept,)
    assert world.member_of(lone.userid).department_ids == (1,)
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.attempted_writes() == []


@pytest.mark.parametrize("is_enabled", [True, False])
def test_a_leaver_known_by_userid_alone_is_moved_out_of_a_department_that_goes(
    world: World, *, is_enabled: bool
) -> None:
    """A service was killed between creating the member and storing what WeCom accepted."""
    place = world.department("要撤的部门")
    person = world.hire("王伟", place, mobile="13800000001")
    world.hire("李娜", mobile="13800000002")
    world.sync()
    link = replace(world.ledger().people[person.userid], accepted=None, is_enabled=is_enabled)
    world.journal.run(lambda conn: stored.put_person(conn, link)).result(5)
    world.company.leave(person.userid)
    world.company.remove_department(place)
    assert world.sync().status is RunStatus.SUCCESS
    assert [one.department_id for one in world.member_of(person.userid).memberships] == [1]
    assert str(place) not in world.ledger().departments
    world.forget_calls()
    world.sync()
    assert world.attempted_writes() == []
