from dataclasses import replace

import pytest

from server.directory.causes import cause
from server.directory.change import Action, Change
from server.directory.desired import Desired, DesiredPerson, Presence
from server.directory.model import Kind, Ledger, MemberState, PersonLink, Refusal
from server.directory.refusals import (
    DELETION,
    PATIENCE_S,
    fresh,
    left_out,
    without_refused,
    without_refused_deletions,
)

WHY = cause("no-name", id="a")
OTHER = cause("no-name", id="b")
ANNA = MemberState("Anna", "138", "a@example.com")


def refusal(value: str, at_s: float = 0.0) -> Refusal:
    return Refusal(value, at_s, WHY)


def desired(*members: MemberState, accepted: MemberState | None = None) -> Desired:
    link = PersonLink("a", "a", accepted) if accepted else None
    people = {
        chr(ord("a") + at): DesiredPerson(chr(ord("a") + at), "w", member, link)
        for at, member in enumerate(members)
    }
    return Desired({}, people, Presence(frozenset(people)))


@pytest.mark.parametrize(
    ("passed_s", "counting"),
    [
        (0, {"a"}),
        (PATIENCE_S - 1, {"a"}),
        (PATIENCE_S, set()),
        (-1, set()),  # the clock was ahead when it was refused
    ],
)
def test_a_refusal_counts_for_less_than_a_day_in_full_runs(
    passed_s: float, counting: set[str]
) -> None:
    refusals = {"a": {"email": refusal("x", 1000.0)}}
    assert set(fresh(refusals, 1000.0 + passed_s, is_full=True)) == counting


def test_a_refusal_counts_for_events_until_a_full_run_asks_again() -> None:
    refusals = {"a": {"email": refusal("x")}}
    assert fresh(refusals, 9 * PATIENCE_S, is_full=False) == refusals


def test_nobody_else_is_spared() -> None:
    wished = desired(ANNA)
    assert without_refused(wished, {"b": {"email": refusal(ANNA.email)}}) is wished


@pytest.mark.parametrize("value", ["a@example.com", "b@example.com"])
def test_only_the_refused_value_is_left_as_wecom_accepted_it(value: str) -> None:
    before = replace(ANNA, email="old@example.com")
    spared = without_refused(
        desired(ANNA, accepted=before), {"a": {"email": refusal(value)}}
    ).people["a"]
    assert spared.member.email == ("old@example.com" if value == ANNA.email else ANNA.email)
    assert (spared.member.mobile, spared.cause) == ("138", None)


def test_a_value_that_wecom_has_all_the_same_stays() -> None:
    wished = desired(ANNA, accepted=ANNA)
    assert without_refused(wished, {"a": {"email": refusal(ANNA.email)}}).people == wished.people


def test_who_has_neither_mobile_nor_email_left_waits_for_the_reason_given() -> None:
    refusals = {"a": {"mobile": refusal("138"), "email": refusal("a@example.com")}}
    wished = desired(ANNA)
    assert without_refused(wished, refusals).people["a"].cause == WHY
    stopped = replace(wished, people={"a": replace(wished.people["a"], cause=OTHER)})
    assert without_refused(stopped, refusals).people["a"].cause == OTHER


def test_only_a_refused_deletion_is_kept_from_being_made() -> None:
    refusals = {"a": {DELETION: refusal("")}, "c": {"email": refusal("x")}}
    changes = (
        Change(Action.DELETE, Kind.PERSON, "a", "a"),
        Change(Action.DISABLE, Kind.PERSON, "a", "a"),
        Change(Action.DELETE, Kind.DEPARTMENT, "a", "1"),
        Change(Action.DELETE, Kind.PERSON, "b", "b"),
        Change(Action.DELETE, Kind.PERSON, "c", "c"),
    )
    causes = [each.cause for each in without_refused_deletions(changes, refusals)]
    assert causes == [WHY, None, None, None, None]


def test_what_is_left_out_is_told_in_one_sentence_a_field() -> None:
    members = [replace(ANNA, name=f"Anna{n}", telephone="1") for n in range(12)]
    wished = desired(*members)
    refusals = {
        key: {"telephone": refusal("1"), "email": refusal("another")} for key in wished.people
    }
    (told,) = left_out(wished, Ledger(refusals=refusals))
    assert "telephone of Anna0, Anna1, " in str(told)
    assert "Anna9, +2, so" in str(told)
