"""Events of every shape sorted, and those that come before DingTalk's reads show the change."""

from typing import Any

import pytest
from hypothesis import given

from server.journal import listing
from server.journal.events import EventState, Source, StoredEvent
from server.simulator.httpd import Reply
from server.sync.events import EventBatch
from server.sync.worker import Worker
from tests.server.dingtalk.absurd import payloads
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.test_worker import _calls, _counts, _loop, _send
from tests.server.sync.world import World, differences

LOOKS_S = [0, 10, 70, 370]
"""When an event is looked at, in seconds after it came."""


@pytest.fixture
def worker(world: World) -> Worker:
    for number in range(3):
        world.hire(f"王伟{number}", mobile=f"1380000000{number}")
    world.department("研发部")
    world.sync()
    fresh = world.new_worker()
    _loop(fresh, world)
    world.forget_calls()
    return fresh


def _announced(world: World, event_type: str, **named: Any) -> None:
    _send(world, [{"EventType": event_type, "eventId": event_type, **named}])


def _seconds_pass(world: World, worker: Worker, seconds: int) -> None:
    for _ in range(seconds):
        world.now_ms += 1000
        worker.loop(world.now_ms)


def _error(world: World) -> str | None:
    (event,) = world.journal.read(lambda conn: listing.latest(conn, 1)).events
    return event.error


@pytest.mark.parametrize("late_s", [6, 50, 300])
def test_who_was_hired_is_mirrored_once_the_reads_show_them(
    world: World, worker: Worker, late_s: int
) -> None:
    person = world.company.draft("新人", (1,), mobile="13900000000", manager_userid="")
    _announced(world, "user_add_org", userId=[person.userid])
    _loop(worker, world)
    assert (_counts(world).pending, _counts(world).done) == (1, 0)
    assert "yet" in str(_error(world))
    _seconds_pass(world, worker, late_s)
    world.company.hire(person)
    _seconds_pass(world, worker, max(LOOKS_S) - late_s + 1)
    assert differences(world) == []
    assert (_counts(world).done, _error(world)) == (1, None)


def test_who_left_is_disabled_once_the_reads_show_it(world: World, worker: Worker) -> None:
    userid = next(iter(world.company.roster.people))
    _announced(world, "user_leave_org", userId=[userid])
    _loop(worker, world)
    assert (_counts(world).pending, world.member_of(userid).is_enabled) == (1, True)
    world.company.leave(userid)
    _seconds_pass(world, worker, 10)
    assert not world.member_of(userid).is_enabled
    assert _counts(world).done == 1


def test_a_department_comes_and_goes_once_the_reads_show_it(world: World, worker: Worker) -> None:
    (known,) = set(world.company.roster.departments) - {1}
    made = world.department("市场部")
    answer = Reply.of_json({"errcode": 60003, "errmsg": "not there"})
    world.dingtalk_faults.add(Rule(Fault.ANSWERED, containing=str(made), answer=answer))
    _announced(world, "org_dept_remove", deptId=[known])
    _announced(world, "org_dept_create", deptId=[made])
    _loop(worker, world)
    assert _counts(world).pending == 2
    world.company.remove_department(known)
    world.dingtalk_faults.switch_off()
    _seconds_pass(world, worker, 10)
    assert differences(world) == []
    assert _counts(world).done == 2


@pytest.mark.parametrize(
    ("event_type", "named", "path"),
    [
        ("user_add_org", {"userId": ["nobody"]}, "user/get"),
        ("org_dept_create", {"deptId": [999]}, "department/get"),
    ],
)
def test_what_is_never_shown_is_looked_at_four_times_and_closed(
    world: World, worker: Worker, event_type: str, named: dict[str, Any], path: str
) -> None:
    _announced(world, event_type, **named)
    _loop(worker, world)
    looks = [0]
    for second in range(1, 600):
        before = len(world.dingtalk.log.calls())
        _seconds_pass(world, worker, 1)
        if any(one.path.endswith(path) for one in world.dingtalk.log.calls()[before:]):
            looks.append(second)
    assert looks == LOOKS_S
    assert (_counts(world).done, _counts(world).pending, _error(world)) == (1, 0, None)
    assert world.attempted_writes() == []


def test_somebody_who_is_in_no_department_in_scope_is_not_there_yet(
    world: World, worker: Worker
) -> None:
    (department,) = set(world.company.roster.departments) - {1}
    world.set(excluded_department_ids=(str(department),))
    _loop(worker, world)
    person = world.hire("新人", department, mobile="13900000000")
    _announced(world, "user_add_org", userId=[person.userid])
    _loop(worker, world)
    assert _counts(world).pending == 1
    _send(world, world.company.move(person.userid, [1]))
    _loop(worker, world)
    _seconds_pass(world, worker, 10)
    assert (_counts(world).pending, _counts(world).failed) == (0, 0)
    assert person.userid in world.ledger().people


def test_what_is_as_announced_is_done_at_once_and_read_once(world: World, worker: Worker) -> None:
    userid = next(iter(world.company.roster.people))
    _send(world, world.company.leave(userid))
    _loop(worker, world)
    assert _calls(world) == {"user/get": 1, "user/update": 1}
    assert _counts(world).pending == 0
    (event,) = world.journal.read(lambda conn: listing.latest(conn, 1)).events
    assert event.state is EventState.DONE


def test_an_excluded_department_is_not_looked_at(world: World, worker: Worker) -> None:
    (department,) = set(world.company.roster.departments) - {1}
    world.set(excluded_department_ids=(str(department),))
    _loop(worker, world)
    _announced(world, "org_dept_create", deptId=[department])
    _loop(worker, world)
    assert (_counts(world).pending, _counts(world).done) == (0, 1)


def _stored(event_id: int, payload: str) -> StoredEvent:
    working, source = EventState.WORKING, Source.CALLBACK
    return StoredEvent(event_id, 0, None, None, None, working, None, payload, 0, 1, source)


@given(payload=payloads())
def test_whatever_stands_beside_a_good_event_it_is_followed(payload: str) -> None:
    good = _stored(2, '{"EventType":"user_modify_org","userId":["a"]}')
    batch = EventBatch.of([_stored(1, payload), good])
    assert good in [named.event for named in batch.named]
    assert batch.size + len(batch.postponed) == 2
    assert batch.unreadable == []
