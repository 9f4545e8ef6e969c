"""Another company on either side: what is ours in one of them is nobody's in the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from server.directory.guard import HoldReason
from server.journal.runs import RunStatus
from server.simulator.contacts_wecom import WeComContacts, WeComRules
from server.simulator.httpd import LoopbackServer
from server.simulator.wecom_directory import Member, Membership
from server.simulator.wecom_tree import Department
from tests.server.sync.world import World, differences, open_world


@dataclass
class Other:
    """A company whose strangers happen to have the ids that are ours in the first one."""

    wecom: WeComContacts
    address: str

    def is_untouched(self, person: str, department: int) -> bool:
        snapshot = self.wecom.directory.snapshot()
        stranger, place = snapshot.members[person], snapshot.departments[department]
        expected = ("外人", (1,), True, "外人部")
        return (stranger.name, stranger.department_ids, stranger.is_enabled, place.name) == expected


@pytest.fixture
def other() -> Iterator[Other]:
    rules = WeComRules(corp_id="ww00000000000000bb")
    wecom = WeComContacts(rules=rules, calls_per_minute=None, calls_per_hour=None)
    with LoopbackServer(wecom.handle) as server:
        yield Other(wecom, server.address)


def _staff(world: World, other: Other) -> tuple[str, int]:
    """Hire people; the ids of one and of their department are strangers' in the other company."""
    department = world.department("研发部")
    people = [world.hire(f"王伟{n}", department, mobile=f"1380000000{n}") for n in range(6)]
    world.first_sync()
    userid = people[0].userid
    directory = other.wecom.directory
    directory.tree.put(Department(department, "外人部", 1, 5))
    directory.put_member(Member(userid, "外人", (Membership(1),), 1, mobile="13500000000"))
    return userid, department


@pytest.mark.parametrize("approve_first_run", [True, False])
def test_strangers_who_have_our_ids_in_another_company_are_left_alone(
    tmp_path: Path, other: Other, *, approve_first_run: bool
) -> None:
    with open_world(tmp_path, approve_first_run=approve_first_run) as world:
        userid, department = _staff(world, other)
        world.write_to(other.wecom, other.address)
        assert world.sync(preview=True).status is RunStatus.PREVIEW
        assert world.first_sync().status is RunStatus.SUCCESS
        assert len(other.wecom.directory.snapshot().members) == 7
        assert differences(world) == []
        world.company.leave(userid)
        assert world.sync().status is RunStatus.SUCCESS
        assert other.is_untouched(userid, department)


def test_another_company_is_held_whole_until_it_is_approved(tmp_path: Path, other: Other) -> None:
    with open_world(tmp_path) as world:
        _staff(world, other)
        world.write_to(other.wecom, other.address)
        held = world.sync()
        assert (held.status, held.holds[0].reason) == (RunStatus.HELD, HoldReason.SCOPE_CHANGED)
        assert {change.action.value for change in held.changes} == {"create"}
        assert world.attempted_writes() == []


def test_back_in_the_first_company_nothing_is_forgotten(world: World, other: Other) -> None:
    userid, _ = _staff(world, other)
    first, address = world.wecom, world.config.settings.wecom.api_base
    known = world.ledger()
    world.write_to(other.wecom, other.address)
    world.sync()
    world.company.change(userid, title="经理")
    world.write_to(first, address)
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.attempted_writes() == ["/cgi-bin/user/update"]
    assert world.ledger().people.keys() == known.people.keys()
    assert differences(world) == []


def test_a_manager_changed_meanwhile_is_seen_back_in_the_first_company(
    world: World, other: Other
) -> None:
    userid, _ = _staff(world, other)
    manager = world.hire("主管", mobile="13800000009").userid
    world.sync()
    first, address = world.wecom, world.config.settings.wecom.api_base
    world.write_to(other.wecom, other.address)
    world.sync()
    world.company.change(userid, manager_userid=manager)
    world.sync()
    world.write_to(first, address)
    world.sync()
    assert differences(world) == []


def test_an_event_after_the_change_knows_nobody_of_the_first_company(
    world: World, other: Other
) -> None:
    userid, department = _staff(world, other)
    world.write_to(other.wecom, other.address)
    world.company.leave(userid)
    assert not world.engine.follow([userid], []).failed
    assert other.is_untouched(userid, department)
    assert other.wecom.writes() == ()
