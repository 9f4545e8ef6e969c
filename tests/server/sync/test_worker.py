"""The worker, driven step by step: events followed, faults survived, nothing hammered."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from typing import Any

import pytest

from crypto.secret import Secret
from server.dingtalk.client import DingTalkClient
from server.dingtalk.events import Hint, read_hint
from server.errors.base import JournalBusyError, JournalFullError, Trouble
from server.journal import events, listing, requests, runs, sync_state
from server.journal.events import EventState, NewEvent
from server.journal.listing import Counts
from server.journal.requests import RequestKind, SyncRequest
from server.journal.runs import RunCause, RunStatus
from server.journal.sync_state import NextRun, Quarantine
from server.journal.writer import Ticket
from server.simulator.httpd import Reply
from server.simulator.wecom.contacts import WeComRules
from server.sync.clients import StopSignal
from server.sync.events import FAULT, EventBatch
from server.sync.outcome import EventOutcome, RunResult
from server.sync.schedule import HOUR_MS, MINUTE_MS
from server.sync.worker import _FAULT_HINT, _FAULT_TITLE, Worker
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences
from tests.waiting import until


def _send(world: World, payloads: Iterable[dict[str, Any]]) -> None:
    batch = [
        NewEvent(str(one["eventId"]), world.now_ms, one["EventType"], None, None, json.dumps(one))
        for one in payloads
    ]
    world.journal.append(batch).result(10)


def _counts(world: World) -> Counts:
    return world.journal.read(listing.counts)


def _runs(world: World) -> int:
    return len(world.journal.read(lambda conn: runs.latest(conn, 100)))


def _loop(worker: Worker, world: World, times: int = 3) -> None:
    for _ in range(times):
        worker.loop(world.now_ms)


@pytest.fixture
def worker(world: World) -> Worker:
    for number in range(5):
        world.hire(f"王伟{number}", mobile=f"1380000000{number}")
    world.sync()
    fresh = world.new_worker()
    _loop(fresh, world)
    world.forget_calls()
    return fresh


def _calls(world: World) -> Counter[str]:
    calls = [*world.dingtalk.log.calls(), *world.wecom.log.calls()]
    return Counter(one.path.rsplit("/", 2)[-2] + "/" + one.path.rsplit("/", 1)[-1] for one in calls)


def test_a_hire_costs_two_reads_and_one_write(world: World, worker: Worker) -> None:
    person = world.company.draft("新人", (1,), mobile="13900000000", manager_userid="")
    _send(world, world.company.hire(person))
    _loop(worker, world)
    assert _calls(world) == {"user/get": 1, "user/list_id": 1, "user/create": 1}
    assert differences(world) == []


def test_ten_events_for_one_person_are_one_read_and_one_write(world: World, worker: Worker) -> None:
    userid = next(iter(world.company.roster.people))
    for number in range(10):
        _send(world, world.company.change(userid, title=f"职位{number}"))
    _loop(worker, world)
    assert _calls(world) == {"user/get": 1, "user/update": 1}
    assert _counts(world).done == 10
    assert differences(world) == []


def test_a_leavers_event_disables_and_a_repeated_one_does_nothing(
    world: World, worker: Worker
) -> None:
    userid = next(iter(world.company.roster.people))
    payloads = world.company.leave(userid)
    _send(world, payloads)
    _loop(worker, world)
    assert not world.member_of(userid).is_enabled
    world.forget_calls()
    _send(world, [{**payloads[0], "eventId": "again"}])
    _loop(worker, world)
    assert world.attempted_writes() == []
    assert _counts(world).done == 2


@pytest.mark.parametrize("code", [33012, 60121])
def test_people_who_are_gone_or_out_of_scope_are_normal(
    world: World, worker: Worker, code: int
) -> None:
    world.dingtalk.rules.gone_code = code
    _send(world, [{"EventType": "user_modify_org", "userId": ["nobody"], "eventId": "1"}])
    _loop(worker, world)
    assert (_counts(world).done, _counts(world).failed) == (1, 0)
    assert world.attempted_writes() == []


def test_an_event_about_somebody_out_of_scope_removes_nobody(world: World, worker: Worker) -> None:
    userid = next(iter(world.company.roster.people))
    world.dingtalk.rules.scope_departments = frozenset()
    _send(world, world.company.change(userid, title="经理"))
    _loop(worker, world)
    assert world.member_of(userid).is_enabled
    assert _counts(world).done == 1


def test_departments_come_move_and_go_by_events(world: World, worker: Worker) -> None:
    created = world.company.create_department("研发部")
    upper = int(created[0]["deptId"][0])
    _send(world, created)
    _loop(worker, world)
    made = world.company.create_department("一组", upper)
    lower = int(made[0]["deptId"][0])
    _send(world, made)
    _send(world, world.company.change_department(upper, name="研发中心"))
    _loop(worker, world)
    assert differences(world) == []
    _send(world, world.company.change_department(lower, parent_id=1))
    _loop(worker, world)
    assert differences(world) == []
    _send(world, world.company.remove_department(upper))
    _loop(worker, world)
    assert differences(world) == []
    assert _counts(world).failed == 0


def test_a_person_in_a_department_nobody_told_us_of_brings_it_along(
    world: World, worker: Worker
) -> None:
    upper = world.department("研发部")
    lower = world.department("一组", upper)
    userid = next(iter(world.company.roster.people))
    _send(world, world.company.move(userid, [lower]))
    _loop(worker, world)
    assert differences(world) == []


def test_a_department_moved_below_its_own_child_by_reordered_events_converges(
    world: World, worker: Worker
) -> None:
    upper = world.department("上")
    lower = world.department("下", upper)
    world.sync()
    first = world.company.change_department(lower, parent_id=1)
    second = world.company.change_department(upper, parent_id=lower)
    _send(world, second)
    _loop(worker, world)
    _send(world, first)
    _loop(worker, world)
    world.now_ms += HOUR_MS
    _loop(worker, world)
    assert differences(world) == []


def test_an_event_that_names_nobody_leads_to_a_full_run(world: World, worker: Worker) -> None:
    world.hire("新人", mobile="13900000000")  # its event was lost
    _send(world, world.company.rename_company("新名")[:1])
    waits = [worker.loop(world.now_ms) for _ in range(2)]
    assert waits == [0.0, 0.0]
    assert world.journal.read(lambda conn: runs.latest(conn, 1))[0].cause is RunCause.UNCLEAR_EVENT
    assert differences(world) == []


def test_a_run_that_is_wanted_later_is_still_wanted_after_a_restart(
    world: World, worker: Worker
) -> None:
    _loop(worker, world)
    at_ms = world.now_ms + 2 * MINUTE_MS
    wished = NextRun(at_ms, RunCause.RETRY)
    world.journal.run(lambda conn: sync_state.set_next_full_run(conn, wished)).result(5)
    fresh, before = world.new_worker(), _runs(world)
    _loop(fresh, world)
    assert _runs(world) == before
    world.now_ms = at_ms
    _loop(fresh, world)
    assert _runs(world) == before + 1


def test_events_of_no_concern_are_ignored_without_a_call(world: World, worker: Worker) -> None:
    _send(world, [{"EventType": "check_in", "eventId": "1"}])
    _send(world, [{"EventType": "org_admin_add", "eventId": "2", "userId": ["x"]}])
    _loop(worker, world)
    assert _counts(world).ignored == 2
    assert _calls(world) == {}


def test_a_failure_is_tried_again_with_back_off_and_then_given_up_visibly(
    world: World, worker: Worker
) -> None:
    userid = next(iter(world.company.roster.people))
    rule = Rule(Fault.SERVER_ERROR, path="user/get", containing=userid)
    world.dingtalk_faults.add(rule)
    _send(world, world.company.change(userid, title="经理"))
    waits = []
    for _ in range(6):
        _loop(worker, world)
        due_ms = world.journal.read(events.next_due_ms)
        if due_ms is not None:
            waits.append(due_ms - world.now_ms)
            world.now_ms = due_ms
    assert waits == sorted(waits)
    assert len(waits) == 5
    assert _counts(world).failed == 1
    (event,) = world.journal.read(lambda conn: listing.latest(conn, 1)).events
    assert event.error


def test_an_event_whose_write_was_refused_for_good_ends_at_once_and_says_why(
    world: World, worker: Worker
) -> None:
    one, other = list(world.company.roster.people)[:2]
    answer = Reply.of_json({"errcode": 60112, "errmsg": "invalid name"})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path="user/update", containing=one, answer=answer))
    _send(world, [*world.company.change(one, name="坏"), *world.company.change(other, name="好")])
    _loop(worker, world)
    assert (_counts(world).failed, _counts(world).done, _counts(world).pending) == (1, 1, 0)
    (event,) = world.journal.read(
        lambda conn: listing.latest(conn, 1, state=EventState.FAILED)
    ).events
    assert "60112" in str(event.error)


def test_a_run_is_not_repeated_for_what_would_only_be_refused_again(
    world: World, worker: Worker
) -> None:
    one, other = list(world.company.roster.people)[:2]
    for userid, errcode in ((one, 60112), (other, 99999)):
        answer = Reply.of_json({"errcode": errcode, "errmsg": "no"})
        rule = Rule(Fault.ANSWERED, path="user/update", containing=userid, answer=answer)
        world.wecom_faults.add(rule)
    world.company.change(one, name="坏")
    assert not world.sync().retryable
    world.company.change(other, name="坏")
    assert world.sync().retryable
    _loop(worker, world)


def test_events_wait_while_the_sync_is_off_and_are_followed_when_it_is_switched_on(
    world: World, worker: Worker
) -> None:
    world.set(enabled=False)
    _send(world, world.company.hire(world.company.draft("新人", (1,), mobile="13900000000")))
    _loop(worker, world)
    assert _counts(world).pending == 2
    assert _calls(world) == {}
    world.set(enabled=True)
    _loop(worker, world, 4)
    assert _counts(world).done == 2
    assert world.journal.read(lambda conn: runs.last_ended(conn, is_full=True)).cause is (  # type: ignore[union-attr] # there was one
        RunCause.ENABLED
    )
    assert differences(world) == []


def test_events_wait_until_the_first_run_is_approved(world: World) -> None:
    world.set(approve_first_run=True)
    person = world.company.draft("新人", (1,), mobile="13900000000")
    _send(world, world.company.hire(person))
    worker = world.new_worker()
    _loop(worker, world)
    held = world.journal.read(sync_state.load).held
    assert held is not None
    assert (_counts(world).pending, world.attempted_writes()) == (2, [])
    request = SyncRequest(RequestKind.ALLOW, held.digest)
    ident = world.journal.run(lambda conn: requests.post(conn, request, 0)).result(5)
    _loop(worker, world)
    answer = world.journal.read(lambda conn: requests.answer_of(conn, ident))
    assert answer is not None
    assert answer.run_id
    assert _counts(world).done == 2
    assert differences(world) == []


def test_a_wrong_secret_is_tried_once_and_then_only_hourly(world: World, worker: Worker) -> None:
    world.wecom.rules.contact_secret = "another"
    world.wecom.tokens.revoke()
    _send(world, world.company.hire(world.company.draft("新人", (1,), mobile="13900000000")))
    _loop(worker, world, 10)
    for _ in range(10):
        world.now_ms += 60_000
        _loop(worker, world)
    refused = [one for one in world.wecom.log.calls("gettoken") if one.errcode == 40001]
    assert len(refused) == 1
    quarantine = world.journal.read(sync_state.load).quarantine
    assert quarantine is not None
    assert quarantine.cause.code == "wecom-40001"
    world.now_ms += HOUR_MS
    _loop(worker, world)
    assert len([one for one in world.wecom.log.calls("gettoken") if one.errcode == 40001]) == 2


@pytest.mark.parametrize("fault", [Fault.IP_BANNED, Fault.PAGE])
def test_a_block_for_minutes_is_waited_out_in_minutes(
    world: World, worker: Worker, fault: Fault
) -> None:
    userid = next(iter(world.company.roster.people))
    world.dingtalk_faults.add(Rule(fault))
    _send(world, world.company.change(userid, title="经理"))
    for number in range(1, 4):
        _loop(worker, world)
        quarantine = world.journal.read(sync_state.load).quarantine
        assert quarantine is not None
        assert quarantine.until_ms == world.now_ms + 6 * MINUTE_MS
        assert len(world.dingtalk_faults.injected) <= 3 * number
        world.now_ms = quarantine.until_ms
    world.dingtalk_faults.switch_off()
    _loop(worker, world)
    assert world.journal.read(sync_state.load).quarantine is None
    assert differences(world) == []


def _meet_an_untrusted_address(world: World, worker: Worker) -> sync_state.Quarantine:
    """Follow an event while WeCom takes no calls from here."""
    world.wecom.rules.is_ip_trusted = False
    _send(world, world.company.hire(world.company.draft("新人", (1,), mobile="13900000000")))
    _loop(worker, world)
    quarantine = world.journal.read(sync_state.load).quarantine
    assert quarantine is not None
    return quarantine


def _ask(world: World, worker: Worker, kind: RequestKind) -> None:
    world.journal.run(lambda conn: requests.post(conn, SyncRequest(kind), 0)).result(5)
    _loop(worker, world)


def test_an_untrusted_address_is_named_and_an_asked_run_lifts_the_quarantine(
    world: World, worker: Worker
) -> None:
    quarantine = _meet_an_untrusted_address(world, worker)
    assert WeComRules().caller_ip in str(quarantine.cause.hint)
    world.wecom.rules.is_ip_trusted = True
    _ask(world, worker, RequestKind.FULL)
    assert world.journal.read(sync_state.load).quarantine is None
    assert differences(world) == []


def test_a_preview_lifts_the_quarantine_only_where_it_succeeds_and_then_the_rest_is_made_up_for(
    world: World, worker: Worker
) -> None:
    quarantine = _meet_an_untrusted_address(world, worker)
    _ask(world, worker, RequestKind.PREVIEW)
    assert world.journal.read(sync_state.load).quarantine == quarantine
    world.wecom.rules.is_ip_trusted = True
    _ask(world, worker, RequestKind.PREVIEW)
    assert world.journal.read(sync_state.load).quarantine is None
    assert differences(world) == []


def test_a_preview_that_was_cut_short_is_not_resumed(world: World, worker: Worker) -> None:
    del worker
    world.journal.run(lambda conn: runs.begin(conn, RunCause.PREVIEW, world.now_ms)).result(5)
    before = _runs(world)
    _loop(world.new_worker(), world)
    assert _runs(world) == before


def test_changed_credentials_lift_the_quarantine_at_once(world: World, worker: Worker) -> None:
    right = world.config
    world.wecom.rules.contact_secret = "another"
    world.wecom.tokens.revoke()
    _send(world, world.company.hire(world.company.draft("新人", (1,), mobile="13900000000")))
    _loop(worker, world)
    assert world.journal.read(sync_state.load).quarantine is not None
    world.config = replace(right, secrets=replace(right.secrets, contact_secret=Secret("another")))
    _loop(worker, world)
    assert world.journal.read(sync_state.load).quarantine is None
    assert differences(world) == []


def test_missed_events_are_stored_and_followed(world: World, worker: Worker) -> None:
    person = world.company.draft("新人", (1,), mobile="13900000000")
    for payload in world.company.hire(person):
        world.dingtalk.callbacks.record_failure(payload)
    world.now_ms += 6 * 60_000
    _loop(worker, world)
    assert _counts(world).done == 2
    assert differences(world) == []


def _polls(world: World) -> int:
    return len(world.dingtalk.log.calls("get_call_back_failed_result"))


def _minutes_pass(world: World, worker: Worker, minutes: int) -> int:
    """Let so many minutes pass and return how often missed events were asked for."""
    before = _polls(world)
    for _ in range(minutes):
        world.now_ms += 60_000
        _loop(worker, world, 1)
    return _polls(world) - before


def test_missed_events_are_asked_for_every_five_minutes_where_there_is_reason(
    world: World, worker: Worker
) -> None:
    _minutes_pass(world, worker, 70)  # the first hour after the start
    assert _minutes_pass(world, worker, 60) == 4
    worker.expect_missed()
    assert _minutes_pass(world, worker, 60) == 12
    _minutes_pass(world, worker, 30)
    worker.woke(60.0)
    assert _minutes_pass(world, worker, 1) == 1
    assert _minutes_pass(world, worker, 50) == 10


def test_a_missed_event_that_names_nobody_leads_to_a_full_run(world: World, worker: Worker) -> None:
    (payload,) = world.company.hire(world.company.draft("新人", (1,), mobile="13900000000"))[:1]
    world.dingtalk.callbacks.record_failure(payload, names_nobody=True)
    world.now_ms += HOUR_MS
    _loop(worker, world, 4)
    assert differences(world) == []


def test_a_lost_list_of_missed_events_is_made_up_for_by_a_full_run(
    world: World, worker: Worker
) -> None:
    (payload, _) = world.company.hire(world.company.draft("新人", (1,), mobile="13900000000"))
    world.dingtalk.callbacks.record_failure(payload)
    world.dingtalk_faults.add(Rule(Fault.LATE_DROPPED, path="get_call_back_failed_result", times=1))
    world.now_ms += HOUR_MS
    _loop(worker, world, 4)
    assert differences(world) == []


def test_missed_events_that_could_not_be_stored_are_made_up_for_by_a_full_run(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    (payload, _) = world.company.hire(world.company.draft("新人", (1,), mobile="13900000000"))
    world.dingtalk.callbacks.record_failure(payload)
    world.now_ms += HOUR_MS
    with monkeypatch.context() as full:
        ticket: Ticket[None] = Ticket(Path("made-up.db"))
        ticket.fail(JournalFullError(path="made-up.db"))
        full.setattr(world.journal, "append", lambda _: ticket)
        _loop(worker, world, 1)
    _loop(worker, world, 4)
    assert differences(world) == []


@pytest.mark.usefixtures("worker")
def test_a_run_that_was_killed_is_resumed_at_the_next_start(world: World) -> None:
    world.hire("新人", mobile="13900000000")
    world.journal.run(lambda conn: runs.begin(conn, RunCause.DAILY, 0)).result(5)
    world.restart()
    fresh = world.new_worker()
    _loop(fresh, world)
    found = world.journal.read(lambda conn: runs.latest(conn, 2))
    assert [one.cause for one in found] == [RunCause.INTERRUPTED, RunCause.DAILY]
    assert found[1].ending is not None
    assert found[1].ending.status is RunStatus.INTERRUPTED
    assert differences(world) == []


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("failing", range(5))
def test_what_was_left_is_taken_up_whichever_step_of_it_fails_once(
    world: World, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    quarantine = Quarantine(0, world.now_ms + HOUR_MS, FAULT)
    world.hire("新人", mobile="13900000000")
    world.journal.run(lambda conn: runs.begin(conn, RunCause.DAILY, 0)).result(5)
    world.journal.run(lambda conn: sync_state.set_quarantine(conn, quarantine)).result(5)
    world.restart()
    steps: list[str] = []

    def flaky(step: Callable[..., Any]) -> Callable[..., Any]:
        """Let one step of the start fail, after it was done: nobody knows of that then."""

        def take(job: Callable[[Connection], Any]) -> Any:
            steps.append("")
            found = step(job)
            if len(steps) == failing + 1:
                raise JournalBusyError(path="made-up.db")
            return found

        return take

    fresh = world.unprepared_worker()
    with monkeypatch.context() as once:
        once.setattr(world.journal, "read", flaky(world.journal.read))
        once.setattr(world.journal, "run", flaky(world.journal.run))
        with suppress(JournalBusyError):
            fresh.prepare()
        fresh.prepare()
    assert len(steps) > failing
    before = _runs(world)
    world.now_ms += 59 * MINUTE_MS
    _loop(fresh, world)
    assert _runs(world) == before
    world.now_ms += MINUTE_MS
    _loop(fresh, world)
    found = world.journal.read(lambda conn: runs.latest(conn, 2))
    assert [one.cause for one in found] == [RunCause.INTERRUPTED, RunCause.DAILY]
    assert found[1].ending is not None
    assert found[1].ending.status is RunStatus.INTERRUPTED
    assert differences(world) == []


def test_the_thread_takes_up_what_was_left_as_often_as_it_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    fresh = world.unprepared_worker()
    prepare = fresh.prepare

    def fails_twice() -> float:
        tries.append("")
        if len(tries) <= 2:
            raise JournalBusyError(path="made-up.db")
        return prepare()

    monkeypatch.setattr("server.sync.worker._AFTER_TROUBLE_S", 0.01)
    monkeypatch.setattr(fresh, "prepare", fails_twice)
    monkeypatch.setattr(fresh, "loop", lambda _: 60.0)
    fresh.start()
    until(lambda: len(tries) == 3)
    fresh.request_stop()
    assert fresh.join(10)
    assert len(tries) == 3


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (JournalBusyError(path="made-up.db"), Trouble.of(JournalBusyError(path="made-up.db"))),
        (TypeError("made up"), Trouble(_FAULT_TITLE, _FAULT_HINT, {"kind": "TypeError"})),
    ],
)
def test_what_keeps_the_worker_from_going_on_is_told_until_it_can(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: Exception, told: Trouble
) -> None:
    def broken(*_: object) -> None:
        raise failure

    monkeypatch.setattr("server.sync.worker._AFTER_TROUBLE_S", 0.01)
    fresh = world.unprepared_worker()
    assert fresh.trouble is None
    with monkeypatch.context() as refusing:
        refusing.setattr(requests, "take", broken)
        fresh.start()
        until(lambda: fresh.trouble == told)
    until(lambda: fresh.trouble is None)
    fresh.request_stop()
    assert fresh.join(10)


def test_the_next_full_run_is_known_before_the_first_begins(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, run = [], world.engine.run

    def watched(*args: Any, **how: Any) -> RunResult:
        known.append(world.journal.read(sync_state.load).next_full_run)
        return run(*args, **how)

    monkeypatch.setattr(world.engine, "run", watched)
    _loop(world.new_worker(), world, 1)
    assert known == [NextRun(world.now_ms, RunCause.START)]


def test_the_next_full_run_is_not_before_the_end_of_a_quarantine(
    world: World, worker: Worker
) -> None:
    quarantine = _meet_an_untrusted_address(world, worker)
    _loop(worker, world)
    wish = world.journal.read(sync_state.load).next_full_run
    assert wish is not None
    assert wish.at_ms >= quarantine.until_ms


def test_the_next_full_run_is_stored_once_while_nothing_changes(
    world: World, worker: Worker
) -> None:
    _loop(worker, world)
    before = world.journal.read(sync_state.load).next_full_run
    for _ in range(10):
        world.now_ms += 60_000
        _loop(worker, world, 1)
    assert world.journal.read(sync_state.load).next_full_run == before


def test_missed_events_that_cannot_be_asked_for_are_told_until_they_can(
    world: World, worker: Worker
) -> None:
    answer = Reply.of_json({"errcode": 90020, "errmsg": "no"})
    rule = Rule(Fault.ANSWERED, path="get_call_back_failed_result", answer=answer)
    world.dingtalk_faults.add(rule)
    world.now_ms += 20 * MINUTE_MS
    _loop(worker, world)
    unfetched = world.journal.read(sync_state.load).unfetched
    assert unfetched is not None
    assert unfetched.code == "dingtalk-90020"
    world.dingtalk_faults.switch_off()
    world.now_ms += 20 * MINUTE_MS
    _loop(worker, world)
    assert world.journal.read(sync_state.load).unfetched is None


def test_a_day_later_and_after_a_long_sleep_a_full_run_is_made(
    world: World, worker: Worker
) -> None:
    world.now_ms += DAY_MS
    _loop(worker, world)
    worker.woke(3600)
    _loop(worker, world)
    found = world.journal.read(lambda conn: runs.latest(conn, 2))
    assert [one.cause for one in found] == [RunCause.WAKE, RunCause.DAILY]


def test_a_burst_of_a_thousand_events_is_one_read_a_person(world: World, worker: Worker) -> None:
    people = list(world.company.roster.people)
    for number in range(200):
        payloads = [
            payload
            for userid in people
            for payload in world.company.change(userid, title=f"职位{number}")
        ]
        _send(world, payloads)
    _loop(worker, world)
    assert _calls(world) == {"user/get": 5, "user/update": 5}
    assert _counts(world).done == 1000


def test_a_fault_of_our_own_fails_the_event_visibly_instead_of_coming_for_ever(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("made up")

    monkeypatch.setattr(world.engine, "follow", broken)
    _send(world, world.company.change(next(iter(world.company.roster.people)), title="经理"))
    for _ in range(7):
        _loop(worker, world)
        world.now_ms = world.journal.read(events.next_due_ms) or world.now_ms
    assert _counts(world).failed == 1


ABSURD = [
    '{"EventType":"user_modify_org","userId":"' + "[" * 3000 + '"}',
    '{"EventType":"org_dept_modify","deptId":"' + "[" * 100_000 + '"}',
    '{"EventType":"org_dept_modify","deptId":["' + "9" * 5000 + '"]}',
    '{"EventType":"user_modify_org","userId":' + "[" * 5000 + "]" * 5000 + "}",
    '{"EventType":"user_modify_org","userId":["\\ud800","\\u0000"],"n":1e999}',
    '{"EventType":"user_modify_org","userId":[1' + "0" * 400 + "]}",
    '{"EventType":["user_add_org"],"USERID":{"a":1},"userId":{"userid":[[]]}}',
    '{"EventType":"user_leave_org","userId":"a","USERID":"b","userId":null}',
    "[" * 100_000,
    "null",
    "",
]


@pytest.mark.parametrize("payload", ABSURD)
def test_an_absurd_event_keeps_no_other_from_being_followed(
    world: World, worker: Worker, payload: str
) -> None:
    bad = NewEvent("bad", world.now_ms, None, None, None, payload)
    world.journal.append([bad]).result(10)
    _send(world, world.company.change(next(iter(world.company.roster.people)), title="经理"))
    _loop(worker, world)
    assert differences(world) == []
    (good, _) = world.journal.read(lambda conn: listing.latest(conn, 2)).events
    assert good.state is EventState.DONE
    assert _counts(world).working == 0


def test_an_event_that_cannot_be_read_fails_alone_and_says_so(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(payload: str) -> Hint:
        if "made-up" in payload:
            raise MemoryError("made up")
        return read_hint(payload)

    monkeypatch.setattr("server.sync.events.read_hint", broken)
    _send(world, [{"EventType": "user_modify_org", "eventId": "made-up"}])
    _send(world, world.company.change(next(iter(world.company.roster.people)), title="经理"))
    _loop(worker, world)
    assert differences(world) == []
    (_, bad) = world.journal.read(lambda conn: listing.latest(conn, 2)).events
    assert (bad.state, bad.error) == (EventState.FAILED, str(FAULT.title))
    assert "made up" in caplog.text


def test_a_fault_of_our_own_about_one_person_fails_their_events_alone(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow, poison = world.engine.follow, list(world.company.roster.people)[3]

    def broken(people: list[str], departments: list[str], stop: StopSignal) -> EventOutcome:
        if poison in people:
            raise TypeError("made up")
        return follow(people, departments, stop)

    monkeypatch.setattr(world.engine, "follow", broken)
    for userid in list(world.company.roster.people):
        _send(world, world.company.change(userid, title="经理"))
    _loop(worker, world)
    assert (_counts(world).done, _counts(world).pending) == (4, 1)
    for _ in range(6):
        world.now_ms = world.journal.read(events.next_due_ms) or world.now_ms
        _loop(worker, world)
    assert (_counts(world).done, _counts(world).failed) == (4, 1)


def test_an_event_that_names_thousands_is_a_full_run_and_nothing_waits_behind_it(
    world: World, worker: Worker
) -> None:
    nobody = [f"nobody{number}" for number in range(100_000)]
    _send(world, [{"EventType": "user_modify_org", "userId": nobody, "eventId": "1"}])
    _send(world, world.company.change(next(iter(world.company.roster.people)), title="经理"))
    _loop(worker, world, 1)
    assert _counts(world).done == 2
    assert _calls(world) == {"user/get": 1, "user/update": 1}
    _loop(worker, world, 1)
    last = world.journal.read(lambda conn: runs.latest(conn, 1))[0]
    assert last.cause is RunCause.UNCLEAR_EVENT


def test_events_that_name_many_together_are_followed_some_at_a_time_before_a_full_run(
    world: World, worker: Worker
) -> None:
    _send(world, [{"EventType": "org_change", "eventId": "0"}])
    for number in range(5):
        ids = [f"nobody{number}-{each}" for each in range(90)]
        _send(world, [{"EventType": "user_modify_org", "userId": ids, "eventId": f"{number + 1}"}])
    before, done = _runs(world), []
    for _ in range(3):
        assert worker.loop(world.now_ms) == 0
        done.append(_counts(world).done)
    assert (done, _runs(world)) == ([3, 5, 6], before)
    attempts = world.journal.read(lambda conn: listing.latest(conn, 6)).events
    assert {one.attempts for one in attempts} == {1}
    _loop(worker, world, 1)
    assert _runs(world) == before + 1


def test_a_list_of_missed_events_that_cannot_be_read_is_made_up_for_by_a_full_run(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RecursionError("made up")

    world.hire("新人", mobile="13900000000")
    world.now_ms += HOUR_MS
    with monkeypatch.context() as patched:
        patched.setattr(DingTalkClient, "take_failed_events", broken)
        _loop(worker, world, 1)
    _loop(worker, world, 4)
    assert differences(world) == []


def test_events_whose_end_could_not_be_stored_are_followed_again(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise JournalFullError(path="made-up.db")

    _send(world, world.company.change(next(iter(world.company.roster.people)), title="经理"))
    with monkeypatch.context() as full:
        full.setattr(EventBatch, "record_outcome", refuse)
        with pytest.raises(JournalFullError):
            _loop(worker, world)
    assert _counts(world).working == 1
    _loop(worker, world)
    assert (_counts(world).working, _counts(world).done) == (0, 1)


def test_a_fault_of_our_own_ends_the_run_and_answers_who_asked_for_it(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise TypeError("made up")

    monkeypatch.setattr(world.engine, "_full", broken)
    asked = world.journal.run(
        lambda conn: requests.post(conn, SyncRequest(RequestKind.FULL), world.now_ms)
    ).result(10)
    _loop(worker, world, 1)
    answer = world.journal.read(lambda conn: requests.answer_of(conn, asked))
    assert answer is not None
    assert answer.run_id is not None
    run = world.journal.read(lambda conn: runs.find(conn, answer.run_id or 0))
    assert run is not None
    assert run.ending is not None
    assert run.ending.error is not None
    assert (run.ending.status, run.ending.error.code) == (RunStatus.FAILED, "fault")
    assert "made up" in caplog.text


def test_the_thread_wakes_for_an_event_and_ends_when_asked(world: World, worker: Worker) -> None:
    worker.start()
    person = world.company.draft("新人", (1,), mobile="13900000000")
    _send(world, world.company.hire(person))
    until(lambda: world.wecom.directory.member(person.userid))
    worker.request_stop()
    assert worker.join(10)


@pytest.mark.usefixtures("worker")
def test_a_scope_changed_while_the_service_was_off_is_held_at_the_next_start(world: World) -> None:
    excluded = world.department("研发部")
    world.hire("新人", mobile="13900000000")
    world.set(approve_first_run=True, excluded_department_ids=(excluded,))
    world.restart()
    _loop(world.new_worker(), world)
    held = world.journal.read(sync_state.load).held
    assert held is not None
    assert world.attempted_writes() == []


def test_a_run_that_saw_dingtalk_move_is_followed_by_another_at_once(world: World) -> None:
    """The second finds it still, and nothing more is asked for."""
    department = world.department("研发部")
    person = world.hire("王伟", department, mobile="13800000001")
    for number in range(4):
        world.hire(f"李{number}", mobile=f"1390000000{number}")
    worker = world.new_worker()
    _loop(worker, world)
    world.forget_calls()

    def move() -> None:
        (made,) = world.company.create_department("新部")
        world.company.move(person.userid, made["deptId"])

    world.dingtalk.after_call(move, "/department/listsub")
    world.now_ms += DAY_MS
    runs_before = len(world.journal.read(lambda conn: runs.latest(conn, 99)))
    assert worker.loop(world.now_ms) == 0.0
    assert worker.loop(world.now_ms) == 0.0
    assert worker.loop(world.now_ms) > 0.0
    found = world.journal.read(lambda conn: runs.latest(conn, 99))
    done = found[: len(found) - runs_before]
    assert [(run.cause, run.ending and run.ending.status) for run in reversed(done)] == [
        (RunCause.DAILY, RunStatus.PARTIAL),
        (RunCause.RETRY, RunStatus.SUCCESS),
    ]
    assert world.member_of(person.userid).is_enabled
