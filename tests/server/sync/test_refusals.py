"""What WeCom refuses for good is left out, told in every run, and not sent in every run."""

from pathlib import Path

import pytest

from server.journal.runs import Result, RunStatus
from server.simulator.httpd import Reply
from server.simulator.roster import Person
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences, open_world

REFUSED = {
    "mobile": (60103, "13800000001"),
    "email": (60106, "wang@example.com"),
    "position": (301012, "No such title"),
    "telephone": (301013, "0571-88"),
}


def _refuse(world: World, number: int, containing: str) -> None:
    answer = Reply.of_json({"errcode": number, "errmsg": "refused"})
    for path in ("user/create", "user/update", "user/delete"):
        world.wecom_faults.add(
            Rule(Fault.ANSWERED, path=path, containing=containing, answer=answer)
        )


def _writes(world: World) -> list[str]:
    """Those that were refused as well: they do not come as far as WeCom's own log."""
    return world.attempted_writes() + [path for _, path in world.wecom_faults.injected]


def _forget_writes(world: World) -> None:
    world.forget_calls()
    world.wecom_faults.injected.clear()


def _wang(world: World) -> Person:
    return world.hire(
        "王伟",
        mobile="13800000001",
        email="wang@example.com",
        title="No such title",
        telephone="0571-88",
    )


@pytest.mark.parametrize("field", REFUSED)
def test_a_refused_value_is_told_in_every_run_and_sent_once(world: World, field: str) -> None:
    person = _wang(world)
    _refuse(world, *REFUSED[field])
    first = world.sync()
    assert getattr(world.member_of(person.userid), field) == ""
    world.restart()
    _forget_writes(world)
    again = world.sync()
    assert _writes(world) == []
    assert (first.status, again.status) == (RunStatus.SUCCESS, RunStatus.SUCCESS)
    assert again.changes == ()
    for result in (first, again):
        (told,) = [str(each) for each in result.warnings if "王伟" in str(each)]
        assert "was left out" in told


def test_a_refused_value_is_tried_again_once_a_day_and_taken_once_wecom_takes_it(
    world: World,
) -> None:
    person = _wang(world)
    _refuse(world, *REFUSED["email"])
    world.sync()
    for _ in range(2):
        world.now_ms += DAY_MS
        _forget_writes(world)
        assert world.sync().status is RunStatus.SUCCESS
        assert world.sync().status is RunStatus.SUCCESS
        assert len(_writes(world)) == 1
    world.wecom_faults.switch_off()
    world.now_ms += DAY_MS
    result = world.sync()
    assert not [each for each in result.warnings if "王伟" in str(each)]
    assert world.member_of(person.userid).email == "wang@example.com"
    assert world.ledger().refusals == {}
    assert differences(world) == []


def test_another_value_in_dingtalk_is_tried_at_once(world: World) -> None:
    person = _wang(world)
    _refuse(world, *REFUSED["email"])
    world.sync()
    world.company.change(person.userid, email="wei@example.com")
    assert world.sync().status is RunStatus.SUCCESS
    assert world.member_of(person.userid).email == "wei@example.com"
    assert world.ledger().refusals == {}


def test_a_value_that_an_update_brings_is_listed_when_refused_and_a_warning_later(
    world: World,
) -> None:
    person = world.hire("王伟", mobile="13800000001")
    world.sync()
    world.company.change(person.userid, email="wang@example.com")
    _refuse(world, *REFUSED["email"])
    first, again = world.sync(), world.sync()
    (change,) = first.changes
    assert (change.result, change.fields) == (Result.SKIPPED, {"email": ("", "wang@example.com")})
    assert change.error is not None
    assert change.error.code == "wecom-60106"
    assert (first.status, again.status) == (RunStatus.PARTIAL, RunStatus.SUCCESS)
    assert again.warnings


def test_an_event_does_not_spend_its_write_on_a_value_that_was_refused(world: World) -> None:
    person = _wang(world)
    _refuse(world, *REFUSED["email"])
    world.sync()
    world.now_ms += DAY_MS
    world.company.change(person.userid, title="经理")
    _forget_writes(world)
    assert not world.engine.follow([person.userid], []).failed
    assert len(_writes(world)) == 1
    assert world.member_of(person.userid).position == "经理"


def test_a_mobile_that_is_all_there_is_of_a_new_person_is_not_sent_again(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001")
    _refuse(world, *REFUSED["mobile"])
    world.sync()
    _forget_writes(world)
    result = world.sync()
    (change,) = result.changes
    assert (result.status, change.result) == (RunStatus.PARTIAL, Result.SKIPPED)
    assert change.error is not None
    assert change.error.code == "wecom-60103"
    assert _writes(world) == []
    world.company.change(person.userid, email="wang@example.com")
    assert world.sync().status is RunStatus.SUCCESS
    assert world.member_of(person.userid).email == "wang@example.com"


def test_a_refused_new_mobile_leaves_the_old_one_where_there_is_no_email(world: World) -> None:
    person = world.hire("王伟", mobile="13900000000")
    world.sync()
    world.company.change(person.userid, mobile="13800000001", title="经理")
    _refuse(world, *REFUSED["mobile"])
    assert world.sync().status is RunStatus.SUCCESS
    member = world.member_of(person.userid)
    assert (member.mobile, member.position) == ("13900000000", "经理")


def test_a_value_whose_absence_helps_nothing_is_not_blamed(world: World) -> None:
    person = world.hire("王伟", mobile="13800000001", email="wang@example.com")
    _refuse(world, 60106, person.userid)
    assert world.sync().status is RunStatus.PARTIAL
    assert world.ledger().refusals == {}
    world.wecom_faults.switch_off()
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


def test_what_was_refused_of_somebody_who_never_came_is_forgotten(world: World) -> None:
    world.hire("李雷", mobile="13900000000")
    person = world.hire("王伟", mobile="13800000001")
    _refuse(world, *REFUSED["mobile"])
    world.sync()
    assert set(world.ledger().refusals) == {person.userid}
    world.company.leave(person.userid)
    world.sync()
    assert world.ledger().refusals == {}


def test_a_preview_remembers_no_refusal_and_forgets_none(world: World) -> None:
    person = _wang(world)
    _refuse(world, *REFUSED["email"])
    world.sync()
    world.now_ms += DAY_MS
    before = world.ledger().refusals
    (change,) = world.sync(preview=True).changes
    assert change.fields == {"email": ("", "wang@example.com")}
    assert world.ledger().refusals == before
    assert set(before) == {person.userid}


def test_a_member_that_wecom_never_deletes_is_listed_and_asked_for_once_a_day(
    tmp_path: Path,
) -> None:
    with open_world(
        tmp_path, approve_first_run=False, leavers="delete", delete_after_days=0
    ) as world:
        for number in range(3):
            world.hire(f"李雷{number}", mobile=f"1390000000{number}")
        person = world.hire("王伟", mobile="13800000001")
        world.sync()
        world.company.leave(person.userid)
        world.sync()
        answer = Reply.of_json({"errcode": 301005, "errmsg": "creator"})
        world.wecom_faults.add(Rule(Fault.ANSWERED, path="user/delete", answer=answer))
        _forget_writes(world)
        results = [world.sync() for _ in range(3)]
        assert len(_writes(world)) == 1
        for result in results:
            (change,) = result.changes
            assert change.error is not None
            assert (change.action.value, change.error.code) == ("delete", "wecom-301005")
            assert result.status is RunStatus.PARTIAL
        world.now_ms += DAY_MS
        world.wecom_faults.switch_off()
        assert world.sync().status is RunStatus.SUCCESS
        assert person.userid not in world.wecom.directory.snapshot().members
        world.sync()
        assert world.ledger().refusals == {}
