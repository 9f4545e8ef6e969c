"""The mirror's rules: people, rule by rule, on a small company."""

from dataclasses import replace

import pytest

from server.directory import causes
from server.directory.change import Action
from server.directory.mapping import map_directory
from server.directory.model import (
    UNKNOWN,
    Kind,
    Membership,
    Snapshot,
    doubt_key,
)
from server.directory.plan import Plan, make_plan
from tests.server.directory.builders import (
    OPEN,
    brief,
    department,
    event,
    mirrored,
    person,
    snapshot,
    texts,
)
from tests.server.directory.mirror import Mirror


def test_every_value_goes_to_its_field() -> None:
    anna = person(
        "a",
        Membership("5", 1, is_leader=True),
        state_code="852",
        mobile="61234567",
        email="a@example.com",
        title="经理",
        telephone="010 1",
        job_number="007",
        manager_userid="b",
    )
    company = snapshot([anna, person("b", "5")], [department("5")])
    mirror = mirrored(company, employee_number_attribute="工号")
    fields = mirror.wecom.members["a"].fields
    assert fields.pop("order")
    assert fields == {
        "name": "Name a",
        "mobile": "+85261234567",
        "email": "a@example.com",
        "position": "经理",
        "telephone": "0101",
        "department": ("5",),
        "is_leader_in_dept": (True,),
        "main_department": "5",
        "direct_leader": "b",
        "extattr.工号": "007",
    }
    unread = replace(anna, manager_userid=UNKNOWN)
    assert mirror.plan(replace(company, people={**company.people, "a": unread})).changes == ()
    mirror.rules = OPEN
    assert mirror.plan(company).changes == ()
    mirror.rules = replace(OPEN, employee_number_attribute="No")
    assert dict(mirror.plan(company).changes[0].fields) == {"extattr.No": ("", "007")}


def test_what_dingtalk_leaves_out_is_empty_where_no_permission_hides_it() -> None:
    told = {"title": "经理", "telephone": "0101", "job_number": "007"}
    mirror = mirrored(snapshot([person("a", **told)]), employee_number_attribute="工号")
    cleared = {"position": "", "telephone": "", "extattr.工号": ""}
    silent = person("a", **dict.fromkeys(told, UNKNOWN))
    for change in (event([silent]), snapshot([silent])):
        fields = dict(mirror.plan(change).changes[0].fields)
        assert {name: new for name, (_, new) in fields.items()} == cleared
    mirror.run(snapshot([silent]))
    assert mirror.plan(snapshot([silent])).changes == ()


def test_values_wecom_refuses_are_cut_or_left_out_with_a_warning() -> None:
    odd = person("a", name="长" * 70, title="长" * 130, telephone="ext", email="x", mobile="1**")
    plan = Mirror(rules=OPEN).plan(snapshot([odd]))
    assert brief(plan.changes) == [("create", "a", "no-contact")]
    warnings = texts(plan.changes[0])
    assert all(word in warnings for word in ("name", "position", "telephone", "email", "mobile"))


@pytest.mark.parametrize(
    ("values", "code"), [({"name": " "}, "no-name"), ({"mobile": ""}, "no-contact")]
)
def test_who_cannot_be_a_member_is_skipped_with_the_cause(
    values: dict[str, str], code: str
) -> None:
    plan = Mirror(rules=OPEN).plan(snapshot([person("a", **values), person("b")]))
    assert brief(plan.changes) == [("create", "a", code), ("create", "b", None)]
    assert "mobile" in " ".join(
        str(warning)
        for warning in Mirror(rules=OPEN).plan(snapshot([person("a", mobile="")])).warnings
    )


def test_a_linked_person_without_a_name_is_skipped_and_not_removed() -> None:
    mirror = mirrored(snapshot([person("a")]))
    assert brief(mirror.plan(snapshot([person("a", name="")])).changes) == [
        ("update", "a", "no-name")
    ]


def test_an_email_is_cleared_only_where_emails_are_seen_and_a_mobile_remains() -> None:
    both = [person("a", email="a@example.com"), person("b", email="b@example.com")]
    mirror = mirrored(snapshot(both))
    seen = snapshot([person("a", email=UNKNOWN), both[1]])
    assert dict(mirror.plan(seen).changes[0].fields) == {"email": ("a@example.com", "")}
    for unseen in (
        snapshot([person("a"), person("b")]),
        replace(seen, is_complete=False),
        replace(seen, is_full=False),
        snapshot([person("a", email="?"), both[1]]),
    ):
        assert mirror.plan(unseen).changes == ()


def test_two_people_with_one_email_get_it_once() -> None:
    people = [person("a", email="x@example.com"), person("b", email="X@example.com")]
    plan = mirrored(snapshot([])).plan(snapshot(people))
    assert plan.changes[0].fields["email"] == (None, "x@example.com")
    assert "email" not in plan.changes[1].fields
    assert "already used" in texts(plan.changes[1])
    without = [people[0], replace(people[1], mobile="")]
    assert brief(Mirror(rules=OPEN).plan(snapshot(without)).changes)[1][2] == "no-contact"


def test_a_manager_created_in_the_same_run_comes_first() -> None:
    company = snapshot([person("a", manager_userid="z"), person("z", manager_userid="z")])
    mirror = Mirror(rules=OPEN)
    assert [key for _, key, _ in brief(mirror.run(company).changes)] == ["z", "a"]
    assert (mirror.refusals, mirror.plan(company).changes) == ([], ())


def test_managers_of_each_other_are_joined_by_a_second_write() -> None:
    company = snapshot([person("a", manager_userid="b"), person("b", manager_userid="a")])
    mirror = Mirror(rules=OPEN)
    plan = mirror.run(company)
    assert [each for each, _, _ in brief(plan.changes)] == ["create", "create", "update"]
    assert (mirror.refusals, mirror.plan(company).changes) == ([], ())


def test_a_manager_who_is_skipped_or_gone_leads_nobody() -> None:
    pair = [person("a", mobile="", manager_userid="b"), person("b", manager_userid="a")]
    mirror = Mirror(rules=OPEN)
    assert len(mirror.run(snapshot(pair)).changes) == 2
    assert "direct_leader" not in mirror.wecom.members["b"].fields
    company = [person("a", manager_userid="b"), person("b", mobile="")]
    assert "direct_leader" not in Mirror(rules=OPEN).plan(snapshot(company)).changes[0].fields
    mirror = mirrored(snapshot([person("a", manager_userid="b"), person("b")]))
    left = snapshot([person("a", manager_userid=UNKNOWN)])
    assert mirror.plan(left).changes[0].fields["direct_leader"] == ("b", "")
    same = event([person("a", manager_userid=UNKNOWN)])
    assert mirror.plan(same).changes == ()


def test_the_main_department_changes_only_when_it_is_no_longer_theirs() -> None:
    tree = [department("5"), department("6")]
    mirror = mirrored(snapshot([person("a", "5", "6")], tree))
    assert mirror.plan(snapshot([person("a", "6", "5")], tree)).changes == ()
    fields = mirror.plan(snapshot([person("a", "6")], tree)).changes[0].fields
    assert fields["main_department"] == ("5", "6")


def test_a_mobile_passes_on_in_the_order_that_wecom_allows() -> None:
    mirror = mirrored(snapshot([person("a", mobile="13800001"), person("b", mobile="13800002")]))
    new = [
        person("a", mobile="13800002", email="n@example.com"),
        person("b", mobile="13800003"),
        person("c", mobile="13800001"),
    ]
    plan = mirror.run(snapshot(new))
    assert [key for _, key, _ in brief(plan.changes)] == ["b", "a", "c"]
    assert mirror.refusals == []
    assert "activated" in texts(plan.changes[0])


def test_swapped_mobiles_stay_and_are_conflicts() -> None:
    mirror = mirrored(snapshot([person("a", mobile="13800001"), person("b", mobile="13800002")]))
    swapped = [person("a", mobile="13800002", title="x"), person("b", mobile="13800001")]
    plan = mirror.run(snapshot([*swapped, person("c")]))
    assert brief(plan.changes) == [
        ("conflict", "b", "mobile-held"),
        ("update", "a", None),
        ("conflict", "a", "mobile-held"),
        ("create", "c", None),
    ]
    assert mirror.refusals == []


def test_an_email_passes_on_too_and_is_dropped_where_it_cannot() -> None:
    first = [person("a", email="a@example.com"), person("b", email="b@example.com")]
    mirror = mirrored(snapshot(first))
    moved = [person("a", email="b@example.com"), person("b", email="c@example.com")]
    mirror.run(snapshot(moved))
    assert mirror.refusals == []
    swap = [person("a", email="c@example.com"), person("b", email="b@example.com")]
    plan = mirror.plan(snapshot([*swap, person("n", email="z@example.com")]))
    assert [key for _, key, _ in brief(plan.changes)] == ["n"]
    left = snapshot([person("b", email="c@example.com"), person("n", email="b@example.com")])
    assert "already used" in texts(mirror.plan(left).changes[0])
    poor = snapshot(
        [person("b", email="c@example.com"), person("n", email="b@example.com", mobile="")]
    )
    assert brief(mirror.plan(poor).changes)[0] == ("create", "n", "no-contact")


def test_a_mobile_that_its_holder_keeps_stops_the_newcomer() -> None:
    mirror = mirrored(snapshot([person("a", mobile="13800001")]))
    mirror.rules = replace(OPEN, protected_wecom_userids=frozenset({"A"}))
    plan = mirror.plan(snapshot([person("a", mobile="13800002"), person("n", mobile="13800001")]))
    assert brief(plan.changes) == [("conflict", "n", "mobile-held")]


def test_two_people_with_one_mobile_are_a_conflict_for_the_second() -> None:
    mirror = mirrored(snapshot([person("b", mobile="13800001"), person("c", mobile="13800003")]))
    twins = [person(key, mobile="13800001") for key in "abc"]
    assert brief(mirror.plan(snapshot(twins)).changes) == [
        ("conflict", "a", "mobile-duplicate"),
        ("conflict", "c", "mobile-duplicate"),
    ]


def _plan_in_doubt(mirror: Mirror, company: Snapshot, *names: str) -> Plan:
    """Plan while it is not known whether WeCom has taken these fields of "a"."""
    doubts = {doubt_key(Kind.PERSON, "A"): frozenset(names)}
    ledger, live = replace(mirror.ledger(), doubts=doubts), mirror.wecom.live()
    desired = map_directory(company, ledger, live, mirror.rules)
    return make_plan(desired, ledger, live, mirror.rules, 0.0)


def test_only_what_is_in_doubt_is_written_again() -> None:
    company = snapshot([person("a", title="Chief", telephone="123")])
    (change,) = _plan_in_doubt(mirrored(company), company, "position").changes
    assert change.fields == {"position": (None, "Chief")}


def test_a_mobile_in_doubt_is_not_cleared_where_there_is_none() -> None:
    company = snapshot([person("a", mobile="", email="a@example.com")])
    (change,) = _plan_in_doubt(mirrored(company), company, "mobile", "email").changes
    assert change.fields == {"email": (None, "a@example.com")}
    assert _plan_in_doubt(mirrored(company), company, "mobile").changes == ()


def test_who_is_back_is_switched_on_and_nothing_else() -> None:
    staff = [person(key) for key in "abc"]
    mirror = mirrored(snapshot([*staff, person("x")]))
    mirror.run(snapshot(staff))
    (change,) = mirror.plan(snapshot([*staff, person("x")])).changes
    assert (change.action, change.fields) == (Action.ENABLE, {"enable": (False, True)})


def test_only_a_changed_mobile_may_stay_what_it_was() -> None:
    mirror = Mirror(rules=OPEN)
    company = snapshot([person("a", mobile="13800001")])
    assert mirror.plan(company).changes[0].warnings == ()
    mirror.run(company)
    (change,) = mirror.plan(snapshot([person("a", mobile="13800002")])).changes
    assert change.warnings == (causes.warning(causes.MOBILE_MAY_STAY),)


@pytest.mark.parametrize(("userid", "protected"), [("Boss", "boss"), ("boss", "BOSS")])
def test_a_protected_member_of_ours_is_left_alone_whatever_the_case(
    userid: str, protected: str
) -> None:
    mirror = mirrored(snapshot([person(userid), person("a")]))
    mirror.rules = replace(OPEN, protected_wecom_userids=frozenset({protected}))
    assert mirror.plan(snapshot([person(userid, title="Chief"), person("a")])).changes == ()
