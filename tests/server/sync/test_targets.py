"""Of unknown department ids a WeCom of 2025 makes departments of its own: it never gets any."""

from pathlib import Path

import pytest

from server.journal.runs import Result, RunStatus
from server.simulator.httpd import Reply
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World, differences, open_world

NO_PARENT = Reply.of_json({"errcode": 60004, "errmsg": "parent department not found"})


def _department_names(world: World) -> set[str]:
    return {each.name for each in world.wecom.directory.snapshot().departments.values()}


@pytest.mark.parametrize("creates_unknown_departments", [True, False])
@pytest.mark.parametrize("preview", [True, False])
def test_a_target_that_wecom_lacks_is_told_once_and_nothing_is_written(
    world: World, *, creates_unknown_departments: bool, preview: bool
) -> None:
    world.wecom.rules.members.creates_unknown_departments = creates_unknown_departments
    world.hire("王伟", world.department("研发部"), mobile="13800000001")
    world.set(target_department_id=77)
    result = world.sync(preview=preview)
    assert (result.status, result.error and result.error.code) == (
        RunStatus.FAILED,
        "target-missing",
    )
    assert (result.changes, result.blocked, result.retryable) == ((), False, False)
    assert world.attempted_writes() == []


def test_a_mirror_whose_place_was_deleted_in_the_console_waits_for_another_one(
    world: World,
) -> None:
    place = world.console.add_department("镜像")
    world.set(target_department_id=place)
    department = world.department("研发部")
    person = world.hire("王伟", department, mobile="13800000001")
    world.sync()
    link = world.ledger().people[person.userid]
    world.console.delete_member(link.wecom_userid)
    world.console.delete_department(int(world.ledger().departments[str(department)].wecom_id))
    world.console.delete_department(place)
    world.forget_calls()
    failed = world.sync()
    assert failed.error is not None
    assert failed.error.code == "target-missing"
    assert world.attempted_writes() == []
    world.set(target_department_id=1)
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


def test_an_event_does_not_put_anybody_under_a_target_that_is_gone(world: World) -> None:
    place = world.console.add_department("镜像")
    world.set(target_department_id=place)
    world.hire("王伟", world.department("研发部"), mobile="13800000001")
    world.sync()
    newcomer = world.hire("新人", mobile="13900000000")
    world.set(target_department_id=77)
    world.forget_calls()
    for _ in range(2):
        followed = world.engine.follow([newcomer.userid], [])
        assert followed.error is not None
        assert (followed.error.code, followed.blocked) == ("target-missing", False)
    assert world.attempted_writes() == []


def test_the_target_is_not_looked_for_at_every_event(world: World) -> None:
    place = world.console.add_department("镜像")
    world.set(target_department_id=place)
    world.hire("王伟", mobile="13800000001")
    world.sync()
    world.restart()
    world.forget_calls()
    for number in range(3):
        newcomer = world.hire(f"新人{number}", mobile=f"1390000000{number}")
        assert world.engine.follow([newcomer.userid], []).error is None
    assert world.wecom.log.counts()["/cgi-bin/department/simplelist"] == 1
    members = world.wecom.directory.snapshot().members.values()
    assert [member.department_ids for member in members] == [(place,)] * 4


def test_a_department_that_gets_in_at_the_second_try_has_its_people_at_once(
    world: World,
) -> None:
    upper = world.department("研发部")
    lower = world.department("前端组", upper)
    world.hire("王伟", upper, mobile="13800000001")
    world.hire("李雷", lower, mobile="13800000002")
    world.wecom_faults.add(
        Rule(
            Fault.ANSWERED, path="department/create", containing="研发部", answer=NO_PARENT, times=1
        )
    )
    assert world.sync().status is RunStatus.SUCCESS
    assert len(_department_names(world)) == 3
    assert differences(world) == []


def test_people_of_a_department_that_is_refused_wait_for_it(tmp_path: Path) -> None:
    with open_world(tmp_path, approve_first_run=False) as world:
        upper = world.department("研发部")
        lower = world.department("前端组", upper)
        other = world.department("销售部")
        waiting = world.hire("王伟", lower, mobile="13800000001")
        halfway = world.hire("李雷", upper, other, mobile="13800000002")
        world.wecom_faults.add(
            Rule(Fault.ANSWERED, path="department/create", containing="研发部", answer=NO_PARENT)
        )
        result = world.sync()
        told = {
            one.dingtalk_id: (one.result, one.error and one.error.code) for one in result.changes
        }
        assert told == {
            str(upper): (Result.FAILED, "wecom-60004"),
            str(lower): (Result.SKIPPED, "department-waits"),
            str(other): (Result.DONE, None),
            waiting.userid: (Result.SKIPPED, "person-waits"),
            halfway.userid: (Result.DONE, None),
        }
        assert _department_names(world) == {"钉桥演示公司", "销售部"}
        world.wecom_faults.switch_off()
        assert world.sync().status is RunStatus.SUCCESS
        assert differences(world) == []
