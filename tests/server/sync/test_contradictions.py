"""DingTalk's lists and single reads contradict each other, or list what is not there."""

from collections.abc import Callable
from typing import Any

import pytest

from server.journal.runs import RunStatus
from server.simulator.httpd import Reply
from server.simulator.roster import ROOT_ID, Person
from server.sync.outcome import RunResult
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences

USER_GET = "/topapi/v2/user/get"


@pytest.fixture
def people(world: World) -> list[Person]:
    world.set(max_removal_percent=100)
    return [world.hire(f"王{number}", mobile=f"1380000000{number}") for number in range(5)]


def _denied(userid: str) -> Rule:
    answer = Reply.of_json({"errcode": 60121, "errmsg": "找不到该用户"})
    return Rule(Fault.ANSWERED, path=USER_GET, containing=userid, answer=answer)


def _told(result: RunResult) -> str:
    return " ".join(map(str, (*result.incomplete_reason, *result.warnings)))


def _list_in(world: World, userid: str, *dept_ids: int, also_singly: bool = True) -> None:
    """Let DingTalk say that somebody is in other departments than those that list them."""
    paths = ["/topapi/v2/user/list", *([USER_GET] if also_singly else [])]

    def answer(parameters: dict[str, Any], ask: Callable[[dict[str, Any]], Any]) -> Any:
        found = ask(parameters)
        for row in found.get("list", [found]):
            if row["userid"] == userid:
                row["dept_id_list"] = list(dept_ids)
        return found

    for path in paths:
        world.dingtalk.answer_by(path, answer)


def test_who_is_listed_and_singly_denied_is_kept_and_told_by_name(
    world: World, people: list[Person]
) -> None:
    world.sync()
    world.now_ms += 8 * DAY_MS  # everybody is read singly
    world.dingtalk_faults.add(_denied(people[3].userid))
    result = world.sync()
    assert (result.status, result.has_moved) == (RunStatus.PARTIAL, False)
    assert result.retryable
    assert "王3" in _told(result)
    assert world.member_of(people[3].userid).is_enabled
    world.dingtalk_faults.switch_off()
    assert world.sync().status is RunStatus.SUCCESS


def test_a_new_one_who_is_listed_and_singly_denied_is_told_by_name(
    world: World, people: list[Person]
) -> None:
    world.sync()
    fresh = world.hire("新人", mobile="13900000001")
    world.dingtalk_faults.add(_denied(fresh.userid))
    result = world.sync()
    assert fresh.userid not in world.ledger().people
    assert "新人" in _told(result)
    assert len(people) == len(world.ledger().people)


def test_the_others_leave_while_one_stays_contradictory(world: World, people: list[Person]) -> None:
    """One person of whom nothing is certain does not keep all leavers for ever."""
    world.sync()
    world.now_ms += 8 * DAY_MS
    world.dingtalk_faults.add(_denied(people[3].userid))
    world.company.leave(people[0].userid)
    assert world.sync().status is RunStatus.PARTIAL
    assert not world.member_of(people[0].userid).is_enabled
    assert world.member_of(people[3].userid).is_enabled


@pytest.mark.parametrize("also_singly", [True, False])
def test_who_is_listed_in_a_department_that_does_not_exist_is_kept(
    world: World, people: list[Person], *, also_singly: bool
) -> None:
    world.sync()
    _list_in(world, people[2].userid, 88888, also_singly=also_singly)
    world.forget_calls()
    result = world.sync()
    assert world.member_of(people[2].userid).is_enabled
    asked = [call.parameters for call in world.dingtalk.log.calls() if call.path == USER_GET]
    assert asked == [{"userid": people[2].userid}]
    assert (result.status is RunStatus.PARTIAL) == also_singly
    assert ("王2" in _told(result)) == also_singly
    if also_singly:
        departments = [
            call.parameters["dept_id"]
            for call in world.dingtalk.log.calls()
            if call.path.endswith("department/get")
        ]
        assert departments.count(88888) == 1


def test_a_new_one_in_a_department_that_does_not_exist_is_told_by_name(
    world: World, people: list[Person]
) -> None:
    world.sync()
    fresh = world.hire("新人", mobile="13900000001")
    _list_in(world, fresh.userid, 88888)
    result = world.sync()
    assert "新人" in _told(result)
    assert fresh.userid not in world.ledger().people
    assert len(people) == len(world.ledger().people)


def test_school_contacts_are_no_department(world: World, people: list[Person]) -> None:
    """Every call about 家校通讯录 says that it does not exist; leavers leave all the same."""
    world.sync()

    def listed(parameters: dict[str, Any], ask: Callable[[dict[str, Any]], Any]) -> Any:
        rows = ask(parameters)
        if parameters["dept_id"] == ROOT_ID:
            rows.append({"dept_id": -1, "name": "家校通讯录", "parent_id": 1})
        return rows

    world.dingtalk.answer_by("/topapi/v2/department/listsub", listed)
    world.company.leave(people[0].userid)
    result = world.sync()
    assert result.status is RunStatus.SUCCESS
    assert [str(each) for each in result.warnings if "家校通讯录 (-1)" in str(each)] != []
    assert not world.member_of(people[0].userid).is_enabled
    assert world.ledger().departments == {}
    assert differences(world) == []


def test_an_event_of_somebody_in_the_school_contacts_needs_no_full_run(
    world: World, people: list[Person]
) -> None:
    world.sync()
    _list_in(world, people[1].userid, ROOT_ID, -1)
    world.company.change(people[1].userid, title="经理")
    followed = world.engine.follow([people[1].userid], [])
    assert (followed.failed, followed.needs_full) == ({}, False)
    assert world.member_of(people[1].userid).position == "经理"


def test_what_the_app_may_not_read_can_be_excluded(world: World, people: list[Person]) -> None:
    hidden = world.department("保密部")
    world.sync()
    answer = Reply.of_json({"errcode": 60019, "errmsg": "no"})
    world.dingtalk_faults.add(
        Rule(Fault.ANSWERED, path="user/list", containing=f'"dept_id":{hidden}', answer=answer),
        Rule(Fault.ANSWERED, path="user/list", containing=f'"dept_id": {hidden}', answer=answer),
    )
    result = world.sync()
    assert result.status is RunStatus.PARTIAL
    assert f"{hidden} to sync.excluded_department_ids" in _told(result)
    world.company.leave(people[0].userid)
    assert world.sync().status is RunStatus.PARTIAL
    assert world.member_of(people[0].userid).is_enabled
    world.set(excluded_department_ids=(hidden,))
    assert world.sync().status is RunStatus.SUCCESS
    assert not world.member_of(people[0].userid).is_enabled
