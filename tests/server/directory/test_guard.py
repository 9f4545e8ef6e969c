from dataclasses import replace

import pytest

from server.directory.change import Action, Change, HoldReason
from server.directory.guard import Approval, allowance, guard, linked_count
from server.directory.model import (
    Kind,
    Leavers,
    Ledger,
    MemberState,
    PersonLink,
    Removal,
    Rules,
    Scope,
    Snapshot,
)
from server.directory.plan import Plan
from tests.server.directory.builders import department, event, person, snapshot
from tests.server.directory.mirror import Mirror

OPEN = Rules(approve_first_run=False)
DAY_S = 86_400.0


def company(size: int, first: int = 0) -> Snapshot:
    return snapshot([person(f"p{number:03d}") for number in range(first, size)])


def mirrored(size: int, **rules: object) -> Mirror:
    mirror = Mirror(rules=replace(OPEN, **rules))  # type: ignore[arg-type]  # by name
    mirror.run(company(size))
    return mirror


def removed(verdict: Approval) -> list[str]:
    return [change.dingtalk_id for change in verdict.allowed if change.counts]


def reasons(verdict: Approval) -> list[HoldReason]:
    return [hold.reason for hold in verdict.holds]


def test_the_allowance_is_the_smaller_of_heads_and_per_cent_but_at_least_one() -> None:
    for size, expected in ((1, 1), (20, 1), (39, 1), (40, 2), (100, 3)):
        assert allowance(Kind.PERSON, mirrored(size).ledger(), OPEN, 0.0) == expected
    nobody = replace(OPEN, max_removals=0)
    assert allowance(Kind.PERSON, mirrored(20).ledger(), nobody, 0.0) == 0


def test_who_left_before_is_none_of_ours_to_be_counted() -> None:
    mirror = mirrored(40)
    half = company(40, first=20)
    held = mirror.run_guarded(half, 0.0)
    mirror.run_guarded(half, 0.0, held.digest)
    assert sum(not link.is_enabled for link in mirror.people.values()) == 20
    ledger = mirror.ledger()
    assert linked_count(Kind.PERSON, ledger) == 20
    assert allowance(Kind.PERSON, ledger, OPEN, DAY_S + 1.0) == 1


def test_above_the_allowance_all_removals_wait_and_everything_else_goes_on() -> None:
    mirror = mirrored(40)
    rest = company(40, first=3)
    newcomer = person("new")
    rest = replace(rest, people={**rest.people, "new": newcomer})
    verdict = mirror.run_guarded(rest, 0.0)
    assert [change.dingtalk_id for change in verdict.allowed] == ["new"]
    assert [change.dingtalk_id for change in verdict.held] == ["p000", "p001", "p002"]
    hold = verdict.holds[0]
    numbers = (hold.wanted, hold.used, hold.limit, hold.linked)
    assert (hold.reason, numbers) == (HoldReason.ALLOWANCE, (3, 0, 2, 40))
    assert not hold.is_whole


def test_a_held_list_keeps_its_digest_and_only_that_digest_lets_it_go() -> None:
    mirror = mirrored(40)
    rest = company(40, first=3)
    digest = mirror.run_guarded(rest, 0.0).digest
    assert mirror.run_guarded(rest, 50.0).digest == digest
    wrong = mirror.run_guarded(rest, 60.0, "0" * 16)
    assert (wrong.is_mismatch, wrong.allowed, wrong.digest) == (True, (), digest)
    grown = mirror.run_guarded(company(40, first=4), 70.0, digest)
    assert grown.is_mismatch
    right = mirror.run_guarded(rest, 80.0, digest)
    assert removed(right) == ["p000", "p001", "p002"]
    assert right.approved == right.allowed
    assert removed(mirror.run_guarded(company(40, first=4), 90.0)) == ["p003"]


def test_a_digest_is_refused_where_nothing_waits() -> None:
    mirror = mirrored(40)
    verdict = mirror.run_guarded(company(40), 0.0, "x")
    assert (verdict.is_mismatch, verdict.digest) == (True, None)


def test_runs_and_events_share_one_allowance_for_24_hours() -> None:
    mirror = mirrored(40)
    for number, expected in ((0, ["p000"]), (1, ["p001"]), (2, [])):
        gone = event(gone_people=frozenset({f"p{number:03d}"}))
        assert removed(mirror.run_guarded(gone, 60.0 * number, reads_live=False)) == expected
    assert removed(mirror.run_guarded(company(40, first=3), DAY_S + 60.0)) == ["p002"]


def test_who_returned_no_longer_counts() -> None:
    mirror = mirrored(40)
    mirror.run_guarded(company(40, first=2), 0.0)
    mirror.run_guarded(company(40, first=1), 10.0)
    assert removed(mirror.run_guarded(company(39, first=1), 20.0)) == ["p039"]


@pytest.mark.parametrize("userid", ["p000", "P000"])
def test_who_returned_under_another_userid_no_longer_counts(userid: str) -> None:
    old = person(userid)
    rest = company(40, first=1)
    mirror = Mirror(rules=replace(OPEN, max_removals=1))
    mirror.run(replace(rest, people={**rest.people, userid: old}))
    mirror.run_guarded(rest, 0.0)
    assert not mirror.people[userid].is_enabled
    back = replace(old, dingtalk_userid="again")
    mirror.run_guarded(replace(rest, people={**rest.people, "again": back}), 10.0)
    rest = company(40, first=2)
    verdict = mirror.run_guarded(replace(rest, people={**rest.people, "again": back}), 20.0)
    assert removed(verdict) == ["p001"]


def test_a_removal_dated_in_the_future_counts() -> None:
    mirror = mirrored(20)
    mirror.removals.append(Removal(Kind.PERSON, "gone", "gone", 10 * DAY_S))
    assert removed(mirror.run_guarded(company(20, first=1), 0.0)) == []


def test_deletions_after_the_waiting_days_do_not_count_again() -> None:
    mirror = mirrored(60, leavers=Leavers.DELETE, max_removals=9, max_removal_percent=15)
    mirror.run_guarded(company(60, first=9), 0.0)
    mirror.rules = replace(mirror.rules, max_removals=0)
    verdict = mirror.run_guarded(company(60, first=9), 30 * DAY_S)
    assert [change.action for change in verdict.allowed] == [Action.DELETE] * 9


def test_departments_have_an_allowance_of_their_own() -> None:
    tree = [department(str(key)) for key in range(2, 12)]
    mirror = Mirror(rules=OPEN)
    mirror.run(snapshot([person("a")], tree))
    verdict = mirror.run_guarded(snapshot([person("a")], tree[2:]), 0.0)
    assert [(hold.kind, hold.wanted) for hold in verdict.holds] == [(Kind.DEPARTMENT, 2)]
    assert removed(mirror.run_guarded(snapshot([person("a")], tree[1:]), 0.0)) == ["2"]
    assert removed(mirror.run_guarded(snapshot([person("a")], tree[2:]), 10.0)) == []
    mirror.run_guarded(snapshot([person("a")], tree), 20.0)
    assert removed(mirror.run_guarded(snapshot([person("a")], tree[1:]), 30.0)) == ["2"]


def test_a_department_waits_with_the_people_who_would_still_be_in_it() -> None:
    everybody = [person(f"p{number}") for number in range(30)]
    mirror = Mirror(rules=OPEN)
    leavers = [person("x", "5"), person("y", "5")]
    mirror.run(snapshot([*everybody, *leavers], [department("5")]))
    verdict = mirror.run_guarded(snapshot(everybody), 0.0)
    assert [change.dingtalk_id for change in verdict.held] == ["x", "y", "5"]
    assert verdict.allowed == ()


def test_a_mass_removal_holds_the_whole_run() -> None:
    mirror = mirrored(12)
    rest = company(12, first=4)
    rest = replace(rest, people={**rest.people, "new": person("new")})
    verdict = mirror.run_guarded(rest, 0.0)
    assert (reasons(verdict), verdict.allowed) == ([HoldReason.MASS_REMOVAL], ())
    assert verdict.holds[0].is_whole
    assert len(verdict.held) == 5
    approved = mirror.run_guarded(rest, 0.0, verdict.digest)
    assert len(approved.allowed) == 5


def test_as_many_as_may_always_go_are_no_mass() -> None:
    mirror = mirrored(6, max_removals=3)
    verdict = mirror.run_guarded(company(6, first=3), 0.0)
    assert reasons(verdict) == [HoldReason.ALLOWANCE]
    more = mirrored(6, max_removals=3).run_guarded(company(6, first=4), 0.0)
    assert reasons(more) == [HoldReason.MASS_REMOVAL]


def test_only_who_works_with_us_can_be_shared() -> None:
    worker = PersonLink("w", "w", MemberState("W"))
    leaver = PersonLink("l", "l", MemberState("L"), is_enabled=False)
    begun = PersonLink("b", "b", None)
    back = snapshot([person("l"), person("b")])
    plan = Plan((Change(Action.ENABLE, Kind.PERSON, "l", "l", payload=MemberState("L")),))

    def held(*links: PersonLink) -> list[HoldReason]:
        ledger = Ledger({link.dingtalk_userid: link for link in links})
        return reasons(guard(plan, back, ledger, OPEN, 0.0))

    assert held(worker, leaver, begun) == [HoldReason.NOBODY_SHARED]
    assert held(leaver, begun) == []
    assert held(leaver) == []


def test_a_snapshot_that_shares_nobody_holds_the_whole_run() -> None:
    mirror = mirrored(2)
    strangers = snapshot([person("x")], is_complete=False)
    assert reasons(mirror.run_guarded(strangers, 0.0)) == [HoldReason.NOBODY_SHARED]
    assert reasons(mirror.run_guarded(snapshot(is_complete=False), 0.0)) == []
    assert reasons(mirror.run_guarded(event([person("x")]), 0.0)) == []


def test_the_first_run_and_a_change_of_scope_wait_for_the_preview() -> None:
    mirror = Mirror(rules=Rules())
    plan = mirror.plan(company(3))
    first = guard(plan, company(3), Ledger(), Rules(), 0.0)
    assert (reasons(first), first.digest) == ([HoldReason.FIRST_RUN], plan.digest)
    before = Ledger(approved_scope=Scope(("2", "1")))
    changed = guard(plan, company(3), before, Rules(), 0.0)
    assert reasons(changed) == [HoldReason.SCOPE_CHANGED]
    same = replace(Rules(), scope=Scope(("1", "2")))
    assert reasons(guard(plan, company(3), before, same, 0.0)) == []
    assert guard(Plan(()), company(3), Ledger(), Rules(), 0.0).holds == ()


def test_what_is_not_ours_is_refused_even_if_a_plan_contains_it() -> None:
    rules = replace(OPEN, protected_wecom_userids=frozenset({"Boss"}))
    mirror = mirrored(1)
    changes = (
        Change(Action.UPDATE, Kind.PERSON, "x", "foreign", payload=MemberState("x")),
        Change(Action.CREATE, Kind.PERSON, "b", "boss", payload=MemberState("x")),
        Change(Action.DELETE, Kind.DEPARTMENT, "1", "1"),
        Change(Action.UPDATE, Kind.PERSON, "p000", "P000", payload=MemberState("x")),
    )
    verdict = guard(Plan(changes), company(1), mirror.ledger(), rules, 0.0)
    assert [change.dingtalk_id for change in verdict.allowed] == ["p000"]
    codes = [change.cause.code for change in verdict.refused if change.cause]
    assert codes == ["never-touched"] * 3


def test_a_member_of_ours_is_ours_in_capitals_too() -> None:
    ledger = Ledger({"p": PersonLink("p", "P000", MemberState("x"))})
    changes = tuple(
        Change(Action.UPDATE, Kind.PERSON, "p", wecom_id, payload=MemberState("x"))
        for wecom_id in ("p000", "P000")
    )
    assert guard(Plan(changes), company(0), ledger, OPEN, 0.0).allowed == changes
