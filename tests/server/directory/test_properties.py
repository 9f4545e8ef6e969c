"""What holds for every company and every history, not only for the examples."""

import random
from dataclasses import replace
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from server.directory.change import Action
from server.directory.guard import WINDOW_S, allowance
from server.directory.mapping import map_directory
from server.directory.model import (
    UNKNOWN,
    Department,
    DepartmentState,
    Kind,
    Leavers,
    MaybeOrder,
    MaybeText,
    Membership,
    Person,
    Rules,
    Snapshot,
    fold,
)
from server.directory.plan import make_plan
from tests.server.directory.mirror import FakeMember, FakeWeCom, Mirror

QUICK = settings(max_examples=120, deadline=None)

NAMES = st.sampled_from(["研发", "销售", "HR", "HR(2)", "a:b", "长" * 40])
PEOPLE = [f"u{number}" for number in range(12)] + ["U1", "坏 id", "x" * 70]
DEPARTMENTS = [str(number) for number in range(2, 10)] + ["99999999999"]


ORDERS = st.one_of(st.just(UNKNOWN), st.sampled_from([0, 1, 176318669012199520]))


def _maybe(*values: str) -> st.SearchStrategy[MaybeText]:
    return st.one_of(st.just(UNKNOWN), st.sampled_from(values))


@st.composite
def companies(draw: st.DrawFn, *, people: int = 14) -> Snapshot:
    """A whole company; everybody's mobile is their own for life."""
    chosen = draw(st.lists(st.sampled_from(DEPARTMENTS), unique=True, max_size=8))
    departments: dict[str, Department] = {}
    for key in chosen:
        parent = draw(st.sampled_from(["1", *departments]))
        order: MaybeOrder = draw(ORDERS)
        departments[key] = Department(key, draw(NAMES), parent, order)
    found = draw(st.lists(st.sampled_from(PEOPLE), unique=True, min_size=1, max_size=people))
    members = {key: _person(draw, key, list(departments), found) for key in found}
    return Snapshot(members, departments)


def _person(draw: st.DrawFn, key: str, departments: list[str], everybody: list[str]) -> Person:
    where = draw(
        st.lists(st.sampled_from(["1", *departments]), unique=True, min_size=1, max_size=3)
    )
    memberships = tuple(
        Membership(each, draw(st.integers(0, 2**60)), draw(st.booleans())) for each in where
    )
    return Person(
        key,
        draw(st.sampled_from(["张三", "李四"])),
        memberships,
        mobile=f"138{PEOPLE.index(key):08d}",
        email=draw(_maybe("", f"{PEOPLE.index(key)}@example.com")),
        title=draw(_maybe("", "经理")),
        telephone=draw(_maybe("", "010-1234")),
        job_number=draw(_maybe("", "7")),
        manager_userid=draw(_maybe("", *everybody)),
    )


def shuffled(company: Snapshot, seed: int) -> Snapshot:
    people, departments = list(company.people.items()), list(company.departments.items())
    random.Random(seed).shuffle(people)  # noqa: S311 - an order, not a secret
    random.Random(seed).shuffle(departments)  # noqa: S311 - an order, not a secret
    return replace(company, people=dict(people), departments=dict(departments))


def assert_mirrored(mirror: Mirror, company: Snapshot) -> None:
    """Compare both sides field by field."""
    for key, department in company.departments.items():
        link = mirror.departments[key]
        row = mirror.wecom.departments[link.wecom_id]
        parent = department.parent_id
        assert row.parent_id == ("1" if parent == "1" else mirror.departments[parent].wecom_id)
    for key, person in company.people.items():
        member = mirror.wecom.members[fold(mirror.people[key].wecom_userid)]
        places = {
            "1"
            if membership.department_id == "1"
            else mirror.departments[membership.department_id].wecom_id: membership
            for membership in person.memberships
        }
        fields = member.fields
        assert member.enabled
        assert (fields["name"], fields["mobile"]) == (person.name, person.mobile)
        assert set(fields["department"]) == places.keys()  # type: ignore[call-overload]
        leaders = dict(zip(fields["department"], fields["is_leader_in_dept"], strict=True))  # type: ignore[call-overload]
        assert leaders == {place: membership.is_leader for place, membership in places.items()}
        assert fields["main_department"] in places
        assert fields.get("position", "") == ("" if person.title is UNKNOWN else person.title)
        manager = person.manager_userid
        if manager is not UNKNOWN:
            is_mirrored = manager in company.people and manager != key
            leader = mirror.people[manager].wecom_userid if is_mirrored else ""
            assert fields.get("direct_leader", "") == leader
    assert_in_order(mirror, company)
    gone = mirror.people.keys() - company.people.keys()
    assert not any(mirror.people[key].is_enabled for key in gone)
    assert mirror.departments.keys() == company.departments.keys()


def assert_in_order(mirror: Mirror, company: Snapshot) -> None:
    """DingTalk sorts departments ascending and people descending, WeCom both descending."""
    groups: dict[str, list[tuple[int, int]]] = {}
    for key, person in company.people.items():
        fields = mirror.wecom.members[fold(mirror.people[key].wecom_userid)].fields
        orders = dict(zip(fields["department"], fields["order"], strict=True))  # type: ignore[call-overload]
        for membership in person.memberships:
            place = membership.department_id
            place = "1" if place == "1" else mirror.departments[place].wecom_id
            assert membership.order is not UNKNOWN
            groups.setdefault(place, []).append((membership.order, orders[place]))
    for group in groups.values():
        for (source, target), (other_source, other_target) in pairwise(group):
            assert target != other_target
            assert source == other_source or (source > other_source) == (target > other_target)


@QUICK
@given(st.lists(companies(), min_size=1, max_size=4), st.sampled_from(list(Leavers)[:2]))
def test_after_a_plan_is_applied_wecom_equals_dingtalk_and_the_next_plan_is_empty(
    history: list[Snapshot], leavers: Leavers
) -> None:
    mirror = Mirror(rules=Rules(approve_first_run=False, leavers=leavers))
    for day, company in enumerate(history):
        mirror.run(company, day * 40 * 86_400.0)
        assert mirror.refusals == []
        assert_mirrored(mirror, company)
        again = mirror.plan(company, day * 40 * 86_400.0)
        assert [change.to_json() for change in again.changes] == []
        assert (again.noted_people, again.noted_departments) == ((), ())


@QUICK
@given(companies(), companies(), st.integers())
def test_the_order_of_what_was_read_does_not_change_the_plan(
    before: Snapshot, after: Snapshot, seed: int
) -> None:
    mirror = Mirror()
    mirror.run(before)
    assert mirror.plan(shuffled(after, seed)) == mirror.plan(after)


@QUICK
@given(companies(), companies())
def test_an_incomplete_snapshot_removes_nobody_and_clears_no_email(
    before: Snapshot, after: Snapshot
) -> None:
    mirror = Mirror()
    mirror.run(before)
    plan = mirror.plan(replace(after, is_complete=False, gone_people=frozenset(PEOPLE)))
    assert not [
        change for change in plan.changes if change.action in (Action.DISABLE, Action.DELETE)
    ]
    assert not [change for change in plan.changes if change.fields.get("email", ("", 1))[1] == ""]


@QUICK
@given(companies(), companies())
def test_what_a_missing_permission_hides_is_never_cleared(
    before: Snapshot, after: Snapshot
) -> None:
    mirror = Mirror()
    mirror.run(before)
    blind = {
        key: Person(
            key,
            person.name,
            tuple(Membership(membership.department_id) for membership in person.memberships),
        )
        for key, person in after.people.items()
    }
    plan = mirror.plan(replace(after, people=blind))
    kept = ("mobile", "email")
    for change in plan.changes:
        assert not [name for name in kept if change.fields.get(name, ("", "x"))[1] == ""]


@QUICK
@given(st.lists(companies(), min_size=1, max_size=3), st.sampled_from(["u1", "9", "坏"]))
def test_nothing_foreign_or_protected_is_ever_written(
    history: list[Snapshot], foreign_userid: str
) -> None:
    wecom = FakeWeCom()
    wecom.departments["5"] = DepartmentState("Foreign", "1", 7)
    stranger: dict[str, object] = {
        "department": ("5",),
        "mobile": "1",
        "name": "Stranger",
        "email": "",
    }
    wecom.members[foreign_userid] = FakeMember(foreign_userid, stranger)
    mirror = Mirror(
        wecom, Rules(approve_first_run=False, protected_wecom_userids=frozenset({"u2"}))
    )
    for company in history:
        mirror.run(company)
        assert wecom.departments["1"] == DepartmentState("Company", "0", 1)
        assert wecom.departments["5"] == DepartmentState("Foreign", "1", 7)
        assert wecom.members[foreign_userid] == FakeMember(foreign_userid, stranger)
        assert not [change for change in mirror.applied if fold(change.wecom_id) == "u2"]


@QUICK
@given(companies(), companies(), st.data())
def test_an_event_touches_only_what_it_names(
    before: Snapshot, after: Snapshot, data: st.DataObject
) -> None:
    mirror = Mirror()
    mirror.run(before)
    named = data.draw(st.sets(st.sampled_from(sorted(after.people)), max_size=3))
    tops = data.draw(st.sets(st.sampled_from([*sorted(after.departments), "-"]), max_size=2))
    people = {key: after.people[key] for key in named}
    departments = {key: each for key, each in after.departments.items() if key in tops}
    partial = Snapshot(people, departments, is_full=False)
    plan = mirror.plan(partial, reads_live=data.draw(st.booleans()))
    touched = {(change.kind, change.dingtalk_id) for change in plan.changes}
    assert touched <= {(Kind.PERSON, key) for key in named} | {
        (Kind.DEPARTMENT, key) for key in departments
    }
    assert not [change for change in plan.changes if change.counts]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 29)), st.floats(0, 100_000), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.integers(0, 5),
    st.integers(0, 30),
)
def test_the_guard_never_lets_more_go_in_24_hours_than_allowed(
    days: list[tuple[set[int], float, bool]], max_removals: int, percent: int
) -> None:
    rules = Rules(approve_first_run=False, max_removals=max_removals, max_removal_percent=percent)
    everybody = {
        f"p{number}": Person(
            f"p{number}",
            f"N{number}",
            (Membership("1", 0, is_leader=False),),
            str(13800000000 + number),
        )
        for number in range(30)
    }
    mirror = Mirror(rules=rules)
    mirror.run(Snapshot(everybody, {}))
    now_s = 0.0
    gone: list[tuple[float, str]] = []
    for absent, passed_s, is_event in days:
        now_s += passed_s
        names = frozenset(f"p{number}" for number in absent)
        staying = {key: person for key, person in everybody.items() if key not in names}
        current = (
            Snapshot(staying, {}, is_full=False, gone_people=names)
            if is_event
            else Snapshot(staying, {})
        )
        limit = allowance(Kind.PERSON, mirror.ledger(), rules, now_s)
        before = {key for key, link in mirror.people.items() if not link.is_enabled}
        mirror.run_guarded(current, now_s)
        after = {key for key, link in mirror.people.items() if not link.is_enabled}
        gone = [(at_s, key) for at_s, key in gone if key in after]
        gone += [(now_s, key) for key in after - before]
        within = {key for at_s, key in gone if at_s > now_s - WINDOW_S}
        assert not (after - before) or len(within) <= limit


@QUICK
@given(companies(), st.integers(0, 3))
def test_mapping_and_planning_ask_nothing_but_their_arguments(company: Snapshot, seed: int) -> None:
    mirror = Mirror()
    live, ledger = mirror.wecom.live(), mirror.ledger()
    plans = [
        make_plan(map_directory(each, ledger, live, mirror.rules), ledger, live, mirror.rules, 0.0)
        for each in (company, shuffled(company, seed))
    ]
    assert plans[0].digest == plans[1].digest
