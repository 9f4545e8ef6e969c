"""The mirror's rules: links and leavers, rule by rule, on a small company."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from server.directory import causes
from server.directory.change import Action
from server.directory.desired import Presence
from server.directory.identity import Contact, identify, read_contact
from server.directory.model import (
    UNKNOWN,
    Conflict,
    DepartmentState,
    Kind,
    Leavers,
    Ledger,
    MemberState,
    PersonLink,
    Snapshot,
)
from tests.server.directory.builders import (
    DAY_S,
    OPEN,
    brief,
    department,
    event,
    mirrored,
    person,
    snapshot,
    texts,
)
from tests.server.directory.mirror import FakeMember, Mirror


def test_a_foreign_member_is_adopted_by_the_mobile_and_followers_learn_the_id() -> None:
    mirror = Mirror(rules=OPEN)
    mirror.wecom.members["old"] = FakeMember(
        "Old",
        {"department": ("1",), "mobile": "13800001", "order": (0,), "is_leader_in_dept": (False,)},
    )
    company = snapshot([person("a", mobile="13800001"), person("b", manager_userid="a")])
    mirror.run(company)
    assert mirror.people["a"].wecom_userid == "Old"
    assert mirror.people["a"].origin.value == "adopted"
    assert mirror.wecom.members["b"].fields["direct_leader"] == "Old"
    assert mirror.plan(company).changes == ()


def _with_foreign(userid: str, mobile: str, **rules: object) -> Mirror:
    mirror = Mirror(rules=replace(OPEN, **rules))  # type: ignore[arg-type]  # by name
    mirror.wecom.members[userid.lower()] = FakeMember(
        userid,
        {
            "department": ("1",),
            "mobile": mobile,
            "order": (0,),
            "is_leader_in_dept": (False,),
            "main_department": "1",
        },
    )
    return mirror


def _planned(mirror: Mirror, company: Snapshot) -> list[tuple[str, str]]:
    return [(one.action.value, one.wecom_id) for one in mirror.plan(company).changes]


def test_a_foreign_userid_is_taken_over_with_the_same_mobile_only() -> None:
    company = snapshot([person("Boss", mobile="13800001")])
    same, other = _with_foreign("BOSS", "13800001"), _with_foreign("BOSS", "13800009")
    assert _planned(same, company) == _planned(other, company) == [("adopt", "BOSS")]
    same.run(company)
    assert (same.people["Boss"].wecom_userid, same.refusals) == ("BOSS", [])
    assert same.plan(company).changes == ()
    stranger = replace(other.wecom.members["boss"])
    other.run(company)
    assert [code for _, code in other.refusals] == [60102]
    assert other.wecom.members == {"boss": stranger}


def test_a_take_over_that_could_not_be_proven_before_says_so() -> None:
    company = snapshot([person("Boss", mobile="13800001")])
    mirror = _with_foreign("BOSS", "13800001")
    assert texts(mirror.plan(company).changes[0]).startswith(
        "BOSS is only taken over if it has the same"
    )
    assert mirror.plan(company).warnings == (
        causes.warning(causes.NO_EMAILS),
        causes.warning(causes.UNPROVEN, count=1),
    )
    mirror.holders["13800001"] = "BOSS"
    assert _planned(mirror, company) == [("adopt", "BOSS")]
    assert mirror.plan(company).changes[0].warnings == ()
    assert mirror.plan(company).warnings == (causes.warning(causes.NO_EMAILS),)


def test_the_member_of_whom_wecom_says_that_they_have_the_mobile_is_taken_over() -> None:
    company = snapshot([person("a", mobile="13800001"), person("Wang", mobile="13800002")])
    mirror = _with_foreign("Wang", "13800001")
    mirror.holders = {"13800001": "Wang", "13800002": ""}
    planned = _planned(mirror, company)
    assert planned[0] == ("adopt", "Wang")
    assert planned[1][1].startswith("Wang-")
    mirror.run(company)
    assert mirror.refusals == []
    assert mirror.people["a"].wecom_userid == "Wang"
    assert mirror.plan(company).changes == ()


def test_nobody_takes_over_the_userid_of_a_member_who_is_proven_to_be_somebody_else() -> None:
    company = snapshot([person("a", mobile="13800001"), person("Wang", mobile="13800002")])
    mirror = _with_foreign("Wang", "13800001")
    mirror.holders = {"13800001": "Wang"}
    assert [action for action, _ in _planned(mirror, company)] == ["adopt", "create"]


@pytest.mark.parametrize("mobile", ["", "13800001"])
def test_who_is_proven_to_be_nobody_in_wecom_gets_another_userid(mobile: str) -> None:
    company = snapshot([person("Boss", mobile=mobile, email="boss@example.com")])
    mirror = _with_foreign("boss", "1")
    mirror.holders["13800001"] = ""
    ((action, wecom_id),) = _planned(mirror, company)
    assert (action, wecom_id[:5]) == ("create", "Boss-")


def test_a_derived_userid_of_an_earlier_mirror_is_taken_over_too() -> None:
    company = snapshot([person("张三", mobile="13800001")])
    ((_, derived),) = _planned(Mirror(rules=OPEN), company)
    assert _planned(_with_foreign(derived, "13800001"), company) == [("adopt", derived)]


def test_a_protected_userid_is_left_alone_and_another_given() -> None:
    mirror = Mirror(rules=replace(OPEN, protected_wecom_userids=frozenset({"Boss"})))
    ((action, wecom_id),) = _planned(mirror, snapshot([person("boss")]))
    assert (action, wecom_id[:5]) == ("create", "boss-")
    shown = _with_foreign("BOSS", "13800001", protected_wecom_userids=frozenset({"Boss"}))
    company = snapshot([person("boss", mobile="13800002")])
    assert _planned(shown, company)[0][1] == wecom_id
    shown.holders["13800002"] = "BOSS"
    assert brief(shown.plan(company).changes) == [("conflict", "boss", "member-protected")]


def test_an_event_gives_nobody_the_userid_of_a_member_of_ours() -> None:
    mirror = _with_foreign("Old", "13800001")
    mirror.run(snapshot([person("a", mobile="13800001")]))
    assert mirror.people["a"].wecom_userid == "Old"
    (change,) = mirror.plan(event([person("old")]), reads_live=False).changes
    assert (change.action, change.wecom_id[:4]) == (Action.CREATE, "old-")


def test_who_is_back_is_known_by_what_wecom_says_of_the_mobile() -> None:
    staff = [person(key) for key in ("a", "b", "c")]
    mirror = mirrored(snapshot([*staff, person("left", name="Li Lei", mobile="13800001")]))
    mirror.run(snapshot(staff))
    assert not mirror.people["left"].is_enabled
    mirror.holders["13800002"] = "left"
    back = snapshot([*staff, person("again", name="Li Lei", mobile="13800002")])
    assert _planned(mirror, back) == [("enable", "left")]
    other = snapshot([*staff, person("again", name="Han Mei", mobile="13800002")])
    assert brief(mirror.plan(other).changes) == [("conflict", "again", "mobile-of-leaver")]


def test_new_people_whose_userids_clash_get_the_same_ones_in_any_order() -> None:
    people = {key: read_contact(person(key)) for key in ("wang", "Wang", "WANG")}
    presence = Presence(frozenset(people), is_settled=True)

    def given(contacts: Mapping[str, Contact]) -> dict[str, str]:
        found = identify(contacts, Ledger(), None, OPEN, presence)
        return {key: identity.wecom_userid for key, identity in found.items()}

    assert given(people) == given(dict(reversed(people.items())))
    assert len({userid.lower() for userid in given(people).values()}) == 3


def test_a_protected_holder_is_a_conflict_that_is_not_tried_again() -> None:
    mirror = Mirror(rules=replace(OPEN, protected_wecom_userids=frozenset({"ADMIN"})))
    mirror.wecom.members["admin"] = FakeMember(
        "admin", {"department": ("1",), "mobile": "13800001"}
    )
    company = snapshot([person("a", mobile="13800001")])
    mirror.run(company)
    calls = mirror.wecom.calls
    assert brief(mirror.run(company).changes) == [("conflict", "a", "member-protected")]
    assert mirror.wecom.calls == calls
    other = snapshot([person("a", mobile="13800002")])
    assert brief(mirror.plan(other).changes) == [("create", "a", None)]
    mirror.rules = OPEN
    assert brief(mirror.plan(company).changes) == [("create", "a", None)]
    mirror.wecom.members.clear()
    mirror.rules = replace(OPEN, protected_wecom_userids=frozenset({"ADMIN"}))
    assert brief(mirror.plan(company).changes) == [("create", "a", None)]


def test_a_linked_persons_refused_mobile_is_listed_and_the_rest_goes_on() -> None:
    mirror = mirrored(snapshot([person("a", mobile="13800001")]))
    mirror.wecom.members["x"] = FakeMember("x", {"department": ("1",), "mobile": "13800002"})
    company = snapshot([person("a", mobile="13800002", title="t")])
    mirror.run(company)
    assert mirror.wecom.members["a"].fields["position"] == "t"
    assert brief(mirror.plan(company).changes) == [("conflict", "a", "mobile-held")]


def test_who_comes_back_is_enabled_again() -> None:
    company = snapshot([person("a"), person("b")])
    mirror = mirrored(company)
    mirror.run(snapshot([person("b")]))
    assert not mirror.wecom.members["a"].enabled
    assert brief(mirror.run(company).changes) == [("enable", "a", None)]
    assert mirror.wecom.members["a"].enabled


@pytest.mark.parametrize("was_disabled", [True, False])
def test_who_is_hired_again_with_the_same_mobile_and_name_keeps_their_member(
    was_disabled: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    mirror = mirrored(
        snapshot([person("old", name="A", mobile="13800001", email="a@example.com"), person("b")])
    )
    if was_disabled:
        mirror.run(snapshot([person("b")]))
    again = snapshot(
        [person("new", name="A", mobile="13800001", email="A@example.com"), person("b")]
    )
    plan = mirror.run(again)
    assert brief(plan.changes) == [("enable", "new", None)]
    assert mirror.people["new"].wecom_userid == "old"
    assert mirror.wecom.members["old"].enabled
    assert mirror.plan(again).changes == ()


def test_a_company_phone_passed_on_hands_nothing_over() -> None:
    mirror = mirrored(snapshot([person("old", name="A", mobile="13800001"), person("b")]))
    plan = mirror.run(snapshot([person("new", name="B", mobile="13800001"), person("b")]))
    assert brief(plan.changes) == [
        ("conflict", "new", "mobile-of-leaver"),
        ("disable", "old", None),
    ]
    taken = snapshot([person("b", mobile="13800001")])
    assert brief(mirror.plan(taken).changes) == [("conflict", "b", "mobile-held")]


def test_a_leaver_is_known_by_a_userid_in_capitals() -> None:
    staff = [person(key) for key in "abc"]
    boss = person("Boss", name="Old", mobile="13800001")
    mirror = mirrored(snapshot([*staff, boss]))
    mirror.run(snapshot(staff))
    heir = person("heir", name="New", mobile="13800001")
    plan = mirror.plan(snapshot([*staff, heir]))
    assert brief(plan.changes) == [("conflict", "heir", "mobile-of-leaver")]


@pytest.mark.parametrize("is_reversed", [False, True])
def test_who_works_holds_a_mobile_before_who_left_in_any_order(is_reversed: bool) -> None:  # noqa: FBT001 - parameter
    worker = PersonLink("worker", "worker", MemberState("Worker", "13800001"))
    leaver = PersonLink("leaver", "leaver", MemberState("New", "13800001"), is_enabled=False)
    links = [worker, leaver][:: -1 if is_reversed else 1]
    mirror = Mirror(rules=OPEN, people={link.dingtalk_userid: link for link in links})
    new = event([person("new", name="New", mobile="13800001")])
    (change,) = mirror.plan(new, reads_live=False).changes
    assert change.cause is not None
    assert (change.cause.code, change.wecom_id) == ("mobile-undecided", "worker")


def test_a_departments_conflict_is_none_of_a_persons() -> None:
    mirror = Mirror(rules=replace(OPEN, protected_wecom_userids=frozenset({"x"})))
    mirror.wecom.members["x"] = FakeMember("x", {"department": ("1",), "mobile": "13800001"})
    company = snapshot([person("7", mobile="13800001")])
    own = Conflict(Kind.PERSON, "7", "x", "13800001")
    of_department = Conflict(Kind.DEPARTMENT, "7", "x", "13800001")
    mirror.conflicts = [of_department]
    assert brief(mirror.plan(company).changes) == [("create", "7", None)]
    mirror.conflicts = [own, of_department]
    assert brief(mirror.plan(company).changes) == [("conflict", "7", "member-protected")]
    mirror.conflicts = [replace(own, value="")]  # met by the rules, and met anew by them only
    reachable = snapshot([person("7", mobile="", email="a@example.com")])
    assert brief(mirror.plan(reachable).changes) == [("create", "7", None)]


def test_a_holder_who_was_not_read_leaves_the_decision_to_a_full_run() -> None:
    mirror = mirrored(snapshot([person("old", name="A", mobile="13800001")]))
    plan = mirror.plan(event([person("new", name="A", mobile="13800001")]), reads_live=False)
    assert brief(plan.changes) == [("create", "new", "mobile-undecided")]


def test_a_holder_deleted_in_the_console_holds_nothing() -> None:
    mirror = mirrored(snapshot([person("old", name="A", mobile="13800001"), person("b")]))
    mirror.run(snapshot([person("b")]))
    del mirror.wecom.members["old"]
    plan = mirror.plan(snapshot([person("new", mobile="13800001"), person("b")]))
    assert brief(plan.changes) == [("create", "new", None)]


def test_a_member_that_wecom_hides_is_neither_created_nor_moved() -> None:
    mirror = mirrored(snapshot([person("a")]))
    mirror.people["a"] = replace(mirror.people["a"], is_hidden=True)
    mirror.wecom.members.clear()
    assert mirror.plan(snapshot([person("a")])).changes == ()


def test_a_person_whose_create_got_no_answer_is_recognised() -> None:
    company = snapshot([person("a"), person("b")])
    mirror = mirrored(company)
    mirror.people["a"] = PersonLink("a", "a", None)
    assert brief(mirror.run(company).changes) == [("update", "a", None)]
    mirror.people["a"] = PersonLink("a", "a", None)
    assert brief(mirror.plan(event([person("a")]), reads_live=False).changes) == [
        ("create", "a", None)
    ]
    assert brief(mirror.plan(snapshot([person("b")])).changes) == [("disable", "a", None)]
    del mirror.wecom.members["a"]
    assert mirror.plan(snapshot([person("b")])).changes == ()


def test_leavers_are_disabled_and_deleted_after_the_waiting_days() -> None:
    mirror = mirrored(snapshot([person("a"), person("b")]), leavers=Leavers.DELETE)
    rest = snapshot([person("b")])
    assert brief(mirror.run(rest, 0.0).changes) == [("disable", "a", None)]
    assert mirror.plan(rest, 29 * DAY_S).changes == ()
    assert brief(mirror.run(rest, 30 * DAY_S).changes) == [("delete", "a", None)]
    assert mirror.plan(rest, 31 * DAY_S).changes == ()


def test_nobody_is_deleted_by_a_clock_that_may_be_wrong_at_either_end() -> None:
    rest = snapshot([person("b")])
    for then, now in ((True, False), (False, False)):
        mirror = mirrored(snapshot([person("a"), person("b")]), leavers=Leavers.DELETE)
        mirror.is_clock_right = then
        mirror.run(rest, 0.0)
        mirror.is_clock_right = now
        plan = mirror.plan(rest, 4000 * DAY_S)
        assert (plan.changes, plan.noted_people) == ((), ())


def test_the_waiting_days_of_who_left_under_a_wrong_clock_begin_when_it_is_right() -> None:
    mirror = mirrored(snapshot([person("a"), person("b")]), leavers=Leavers.DELETE)
    mirror.is_clock_right = False
    rest = snapshot([person("b")])
    mirror.run(rest, 900 * DAY_S)
    mirror.is_clock_right = True
    plan = mirror.plan(rest, 40 * DAY_S)
    (noted,) = plan.noted_people
    assert (plan.changes, noted.since_s, noted.is_since_sure) == ((), 40 * DAY_S, True)
    mirror.people["a"] = noted
    later = mirror.plan(rest, 69 * DAY_S)
    assert (later.changes, later.noted_people) == ((), ())
    assert brief(mirror.plan(rest, 70 * DAY_S).changes) == [("delete", "a", None)]


def test_keep_leaves_leavers_alone() -> None:
    mirror = mirrored(snapshot([person("a"), person("b")]), leavers=Leavers.KEEP)
    assert mirror.plan(snapshot([person("b")])).changes == ()


def test_an_event_removes_only_whom_dingtalk_calls_gone() -> None:
    mirror = mirrored(snapshot([person("a"), person("b")]))
    assert mirror.plan(event()).changes == ()
    plan = mirror.plan(event(gone_people=frozenset({"a"})), reads_live=False)
    assert brief(plan.changes) == [("disable", "a", None)]


def test_a_department_goes_when_only_our_leavers_are_in_it() -> None:
    tree = [department("5"), department("6", "5"), department("7")]
    mirror = mirrored(snapshot([person("a", "5"), person("b", "6", "7"), person("c")], tree))
    mirror.run(snapshot([person("a", "5"), person("c")], tree))
    plan = mirror.run(snapshot([person("c")], [department("7")]))
    assert [(act, key) for act, key, _ in brief(plan.changes)] == [
        ("disable", "a"),
        ("update", "b"),
        ("delete", "6"),
        ("delete", "5"),
    ]
    assert plan.changes[-1].requires == frozenset({"a"})
    assert mirror.refusals == []
    assert mirror.wecom.members["a"].fields["department"] == ("1",)
    assert mirror.wecom.members["b"].fields["department"] == ("7",)


def test_a_department_with_foreign_members_or_children_is_kept_and_reported() -> None:
    tree = [department("5"), department("6", "5"), department("7")]
    mirror = mirrored(snapshot([person("c")], tree))
    mirror.wecom.members["x"] = FakeMember("x", {"department": ("6",)})
    mirror.wecom.departments["99"] = DepartmentState("F", "7", 1)
    plan = mirror.plan(snapshot([person("c")]))
    assert [code for _, _, code in brief(plan.changes)] == ["department-not-empty"] * 3
    mirror.rules = replace(OPEN, leavers=Leavers.KEEP)
    assert mirror.plan(event(gone_departments=frozenset({"6"}))).changes[0].cause is not None


def test_a_department_waits_only_for_the_leavers_who_are_in_it() -> None:
    staff = [person(key) for key in "abc"]
    tree = [department("5")]
    mirror = mirrored(snapshot([*staff, person("x", "5"), person("y")], tree))
    gone = mirror.plan(snapshot(staff)).changes[-1]
    assert (gone.action, gone.dingtalk_id, gone.requires) == (Action.DELETE, "5", frozenset({"x"}))


def test_what_is_kept_keeps_all_that_it_lies_in() -> None:
    tree = [department("2"), department("3", "2"), department("4", "3")]
    mirror = mirrored(snapshot([person("c")], tree))
    mirror.departments = {key: mirror.departments[key] for key in ("2", "3", "4")}
    mirror.wecom.members["x"] = FakeMember("x", {"department": ("4",)})
    gone = mirror.plan(snapshot([person("c")])).changes
    assert [each.dingtalk_id for each in gone] == ["4", "3", "2"]
    counts = [each.cause.title.values["count"] for each in gone if each.cause]
    assert counts == [1, 1, 1]


def test_who_is_skipped_stays_where_they_are_and_keeps_the_department() -> None:
    mirror = mirrored(snapshot([person("a", "5"), person("c")], [department("5")]))
    plan = mirror.plan(snapshot([person("a", name=""), person("c")]))
    assert brief(plan.changes) == [
        ("update", "a", "no-name"),
        ("delete", "5", "department-not-empty"),
    ]


def test_a_leaver_stays_in_a_department_that_stays() -> None:
    staff = [person(key) for key in "abc"]
    tree = [department("5"), department("6")]
    mirror = mirrored(snapshot([*staff, person("x", "5")], tree))
    plan = mirror.plan(snapshot(staff, tree[:1]))
    assert brief(plan.changes) == [("disable", "x", None), ("delete", "6", None)]
    assert plan.changes[0].fields == {"enable": (True, False)}
    mirror.wecom.departments["9"] = DepartmentState("Console", "1", 1)
    mirror.wecom.members["x"].fields["department"] = ("9",)  # where the admin moved them
    assert mirror.plan(snapshot(staff, tree[:1])).changes[0].fields == {"enable": (True, False)}


def test_the_json_of_a_change_follows_the_contract() -> None:
    change = Mirror(rules=OPEN).plan(snapshot([person("a")])).changes[0]
    shown = change.to_json()
    assert list(shown) == ["action", "kind", "dingtalk_id", "wecom_id", "fields"]
    assert (shown["action"], shown["kind"], shown["dingtalk_id"]) == ("create", "person", "a")


def test_unknown_is_shown_as_such() -> None:
    assert repr(UNKNOWN) == "UNKNOWN"
