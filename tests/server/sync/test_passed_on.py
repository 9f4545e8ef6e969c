"""A company phone passed on: whose it is in WeCom, the admin may change there, unseen."""

import pytest

from server.directory.model import PersonLink
from server.journal.runs import Result, RunCause, RunStatus
from server.simulator.roster import Person
from tests.server.sync.world import World

PHONE = "13900000000"


@pytest.fixture
def leaver(world: World) -> Person:
    """Somebody with the phone, disabled by now."""
    for number in range(3):
        world.hire(f"李雷{number}", mobile=f"1380000000{number}")
    person = world.hire("韩梅", mobile=PHONE)
    world.sync()
    world.company.leave(person.userid)
    world.sync()
    return person


def _link(world: World, person: Person) -> PersonLink:
    return world.ledger().people[person.userid]


def _mobile(world: World, person: Person) -> str:
    accepted = _link(world, person).accepted
    return accepted.mobile if accepted else ""


@pytest.mark.parametrize("cause", [RunCause.ASKED, RunCause.DAILY])
def test_it_goes_to_the_heir_once_the_admin_has_taken_it_from_the_leaver(
    world: World, leaver: Person, cause: RunCause
) -> None:
    heir = world.hire("王伟", mobile=PHONE)
    assert world.sync(cause=cause).status is RunStatus.PARTIAL
    world.console.change_member(leaver.userid, mobile="13700000000")
    assert world.sync(cause=cause).status is RunStatus.SUCCESS
    assert world.member_of(heir.userid).mobile == PHONE
    assert world.member_of(heir.userid).userid != leaver.userid
    assert not world.member_of(leaver.userid).is_enabled
    assert (_mobile(world, heir), _mobile(world, leaver)) == (PHONE, "")
    assert world.ledger().conflicts == ()
    world.forget_calls()
    assert world.sync().status is RunStatus.SUCCESS
    assert world.attempted_writes() == []


def test_it_stays_a_conflict_as_long_as_wecom_names_the_leaver(
    world: World, leaver: Person
) -> None:
    heir = world.hire("王伟", mobile=PHONE)
    for _ in range(2):
        world.forget_calls()
        result = world.sync()
        (change,) = result.changes
        assert (change.action.value, change.result) == ("conflict", Result.SKIPPED)
        assert change.error is not None
        assert change.error.code == "mobile-of-leaver"
        assert world.attempted_writes() == ["/cgi-bin/user/create"]
        assert not any(one.value for one in world.ledger().conflicts)  # the plan sees it by itself
    assert heir.userid not in world.ledger().people
    assert _mobile(world, leaver) == PHONE
    world.console.change_member(leaver.userid, mobile="13700000000")
    assert world.sync().status is RunStatus.SUCCESS
    assert world.member_of(heir.userid).mobile == PHONE


def test_a_colleague_gets_it_in_the_same_way(world: World, leaver: Person) -> None:
    heir = next(one for one in world.company.roster.people.values() if one.name == "李雷0")
    world.company.change(heir.userid, mobile=PHONE, title="经理")
    assert world.sync().status is RunStatus.PARTIAL
    assert world.member_of(heir.userid).position == "经理"
    world.console.change_member(leaver.userid, mobile="13700000000")
    assert world.sync().status is RunStatus.SUCCESS
    assert world.member_of(heir.userid).mobile == PHONE
    assert _mobile(world, leaver) == ""


@pytest.mark.usefixtures("leaver")
def test_neither_a_preview_nor_an_event_tries(world: World) -> None:
    heir = world.hire("王伟", mobile=PHONE)
    world.forget_calls()
    world.sync(preview=True)
    world.engine.follow([heir.userid], [])
    assert world.attempted_writes() == []
