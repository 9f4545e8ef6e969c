"""What happens in a company, the events it makes, and the generated companies."""

from collections import Counter
from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.simulator.company import Company, CompanyError, Payloads
from server.simulator.company_generator import generate
from server.simulator.roster import ROOT_ID
from tests.server.simulator.companies import found_department, hire


@pytest.fixture
def company() -> Company:
    clock = count(1_700_000_000_000, 53)
    return Company(seed=3, clock_ms=lambda: next(clock))


def _person(company: Company, *dept_ids: int, **details: object) -> str:
    return hire(company, "王伟", *dept_ids, **details).userid


def test_an_event_has_the_documented_envelope(company: Company) -> None:
    event = company.create_department("研发部")[0]
    assert event == {
        "EventType": "org_dept_create",
        "EventTime": 1_700_000_000_000,
        "CorpId": company.corp_id,
        "BizId": "1700000000000",
        "eventId": event["eventId"],
        "timeStamp": "1700000000000",
        "deptId": event["deptId"],
    }
    assert len(event["eventId"]) == 32


def test_hiring_is_followed_by_a_modification(company: Company) -> None:
    person = company.draft("王伟", [ROOT_ID])
    events = company.hire(person)
    assert [(event["EventType"], event["userId"]) for event in events] == [
        ("user_add_org", [person.userid]),
        ("user_modify_org", [person.userid]),
    ]


def test_leaving_clears_the_manager_of_others_without_an_event(company: Company) -> None:
    boss = _person(company)
    staff = _person(company, manager_userid=boss)
    events = company.leave(boss)
    assert [event["EventType"] for event in events] == ["user_leave_org"]
    assert company.roster.people[staff].manager_userid == ""
    assert boss not in company.roster.people


def test_a_change_tells_its_documented_fields_only(company: Company) -> None:
    userid = _person(company, title="会计")
    event = company.change(userid, name="王维", title="经理", mobile="13800000000")[0]
    assert event["diffInfo"] == {
        "prev": {"name": "王伟"},
        "curr": {"name": "王维"},
        "userid": userid,
    }
    assert "diffInfo" not in company.change(userid, title="总监")[0]


def test_a_diff_may_come_as_a_list() -> None:
    company = Company(diff_as_array=True)
    userid = _person(company)
    assert isinstance(company.change(userid, name="王维")[0]["diffInfo"], list)


def test_moving_somebody_keeps_the_order_in_departments_that_stay(company: Company) -> None:
    first, second = found_department(company), found_department(company, "市场部")
    userid = _person(company, first)
    before = dict(company.roster.people[userid].dept_orders)
    events = company.move(userid, [second, first], leads=[second])
    after = company.roster.people[userid]
    assert [event["EventType"] for event in events] == ["user_modify_org"]
    assert (after.dept_ids, after.leads) == ((second, first), frozenset({second}))
    assert dict(after.dept_orders)[first] == before[first]
    assert all(order > 2**53 for _, order in after.dept_orders)


def test_who_returns_has_a_new_userid_and_the_same_mobile(company: Company) -> None:
    userid = _person(company, mobile="13800000001")
    company.leave(userid)
    returned = company.rehire(userid, [ROOT_ID])[0]["userId"][0]
    person = company.roster.people[returned]
    assert (person.mobile, returned != userid) == ("13800000001", True)
    assert person.unionid == company.left[userid].unionid


def test_activation_has_no_time_stamp(company: Company) -> None:
    userid = _person(company, active=False)
    event = company.activate(userid)[0]
    assert (event["EventType"], "timeStamp" in event) == ("user_active_org", False)
    assert company.roster.people[userid].active


def test_a_moved_department_is_one_event_whatever_lies_below(company: Company) -> None:
    first, second = found_department(company), found_department(company, "市场部")
    below = found_department(company, "测试组", first)
    events = company.change_department(first, parent_id=second, name="研发中心")
    assert [(e["EventType"], e["deptId"]) for e in events] == [("org_dept_modify", [first])]
    assert company.roster.chain(below) == [below, first, second, ROOT_ID]


def test_removing_a_department_names_all_that_went_with_it(company: Company) -> None:
    top = found_department(company)
    below = found_department(company, "测试组", top)
    events = company.remove_department(top)
    assert [(e["EventType"], e["deptId"]) for e in events] == [("org_dept_remove", [top, below])]
    assert list(company.roster.departments) == [ROOT_ID]


def test_a_department_with_members_below_it_is_not_removed(company: Company) -> None:
    top = found_department(company)
    _person(company, found_department(company, "测试组", top))
    with pytest.raises(CompanyError):
        company.remove_department(top)
    assert top in company.roster.departments


def test_renaming_the_company_touches_the_root_too(company: Company) -> None:
    events = company.rename_company("新公司")
    assert [event["EventType"] for event in events] == ["org_change", "org_dept_modify"]
    assert events[1]["deptId"] == [ROOT_ID]
    assert company.roster.departments[ROOT_ID].name == "新公司"


def test_the_console_refuses_what_cannot_be(company: Company) -> None:
    top = found_department(company)
    below = found_department(company, "测试组", top)
    userid = _person(company, mobile="13800000002")
    other = _person(company)
    person = company.roster.people[userid]
    attempts: list[Callable[[], object]] = [
        lambda: company.hire(person),
        lambda: company.change(other, mobile="13800000002"),
        lambda: company.move(userid, []),
        lambda: company.move(userid, [77]),
        lambda: company.leave("nobody"),
        lambda: company.change_department(top, parent_id=below),
        lambda: company.change_department(ROOT_ID, name="x"),
        lambda: company.remove_department(ROOT_ID),
        lambda: company.remove_department(77),
        lambda: company.create_department("研发部", 77),
        lambda: company.rehire("nobody", [ROOT_ID]),
    ]
    for attempt in attempts:
        with pytest.raises(CompanyError):
            attempt()
    assert company.roster.people[userid] == person


def test_the_same_seed_gives_the_same_company() -> None:
    first, again, other = (generate(120, 15, seed).roster for seed in (4, 4, 5))
    assert (first.people, first.departments) == (again.people, again.departments)
    assert first.people != other.people


def test_a_generated_company_has_the_odd_cases() -> None:
    roster = generate(400, 60, 1).roster
    people = list(roster.people.values())
    assert (len(people), len(roster.departments)) == (400, 61)
    siblings = Counter((one.parent_id, one.name) for one in roster.departments.values())
    odd_cases = {
        "siblings of one name": max(siblings.values()) > 1,
        "namesakes": max(Counter(one.name for one in people).values()) > 1,
        "several departments": any(len(one.dept_ids) > 1 for one in people),
        "neither mobile nor email": any(not one.mobile and not one.email for one in people),
        "no mobile": any(not one.mobile and one.email for one in people),
        "no email": any(one.mobile and not one.email for one in people),
        "foreign mobile": any(one.mobile and one.state_code != "86" for one in people),
        "leaders": any(one.leads for one in people),
        "managers": any(one.manager_userid for one in people),
        "long name": any(len(one.name) > 64 for one in people),
        "emoji": any("😀" in one.name for one in people),
        "forbidden characters": any(":" in one.name for one in roster.departments.values()),
        "long department": any(len(one.name) > 32 for one in roster.departments.values()),
        "department id beyond 32 bits": any(one > 2**31 for one in roster.departments),
        "userids that differ by case only": len({one.lower() for one in roster.people}) < 400,
        "not active": any(not one.active for one in people),
    }
    assert [name for name, is_there in odd_cases.items() if not is_there] == []


def test_a_plain_company_has_none_of_them() -> None:
    roster = generate(400, 60, 1, odd=False).roster
    siblings = Counter((one.parent_id, one.name) for one in roster.departments.values())
    assert max(siblings.values()) == 1
    assert all(one.mobile and one.state_code == "86" for one in roster.people.values())


class _Life(RuleBasedStateMachine):
    """Random operations on a company; those that its console refuses change nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.company = Company(seed=1)

    @rule(pick=st.randoms(use_true_random=False), operation=st.sampled_from(range(8)))
    def operate(self, pick: Random, operation: int) -> None:
        roster, company = self.company.roster, self.company
        userid = pick.choice([*roster.people, "nobody"])
        left = pick.choice([*company.left, "nobody"])
        dept_id, other = pick.choices([*roster.departments, 77], k=2)
        mobile = pick.choice(["", "13800000001", "13800000002"])
        operations: list[Callable[[], Payloads]] = [
            lambda: company.hire(company.draft("王伟", [dept_id], mobile=mobile)),
            lambda: company.leave(userid),
            lambda: company.rehire(left, [dept_id]),
            lambda: company.change(userid, mobile=mobile),
            lambda: company.move(userid, [dept_id, other], leads=[other]),
            lambda: company.create_department("研发部", dept_id),
            lambda: company.change_department(dept_id, parent_id=other),
            lambda: company.remove_department(dept_id),
        ]
        people, departments = dict(roster.people), dict(roster.departments)
        try:
            operations[operation]()
        except CompanyError:
            assert (roster.people, roster.departments) == (people, departments)

    @invariant()
    def the_indexes_agree_with_the_records(self) -> None:
        roster = self.company.roster
        assert sorted(roster.subtree(ROOT_ID)) == sorted(roster.departments)
        listed = {(one.userid, d) for d in roster.departments for one in roster.members(d)}
        people = roster.people.values()
        assert listed == {(one.userid, d) for one in people for d in one.dept_ids}
        assert all(one.dept_ids for one in people)
        holders = {(one.state_code, one.mobile): one.userid for one in people if one.mobile}
        assert len(holders) == sum(1 for one in people if one.mobile)
        assert all(roster.holder(*mobile) == userid for mobile, userid in holders.items())


TestLife = _Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
