"""The mirror's rules: links and leavers, rule by rule, on a small company."""

from dataclasses import replace

import pytest

from server.directory.change import Action
from server.directory.model import (
    UNKNOWN,
    Leavers,
    PersonLink,
    TargetState,
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
)
from tests.server.directory.world import FakeMember, Mirror


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


def test_a_foreign_userid_is_not_taken_over_without_the_mobile() -> None:
    mirror = Mirror(rules=OPEN)
    mirror.wecom.members["boss"] = FakeMember("boss", {"department": ("1",), "mobile": "1"})
    plan = mirror.plan(snapshot([person("Boss")]))
    assert plan.changes[0].action is Action.CREATE
    assert plan.changes[0].wecom_id.startswith("Boss-")


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
    mirror.wecom.departments["99"] = TargetState("F", "7", 1)
    plan = mirror.plan(snapshot([person("c")]))
    assert [code for _, _, code in brief(plan.changes)] == ["department-not-empty"] * 3
    mirror.rules = replace(OPEN, leavers=Leavers.KEEP)
    assert mirror.plan(event(gone_departments=frozenset({"6"}))).changes[0].cause is not None


def test_the_json_of_a_change_follows_the_contract() -> None:
    change = Mirror(rules=OPEN).plan(snapshot([person("a")])).changes[0]
    shown = change.to_json()
    assert list(shown) == ["action", "kind", "dingtalk_id", "wecom_id", "fields"]
    assert (shown["action"], shown["kind"], shown["dingtalk_id"]) == ("create", "person", "a")


def test_unknown_is_shown_as_such() -> None:
    assert repr(UNKNOWN) == "UNKNOWN"
