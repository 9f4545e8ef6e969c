"""A department's removal told by an event, before the events of those who were in it."""

import pytest

from server.journal.runs import RunStatus
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World, differences


@pytest.fixture
def people(world: World) -> list[str]:
    """Five people; three removals in 24 hours need no approval."""
    world.set(max_removal_percent=100)
    hired = [world.hire(f"王伟{number}", mobile=f"1380000000{number}") for number in range(5)]
    return [person.userid for person in hired]


def test_who_was_in_it_is_read_again_and_it_goes_at_once(world: World, people: list[str]) -> None:
    upper = world.department("研发部")
    lower = world.department("一组", upper)
    moved, left, disabled, *_ = people
    world.company.move(moved, [lower, upper])
    world.company.move(left, [lower])
    world.company.move(disabled, [upper])
    world.sync()
    world.company.leave(disabled)
    world.sync()
    world.company.move(moved, [1])
    world.company.leave(left)
    (event,) = world.company.remove_department(upper)
    world.forget_calls()
    followed = world.engine.follow([], [str(one) for one in event["deptId"]])
    assert (followed.failed, followed.needs_full) == ({}, False)
    assert differences(world) == []
    assert world.member_of(left).department_ids == (1,)
    assert world.dingtalk.log.counts()["/topapi/v2/user/get"] == 3
    world.forget_calls()
    assert world.engine.follow([moved, left], []).failed == {}
    assert world.attempted_writes() == []


def test_what_lay_below_it_is_found_without_an_event_of_its_own(
    world: World, people: list[str]
) -> None:
    upper = world.department("研发部")
    lower, gone = world.department("一组", upper), world.department("二组", upper)
    world.company.move(people[0], [lower])
    world.sync()
    world.company.change_department(lower, parent_id=1)
    world.company.remove_department(upper)
    assert not world.engine.follow([], [str(upper)]).needs_full
    assert gone not in world.company.roster.departments
    assert differences(world) == []


@pytest.mark.usefixtures("people")
def test_one_that_is_kept_for_strangers_is_looked_at_by_a_full_run(world: World) -> None:
    department = world.department("研发部")
    world.sync()
    place = int(world.ledger().departments[str(department)].wecom_id)
    world.console.add_member("stranger", "外人", (place,), mobile="13700000000")
    world.company.remove_department(department)
    followed = world.engine.follow([], [str(department)])
    assert (followed.failed, followed.needs_full) == ({}, True)


def test_one_whose_people_cannot_be_read_is_left_to_a_full_run(
    world: World, people: list[str]
) -> None:
    department = world.department("研发部")
    world.company.move(people[0], [department])
    world.sync()
    world.company.move(people[0], [1])
    world.company.remove_department(department)
    world.dingtalk_faults.add(Rule(Fault.SERVER_ERROR, path="user/get"))
    assert world.engine.follow([], [str(department)]).needs_full
    world.dingtalk_faults.switch_off()
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


@pytest.mark.usefixtures("people")
def test_one_that_was_never_mirrored_is_nothing_to_us(world: World) -> None:
    world.sync()
    world.forget_calls()
    department = world.department("研发部")
    world.company.remove_department(department)
    followed = world.engine.follow([], [str(department)])
    assert (followed.failed, followed.needs_full) == ({}, False)
    assert world.attempted_writes() == []
