"""The mirror's rules: scope and departments, rule by rule, on a small company."""

from dataclasses import replace

import pytest

from server.directory.model import (
    UNKNOWN,
    Conflict,
    DepartmentLink,
    DepartmentState,
    Kind,
    Membership,
    Scope,
)
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


def test_excluded_departments_and_their_people_stay_out() -> None:
    company = snapshot(
        [person("in", "2"), person("out", "3"), person("both", "2", "4")],
        [department("2"), department("3"), department("4", "3")],
    )
    mirror = mirrored(company, scope=Scope(excluded_department_ids=frozenset({"3"})))
    assert (set(mirror.people), set(mirror.departments)) == ({"in", "both"}, {"2"})


def test_another_source_than_the_root_lies_below_the_target() -> None:
    company = snapshot([person("a", "5"), person("r", "1")], [department("5", "4")])
    mirror = mirrored(company, scope=Scope(source_department_ids=("5",)))
    assert mirror.wecom.departments["5"].parent_id == "1"
    assert set(mirror.people) == {"a"}


def test_an_excluded_root_mirrors_only_the_other_sources() -> None:
    scope = Scope(("1", "5"), frozenset({"1"}))
    company = snapshot([person("a", "5")], [department("5"), department("6")])
    assert set(mirrored(company, scope=scope).departments) == {"5"}


def test_a_missing_source_removes_nobody() -> None:
    scope = Scope(("5", "6"))
    company = snapshot([person("a", "5"), person("b", "6")], [department("5"), department("6")])
    mirror = mirrored(company, scope=scope)
    plan = mirror.plan(snapshot([person("a", "5")], [department("5")]))
    assert plan.changes == ()
    assert "6" in str(plan.warnings[0])


def test_departments_that_lie_below_each_other_remove_nobody() -> None:
    company = snapshot([person("a", "5")], [department("5"), department("6", "5")])
    mirror = mirrored(company)
    plan = mirror.plan(snapshot([person("b")], [department("5", "6"), department("6", "5")]))
    assert brief(plan.changes) == [("create", "b", None)]
    assert "5, 6" in str(plan.warnings[0])


def test_a_department_moved_below_its_own_child_ends_right() -> None:
    mirror = mirrored(snapshot([], [department("5"), department("6", "5")]))
    mirror.run(snapshot([person("a")], [department("6"), department("5", "6")]))
    assert mirror.refusals == []
    assert mirror.wecom.departments["5"].parent_id == "6"


def test_an_event_alone_does_not_move_a_department_below_its_own_child() -> None:
    mirror = mirrored(snapshot([], [department("5"), department("6", "5")]))
    plan = mirror.plan(event([], [department("5", "6")]))
    assert brief(plan.changes) == [("update", "5", "department-circle")]


def test_an_event_finds_the_place_of_a_new_subtree_or_asks_for_a_full_run() -> None:
    mirror = mirrored(snapshot([], [department("5")]), scope=Scope(("1",), frozenset({"9"})))
    known = mirror.plan(event([], [department("6", "5"), department("7", "6")]))
    assert brief(known.changes) == [("create", "6", None), ("create", "7", None)]
    lost = mirror.plan(event([person("x", "44")], [department("6", "77"), department("8", "9")]))
    assert (lost.changes, lost.unplaced) == ((), frozenset({"6", "x"}))


def test_an_event_leaves_the_names_and_orders_of_siblings() -> None:
    mirror = mirrored(snapshot([], [department("5", name="A", order=5)]))
    plan = mirror.run(event([], [department("6", name="A", order=1)]), reads_live=False)
    assert brief(plan.changes) == [("create", "6", None)]
    rows = mirror.wecom.departments
    assert (rows["5"].name, rows["6"].name) == ("A", "A(2)")
    assert rows["6"].order > rows["5"].order


def test_an_event_seats_a_person_among_colleagues_who_were_not_read() -> None:
    first = [person("a", Membership("1", 30, is_leader=False)), person("c", Membership("1", 10))]
    mirror = mirrored(snapshot(first))
    mirror.run(event([person("b", Membership("1", 20, is_leader=False))]), reads_live=False)
    fields = {key: each.fields["order"] for key, each in mirror.wecom.members.items()}
    assert sorted(fields, key=lambda key: str(fields[key]), reverse=True) == ["a", "b", "c"]


def test_equal_siblings_are_numbered_and_keep_their_numbers() -> None:
    twins = [department(key, name="A:") for key in ("5", "6", "7")]
    mirror = mirrored(snapshot([person("a")], twins))
    assert [mirror.wecom.departments[key].name for key in "567"] == ["A：", "A：(2)", "A：(3)"]
    mirror.run(snapshot([person("a")], twins[1:]))
    assert [mirror.wecom.departments[key].name for key in "67"] == ["A：(2)", "A：(3)"]


def test_what_was_adjusted_in_a_department_name_is_a_warning() -> None:
    company = snapshot(
        [], [department("5", name="a?" * 20), department("6", name="a?" * 20), department("7")]
    )
    nameless = replace(company.departments["7"], name=" ")
    company = replace(company, departments={**company.departments, "7": nameless})
    plan = Mirror(rules=OPEN).plan(company)
    assert "full-width" in texts(plan.changes[0])
    assert "shortened" in texts(plan.changes[0])
    assert "(2)" in texts(plan.changes[1])
    assert "its id is used" in texts(plan.changes[2])


def test_names_that_are_swapped_go_over_a_temporary_name() -> None:
    mirror = mirrored(snapshot([], [department("5", name="长" * 32), department("6", name="B")]))
    swapped = snapshot([person("a")], [department("5", name="B"), department("6", name="长" * 32)])
    mirror.run(swapped)
    assert mirror.refusals == []
    assert mirror.wecom.departments["5"].name == "B"
    assert mirror.plan(swapped).changes == ()


def test_a_name_handed_down_a_row_of_siblings_needs_no_temporary_name() -> None:
    old = [department(str(key), name=f"N{key}") for key in range(5, 9)]
    new = [department(str(key), name=f"N{key + 1}") for key in range(5, 9)]
    mirror = mirrored(snapshot([], old))
    plan = mirror.run(snapshot([person("a")], new))
    assert mirror.refusals == []
    assert [each for each, _, _ in brief(plan.changes)] == ["update"] * 4 + ["create"]


def test_a_temporary_name_avoids_names_that_exist() -> None:
    old = [department("5", name="A"), department("6", name="B"), department("7", name="A_5")]
    mirror = mirrored(snapshot([], old))
    new = [department("5", name="B"), department("6", name="A"), department("7", name="A_5")]
    mirror.run(snapshot([person("a")], new))
    assert mirror.refusals == []


def test_a_department_made_anew_under_the_same_name_takes_it_from_the_old_one() -> None:
    mirror = mirrored(snapshot([person("a", "5")], [department("5", name="A")]))
    mirror.run(snapshot([person("a", "6")], [department("6", name="A")]))
    assert mirror.refusals == []
    assert mirror.wecom.departments["6"].name == "A"
    assert "5" not in mirror.wecom.departments


def test_a_foreign_department_of_the_same_name_is_a_conflict_and_what_lies_below_waits() -> None:
    mirror = Mirror(rules=OPEN)
    mirror.wecom.departments["77"] = DepartmentState("A", "1", 1)
    company = snapshot(
        [person("a", "6"), person("b", "6", "1")],
        [department("5", name="A"), department("6", "5")],
    )
    mirror.run(company)
    calls = mirror.wecom.calls
    plan = mirror.run(company)
    assert brief(plan.changes) == [
        ("conflict", "5", "department-name-taken"),
        ("create", "6", "department-waits"),
        ("create", "a", "person-waits"),
    ]
    assert mirror.wecom.calls == calls
    mirror.rules = replace(OPEN, department_links={"5": "77"})
    assert brief(mirror.run(company).changes)[0] == ("adopt", "5", None)
    assert mirror.wecom.members["a"].fields["department"] == ("6",)
    assert mirror.plan(company).changes == ()


def test_who_is_already_in_wecom_stays_where_they_are_while_a_department_waits() -> None:
    mirror = mirrored(snapshot([person("a", "1")]))
    mirror.conflicts.append(Conflict(Kind.DEPARTMENT, "5", "5", "A", "1"))
    plan = mirror.plan(snapshot([person("a", "5", title="x")], [department("5", name="A")]))
    assert dict(plan.changes[1].fields) == {"position": ("", "x")}
    assert "not in all" in texts(plan.changes[1])


@pytest.mark.parametrize("wecom_id", ["1", "404", "6"])
def test_a_department_link_must_name_a_free_department(wecom_id: str) -> None:
    mirror = mirrored(snapshot([], [department("6")]), department_links={"5": wecom_id})
    plan = mirror.plan(snapshot([person("a")], [department("5"), department("6")]))
    assert ("conflict", "5", "department-link-unusable") in brief(plan.changes)


def test_a_department_link_is_believed_where_wecom_was_not_read() -> None:
    mirror = Mirror(rules=replace(OPEN, department_links={"5": "77"}))
    plan = mirror.plan(event([], [department("5")]), reads_live=False)
    assert brief(plan.changes) == [("adopt", "5", None)]


def test_what_the_admin_moved_or_deleted_in_the_console_is_put_back() -> None:
    company = snapshot([person("a", "6"), person("b", "5")], [department("5"), department("6")])
    mirror = mirrored(company)
    mirror.wecom.departments["6"] = replace(mirror.wecom.departments["6"], parent_id="5", order=9)
    mirror.wecom.members["a"].fields.update(department=("1",), main_department="1")
    del mirror.wecom.members["b"]
    plan = mirror.run(company)
    assert brief(plan.changes) == [
        ("update", "6", None),
        ("create", "b", None),
        ("update", "a", None),
    ]
    assert dict(plan.changes[2].fields) == {
        "department": (("1",), ("6",)),
        "main_department": (None, "6"),
    }
    assert mirror.plan(company).changes == ()


def test_a_department_whose_create_got_no_answer_is_recognised() -> None:
    mirror = Mirror(rules=OPEN)
    mirror.departments["5"] = DepartmentLink("5", "5", None)
    company = snapshot([], [department("5")])
    assert brief(mirror.plan(company).changes) == [("create", "5", None)]
    mirror.wecom.departments["5"] = DepartmentState("Dept 5", "1", 7)
    assert brief(mirror.run(company).changes) == [("update", "5", None)]
    assert mirror.plan(company).changes == ()
    mirror.departments["6"] = DepartmentLink("6", "6", None)
    assert mirror.plan(snapshot([person("a")], [department("5")])).changes[1:] == ()


def test_a_department_that_stays_unread_keeps_its_name_where_wecom_shows_it_elsewhere() -> None:
    company = snapshot([], [department("5", name="A"), department("6", name="B")])
    mirror = mirrored(company)
    mirror.departments["5"] = DepartmentLink("5", "5", DepartmentState("A", "6", 1))
    plan = mirror.plan(snapshot([], [department("7", name="A")], is_complete=False))
    assert brief(plan.changes) == [("conflict", "7", "department-name-taken")]


def test_nobody_is_put_into_a_department_that_may_not_be_there() -> None:
    mirror = mirrored(snapshot([person("a", "5")], [department("5")]))
    mirror.departments["6"] = DepartmentLink("6", "6", None)
    plan = mirror.plan(event([person("a", "5", "6"), person("b", "6")]), reads_live=False)
    assert brief(plan.changes) == [("create", "b", "person-waits")]


def test_who_was_also_put_elsewhere_in_the_console_is_taken_out_again() -> None:
    company = snapshot([person("a", "5")], [department("5"), department("6")])
    mirror = mirrored(company)
    mirror.wecom.members["a"].fields.update(department=("5", "6"))
    assert dict(mirror.plan(company).changes[0].fields) == {"department": (("5", "6"), ("5",))}


def test_only_dingtalks_own_order_changed_so_only_the_ledger_learns() -> None:
    mirror = mirrored(snapshot([person("a", Membership("5", 1))], [department("5", order=1)]))
    moved = snapshot([person("a", Membership("5", 9))], [department("5", order=9)])
    plan = mirror.run(moved)
    assert plan.changes == ()
    assert (len(plan.noted_people), len(plan.noted_departments)) == (1, 1)
    assert mirror.plan(moved).noted_people == ()
    unknown = snapshot([person("a", Membership("5"))], [replace(department("5"), order=UNKNOWN)])
    assert mirror.plan(unknown).noted_departments == ()


def test_a_department_of_unknown_name_gets_its_own_before_another_takes_it() -> None:
    """The answer to a create was lost: WeCom has the name, and the ledger does not know it."""
    old = snapshot([], [department("5", name="A"), department("6", name="B")])
    mirror = mirrored(old)
    mirror.departments["6"] = DepartmentLink("6", "6", None)
    company = snapshot([], [department("5", name="B"), department("6", name="B")])
    plan = mirror.run(company)
    assert brief(plan.changes) == [("update", "6", None), ("update", "5", None)]
    assert mirror.plan(company).changes == ()


def test_a_department_of_unknown_name_that_goes_makes_room_for_another() -> None:
    """The answer to a create was lost, and DingTalk has removed the department meanwhile."""
    mirror = mirrored(snapshot([], [department("5", name="A"), department("6", name="B")]))
    mirror.departments["6"] = DepartmentLink("6", "6", None)
    company = snapshot([], [department("5", name="A"), department("7", name="B")])
    plan = mirror.run(company)
    assert brief(plan.changes) == [
        ("update", "6", None),
        ("create", "7", None),
        ("delete", "6", None),
    ]
    assert mirror.plan(company).changes == ()
