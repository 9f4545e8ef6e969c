"""Every error code of both platforms, met by each call that changes something.

What the row promises is looked at: how the run ends, what becomes of the change and of those after
it, how often it is asked, whether it is tried again by itself, and that nothing but what the hint
says has to be done. The rows are those of the tests and not the program's own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from server.errors.vendor import Correction, ErrorPolicy
from server.journal.runs import Result, RunStatus
from server.simulator.httpd import Reply
from server.sync.outcome import RunResult
from tests.server.dingtalk.rows import ROWS as DINGTALK
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, World, differences
from tests.server.vendor_rows import Row
from tests.server.wecom.rows import ROWS as WECOM

pytestmark = pytest.mark.slow

DONE, FAILED, SKIPPED = Result.DONE, Result.FAILED, Result.SKIPPED


def _refuse(number: int, path: str, containing: str = "", times: int | None = None) -> Rule:
    answer = Reply.of_json({"errcode": number, "errmsg": "not this time"})
    return Rule(Fault.ANSWERED, path=path, containing=containing, answer=answer, times=times)


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `first` is the change that was refused, `later` the one after it."""

    status: RunStatus
    first: tuple[Result, str | None]
    later: Result
    attempts: int
    is_blocked: bool = False
    is_retried: bool = False
    hint: str = ""


def _outcome(result: RunResult, key: str, attempts: int) -> Outcome:
    keys = [change.dingtalk_id for change in result.changes]
    first = result.changes[keys.index(key)]
    later = next(change for change in result.changes if change.dingtalk_id != key)
    return Outcome(
        result.status,
        (first.result, first.error.code if first.error else None),
        later.result,
        attempts,
        result.blocked,
        result.retryable,
        str(first.error.hint)[:12] if first.error else "",
    )


def _expected(row: Row, call: str) -> Outcome:
    """Return what the fate of a row means for a change that meets it again and again."""
    hint = row.hint[:12]
    told = (FAILED, f"wecom-{row.number}")
    partial = RunStatus.PARTIAL
    if row.policy is ErrorPolicy.REFRESH_TOKEN:  # a fresh one is refused as well
        return Outcome(RunStatus.FAILED, told, SKIPPED, 2, is_blocked=True, hint="Make sure th")
    if row.policy is ErrorPolicy.STOP:
        return Outcome(RunStatus.FAILED, told, SKIPPED, 1, is_blocked=True, hint=hint)
    if row.policy is ErrorPolicy.STOP_CREATES:
        later = SKIPPED if call == "user/create" else DONE
        return Outcome(partial, told, later, 1, is_retried=True, hint=hint)
    if row.policy is ErrorPolicy.RETRY:
        return Outcome(partial, told, DONE, 1 + len(row.backoff_s), is_retried=True, hint=hint)
    if row.policy is ErrorPolicy.DEFER:
        return Outcome(partial, told, DONE, 2, is_retried=True, hint=hint)
    return Outcome(partial, told, DONE, 1, is_retried=row.is_suspicious, hint=hint)


class Hires:
    """Two new people, of whom the first is refused."""

    call = "user/create"

    def happen(self, world: World, number: int) -> str:
        for each in "ab":
            world.hire(
                f"新{each}{number}", userid=f"{number:08d}{each}", mobile=_mobile(number, each)
            )
        return f"{number:08d}a"

    def undo(self, world: World, number: int) -> None:
        for each in "ab":
            world.company.leave(f"{number:08d}{each}")


class Renamings:
    """Two people with another name."""

    call = "user/update"

    def __init__(self, world: World) -> None:
        for each in "ab":
            world.hire("甲", userid=f"p{each}", mobile=_mobile(0, each))
        world.sync()

    def happen(self, world: World, number: int) -> str:
        for each in "ab":
            world.company.change(f"p{each}", name=f"名{number}")
        return "pa"

    def undo(self, world: World, number: int) -> None:
        """Leave the names: the next row gives others."""


class Foundings:
    """Two new departments."""

    call = "department/create"

    def happen(self, world: World, number: int) -> str:
        return str(min(world.department(f"部门{number}{each}") for each in "ab"))

    def undo(self, world: World, number: int) -> None:
        for place in tuple(world.company.roster.departments.values()):
            if place.name in (f"部门{number}a", f"部门{number}b"):
                world.company.remove_department(place.dept_id)


class NewNames:
    """Two departments with another name."""

    call = "department/update"

    def __init__(self, world: World) -> None:
        self._ids = sorted(world.department(f"部门{each}") for each in "ab")
        world.sync()

    def happen(self, world: World, number: int) -> str:
        for each, department_id in zip("ab", self._ids, strict=True):
            world.company.change_department(department_id, name=f"名{each}{number}")
        return str(self._ids[0])

    def undo(self, world: World, number: int) -> None:
        """Leave the names: the next row gives others."""


def _mobile(number: int, each: str) -> str:
    return f"13{number % 10**8:08d}{ord(each) % 10}"


Scenes = Callable[[World], Hires | Renamings | Foundings | NewNames]
SCENES: tuple[Scenes, ...] = (lambda _: Hires(), Renamings, lambda _: Foundings(), NewNames)


def _is_plain(row: Row) -> bool:
    """Whether the fate alone says what follows; corrections have a table of their own."""
    return row.policy is not ErrorPolicy.FIX and row.number != 60020


@pytest.mark.parametrize("scenes", SCENES, ids=["hires", "renamings", "foundings", "new names"])
def test_what_wecom_refuses_has_the_outcome_of_its_row_and_is_made_up_for(
    world: World, scenes: Scenes
) -> None:
    world.hire("老板", mobile="13900000000")
    world.sync()
    context = scenes(world)
    actual: dict[int, Outcome] = {}
    for row in filter(_is_plain, WECOM):
        key = context.happen(world, row.number % 100_000_000)
        world.wecom_faults.add(_refuse(row.number, context.call, _named(world, context.call, key)))
        before = len(world.wecom_faults.injected)
        result = world.sync()
        attempts = len(world.wecom_faults.injected) - before
        actual[row.number] = _outcome(result, key, attempts)
        world.wecom_faults.switch_off()
        world.engine.client_pool.retry_rejected_credentials()
        world.now_ms += DAY_MS
        assert world.sync().status is RunStatus.SUCCESS, row.number
        assert differences(world) == [], row.number
        # A company that grew by two with every row would be read for minutes.
        context.undo(world, row.number % 100_000_000)
        assert world.first_sync().status is RunStatus.SUCCESS, row.number
    assert actual == {row.number: _expected(row, context.call) for row in WECOM if _is_plain(row)}
    assert differences(world) == []


def _named(world: World, call: str, key: str) -> str:
    """Return what stands in the body of a call about somebody or something."""
    if call == "department/create":
        return world.company.roster.departments[int(key)].name
    if call == "department/update":
        return world.company.roster.departments[int(key)].name
    return key


# What is done about a refusal that comes once: (result, attempts). A correction that is not made
# leaves the change failed after one attempt.
CORRECTED: dict[tuple[Correction, str], tuple[Result, int]] = {
    (Correction.ADOPT_HOLDER, "user/create"): (SKIPPED, 1),  # nobody knows the holder: a conflict
    (Correction.CREATE_INSTEAD, "user/create"): (DONE, 2),  # the leader was meant
    (Correction.CREATE_PARENT, "user/create"): (DONE, 2),
    (Correction.DROP_EMAIL, "user/create"): (DONE, 2),
    (Correction.DROP_MOBILE, "user/create"): (DONE, 2),
    (Correction.DROP_POSITION, "user/create"): (DONE, 2),
    (Correction.DROP_TELEPHONE, "user/create"): (DONE, 2),
    (Correction.REFRESH_DEPARTMENTS, "user/create"): (DONE, 2),  # without the one that went
    (Correction.REORDER_MOVES, "user/create"): (DONE, 2),
    (Correction.UPDATE_INSTEAD, "user/create"): (DONE, 2),
    (Correction.NAME_TAKEN, "department/create"): (SKIPPED, 1),  # a conflict for the admin
    (Correction.CREATE_PARENT, "department/create"): (DONE, 2),
    (Correction.REORDER_MOVES, "department/create"): (DONE, 2),
    (Correction.REFRESH_DEPARTMENTS, "department/update"): (DONE, 2),  # created again
}


def test_every_correction_that_a_row_can_name_is_among_them() -> None:
    assert {fix for fix, _ in CORRECTED} == set(Correction)
    named = {row.fix for row in (*WECOM, *DINGTALK)} - {None}
    assert named == set(Correction)


@pytest.mark.parametrize(
    ("fix", "call"), CORRECTED, ids=lambda value: getattr(value, "value", value)
)
def test_what_a_row_promises_to_correct_is_corrected(
    world: World, fix: Correction, call: str
) -> None:
    boss = world.hire("老板", mobile="13900000000")
    actual: dict[int, tuple[Result, int]] = {}

    def deleting(reply: Reply) -> Reply:
        """Let the admin of WeCom delete a department between the read and the write."""
        world.console.delete_department(int(world.ledger().departments[str(empty)].wecom_id))
        return reply

    rows = [row for row in WECOM if row.fix is fix]
    for row in rows:
        empty = world.department(f"空{row.number}")
        world.sync()
        person = world.company.draft(
            "新人",
            (1, empty),
            mobile=_mobile(row.number, "a"),
            email=f"n{row.number}@example.com",
            title="经理",
            telephone="010-12345678",
            manager_userid=boss.userid,
        )
        key = person.userid
        if call == "user/create":
            world.company.hire(person)
        elif call == "department/create":
            key = str(world.department(f"部门{row.number}"))
        else:
            key = str(empty)
            world.company.change_department(empty, name=f"部门{row.number}")
        named = _named(world, call, key)
        if fix is Correction.REFRESH_DEPARTMENTS:
            world.wecom_faults.add(Rule(Fault.ANSWERED, "user/list_id", times=1, alter=deleting))
        world.wecom_faults.add(_refuse(row.number, call, named, times=1))
        world.wecom.log.clear()
        result = world.sync()
        change = next(each for each in result.changes if each.dingtalk_id == key)
        made = [each for each in world.wecom.log.calls() if named in str(dict(each.parameters))]
        actual[row.number] = (change.result, 1 + len(made))
        world.wecom_faults.switch_off()
        world.now_ms += DAY_MS
        world.sync()  # brings the department back
    assert actual == {row.number: CORRECTED[fix, call] for row in rows}


@pytest.mark.parametrize("row", DINGTALK, ids=lambda row: str(row.number))
def test_whatever_dingtalk_refuses_removes_nobody_and_is_told_in_the_words_of_its_row(
    world: World, row: Row
) -> None:
    place = world.department("研发部")
    world.hire("王伟", place, mobile="13800000001")
    world.hire("李娜", mobile="13800000002")
    world.sync()
    world.dingtalk_faults.add(_refuse(row.number, "/user/list", str(place)))
    world.hire("新人", mobile="13800000003")
    result = world.sync()
    told = result.error.title if result.error else None
    ends_all = (
        row.policy in (ErrorPolicy.STOP, ErrorPolicy.REFRESH_TOKEN)
        and row.number not in PERMISSIONS
    )
    assert (result.status is RunStatus.FAILED, result.blocked) == (ends_all, ends_all)
    if ends_all:
        assert result.error is not None
        assert result.error.code == f"dingtalk-{row.number}"
        assert result.changes == ()
    else:
        texts = [message.text for message in result.incomplete_reason]
        assert told is None
        assert any(text.startswith(row.title) for text in texts)
        is_hinted = any(text.startswith(row.hint) for text in texts)
        assert is_hinted == (row.policy is not ErrorPolicy.RETRY)
        assert [change.result for change in result.changes] == [DONE]  # others are taken over
    attempts = {ErrorPolicy.RETRY: 1 + len(row.backoff_s), ErrorPolicy.REFRESH_TOKEN: 2}
    assert len(world.dingtalk_faults.injected) == attempts.get(row.policy, 1)
    assert all(member.is_enabled for member in world.wecom.directory.snapshot().members.values())
    world.dingtalk_faults.switch_off()
    world.engine.client_pool.retry_rejected_credentials()
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


PERMISSIONS = {60011, 43007, 88}
