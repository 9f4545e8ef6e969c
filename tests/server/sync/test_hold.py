"""Removals that events ask for and the guard holds: put up for decision at once, as one list."""

import pytest

from server.directory.change import HoldReason
from server.directory.model import Kind, Snapshot
from server.journal import runs, sync_state
from server.journal.runs import Result, RunStatus
from server.journal.sync_state import Held
from server.sync.hold import OpenList, load_open_list
from server.sync.outcome import EventOutcome
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World, differences


@pytest.fixture
def people(world: World) -> list[str]:
    """Twelve people; one of them may leave in 24 hours."""
    hired = [world.hire(f"王伟{number}", mobile=f"138{number:08d}") for number in range(12)]
    world.sync()
    world.forget_calls()
    return [person.userid for person in hired]


def _held(world: World) -> Held | None:
    return world.journal.read(sync_state.load).held


def _leave(world: World, *userids: str) -> EventOutcome:
    for userid in userids:
        world.company.leave(userid)
    return world.engine.follow(userids, [])


def _return(world: World, userid: str) -> None:
    """Let somebody be back as if they had never been away."""
    world.company.hire(world.company.left[userid])


def _listed(world: World) -> set[str]:
    held = _held(world)
    if held is None:
        return set()
    changes = world.journal.read(lambda conn: runs.changes(conn, held.run_id))
    return {change.dingtalk_id for change in changes if change.result == "held"}


def test_what_an_event_holds_awaits_the_admin_at_once(world: World, people: list[str]) -> None:
    followed = _leave(world, *people[:2])
    held = _held(world)
    assert held is not None
    assert [(hold.reason, hold.wanted, hold.limit) for hold in held.holds] == [
        (HoldReason.ALLOWANCE, 2, 1)
    ]
    assert _listed(world) == set(people[:2])
    assert not followed.needs_full
    assert world.attempted_writes() == []


def test_a_full_run_finds_the_same_list_under_the_same_digest(
    world: World, people: list[str]
) -> None:
    _leave(world, *people[:2])
    held = _held(world)
    assert held is not None
    assert world.sync().digest == held.digest
    assert world.sync(allow=held.digest).status is RunStatus.SUCCESS
    assert _held(world) is None
    assert differences(world) == []


def test_leavers_of_several_events_are_one_list_and_are_not_read_again(
    world: World, people: list[str]
) -> None:
    _leave(world, people[0])  # within the allowance
    assert _held(world) is None
    world.forget_calls()
    for userid in people[1:4]:
        _leave(world, userid)
    assert [call.path for call in world.dingtalk.log.calls()] == ["/topapi/v2/user/get"] * 3
    assert _listed(world) == set(people[1:4])
    held = _held(world)
    assert held is not None
    assert (held.holds[0].wanted, held.holds[0].used) == (3, 1)
    assert world.sync().digest == held.digest


def test_a_rejection_stays_until_the_list_is_another(world: World, people: list[str]) -> None:
    _leave(world, *people[:2])
    first = _held(world)
    assert first is not None
    world.journal.run(lambda conn: sync_state.reject_held(conn, first.digest)).result(5)
    world.sync()
    again = _held(world)
    assert again is not None
    assert (again.is_rejected, again.since_ms) == (True, first.since_ms)
    world.engine.follow(people[:1], [])
    repeated = _held(world)
    assert repeated is not None
    assert repeated.is_rejected
    _leave(world, *people[2:4])
    other = _held(world)
    assert other is not None
    assert not other.is_rejected
    assert _listed(world) == set(people[:4])


def test_who_comes_back_is_taken_off_the_list(world: World, people: list[str]) -> None:
    _leave(world, *people[:3])
    _return(world, people[0])
    world.engine.follow(people[:1], [])
    assert _listed(world) == set(people[1:3])
    held = _held(world)
    assert held is not None
    assert world.sync().digest == held.digest


def test_a_list_that_shrinks_below_the_allowance_is_left_to_a_full_run(
    world: World, people: list[str]
) -> None:
    _leave(world, *people[:2])
    _return(world, people[0])
    followed = world.engine.follow(people[:1], [])
    assert (_held(world), followed.needs_full) == (None, True)
    assert world.attempted_writes() == []
    world.sync()
    assert differences(world) == []


def test_when_all_are_back_nothing_awaits_the_admin(world: World, people: list[str]) -> None:
    _leave(world, *people[:2])
    for userid in people[:2]:
        _return(world, userid)
    followed = world.engine.follow(people[:2], [])
    assert (_held(world), followed.needs_full) == (None, False)


def test_a_removal_within_the_allowance_goes_on_beside_an_open_list(
    world: World, people: list[str]
) -> None:
    _leave(world, *people[:2])
    digest = _held(world)
    _leave(world, people[2])
    assert not world.member_of(people[2]).is_enabled
    assert _held(world) == digest


def test_a_mass_of_leavers_holds_everything_and_asks_for_a_full_run(
    world: World, people: list[str]
) -> None:
    followed = _leave(world, *people[:6])
    held = _held(world)
    assert held is not None
    assert held.holds[0].reason is HoldReason.MASS_REMOVAL
    assert followed.needs_full
    assert world.sync().digest == held.digest


def test_a_list_of_a_whole_run_is_left_to_full_runs(world: World, people: list[str]) -> None:
    _leave(world, *people[:6])
    world.sync()
    held = _held(world)
    followed = _leave(world, *people[6:8])
    assert (_held(world), followed.needs_full) == (held, True)
    world.sync()
    assert _listed(world) == set(people[:8])


def test_departments_and_people_are_held_together(world: World, people: list[str]) -> None:
    places = [world.department(f"部门{number}") for number in range(3)]
    world.sync()
    for place in places[:2]:
        world.company.remove_department(place)
    world.engine.follow([], [str(place) for place in places[:2]])
    assert _listed(world) == {str(place) for place in places[:2]}
    _leave(world, *people[:2])
    assert _listed(world) == {*people[:2], *(str(place) for place in places[:2])}
    held = _held(world)
    assert held is not None
    assert world.sync().digest == held.digest


def test_an_incomplete_full_run_leaves_the_list_open(world: World, people: list[str]) -> None:
    unreadable = str(world.department("读不到"))
    world.sync()
    _leave(world, *people[:2])
    held = _held(world)
    world.dingtalk_faults.add(
        Rule(Fault.SERVER_ERROR, path="/topapi/v2/user/list", containing=unreadable)
    )
    assert world.sync().status is RunStatus.PARTIAL
    assert _held(world) == held


def test_a_held_leaver_hired_under_a_new_userid_is_left_to_a_full_run(
    world: World, people: list[str]
) -> None:
    _leave(world, *people[:2])
    (added, _) = world.company.rehire(people[0], (1,))
    (fresh,) = added["userId"]
    followed = world.engine.follow([fresh], [])
    assert followed.needs_full
    assert world.attempted_writes() == []
    world.sync()
    assert _held(world) is None
    assert differences(world) == []


def test_only_the_removals_that_are_held_await_the_admin(world: World, people: list[str]) -> None:
    world.department("研发部")
    world.hire("新人", mobile="13900000001")
    for userid in people[:2]:
        world.company.leave(userid)
    result = world.sync()
    assert {one.result for one in result.changes} == {Result.DONE, Result.HELD}
    found = world.journal.read(load_open_list)
    assert found == OpenList(frozenset((Kind.PERSON, userid) for userid in people[:2]))


def test_what_a_whole_run_holds_besides_is_no_removal(world: World, people: list[str]) -> None:
    world.hire("新人", mobile="13900000001")
    for userid in people[:6]:
        world.company.leave(userid)
    assert len([one for one in world.sync().changes if one.result is Result.HELD]) == 7
    gone = frozenset((Kind.PERSON, userid) for userid in people[:6])
    assert world.journal.read(load_open_list) == OpenList(gone, is_whole=True)


def test_people_and_departments_on_the_list_may_have_the_same_id() -> None:
    open_list = OpenList(frozenset({(Kind.PERSON, "5"), (Kind.DEPARTMENT, "6")}))
    snapshot = open_list.added_to(Snapshot({}, {}, is_full=False))
    assert (snapshot.gone_people, snapshot.gone_departments) == (frozenset("5"), frozenset("6"))
