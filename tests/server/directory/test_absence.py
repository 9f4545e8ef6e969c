"""Who is missing is gone only if DingTalk says so; everybody else is kept and told by name."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.directory import causes
from server.directory.absence import (
    Answers,
    Denial,
    Missing,
    Place,
    conclude,
    missing_from,
    people_without_department,
    place_of,
)
from server.directory.change import Action
from server.directory.desired import Presence
from server.directory.mapping import map_directory, scope_of
from server.directory.model import (
    Department,
    DepartmentLink,
    Kind,
    Leavers,
    Ledger,
    MemberState,
    Person,
    PersonLink,
    Scope,
    Snapshot,
)
from server.directory.plan import Plan, make_plan
from tests.server.directory.builders import OPEN, department, mirrored, person, snapshot
from tests.server.directory.mirror import Mirror

COMPANY = snapshot(
    [person("a", "2"), person("b", "3"), person("c", "1"), person("d", "3")],
    [department("2"), department("3"), department("4", "2")],
)
RULES = replace(OPEN, max_removals=100, max_removal_percent=100)
LIMITED = replace(RULES, scope=Scope(("2",), frozenset({"9"})))


def _walked(
    *, without: frozenset[str] = frozenset(), places: frozenset[str] = frozenset()
) -> Snapshot:
    """Read the company again, without these people and departments."""
    return replace(
        COMPANY,
        people={key: one for key, one in COMPANY.people.items() if key not in without},
        departments={key: one for key, one in COMPANY.departments.items() if key not in places},
    )


def _plan(mirror: Mirror, read: Snapshot, *, supposes_absence: bool = False) -> Plan:
    ledger, live = mirror.ledger(), mirror.wecom.live()
    desired = map_directory(read, ledger, live, mirror.rules, supposes_absence=supposes_absence)
    return make_plan(desired, ledger, live, mirror.rules, 0.0, is_clock_right=True)


def _missing(mirror: Mirror, read: Snapshot) -> Missing:
    ledger, live = mirror.ledger(), mirror.wecom.live()
    desired = map_directory(read, ledger, live, mirror.rules, supposes_absence=True)
    plan = make_plan(desired, ledger, live, mirror.rules, 0.0, is_clock_right=True)
    return missing_from(plan.changes, ledger, desired.presence)


def _settled(mirror: Mirror, read: Snapshot, missing: Missing, answers: Answers) -> Snapshot:
    ledger = mirror.ledger()
    found = {key: answer for key, answer in answers.people.items() if isinstance(answer, Person)}
    read = replace(read, people={**read.people, **found})
    scope = scope_of(read, ledger, mirror.rules)
    missing = replace(missing, without_department=people_without_department(read, scope))
    return conclude(read, ledger, mirror.rules, scope, missing, answers)


def _removed(plan: Plan) -> set[tuple[Kind, str]]:
    return {
        (change.kind, change.dingtalk_id)
        for change in plan.changes
        if change.action in (Action.DISABLE, Action.DELETE)
    }


def test_without_an_answer_nobody_is_removed() -> None:
    mirror = mirrored(COMPANY, max_removals=100)
    read = _walked(without=frozenset("abd"), places=frozenset("234"))
    assert _removed(_plan(mirror, read, supposes_absence=True)) != set()
    assert _removed(_plan(mirror, read)) == set()


def test_nobody_is_asked_for_where_nobody_is_missing() -> None:
    assert _missing(mirrored(COMPANY), COMPANY) == Missing()


def test_who_was_disabled_before_is_not_asked_for_again() -> None:
    mirror = mirrored(COMPANY, max_removals=100)
    without_a = _walked(without=frozenset("a"))
    assert _missing(mirror, without_a).people == {"a"}
    mirror.run(without_a)
    assert _missing(mirror, without_a) == Missing(already_disabled=frozenset("a"))


def test_a_deletion_that_is_due_asks_again_for_who_was_disabled_before() -> None:
    rules = {"leavers": Leavers.DELETE, "delete_after_days": 0, "max_removals": 100}
    mirror = mirrored(COMPANY, **rules)
    without_a = _walked(without=frozenset("a"))
    mirror.run(without_a)
    assert _missing(mirror, without_a) == Missing(people=frozenset("a"))


def test_who_would_take_over_a_member_has_the_former_one_asked_for() -> None:
    mirror = mirrored(COMPANY, leavers=Leavers.KEEP)
    former = COMPANY.people["a"]
    heir = replace(former, dingtalk_userid="heir")
    read = _walked(without=frozenset("a"))
    read = replace(read, people={**read.people, "heir": heir})
    assert _missing(mirror, read).people == {"a"}


@pytest.mark.parametrize(
    ("department_id", "expected"),
    [
        ("2", Place.INSIDE),
        ("20", Place.INSIDE),
        ("21", Place.INSIDE),
        ("9", Place.OUTSIDE),
        ("90", Place.OUTSIDE),
        ("1", Place.OUTSIDE),
        ("10", Place.OUTSIDE),
        ("30", Place.NOWHERE),
        ("31", Place.NOWHERE),
        ("40", Place.UNKNOWN),
        ("41", Place.UNKNOWN),
        ("50", Place.UNKNOWN),
        ("60", "61"),
        ("62", "62"),
    ],
)
def test_where_a_department_lies_is_known_from_what_lies_above_it(
    department_id: str, expected: Place | str
) -> None:
    read: dict[str, Department | Denial] = {
        "20": department("20", "2"),
        "21": department("21", "20"),
        "90": department("90", "9"),
        "10": department("10", "1"),
        "30": department("30", "31"),
        "31": Denial.GONE,
        "40": department("40", "41"),
        "41": Denial.OUT_OF_SCOPE,
        "50": department("50", "51"),  # a circle
        "51": department("51", "50"),
        "60": department("60", "61"),
    }
    assert place_of(department_id, {"2"}, LIMITED, read) == expected


@pytest.mark.parametrize(
    ("answer", "is_gone", "told"),
    [
        (Denial.GONE, True, None),
        (Denial.OUT_OF_SCOPE, False, causes.OUT_OF_SIGHT),
        (Denial.NO_ANSWER, False, causes.UNANSWERED),
        (person("b", "3", name="Bob"), False, causes.MOVED),
        (person("b", "77", name="Bob"), False, causes.NOWHERE),
        (replace(person("b", "3", name="Bob"), memberships=()), False, causes.NOWHERE),
        (person("b", "9", name="Bob"), True, None),
        (person("b", "9", "77", name="Bob"), False, causes.NOWHERE),
        (person("b", "9", "78", name="Bob"), False, causes.UNANSWERED),
    ],
)
def test_what_follows_from_an_answer_about_a_person(
    answer: Person | Denial,
    is_gone: bool,  # noqa: FBT001 - a case
    told: str | None,
) -> None:
    mirror = mirrored(
        COMPANY, max_removals=100, scope=Scope(excluded_department_ids=frozenset({"9"}))
    )
    read = _walked(without=frozenset("b"))
    answers = Answers({"b": answer}, {"77": Denial.GONE, "78": Denial.NO_ANSWER})
    after = _settled(mirror, read, _missing(mirror, read), answers)
    assert ("b" in after.gone_people) == is_gone
    assert [reason.text for reason in after.reasons] == ([told] if told else [])
    assert (after.is_settled, after.has_moved) == (told is None, told == causes.MOVED)
    assert _removed(_plan(mirror, after)) == ({(Kind.PERSON, "b")} if is_gone else set())


def test_a_department_that_is_there_is_mirrored_where_it_is_now() -> None:
    mirror = mirrored(COMPANY, max_removals=100)
    read = _walked(places=frozenset("4"))
    answers = Answers(departments={"4": department("4", "3")})
    after = _settled(mirror, read, _missing(mirror, read), answers)
    assert (after.gone_departments, after.has_moved) == (frozenset(), True)
    (change,) = _plan(mirror, after).changes
    assert (change.action, change.dingtalk_id, set(change.fields)) == (
        Action.UPDATE,
        "4",
        {"parentid"},
    )


def test_hundreds_of_names_are_told_by_their_number() -> None:
    people = [person(f"p{number:03}") for number in range(30)]
    mirror = mirrored(snapshot(people), max_removals=100)
    read = snapshot(people[:1])
    answers = Answers(dict.fromkeys((f"p{number:03}" for number in range(1, 30)), Denial.NO_ANSWER))
    (reason,) = _settled(mirror, read, _missing(mirror, read), answers).reasons
    assert str(reason.values["names"]).endswith("Name p010, … (+19)")


SAID = st.sampled_from([*Denial, "2", "3", "1", "77", "4"])


@given(
    st.sets(st.sampled_from("abcd")),
    st.sets(st.sampled_from("234")),
    st.dictionaries(st.sampled_from("abcd"), SAID),
    st.dictionaries(st.sampled_from(["2", "3", "4", "77"]), SAID),
    st.booleans(),
)
def test_only_who_is_said_not_to_exist_is_ever_removed(
    absent: set[str],
    places: set[str],
    said_of_people: dict[str, Denial | str],
    said_of_departments: dict[str, Denial | str],
    is_complete: bool,  # noqa: FBT001 - drawn
) -> None:
    mirror = Mirror(rules=RULES)
    mirror.run(COMPANY)
    read = replace(
        _walked(without=frozenset(absent), places=frozenset(places)), is_complete=is_complete
    )
    missing = _missing(mirror, read)
    answers = Answers(
        {
            key: said if isinstance(said, Denial) else person(key, said)
            for key, said in said_of_people.items()
            if key in missing.people
        },
        {
            key: said if isinstance(said, Denial) else department(key, said)
            for key, said in said_of_departments.items()
        },
    )
    after = _settled(mirror, read, missing, answers)
    gone = {(Kind.PERSON, key) for key, said in answers.people.items() if said is Denial.GONE}
    gone |= {
        (Kind.DEPARTMENT, key) for key, said in answers.departments.items() if said is Denial.GONE
    }
    removed = _removed(_plan(mirror, after))
    assert removed <= gone
    if not is_complete:
        assert removed == set()
    for key in missing.people - after.gone_people:
        name = COMPANY.people[key].name
        assert any(name in str(reason) for reason in after.reasons)
    assert after.is_settled == (not after.reasons)


def test_what_was_announced_and_never_answered_is_asked_for_and_told_by_its_id() -> None:
    ledger = Ledger({"x": PersonLink("x", "X", None)}, {"5": DepartmentLink("5", "5", None)})
    presence = Presence(frozenset(), frozenset({"x"}))
    assert missing_from((), ledger, presence) == Missing(people=frozenset({"x"}))
    missing = Missing(frozenset({"x"}), frozenset({"5"}))
    after = conclude(snapshot(), ledger, RULES, {"1"}, missing, Answers())
    assert [(each.text, each.values) for each in after.reasons] == [
        (causes.UNANSWERED, {"names": "5, x"})
    ]
    assert (after.gone_people, after.gone_departments) == (frozenset(), frozenset())


@pytest.mark.parametrize(
    ("answer", "is_gone"),
    [
        (Denial.GONE, True),
        (Denial.OUT_OF_SCOPE, False),
        (Denial.NO_ANSWER, False),
        (None, False),
        (person("x", name="Li Lei"), False),  # another app of the same company
        (person("x", name="Han Mei"), True),  # another company gave the userid to somebody else
    ],
)
def test_who_was_shown_by_another_app_needs_proof_too(
    answer: Person | Denial | None,
    is_gone: bool,  # noqa: FBT001 - a column of the table
) -> None:
    ledger = Ledger({"x@@app": PersonLink("x@@app", "X", MemberState("Li Lei"))})
    missing = Missing(frozenset({"x@@app"}))
    answers = Answers({} if answer is None else {"x@@app": answer})
    after = conclude(snapshot(), ledger, RULES, {"1"}, missing, answers)
    assert after.gone_people == (frozenset({"x@@app"}) if is_gone else frozenset())
    assert after.is_settled is is_gone


def test_who_is_disputed_keeps_a_reading_open_only_where_they_are_ours() -> None:
    ledger = Ledger({"x": PersonLink("x", "X", None)})
    read = snapshot(disputed={"x": "", "new": "Newcomer"})
    after = conclude(read, ledger, RULES, {"1"}, Missing(frozenset({"x"})), Answers())
    assert [str(each.values["names"]) for each in after.reasons] == ["x"]
    assert [str(each.values["names"]) for each in after.notes] == ["Newcomer"]
    assert (after.is_settled, after.has_moved) == (False, False)


def test_who_moved_out_of_what_is_mirrored_during_the_read_waits_for_the_next_run() -> None:
    """The list had shown them inside; only a walk without them makes them leave."""
    mirror = mirrored(
        COMPANY, max_removals=100, scope=Scope(excluded_department_ids=frozenset({"9"}))
    )
    read = _walked()
    read = replace(read, people={**read.people, "b": person("b", "9"), "new": person("new", "9")})
    after = _settled(mirror, read, Missing(), Answers())
    assert (after.gone_people, after.has_moved, after.notes) == (frozenset(), True, ())
    assert [str(each.values["names"]) for each in after.reasons] == ["Name b"]
