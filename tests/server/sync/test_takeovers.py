"""WeCom holds people already: what a preview lists is what is done, whoever they are."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.directory import causes
from server.directory.model import Kind, Origin
from server.journal import lookups, runs
from server.journal.runs import RecordedChange, Result, RunCause, RunStatus
from server.simulator.httpd import Reply
from server.simulator.roster import Person
from server.sync.lookups import MOST_MISSES
from server.sync.outcome import RunResult
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, open_world

GETUSERID = "user/getuserid"
REFUSALS = (48002, 48009, 60011, 60111)
Filling = Callable[[World, list[Person]], object]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[World]:
    """Whose first run has to be approved, and whose WeCom closes `getuserid` when it must."""
    with open_world(tmp_path) as opened:
        opened.wecom.rules.members.wrong_mobiles = MOST_MISSES
        yield opened


def _staff(world: World, size: int = 5) -> list[Person]:
    """Hire people with userids of letters, so that there is a case to differ in."""
    return [
        world.hire(f"员工{number}", userid=f"staff{number:02d}", mobile=f"138000000{number:02d}")
        for number in range(size)
    ]


def _refuse_asking(world: World, code: int) -> None:
    answer = Reply.of_json({"errcode": code, "errmsg": "refused"})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path=GETUSERID, answer=answer))


def _same(world: World, staff: list[Person], *, case: Callable[[str], str] = str) -> None:
    for person in staff:
        world.console.add_member(case(person.userid), "旧名", mobile=person.mobile)


def _other_userids(world: World, staff: list[Person]) -> None:
    for person in staff:
        world.console.add_member(f"wx.{person.userid}", "旧名", mobile=person.mobile)


def _other_mobiles(world: World, staff: list[Person]) -> None:
    for number, person in enumerate(staff):
        world.console.add_member(person.userid, "别人", mobile=f"139000000{number:02d}")


def _protected(world: World, staff: list[Person]) -> None:
    _same(world, staff)
    world.set(protected_wecom_userids=("STAFF00", "staff01"))


def _foreign(world: World, staff: list[Person]) -> None:
    for number in range(len(staff)):
        world.console.add_member(f"guest{number}", "客人", mobile=f"137000000{number:02d}")


def _some_of_each(world: World, staff: list[Person]) -> None:
    _same(world, staff[:1], case=str.upper)
    _other_userids(world, staff[1:2])
    _other_mobiles(world, staff[2:3])
    _foreign(world, staff[3:4])


def _crossed(world: World, staff: list[Person]) -> None:
    """Who has the userid of one has the mobile of the next."""
    for person, other in zip(staff, [*staff[1:], staff[0]], strict=True):
        world.console.add_member(person.userid, "旧名", mobile=other.mobile)


def _hidden(world: World, staff: list[Person]) -> None:
    world.wecom.rules.members.lists_disabled = False
    for person in staff[:2]:
        world.console.add_member(
            f"wx.{person.userid}", "旧名", mobile=person.mobile, is_enabled=False
        )
    _other_userids(world, staff[2:3])
    _foreign(world, staff[3:])


FILLINGS: dict[str, tuple[Filling, dict[str, int]]] = {
    "empty": (lambda *_: None, {"create": 5}),
    "the same userids and mobiles": (_same, {"adopt": 5}),
    "the same in capitals": (lambda *both: _same(*both, case=str.upper), {"adopt": 5}),
    "the same mobiles under other userids": (_other_userids, {"adopt": 5}),
    "the same userids with other mobiles": (_other_mobiles, {"create": 5}),
    "two protected": (_protected, {"adopt": 3, "conflict": 2}),
    "foreign members": (_foreign, {"create": 5}),
    "some of each": (_some_of_each, {"adopt": 2, "create": 3}),
    "userids and mobiles crossed": (_crossed, {"adopt": 5}),
    "disabled and not listed": (_hidden, {"adopt": 3, "create": 2}),
}


def _rows(result: RunResult) -> list[tuple[object, ...]]:
    return [
        (one.action, one.kind, one.dingtalk_id, one.wecom_id, one.fields) for one in result.changes
    ]


def _actions(result: RunResult) -> dict[str, int]:
    return dict(Counter(one.action.value for one in result.changes))


def _is_told(result: RunResult, text: str) -> bool:
    return any(each.text == text for each in result.warnings)


def _go_through(world: World) -> tuple[RunResult, RunResult]:
    """Preview, have the same held, approve it; a restart in between must not matter."""
    preview = world.sync(preview=True)
    assert preview.status is RunStatus.PREVIEW
    held = world.sync()
    assert (held.status, held.digest) == (RunStatus.HELD, preview.digest)
    assert _rows(held) == _rows(preview)
    assert world.attempted_writes() == []
    world.restart()
    return preview, world.sync(allow=preview.digest)


@pytest.mark.parametrize("name", FILLINGS)
def test_what_was_previewed_and_approved_is_what_is_done(office: World, name: str) -> None:
    fill, expected = FILLINGS[name]
    staff = _staff(office)
    fill(office, staff)
    before = dict(office.wecom.directory.snapshot().members)
    preview, done = _go_through(office)
    assert _actions(preview) == expected
    assert _rows(done) == _rows(preview)
    assert not _is_told(preview, causes.UNMATCHED)
    assert not _is_told(preview, causes.UNPROVEN)
    is_clean = "conflict" not in expected
    assert done.status is (RunStatus.SUCCESS if is_clean else RunStatus.PARTIAL)
    members = office.wecom.directory.snapshot().members
    created = expected.get("create", 0)
    assert len(members) == len(before) + created
    mirrored = {link.wecom_userid for link in office.ledger().people.values()}
    assert {key: one for key, one in members.items() if key not in mirrored} == {
        key: one for key, one in before.items() if key not in mirrored
    }
    office.forget_calls()
    office.sync()
    assert office.attempted_writes() == []


@pytest.mark.parametrize("code", [*REFUSALS, 45009])
@pytest.mark.parametrize("name", FILLINGS)
def test_where_wecom_cannot_be_asked_the_list_says_what_may_differ(
    office: World, name: str, code: int
) -> None:
    staff = _staff(office)
    FILLINGS[name][0](office, staff)
    _refuse_asking(office, code)
    preview, done = _go_through(office)
    assert done.status in (RunStatus.SUCCESS, RunStatus.PARTIAL)
    assert {one.dingtalk_id for one in done.changes} == {one.userid for one in staff}
    was_unmatched = _is_told(preview, causes.UNMATCHED)
    for listed, one in zip(_by_person(preview), _by_person(done), strict=True):
        may_be_adopted = listed.action.value == "create" and was_unmatched
        if one.action is listed.action:
            assert (one.wecom_id, one.fields) == (listed.wecom_id, listed.fields)
        elif one.action.value == "adopt":
            assert may_be_adopted or name == "disabled and not listed"
        else:
            assert one.action.value == "conflict"
            assert _is_conditional(listed) or name == "two protected"
            assert one.fields == {}


def _by_person(result: RunResult) -> list[RecordedChange]:
    return sorted(result.changes, key=lambda one: one.dingtalk_id)


def _is_conditional(change: RecordedChange) -> bool:
    return [each.text for each in change.warnings] == [causes.IF_SAME_MOBILE]


def test_nobody_is_asked_about_where_wecom_holds_no_strangers(office: World) -> None:
    _staff(office)
    office.sync(preview=True)
    assert office.wecom.log.calls(GETUSERID) == ()


def test_asking_ends_with_the_last_member_that_belongs_to_nobody(office: World) -> None:
    staff = _staff(office)
    _other_userids(office, staff[:2])
    office.sync(preview=True)
    assert len(office.wecom.log.calls(GETUSERID)) == 2


def test_twenty_misses_a_day_are_the_most_whatever_is_started_anew(office: World) -> None:
    staff = _staff(office, 50)
    _other_userids(office, staff[-3:])
    preview = office.sync(preview=True)
    assert len(office.wecom.log.calls(GETUSERID)) == MOST_MISSES == 20
    (told,) = [each for each in preview.warnings if each.text == causes.UNMATCHED]
    assert told.values == {"count": 3, "people": 30}
    office.restart()
    office.sync(preview=True)
    assert len(office.wecom.log.calls(GETUSERID)) == MOST_MISSES
    done = office.sync(allow=preview.digest)
    assert done.status is RunStatus.SUCCESS
    assert _actions(preview) == {"create": 50}
    assert _actions(done) == {"create": 47, "adopt": 3}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_refused_question_ends_the_asking_of_a_run_and_counts(office: World, code: int) -> None:
    staff = _staff(office)
    _other_userids(office, staff)
    answer = Reply.of_json({"errcode": code, "errmsg": "refused"})
    office.wecom_faults.add(Rule(Fault.ANSWERED, path=GETUSERID, nth=1, answer=answer))
    assert _actions(office.sync(preview=True)) == {"create": 5}
    assert office.wecom.log.calls(GETUSERID) == ()
    assert _known(office).misses_ms == (office.now_ms,)
    assert _actions(office.sync(preview=True)) == {"adopt": 5}


def _known(world: World) -> lookups.Lookups:
    corp_id = world.wecom.rules.corp_id
    return world.journal.read(lambda conn: lookups.load(conn, corp_id))


def test_answers_are_asked_for_anew_after_a_week_and_kept_no_longer_than_needed(
    office: World,
) -> None:
    staff = _staff(office, 3)
    _other_userids(office, staff)
    for days, asked in ((0, 3), (6, 3), (2, 6)):
        office.now_ms += days * DAY_MS
        preview = office.sync(preview=True)
        assert len(office.wecom.log.calls(GETUSERID)) == asked
    assert set(_known(office).answers) == {person.mobile for person in staff}
    office.sync(allow=preview.digest)
    office.console.add_member("guest", "客人", mobile="13700000000")
    office.hire("新人", mobile="13900000001")
    office.sync(preview=True)
    assert set(_known(office).answers) == {"13900000001"}


def test_the_next_day_the_next_ones_are_asked_about(office: World) -> None:
    staff = _staff(office, 42)
    _other_userids(office, staff[-1:])
    office.wecom.rules.members.wrong_mobiles = None
    office.sync(preview=True)
    for _ in range(2):
        office.now_ms += DAY_MS
        preview = office.sync(preview=True)
    assert len(office.wecom.log.calls(GETUSERID)) == 42
    assert _actions(preview) == {"create": 41, "adopt": 1}
    assert not _is_told(preview, causes.UNMATCHED)


@pytest.mark.parametrize("jump_ms", [-3650 * DAY_MS, -DAY_MS, -3_600_000])
def test_a_clock_that_was_ahead_neither_frees_the_misses_nor_keeps_them_for_ever(
    office: World, jump_ms: int
) -> None:
    staff = _staff(office, 50)
    _other_userids(office, staff[-1:])
    office.wecom.rules.members.wrong_mobiles = None
    office.sync(preview=True)
    office.now_ms += jump_ms
    office.sync(preview=True)
    assert len(office.wecom.log.calls(GETUSERID)) == 20
    office.now_ms += DAY_MS
    office.sync(preview=True)
    assert len(office.wecom.log.calls(GETUSERID)) == 40


def test_a_list_that_awaits_approval_is_not_made_another_by_the_daily_run(office: World) -> None:
    staff = _staff(office, 30)
    _other_userids(office, staff[-1:])
    held = office.sync()
    office.now_ms += DAY_MS
    daily = office.sync(cause=RunCause.DAILY)
    assert (daily.status, daily.digest) == (RunStatus.HELD, held.digest)
    office.now_ms += 30 * DAY_MS
    assert office.sync(allow=held.digest).status is RunStatus.SUCCESS
    assert len(office.wecom.log.calls(GETUSERID)) == 20


def test_what_changed_after_the_approved_preview_is_a_conflict_and_decided_anew(
    office: World,
) -> None:
    (person,) = _staff(office, 1)
    _other_userids(office, [person])
    preview = office.sync(preview=True)
    office.console.change_member("wx.staff00", mobile="13600000000")
    office.console.add_member("wx.new", "旧名", mobile=person.mobile)
    done = office.sync(allow=preview.digest)
    (change,) = done.changes
    assert (change.action.value, change.result) == ("conflict", Result.SKIPPED)
    assert change.error is not None
    assert change.error.code == "takeover-changed"
    assert len(office.ledger().conflicts) == 1
    assert office.wecom.writes() == ()
    assert _actions(office.sync()) == {"adopt": 1}
    assert office.member_of(person.userid).userid == "wx.new"
    assert office.ledger().conflicts == ()


def test_a_mobile_that_its_member_lost_after_the_preview_is_asked_about_again(
    office: World,
) -> None:
    (person,) = _staff(office, 1)
    _other_userids(office, [person])
    preview = office.sync(preview=True)
    office.console.change_member("wx.staff00", mobile="13600000000")
    (change,) = office.sync(allow=preview.digest).changes
    assert change.error is not None
    assert change.error.code == "userid-of-another"
    assert office.wecom.writes() == ()
    assert _actions(office.sync()) == {"create": 1}
    assert office.member_of(person.userid).userid == person.userid


def test_a_userid_alone_hands_over_nothing_where_nobody_could_be_asked(office: World) -> None:
    (person,) = _staff(office, 1)
    _other_mobiles(office, [person])
    _refuse_asking(office, 48002)
    preview = office.sync(preview=True)
    assert _actions(preview) == {"adopt": 1}
    assert _is_conditional(preview.changes[0])
    (told,) = [each for each in preview.warnings if each.text == causes.UNPROVEN]
    assert told.values == {"count": 1}
    (change,) = office.sync(allow=preview.digest).changes
    assert change.error is not None
    assert change.error.code == "userid-of-another"
    assert office.wecom.writes() == ()
    assert office.ledger().people == {}
    office.set(protected_wecom_userids=(person.userid,))  # as the hint says
    assert _actions(office.sync()) == {"create": 1}
    assert office.ledger().conflicts == ()


def test_the_same_person_is_taken_over_once_the_mobile_is_entered_in_wecom(office: World) -> None:
    (person,) = _staff(office, 1)
    _other_mobiles(office, [person])
    _refuse_asking(office, 48002)
    office.first_sync()
    office.console.change_member(person.userid, mobile=person.mobile)  # as the hint says
    assert _actions(office.sync()) == {"adopt": 1}
    assert office.ledger().people[person.userid].origin is Origin.ADOPTED


def test_who_was_deleted_after_the_preview_is_created_under_the_same_userid(office: World) -> None:
    (person,) = _staff(office, 1)
    _same(office, [person])
    preview = office.sync(preview=True)
    office.console.delete_member(person.userid)
    office.wecom.rules.members.lists_disabled = False  # the list is no proof of either
    done = office.sync(allow=preview.digest)
    if done.status is RunStatus.REFUSED:
        done = office.sync(allow=done.digest)
    assert _actions(done) == {"create": 1}
    assert office.ledger().people[person.userid].origin is Origin.CREATED


@pytest.mark.parametrize("fault", [Fault.LATE_DROPPED, Fault.LATE_BUSY, Fault.DROPPED])
@pytest.mark.parametrize("path", ["user/create", "user/update"])
def test_a_lost_reply_takes_over_nobody_else_and_nobody_twice(
    office: World, fault: Fault, path: str
) -> None:
    staff = _staff(office, 3)
    _same(office, staff)
    preview = office.sync(preview=True)
    office.wecom_faults.add(Rule(fault, path=path, times=1))
    assert office.sync(allow=preview.digest).status is RunStatus.SUCCESS
    assert len(office.wecom.directory.snapshot().members) == 3


def test_a_full_company_takes_over_whom_it_has(office: World) -> None:
    staff = _staff(office, 2)
    _same(office, staff[:1])
    preview = office.sync(preview=True)
    answer = Reply.of_json({"errcode": 45024, "errmsg": "account count exceed limit"})
    office.wecom_faults.add(Rule(Fault.ANSWERED, path="user/create", answer=answer))
    done = office.sync(allow=preview.digest)
    assert {(one.action.value, one.result) for one in done.changes} == {
        ("adopt", Result.DONE),
        ("create", Result.FAILED),
    }


def test_an_event_takes_over_the_member_of_the_same_userid_and_mobile(office: World) -> None:
    _staff(office, 1)
    office.first_sync()
    office.console.add_member("NEW", "旧名", mobile="13800000001")
    office.console.add_member("other", "别人", mobile="13800000009")
    person = office.hire("王伟", userid="new", mobile="13800000001")
    twin = office.hire("李雷", userid="other", mobile="13800000002")
    office.engine.follow([person.userid, twin.userid], [])
    assert office.member_of(person.userid).userid == "NEW"
    assert office.member_of(twin.userid).userid.startswith("other-")
    assert len(office.wecom.log.calls(GETUSERID)) == 2


def test_an_event_finds_a_protected_member_without_a_write(office: World) -> None:
    _staff(office, 1)
    office.first_sync()
    office.set(protected_wecom_userids=("boss",))
    office.console.add_member("BOSS", "老板", mobile="13800000001")
    person = office.hire("老板", userid="boss", mobile="13800000001")
    office.forget_calls()
    office.engine.follow([person.userid], [])
    assert office.attempted_writes() == []
    assert [one.dingtalk_id for one in office.ledger().conflicts] == [person.userid]


def test_an_event_about_anybody_else_asks_nothing(office: World) -> None:
    _staff(office, 1)
    office.first_sync()
    office.console.add_member("other", "别人", mobile="13800000009")
    person = office.hire("王伟", userid="new", mobile="13800000001")
    office.engine.follow([person.userid], [])
    assert office.member_of(person.userid).userid == "new"
    assert office.wecom.log.calls(GETUSERID) == ()


# --- a helping call that is refused


def _name_nobody(world: World, containing: str = "") -> None:
    answer = Reply.of_json({"errcode": 60104, "errmsg": "mobile existed"})
    world.wecom_faults.add(
        Rule(Fault.ANSWERED, path="user/create", containing=containing, answer=answer)
    )


@pytest.mark.parametrize("code", [48002, 48009, 60011, 60111, 46004, 60020, 40001, -1])
def test_a_holder_whom_nobody_names_is_one_persons_conflict(office: World, code: int) -> None:
    office.set(approve_first_run=False)
    staff = _staff(office, 6)
    _name_nobody(office, staff[2].mobile)
    _refuse_asking(office, code)
    result = office.sync()
    assert result.status is RunStatus.PARTIAL
    assert result.error is None
    assert _actions(result) == {"create": 5, "conflict": 1}
    (conflict,) = [one for one in result.changes if one.action.value == "conflict"]
    assert (conflict.dingtalk_id, conflict.wecom_id) == (staff[2].userid, "")
    assert conflict.error is not None
    assert conflict.error.code == "mobile-held"
    assert "does not say which one" in str(conflict.error.title)
    assert len(office.ledger().conflicts) == 1
    office.wecom_faults.switch_off()
    assert office.sync().status is RunStatus.SUCCESS
    assert office.ledger().conflicts == ()


def test_a_linked_persons_mobile_whose_holder_nobody_names_is_left(office: World) -> None:
    office.set(approve_first_run=False)
    (person,) = _staff(office, 1)
    office.sync()
    office.company.change(person.userid, mobile="13900000001", title="经理")
    answer = Reply.of_json({"errcode": 60104, "errmsg": "mobile existed"})
    office.wecom_faults.add(
        Rule(Fault.ANSWERED, path="user/update", containing="13900000001", answer=answer)
    )
    _refuse_asking(office, 48002)
    result = office.sync()
    assert result.status is RunStatus.PARTIAL
    assert sorted(_actions(result)) == ["conflict", "update"]
    assert office.member_of(person.userid).position == "经理"
    office.company.change(person.userid, title="主任")
    office.engine.follow([person.userid], [])
    assert office.member_of(person.userid).position == "主任"
    (waiting,) = office.ledger().conflicts
    assert (waiting.wecom_id, waiting.value) == ("", "13900000001")
    told = office.journal.read(lambda conn: runs.last_conflict(conn, Kind.PERSON, person.userid))
    assert told is not None
    assert told.error is not None
    assert told.error.code == "mobile-held"
    assert "does not say which one" in str(told.error.title)


@pytest.mark.parametrize("code", [48002, 60011, 60020])
def test_a_list_that_is_refused_after_a_lost_creation_leaves_it_announced(
    office: World, code: int
) -> None:
    office.set(approve_first_run=False)
    staff = _staff(office, 3)
    office.wecom_faults.add(
        Rule(Fault.LATE_DROPPED, path="user/create", containing=staff[1].userid, times=1)
    )
    answer = Reply.of_json({"errcode": code, "errmsg": "refused"})
    office.wecom_faults.add(Rule(Fault.ANSWERED, path="user/list_id", nth=2, answer=answer))
    result = office.sync()
    assert result.status is RunStatus.PARTIAL
    (failed,) = [one for one in result.changes if one.result is Result.FAILED]
    assert failed.dingtalk_id == staff[1].userid
    assert failed.error is not None
    assert failed.error.code == "outcome-unknown"
    assert office.ledger().people[staff[1].userid].accepted is None
    assert office.sync().status is RunStatus.SUCCESS
    assert len(office.wecom.directory.snapshot().members) == 3


@pytest.mark.parametrize("code", [48002, 60011, 60020])
def test_departments_that_cannot_be_listed_stop_nobody_else(office: World, code: int) -> None:
    office.set(approve_first_run=False)
    staff = _staff(office, 3)
    invalid = Reply.of_json({"errcode": 40066, "errmsg": "invalid party list"})
    office.wecom_faults.add(
        Rule(Fault.ANSWERED, path="user/create", containing=staff[1].userid, answer=invalid)
    )
    answer = Reply.of_json({"errcode": code, "errmsg": "refused"})
    office.wecom_faults.add(
        Rule(Fault.ANSWERED, path="department/simplelist", nth=2, answer=answer)
    )
    result = office.sync()
    (failed,) = [one for one in result.changes if one.result is Result.FAILED]
    assert failed.error is not None
    assert (failed.dingtalk_id, failed.error.code) == (staff[1].userid, "wecom-40066")
    assert len(office.wecom.directory.snapshot().members) == 2


def test_a_second_look_that_is_refused_spoils_nothing_that_was_done(office: World) -> None:
    office.set(approve_first_run=False, protected_wecom_userids=("boss",))
    boss, other = _staff(office, 2)
    office.console.add_member("boss", "老板", mobile=boss.mobile)
    office.sync()
    office.company.change(other.userid, title="经理")
    answer = Reply.of_json({"errcode": 60011, "errmsg": "refused"})
    office.wecom_faults.add(Rule(Fault.ANSWERED, path="user/list_id", nth=2, answer=answer))
    result = office.sync()
    assert (result.status, result.error) == (RunStatus.PARTIAL, None)
    assert _actions(result) == {"update": 1, "conflict": 1}
