"""Another company on either side: what is ours in one of them is nobody's in the other."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.directory.change import HoldReason
from server.journal.runs import RunStatus
from server.simulator.httpd import LoopbackServer
from server.simulator.wecom.contacts import WeComContacts, WeComRules
from server.simulator.wecom.directory import Member, Membership
from server.simulator.wecom.tree import Department
from tests.server.simulator.faults import Fault, Rule
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


def test_a_preview_leaves_every_ledger_as_it_is(world: World, other: Other) -> None:
    userid, _ = _staff(world, other)
    first, address = world.wecom, world.config.settings.wecom.api_base
    before = _stored_ledgers(world)
    assert before["person_links"]

    world.write_to(other.wecom, other.address)
    preview = world.sync(preview=True)
    assert {change.action.value for change in preview.changes} == {"create"}
    assert len(preview.changes) == 7  # the department and six people, as if there were no links
    assert _stored_ledgers(world) == before

    world.sync()
    world.company.change(userid, title="经理")
    before = _stored_ledgers(world)
    assert before["shelved_person_links"]
    world.write_to(first, address)
    preview = world.sync(preview=True)
    assert [(each.action.value, each.dingtalk_id) for each in preview.changes] == [
        ("update", userid)
    ]
    assert _stored_ledgers(world) == before


def _stored_ledgers(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of every table that makes up a ledger, in use or on the shelf."""
    tables = ("person_links", "department_links", "conflicts", "removals", "sync_state")
    shelved = [f"shelved_{table}" for table in tables]

    def rows(conn: Connection, table: str) -> list[tuple[object, ...]]:
        found = conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608 - constants
        # What a run notes for the schedule is no part of a ledger.
        ours = ("approved-scope", "doubt ", "refusal ", "ledger-corp")
        return [row for row in found if table != "sync_state" or str(row[0]).startswith(ours)]

    return {
        table: world.journal.read(lambda conn, table=table: rows(conn, table))  # type: ignore[misc] # the default binds the loop's value
        for table in (*tables, *shelved)
    }


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


def _read_from_another_app(world: World, app_key: str = "dingother00000000000") -> None:
    world.dingtalk.rules.app_key = app_key
    dingtalk = replace(world.config.settings.dingtalk, app_key=app_key)
    world.config = replace(world.config, settings=replace(world.config.settings, dingtalk=dingtalk))


@pytest.fixture
def staff(world: World) -> list[str]:
    """Four people; as many may leave in 24 hours."""
    world.set(max_removals=9, max_removal_percent=100)
    people = [world.hire(f"王伟{n}", mobile=f"1380000000{n}") for n in range(4)]
    world.sync()
    return [person.userid for person in people]


def _replace_staff(world: World, staff: list[str]) -> str:
    """Let the userids of three be strangers', and return the new one of the fourth."""
    *others, fourth = staff
    for number, userid in enumerate(others):
        world.company.change(userid, name=f"李娜{number}", mobile=f"1370000000{number}")
    world.company.leave(fourth)
    return world.hire("王伟3", mobile="13800000003").userid


def test_another_app_of_the_same_company_changes_nothing(world: World, staff: list[str]) -> None:
    world.company.change(staff[0], name="李娜", mobile="13700000000")
    _read_from_another_app(world)
    assert world.sync().status is RunStatus.SUCCESS
    assert world.ledger().people.keys() == set(staff)
    assert world.member_of(staff[0]).name == "李娜"


def test_userids_of_another_dingtalk_company_are_those_of_other_people(
    world: World, staff: list[str]
) -> None:
    members = {userid: world.member_of(userid) for userid in staff}
    fourth = _replace_staff(world, staff)
    _read_from_another_app(world)
    held = world.sync()
    assert (held.status, held.holds[0].reason) == (RunStatus.HELD, HoldReason.NOBODY_SHARED)
    assert world.ledger().people.keys() == set(staff)
    assert world.sync(allow=held.digest).status is RunStatus.SUCCESS
    now = world.wecom.directory.snapshot().members
    for userid in staff[:3]:
        assert now[userid] == replace(members[userid], is_enabled=False)
        assert world.member_of(userid).userid != userid
    assert world.member_of(fourth) == members[staff[3]]
    assert differences(world) == []
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.attempted_writes() == []


def test_back_in_the_first_dingtalk_company_everybody_is_who_they_were(
    world: World, staff: list[str]
) -> None:
    first = world.config.settings.dingtalk.app_key
    before = {userid: world.member_of(userid) for userid in staff}
    for number, userid in enumerate(staff):
        world.company.change(userid, name=f"李娜{number}", mobile=f"1370000000{number}")
    _read_from_another_app(world)
    world.first_sync()
    for number, userid in enumerate(staff):
        world.company.change(userid, name=f"王伟{number}", mobile=f"1380000000{number}")
    _read_from_another_app(world, first)
    world.first_sync()
    assert {userid: world.member_of(userid) for userid in staff} == before


def test_an_event_of_another_app_waits_for_a_full_run(world: World, staff: list[str]) -> None:
    _replace_staff(world, staff)
    _read_from_another_app(world)
    world.forget_calls()
    assert world.engine.follow(staff, []).needs_full
    assert world.attempted_writes() == []


def test_an_app_that_sees_nobody_proves_nothing(world: World, staff: list[str]) -> None:
    fourth = _replace_staff(world, staff)
    _read_from_another_app(world)
    world.dingtalk_faults.add(Rule(Fault.SERVER_ERROR, path="user/list"))
    assert world.sync().status is RunStatus.PARTIAL
    world.dingtalk_faults.switch_off()
    assert world.sync().status is RunStatus.HELD
    assert fourth not in world.ledger().people
