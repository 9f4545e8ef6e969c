"""People come, change, leave and return; each change of theirs reaches WeCom once."""

from pathlib import Path

import pytest

from server.directory.change import Action
from server.directory.model import Origin
from server.errors.vendor import CallCancelledError
from server.journal.runs import Result, RunCause, RunStatus
from server.simulator.httpd import Reply
from server.sync.clients import PolledStop
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences, open_world

CREATE = "user/create"


def _created(world: World) -> list[str]:
    return [
        str(one.parameters["userid"]) for one in world.wecom.writes() if one.path.endswith(CREATE)
    ]


@pytest.mark.parametrize("fault", [Fault.LATE_DROPPED, Fault.LATE_BAD_GATEWAY, Fault.LATE_BUSY])
@pytest.mark.parametrize("mobile", ["13800000001", ""])
def test_a_person_is_created_once_although_the_reply_was_lost(
    world: World, fault: Fault, mobile: str
) -> None:
    person = world.hire("王伟", mobile=mobile, email="wang@example.com")
    world.wecom_faults.add(Rule(fault, path=CREATE, times=1))
    assert world.sync().status is RunStatus.SUCCESS
    assert _created(world) == [person.userid]
    assert differences(world) == []


@pytest.mark.parametrize("fault", [Fault.LATE_DROPPED, Fault.LATE_BAD_GATEWAY, Fault.LATE_BUSY])
def test_a_department_is_created_once_although_the_reply_was_lost(
    world: World, fault: Fault
) -> None:
    world.department("研发部")
    world.hire("王伟", mobile="13800000001")
    world.wecom_faults.add(Rule(fault, path="department/create", times=1))
    assert world.sync().status is RunStatus.SUCCESS
    assert len(world.wecom.directory.snapshot().departments) == 2
    assert differences(world) == []


@pytest.mark.parametrize("looks", range(1, 9))
def test_a_run_cut_short_anywhere_is_resumed_without_doing_anything_twice(
    world: World, looks: int
) -> None:
    department = world.department("研发部")
    for number in range(3):
        world.hire(f"王伟{number}", department, mobile=f"1380000000{number}")
    left = iter(range(looks))
    try:
        world.engine.run(stop=PolledStop(lambda: next(left, None) is None))
    except CallCancelledError:
        world.restart()
    assert world.sync().status is RunStatus.SUCCESS
    assert len(_created(world)) == 3
    assert differences(world) == []


def test_a_leaver_is_disabled_and_deleted_only_after_the_waiting_days(tmp_path: Path) -> None:
    with open_world(
        tmp_path, approve_first_run=False, leavers="delete", delete_after_days=30
    ) as world:
        stays, leaves = (
            world.hire("李雷", mobile="13800000001"),
            world.hire("韩梅", mobile="13800000002"),
        )
        world.sync()
        world.company.leave(leaves.userid)
        world.sync()
        assert not world.member_of(leaves.userid).is_enabled
        world.now_ms += 29 * DAY_MS
        world.sync()
        assert leaves.userid in world.ledger().people
        world.now_ms += 2 * DAY_MS
        world.sync()
        assert set(world.wecom.directory.snapshot().members) == {stays.userid}


def test_who_returns_with_a_new_userid_and_the_same_mobile_is_the_same_member(
    world: World,
) -> None:
    for number in range(3):
        world.hire(f"李雷{number}", mobile=f"1380000000{number}")
    person = world.hire("韩梅", mobile="13900000000")
    world.sync()
    world.company.leave(person.userid)
    world.sync()
    world.company.rehire(person.userid, [1])
    assert world.sync().status is RunStatus.SUCCESS
    (fresh,) = [p for p in world.company.roster.people.values() if p.name == "韩梅"]
    member = world.member_of(fresh.userid)
    assert (member.userid, member.is_enabled) == (person.userid, True)
    assert differences(world) == []


def test_a_phone_passed_on_to_another_name_is_a_conflict_and_hands_over_nothing(
    world: World,
) -> None:
    for number in range(3):
        world.hire(f"李雷{number}", mobile=f"1380000000{number}")
    former = world.hire("韩梅", mobile="13900000000")
    world.sync()
    world.company.leave(former.userid)
    world.sync()
    heir = world.hire("王伟", mobile="13900000000")
    result = world.sync()
    (conflict,) = [one for one in result.changes if one.dingtalk_id == heir.userid]
    assert (conflict.action.value, conflict.result) == ("conflict", Result.SKIPPED)
    assert conflict.error is not None
    assert conflict.error.code == "mobile-of-leaver"
    assert not world.member_of(former.userid).is_enabled


def _waiting(world: World) -> list[tuple[str, str]]:
    return [(one.dingtalk_id, one.wecom_id) for one in world.ledger().conflicts]


def test_conflicts_that_no_call_was_needed_to_see_wait_for_the_admin_too(world: World) -> None:
    staff = [world.hire(f"李雷{number}", mobile=f"1380000000{number}") for number in range(4)]
    world.sync()
    world.company.leave(staff[0].userid)
    world.sync()
    world.company.change(staff[1].userid, mobile="13800000000", title="经理")
    world.company.change(staff[2].userid, mobile="13800000003", state_code="")
    holder = world.ledger().people[staff[0].userid].wecom_userid
    for _ in range(2):
        assert world.sync().status is RunStatus.PARTIAL
        assert _waiting(world) == [(staff[1].userid, holder), (staff[2].userid, "")]
    world.company.change(staff[1].userid, mobile="13800000001", title="主任")
    world.engine.follow([staff[1].userid], [])
    assert _waiting(world) == [(staff[2].userid, "")]
    world.company.leave(staff[2].userid)
    world.sync()
    assert _waiting(world) == []


def test_a_mobile_passed_on_is_taken_over_as_soon_as_its_holder_is_gone_from_wecom(
    world: World,
) -> None:
    staff = [world.hire(f"李雷{number}", mobile=f"1380000000{number}") for number in range(3)]
    world.sync()
    holder = world.member_of(staff[0].userid).userid
    world.company.leave(staff[0].userid)
    world.sync()
    world.company.change(staff[1].userid, mobile="13800000000")
    world.sync()
    world.console.delete_member(holder)
    world.sync(cause=RunCause.RETRY)
    assert world.member_of(staff[1].userid).mobile == "13800000000"
    assert _waiting(world) == []


def test_a_mobile_that_wecom_refuses_a_member_of_ours_is_not_warned_of_as_if_written(
    world: World,
) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    world.console.add_member("chef", "老板", mobile="13900000000")
    world.company.change(person.userid, mobile="13900000000", title="经理")
    told = {one.action: one for one in world.sync().changes}
    assert told.keys() == {Action.UPDATE, Action.CONFLICT}
    assert list(told[Action.UPDATE].fields) == ["position"]
    assert [one.warnings for one in told.values()] == [(), ()]


def test_a_member_with_the_same_mobile_is_adopted(world: World) -> None:
    world.console.add_member("wang.wei", "旧名", mobile="13800000001")
    person = world.hire("王伟", mobile="13800000001")
    result = world.sync()
    assert [one.action.value for one in result.changes] == ["adopt"]
    assert world.ledger().people[person.userid].origin is Origin.ADOPTED
    assert world.member_of(person.userid).name == "王伟"


def test_a_protected_member_with_the_same_mobile_is_a_conflict_until_that_is_solved(
    world: World,
) -> None:
    world.set(protected_wecom_userids=("Boss",))
    world.console.add_member("boss", "老板", mobile="13800000001")
    person = world.hire("王伟", mobile="13800000001")
    assert world.sync().status is RunStatus.PARTIAL
    assert len(world.ledger().conflicts) == 1
    before = world.wecom.directory.member("boss")
    assert before is not None
    assert before.name == "老板"
    world.console.change_member("boss", mobile="13800000099")
    assert world.sync().status is RunStatus.SUCCESS  # the admin asked again
    assert world.ledger().conflicts == ()
    assert world.member_of(person.userid).mobile == "13800000001"


def test_a_strangers_userid_that_the_list_does_not_show_is_left_alone(world: World) -> None:
    world.wecom.rules.members.lists_disabled = False
    world.console.add_member("zhang", "别人", is_enabled=False, mobile="13700000000")
    person = world.hire("张三", userid="zhang", mobile="13800000001")
    assert world.sync().status is RunStatus.SUCCESS
    link = world.ledger().people[person.userid]
    assert link.wecom_userid != "zhang"
    stranger = world.wecom.directory.member("zhang")
    assert stranger is not None
    assert stranger.name == "别人"


def test_a_member_deleted_in_the_console_is_created_again(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    world.console.delete_member(person.userid)
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


def test_one_bad_record_does_not_stop_the_rest(world: World) -> None:
    people = [world.hire(f"王伟{n}", mobile=f"1380000000{n}") for n in range(5)]
    answer = Reply.of_json({"errcode": 40003, "errmsg": "invalid userid"})
    world.wecom_faults.add(
        Rule(Fault.ANSWERED, path=CREATE, containing=people[2].userid, answer=answer)
    )
    result = world.sync()
    failed = [one for one in result.changes if one.result is Result.FAILED]
    assert [one.dingtalk_id for one in failed] == [people[2].userid]
    assert failed[0].error is not None
    assert failed[0].error.code == "wecom-40003"
    assert result.status is RunStatus.PARTIAL
    world.wecom_faults.switch_off()
    assert world.sync().status is RunStatus.SUCCESS


@pytest.mark.parametrize(
    ("errcode", "field"),
    [
        (60105, "email"),
        (60106, "email"),
        (60103, "mobile"),
        (301012, "position"),
        (301013, "telephone"),
    ],
)
def test_a_value_that_wecom_refuses_is_left_out_and_told(
    world: World, errcode: int, field: str
) -> None:
    person = world.hire(
        "王伟", mobile="13800000001", email="wang@example.com", title="经理", telephone="0571-1"
    )
    answer = Reply.of_json({"errcode": errcode, "errmsg": "refused"})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path=CREATE, times=1, answer=answer))
    (change,) = world.sync().changes
    assert change.result is Result.DONE
    assert change.warnings
    assert getattr(world.member_of(person.userid), field) == ""


def test_no_room_for_members_stops_creations_and_nothing_else(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    world.company.change(person.userid, title="经理")
    for number in range(3):
        world.hire(f"李雷{number}", mobile=f"1390000000{number}")
    answer = Reply.of_json({"errcode": 45024, "errmsg": "account count exceed limit"})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path=CREATE, answer=answer))
    result = world.sync()
    results = sorted(one.result.value for one in result.changes)
    assert results == ["done", "failed", "skipped", "skipped"]
    assert world.member_of(person.userid).position == "经理"


def test_managers_in_a_circle_and_unknown_ones_end_right(world: World) -> None:
    one, two = world.hire("甲", mobile="13800000001"), world.hire("乙", mobile="13800000002")
    world.company.change(one.userid, manager_userid=two.userid)
    world.company.change(two.userid, manager_userid=one.userid)
    world.sync()
    assert differences(world) == []


def test_a_changed_manager_is_seen_within_seven_days_although_the_event_was_lost(
    world: World,
) -> None:
    boss = world.hire("老板", mobile="13800000000")
    people = [world.hire(f"王伟{n}", mobile=f"1381000000{n}") for n in range(8)]
    world.sync()
    for person in people:
        world.company.change(person.userid, manager_userid=boss.userid)
    world.forget_calls()
    for _ in range(7):
        world.now_ms += DAY_MS
        world.sync()
    assert differences(world) == []
    assert world.dingtalk.log.counts()["/topapi/v2/user/get"] == 9


def test_an_employee_number_goes_into_the_attribute_that_is_named(world: World) -> None:
    world.set(employee_number_attribute="工号")
    world.wecom.directory.attribute_names.add("工号")
    person = world.hire("王伟", mobile="13800000001", job_number="E7")
    world.sync()
    assert dict(world.member_of(person.userid).attributes) == {"工号": "E7"}


def test_busy_after_the_change_took_effect_is_no_proof_that_nothing_was_done(
    world: World,
) -> None:
    department = world.department("研发部")
    person = world.hire("王伟", department, mobile="13800000001")
    for path in (CREATE, "department/create"):
        world.wecom_faults.add(Rule(Fault.LATE_BUSY, path=path, times=1))
        world.wecom_faults.add(Rule(Fault.BUSY, path=path, times=3))
    assert world.sync().status is RunStatus.PARTIAL  # the department, and so the person
    assert world.sync().status is RunStatus.PARTIAL  # the person
    assert world.sync().status is RunStatus.SUCCESS
    assert _created(world) == [person.userid]
    assert len(world.wecom.directory.snapshot().departments) == 2
    assert differences(world) == []
