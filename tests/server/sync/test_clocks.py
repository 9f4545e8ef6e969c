"""The clock on the wall is set, forward and back, while the worker waits: it waits no longer."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.directory.causes import Cause
from server.errors.message import Message
from server.journal import events, listing, requests, runs, sync_state
from server.journal.requests import RequestKind, SyncRequest
from server.journal.runs import RunCause
from server.journal.sync_state import NextRun, Quarantine
from server.simulator.httpd import Reply
from server.sync.schedule import HOUR_MS, MINUTE_MS
from server.sync.worker import Worker
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.test_worker import _counts, _loop, _minutes_pass, _runs, _send
from tests.server.sync.world import DAY_MS, World, differences, open_world

YEAR_MS = 365 * DAY_MS
FAR_MS = [HOUR_MS, DAY_MS, 10 * YEAR_MS]
THROWS_MS = [*FAR_MS, *(-far_ms for far_ms in FAR_MS)]
CAUSE = Cause("wecom-60020", Message("No."), Message("Act."))
either_way = pytest.mark.parametrize("thrown_ms", THROWS_MS)


@pytest.fixture
def worker(world: World) -> Worker:
    for number in range(3):
        world.hire(f"王伟{number}", mobile=f"1380000000{number}")
    world.sync()
    fresh = world.new_worker()
    _loop(fresh, world)
    return fresh


def _until_quiet(worker: Worker, world: World, minutes: int) -> None:
    for _ in range(minutes):
        world.now_ms += MINUTE_MS
        _loop(worker, world, 1)


@either_way
def test_missed_events_are_asked_for_as_often_as_ever(
    world: World, worker: Worker, thrown_ms: int
) -> None:
    _minutes_pass(world, worker, 70)
    world.throw_clock(thrown_ms)
    assert _minutes_pass(world, worker, 60) == 4


@either_way
def test_an_event_is_tried_again_after_its_pause(
    world: World, worker: Worker, thrown_ms: int
) -> None:
    userid = next(iter(world.company.roster.people))
    world.dingtalk_faults.add(Rule(Fault.SERVER_ERROR, path="user/get", times=4))
    _send(world, world.company.change(userid, title="经理"))
    _loop(worker, world)
    assert _counts(world).pending == 1
    world.throw_clock(thrown_ms)
    _until_quiet(worker, world, 2)
    assert (_counts(world).pending, _counts(world).done) == (0, 1)
    assert differences(world) == []


@either_way
def test_an_event_put_off_for_hours_waits_no_longer_than_that(
    world: World, worker: Worker, thrown_ms: int
) -> None:
    userid = next(iter(world.company.roster.people))
    _send(world, world.company.change(userid, title="经理"))

    def put_off(conn: Connection) -> None:
        (claimed,) = events.claim(conn, 1, world.now_ms)
        conn.execute("UPDATE events SET attempts = 5")
        events.fail(conn, claimed.id, "made up", world.now_ms + 2 * HOUR_MS)

    world.journal.run(put_off).result(5)
    world.throw_clock(thrown_ms)
    _until_quiet(worker, world, 121)
    assert (_counts(world).pending, _counts(world).done) == (0, 1)


@either_way
def test_a_quarantine_is_neither_prolonged_nor_cut_short(
    world: World, worker: Worker, thrown_ms: int
) -> None:
    world.wecom.rules.is_ip_trusted = False
    _send(world, world.company.hire(world.company.draft("新人", (1,), mobile="13900000000")))
    _loop(worker, world)
    tried = len(world.wecom.log.calls())
    world.throw_clock(thrown_ms)
    _until_quiet(worker, world, 59)
    assert len(world.wecom.log.calls()) == tried
    shown = world.journal.read(sync_state.load).quarantine
    assert shown is not None
    assert abs(shown.until_ms - (world.now_ms + MINUTE_MS)) <= MINUTE_MS
    world.wecom.rules.is_ip_trusted = True
    _until_quiet(worker, world, 2)
    assert world.journal.read(sync_state.load).quarantine is None
    assert differences(world) == []


@pytest.mark.parametrize("ahead_ms", [8 * HOUR_MS, 400 * DAY_MS])
def test_a_quarantine_noted_by_a_clock_that_was_ahead_ends_in_time_after_a_restart(
    world: World, worker: Worker, ahead_ms: int
) -> None:
    world.throw_clock(ahead_ms)
    world.wecom.rules.is_ip_trusted = False
    _send(world, world.company.hire(world.company.draft("新人", (1,), mobile="13900000000")))
    _loop(worker, world)
    assert world.journal.read(sync_state.load).quarantine is not None
    world.throw_clock(-ahead_ms)
    world.wecom.rules.is_ip_trusted = True
    world.restart()
    _until_quiet(world.new_worker(), world, 61)
    assert world.journal.read(sync_state.load).quarantine is None
    assert differences(world) == []


def test_a_quarantine_of_an_older_version_lasts_a_day_at_most(world: World) -> None:
    stored = Quarantine(0, world.now_ms + 400 * DAY_MS, CAUSE)
    assert stored.left_ms(world.now_ms) == DAY_MS
    assert stored.left_ms(stored.until_ms + 1) == 0
    assert replace(stored, pause_ms=HOUR_MS).left_ms(world.now_ms) == HOUR_MS


@either_way
def test_the_daily_run_comes_within_a_day(world: World, worker: Worker, thrown_ms: int) -> None:
    del worker
    world.throw_clock(thrown_ms)
    fresh, before = world.new_worker(), _runs(world)
    for _ in range(49):
        world.now_ms += HOUR_MS // 2
        _loop(fresh, world, 2)
    assert _runs(world) > before


@either_way
def test_a_run_that_is_to_be_repeated_is_wanted_in_time(
    world: World, worker: Worker, thrown_ms: int
) -> None:
    world.dingtalk_faults.add(Rule(Fault.SERVER_ERROR, times=30))
    world.journal.run(
        lambda conn: requests.post(conn, SyncRequest(RequestKind.FULL), world.now_ms)
    ).result(5)
    _loop(worker, world, 1)
    world.dingtalk_faults.switch_off()
    world.hire("新人", mobile="13900000000")
    world.throw_clock(thrown_ms)
    _until_quiet(worker, world, 6)
    assert differences(world) == []


@pytest.mark.parametrize(
    ("wish", "minutes"),
    [
        (NextRun(8 * HOUR_MS, RunCause.RETRY), 241),
        (NextRun(400 * DAY_MS, RunCause.UNCLEAR_EVENT), 241),
        (NextRun(-DAY_MS, RunCause.MISSED_EVENTS), 1),
    ],
)
def test_a_wish_noted_by_a_wrong_clock_is_met_in_time_after_a_restart(
    world: World, worker: Worker, wish: NextRun, minutes: int
) -> None:
    del worker
    noted = replace(wish, at_ms=world.now_ms + wish.at_ms)
    world.journal.run(lambda conn: sync_state.set_next_full_run(conn, noted)).result(5)
    fresh, before = world.new_worker(), _runs(world)
    _until_quiet(fresh, world, minutes)
    assert _runs(world) == before + 1
    assert world.journal.read(lambda conn: runs.latest(conn, 1))[0].cause is wish.cause


def test_the_daily_run_is_no_wish_after_a_restart(world: World, worker: Worker) -> None:
    del worker
    noted = NextRun(world.now_ms + HOUR_MS, RunCause.DAILY)
    world.journal.run(lambda conn: sync_state.set_next_full_run(conn, noted)).result(5)
    world.set(daily_at="23:59")
    before = _runs(world)
    _until_quiet(world.new_worker(), world, 61)
    assert _runs(world) == before


def _pauses(world: World, delays_ms: Iterable[int]) -> list[int]:
    """Put an event off for each, as after so many attempts, and return what is left healed."""

    def put_off(conn: Connection) -> list[int]:
        claimed = events.claim(conn, 100, world.now_ms)
        for attempts, (event, delay_ms) in enumerate(zip(claimed, delays_ms, strict=True), start=1):
            events.fail(conn, event.id, "made up", world.now_ms + delay_ms)
            conn.execute("UPDATE events SET attempts = ? WHERE id = ?", (attempts, event.id))
        events.heal_delays(conn, world.now_ms, (10, 20, 30))
        rows = conn.execute("SELECT not_before_ms FROM events ORDER BY id")
        return [at_ms - world.now_ms for (at_ms,) in rows]

    return world.journal.run(put_off).result(5)


def test_each_event_is_put_off_no_longer_than_its_own_pause(world: World) -> None:
    _send(world, [{"EventType": "x", "eventId": f"{number}"} for number in range(6)])
    assert _pauses(world, [5, DAY_MS, 30, 31, 3 * DAY_MS, -7]) == [5, 20, 30, 30, 30, -7]
    assert world.journal.read(listing.counts).pending == 6


@pytest.fixture
def deleting(tmp_path: Path) -> Iterator[World]:
    with open_world(
        tmp_path, approve_first_run=False, leavers="delete", delete_after_days=30
    ) as world:
        for number in range(3):
            world.hire(f"王伟{number}", mobile=f"1380000000{number}")
        world.sync()
        yield world


def _leave(world: World) -> str:
    userid = next(iter(world.company.roster.people))
    world.company.leave(userid)
    world.sync()
    assert not world.member_of(userid).is_enabled
    return userid


@pytest.mark.parametrize("far_ms", [DAY_MS, 31 * DAY_MS, 10 * YEAR_MS])
def test_a_jump_of_the_clock_alone_deletes_nobody(deleting: World, far_ms: int) -> None:
    world, userid = deleting, _leave(deleting)
    world.throw_clock(far_ms)
    for _ in range(3):
        world.sync()
        world.now_ms += HOUR_MS
    assert userid in world.ledger().people
    world.throw_clock(-far_ms)
    world.now_ms += 29 * DAY_MS
    world.sync()
    assert userid in world.ledger().people
    world.now_ms += DAY_MS
    world.sync()
    assert userid not in world.ledger().people


@pytest.mark.parametrize("behind_ms", [2 * HOUR_MS, 40 * DAY_MS, 10 * YEAR_MS])
def test_days_from_a_clock_that_was_behind_are_not_counted(deleting: World, behind_ms: int) -> None:
    world = deleting
    world.throw_clock(-behind_ms)
    userid = _leave(world)
    world.throw_clock(behind_ms)
    world.sync()
    world.now_ms += 29 * DAY_MS
    world.sync()
    assert userid in world.ledger().people
    world.now_ms += DAY_MS
    world.sync()
    assert userid not in world.ledger().people


@pytest.mark.parametrize("ahead_ms", [-2 * HOUR_MS, 2 * HOUR_MS])
def test_nobody_is_deleted_while_the_vendors_clock_is_another(
    deleting: World, ahead_ms: int
) -> None:
    world, userid = deleting, _leave(deleting)
    world.now_ms += 31 * DAY_MS
    world.vendors_ahead_ms = ahead_ms
    world.sync()
    assert userid in world.ledger().people
    world.vendors_ahead_ms = 1000
    world.sync()
    assert userid not in world.ledger().people


@pytest.mark.parametrize("date", [None, "", "soon"])
def test_nobody_is_deleted_where_the_vendors_tell_no_time(
    deleting: World, date: str | None
) -> None:
    world = deleting
    world.restart()
    for server in world.servers:
        server.date = lambda: date
    userid = _leave(world)
    world.now_ms += 31 * DAY_MS
    world.sync()
    assert userid in world.ledger().people


def test_removals_of_today_stay_counted_when_the_clock_jumps(world: World) -> None:
    for number in range(30):
        world.hire(f"王伟{number}", mobile=f"138000000{number:02}")
    world.sync()
    everybody = list(world.company.roster.people)
    world.company.leave(everybody[0])
    assert world.sync().digest is None
    world.throw_clock(10 * YEAR_MS)
    world.company.leave(everybody[1])
    assert world.sync().digest is not None
    world.throw_clock(-10 * YEAR_MS)
    assert world.sync().digest is not None
    world.now_ms += DAY_MS
    assert world.sync().digest is None


def test_a_removal_dated_by_a_clock_that_was_ahead_counts_for_a_day_only(world: World) -> None:
    for number in range(30):
        world.hire(f"王伟{number}", mobile=f"138000000{number:02}")
    world.sync()
    everybody = list(world.company.roster.people)
    world.throw_clock(400 * DAY_MS)
    world.company.leave(everybody[0])
    assert world.sync().digest is None
    world.throw_clock(-400 * DAY_MS)
    world.company.leave(everybody[1])
    assert world.sync().digest is not None
    world.now_ms += DAY_MS
    assert world.sync().digest is None


@either_way
def test_what_wecom_refused_is_asked_again_within_a_day(world: World, thrown_ms: int) -> None:
    person = world.hire("王五", mobile="13800000001", email="bad@example.com")
    answer = Reply.of_json({"errcode": 60106, "errmsg": "email existed"})
    rule = Rule(Fault.ANSWERED, path="user/", containing="bad@example.com", answer=answer)
    world.wecom_faults.add(rule)
    world.sync()
    world.wecom_faults.switch_off()
    world.throw_clock(thrown_ms)
    world.sync()
    world.now_ms += DAY_MS
    world.sync()
    assert differences(world) == []
    assert world.member_of(person.userid).mobile
