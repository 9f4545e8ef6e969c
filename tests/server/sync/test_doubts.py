"""Writes whose answer was lost: WeCom may have them or not, whatever the ledger says.

DingTalk goes back on the change before the next run; without the doubt nothing would be written.
"""

from dataclasses import replace
from threading import Event
from typing import cast

import pytest

from server.directory.model import Kind
from server.errors.vendor import CallCancelledError
from server.journal import ledger as stored
from server.journal.runs import RunStatus
from server.simulator.httpd import Reply
from server.simulator.roster import ROOT_ID
from server.wecom import wire
from server.wecom.wire import Accepted
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World, differences

REFUSED = Reply.of_json({"errcode": 60112, "errmsg": "invalid name"})
LOST = Rule(Fault.LATE_DROPPED, path="/update")


def _sync_with_lost_answers(world: World) -> None:
    world.wecom_faults.add(LOST)
    world.sync()
    world.wecom_faults.switch_off()


def _assert_in_step_and_quiet(world: World) -> None:
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []
    assert world.ledger().doubts == {}
    world.forget_calls()
    world.sync()
    assert world.attempted_writes() == []


def test_who_returns_after_a_lost_disabling_is_enabled(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.hire("李娜", mobile="13800000002")
    world.sync()
    world.company.leave(person.userid)
    _sync_with_lost_answers(world)
    assert not world.member_of(person.userid).is_enabled
    assert world.ledger().people[person.userid].is_enabled
    world.company.rehire(person.userid, (ROOT_ID,))
    _assert_in_step_and_quiet(world)


def test_who_leaves_after_a_lost_enabling_is_disabled(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.hire("李娜", mobile="13800000002")
    world.sync()
    world.company.leave(person.userid)
    world.sync()
    world.company.hire(person)
    _sync_with_lost_answers(world)
    assert world.member_of(person.userid).is_enabled
    assert not world.ledger().people[person.userid].is_enabled
    world.company.leave(person.userid)
    _assert_in_step_and_quiet(world)


def test_a_value_that_went_back_after_a_lost_answer_is_written(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    world.company.change(person.userid, name="王维", email="wang@example.com")
    _sync_with_lost_answers(world)
    assert world.member_of(person.userid).name == "王维"
    world.company.change(person.userid, name="王伟", email="")
    world.engine.follow([person.userid], [])
    assert world.member_of(person.userid).name == "王伟"
    _assert_in_step_and_quiet(world)


def test_a_department_name_that_went_back_after_a_lost_answer_is_written(world: World) -> None:
    place = world.department("研发部")
    world.hire("王伟", place, mobile="13800000001")
    world.sync()
    world.company.change_department(place, name="研究部")
    _sync_with_lost_answers(world)
    world.company.change_department(place, name="研发部")
    _assert_in_step_and_quiet(world)


def test_a_value_of_a_lost_creation_is_cleared_where_dingtalk_has_none_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = world.hire("经理", mobile="13800000002")
    world.sync()
    person = world.hire("王伟", mobile="13800000001", manager_userid=manager.userid)
    target = world.engine.client_pool.clients(world.config, Event()).wecom
    real = target.create_member

    def killed(member: wire.Member, *, invite: bool) -> Accepted:
        real(member, invite=invite)
        raise CallCancelledError({"vendor": "WeCom", "call": "killed"})

    monkeypatch.setattr(target, "create_member", killed)
    with pytest.raises(CallCancelledError):
        world.sync()
    monkeypatch.undo()
    world.company.change(person.userid, manager_userid="")
    _assert_in_step_and_quiet(world)
    assert world.member_of(person.userid).direct_leader == ()


def test_what_is_being_written_is_on_the_disk_before_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a kill at that moment leaves the doubt behind."""
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    world.company.change(person.userid, title="经理")
    seen: list[object] = []
    target, write = world.engine.client_pool.clients(world.config, Event()).wecom, "update_member"
    real = getattr(target, write)

    def spying(member: wire.Member) -> Accepted:
        seen.append(world.ledger().doubts)
        return cast(Accepted, real(member))

    monkeypatch.setattr(target, write, spying)
    assert world.sync().status is RunStatus.SUCCESS
    assert seen == [{(Kind.PERSON, person.userid): frozenset({"position"})}]
    assert world.ledger().doubts == {}


def test_a_refusal_leaves_no_doubt(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    link = world.ledger().people[person.userid]
    assert link.accepted is not None
    wrong = replace(link, accepted=replace(link.accepted, name="另一个"))
    world.journal.run(lambda conn: stored.put_person(conn, wrong)).result(5)
    world.wecom_faults.add(
        Rule(Fault.ANSWERED, path="/user/update", answer=REFUSED),
    )
    assert world.sync().status is RunStatus.PARTIAL
    assert world.ledger().doubts == {}
