"""Another app shows the company we know, or one whose userids are other people's."""

from dataclasses import replace

import pytest

from server.directory.mapping import ledger_for_company
from server.directory.model import Ledger, MemberState, Person, PersonLink, Scope
from tests.server.directory.builders import person, snapshot

KNOWN = Ledger(
    {
        "a": PersonLink("a", "A", MemberState("Name a", "13800000001")),
        "b": PersonLink("b", "b", MemberState("Name b", "13800000002"), is_enabled=False),
        "c": PersonLink("c", "c", None),
    },
    approved_scope=Scope(app_key="first"),
)


def wecom_userids(ledger: Ledger) -> dict[str, str]:
    assert all(key == link.dingtalk_userid for key, link in ledger.people.items())
    return {key: link.wecom_userid for key, link in ledger.people.items()}


@pytest.mark.parametrize(
    "people",
    [
        [person("a"), person("b")],
        [person("a", name="Married", mobile="138 0000 0001"), person("c", name="New")],
        [],
    ],
    ids=["same names", "same mobile", "nobody seen"],
)
def test_most_of_those_known_make_it_the_same_company(people: list[Person]) -> None:
    assert ledger_for_company("second", KNOWN, snapshot(people)) is KNOWN


@pytest.mark.parametrize("before", [None, Scope(app_key="second")])
def test_nobody_is_compared_without_another_app(before: Scope | None) -> None:
    known = replace(KNOWN, approved_scope=before)
    assert ledger_for_company("second", known, snapshot([person("a", name="Else")])) is known


@pytest.mark.parametrize(
    "people",
    [[person("a", name="Else")], [person("a"), person("b", name="Else")], [person("x")]],
    ids=["another name", "half of them", "other userids"],
)
def test_of_another_company_nobody_is_known_by_userid(people: list[Person]) -> None:
    known = ledger_for_company("second", KNOWN, snapshot(people))
    assert wecom_userids(known) == {"a@@first": "A", "b@@first": "b", "c@@first": "c"}


def test_each_company_finds_its_own_people_again() -> None:
    second = ledger_for_company("second", KNOWN, snapshot([person("a", name="Else")]))
    link = PersonLink("a", "a-2", MemberState("Else"))
    second = replace(
        second, people={**second.people, "a": link}, approved_scope=Scope(app_key="second")
    )
    third = ledger_for_company("third", second, snapshot([person("a", name="Third")]))
    assert wecom_userids(third) == {
        "a@@first": "A",
        "b@@first": "b",
        "c@@first": "c",
        "a@@second": "a-2",
    }
    third = replace(third, approved_scope=Scope(app_key="third"))
    first = ledger_for_company("first", third, snapshot([person("a")]))
    assert wecom_userids(first) == {"a": "A", "b": "b", "c": "c", "a@@second": "a-2"}
