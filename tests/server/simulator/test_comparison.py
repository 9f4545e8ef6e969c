"""The comparison finds whatever differs, since every convergence test relies on it."""

from typing import Any

import pytest

from server.simulator.company import Company
from server.simulator.comparison import Pairs, differences
from server.simulator.roster import ROOT_ID
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Membership
from tests.server.simulator.companies import found_department


class _Sides:
    """A company of two in one department, and a WeCom that is as it should be."""

    def __init__(self) -> None:
        self.company = Company()
        self.directory = WeComContacts().directory
        self.console = WeComConsole(self.directory)
        self.dept = found_department(self.company, "A:B 组")
        self.place = self.console.add_department("A：B 组")
        boss = self.company.draft("王伟", (ROOT_ID,), userid="boss", mobile="13800000001")
        self.company.hire(boss)
        details: dict[str, Any] = {"mobile": "5551234", "state_code": "852", "title": "会计"}
        self.company.hire(
            self.company.draft("李娜", (self.dept,), userid="li", manager_userid="boss", **details)
        )
        self.console.add_member("W.boss", "王伟", mobile="13800000001")
        self.console.add_member(
            "W.li",
            "李娜",
            (self.place,),
            mobile="+8525551234",
            position="会计",
            direct_leader=("W.boss",),
        )

    def found(self) -> list[str]:
        pairs = Pairs({"boss": "W.boss", "li": "W.li"}, {str(self.dept): self.place})
        return differences(self.company.roster, self.directory, pairs)


def test_equal_sides_have_no_differences() -> None:
    assert _Sides().found() == []


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "李那"},
        {"mobile": "13900000000"},
        {"position": ""},
        {"direct_leader": ()},
        {"is_enabled": False},
        {"memberships": (Membership(1),)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_every_field_of_a_member_is_compared(fields: dict[str, Any]) -> None:
    sides = _Sides()
    sides.console.change_member("W.li", **fields)

    assert sides.found() != []


def test_departments_are_compared_by_name_and_place() -> None:
    sides = _Sides()
    sides.console.change_department(sides.place, name="A B 组")

    assert sides.found() == [f"department {sides.dept}: name 'A B 组' for 'A:B 组'"]


def test_who_has_left_must_not_be_enabled() -> None:
    sides = _Sides()
    sides.company.leave("li")

    assert sides.found() == ["li (W.li) has left and is enabled"]


def test_who_is_missing_is_named() -> None:
    sides = _Sides()
    sides.console.delete_member("W.li")

    assert sides.found() == ["li '李娜' is missing"]


def test_an_address_of_two_people_may_be_with_either() -> None:
    sides = _Sides()
    for userid in ("boss", "li"):
        sides.company.change(userid, email="team@example.com")
    assert sides.found() == [
        "boss email: '', not 'team@example.com'",
        "li email: '', not 'team@example.com'",
    ]
    sides.console.change_member("W.li", email="team@example.com")
    assert sides.found() == []
