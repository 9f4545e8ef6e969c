"""Every error code of WeCom, met by each call that changes something.

What the row promises is looked at: how the run ends, what becomes of the change and of those after
it, how often it is asked, whether it is tried again by itself, and that nothing but what the hint
says has to be done. The rows are those of the tests and not the program's own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest

from server.config.settings import Leavers
from server.errors.vendor import Correction, ErrorPolicy
from server.journal.runs import Result, RunStatus
from server.simulator.gate import Call
from server.simulator.httpd import Reply
from tests.server.dingtalk.rows import ROWS as DINGTALK
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.rewinding import call_directly, checkpoint
from tests.server.sync.world import DAY_MS, World, differences
from tests.server.vendor_rows import Row
from tests.server.wecom.rows import ROWS as WECOM

pytestmark = pytest.mark.slow

DONE, FAILED, SKIPPED = Result.DONE, Result.FAILED, Result.SKIPPED


@pytest.fixture(autouse=True)
def _directly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call_directly(world, monkeypatch)


def _refusal(number: int) -> Reply:
    return Reply.of_json({"errcode": number, "errmsg": "not this time"})


def _refuse(number: int, path: str, containing: str = "", times: int | None = None) -> Rule:
    answer = _refusal(number)
    return Rule(Fault.ANSWERED, path=path, containing=containing, answer=answer, times=times)


@dataclass(frozen=True)
class Outcome:
    """What a run came to. `first` is the change that was refused, `later` the one after it.

    is_done: WeCom did the first. is_noted: the ledger holds it for done, a removal included.
    """

    status: RunStatus
    first: tuple[Result, str | None]
    later: Result
    attempts: int
    is_blocked: bool = False
    is_retried: bool = False
    hint: str = ""
    is_done: bool = False
    is_noted: bool = False


@dataclass(frozen=True)
class Change:
    """A change about to be made: which call makes it, about whom, and what its request names."""

    call: str
    key: str
    named: str


def _hires(world: World) -> Change:
    """Two new people."""
    for each in "ab":
        world.hire(f"新{each}", userid=f"person-{each}", mobile=f"1380000000{ord(each) % 10}")
    return Change("user/create", "person-a", "person-a")


def _renamings(world: World) -> Change:
    """Two people with another name."""
    _hires(world)
    world.sync()
    for each in "ab":
        world.company.change(f"person-{each}", name=f"名{each}")
    return Change("user/update", "person-a", "person-a")


def _leavers(world: World) -> Change:
    """Two people who left and are to be disabled."""
    _hires(world)
    world.sync()
    for each in "ab":
        world.company.leave(f"person-{each}")
    return Change("user/update", "person-a", "person-a")


def _deletions(world: World) -> Change:
    """Two leavers who were disabled long enough."""
    world.set(leavers=Leavers.DELETE, delete_after_days=1)
    _leavers(world)
    world.sync()
    world.now_ms += 2 * DAY_MS
    return Change("user/delete", "person-a", "person-a")


def _foundings(world: World) -> Change:
    """Two new departments."""
    key = min(world.department(f"部门{each}") for each in "ab")
    name = world.company.roster.departments[key].name
    return Change("department/create", str(key), name)


def _new_names(world: World) -> Change:
    """Two departments with another name."""
    ids = sorted(world.department(f"部门{each}") for each in "ab")
    world.sync()
    for each, department_id in zip("ab", ids, strict=True):
        world.company.change_department(department_id, name=f"名{each}")
    return Change("department/update", str(ids[0]), "名a")


def _closings(world: World) -> Change:
    """Two departments that are gone."""
    ids = sorted(world.department(f"部门{each}") for each in "ab")
    world.sync()
    for department_id in ids:
        world.company.remove_department(department_id)
    wecom_ids = {key: world.ledger().departments[str(key)].wecom_id for key in ids}
    first = min(ids, key=lambda key: int(wecom_ids[key]))
    return Change("department/delete", str(first), wecom_ids[first])


SCENES = {
    "hires": _hires,
    "renamings": _renamings,
    "leavers": _leavers,
    "deletions": _deletions,
    "foundings": _foundings,
    "new names": _new_names,
    "closings": _closings,
}


def _is_about(calls: Iterable[Call], named: str) -> bool:
    """Whether any of these calls, which WeCom did take, is about somebody or something."""
    return any(named in str(dict(each.parameters)) for each in calls if each.errcode == 0)


def _noted(world: World, key: str) -> object:
    """Return what the ledger holds for done about somebody or something; an intent is not."""
    ledger = world.ledger()
    link = ledger.people.get(key) or ledger.departments.get(key)
    removals = [each for each in ledger.removals if each.dingtalk_id == key]
    if link is None or link.accepted is None:
        return None, removals
    return (link.accepted, getattr(link, "is_enabled", True)), removals


def _met(world: World, change: Change, rule: Rule) -> Outcome:
    """Make a run that meets a refusal, and say what it came to."""
    before = _noted(world, change.key)
    world.wecom_faults.add(rule)
    world.wecom.log.clear()
    result = world.sync()
    handled = world.wecom.log.calls(change.call)
    first = next(each for each in result.changes if each.dingtalk_id == change.key)
    later = next(each for each in result.changes if each.dingtalk_id != change.key)
    return Outcome(
        result.status,
        (first.result, first.error.code if first.error else None),
        later.result,
        len(world.wecom_faults.injected),
        result.blocked,
        result.retryable,
        str(first.error.hint) if first.error else "",
        _is_about(handled, change.named),
        _noted(world, change.key) != before,
    )


# What the member or department being gone means for a call that is about it.
GONE = {
    ("leavers", 60111),
    ("deletions", 60111),
    ("closings", 60003),
    ("closings", 60123),
}
CREATED_AGAIN = {
    ("renamings", 60111),
    ("new names", 40066),
    ("new names", 60003),
    ("new names", 60123),
}
CONFLICTS = {
    ("hires", 60104): ("mobile-held", "Search for the"),
    ("foundings", 60008): ("department-name-taken", "Enter its WeCom id"),
    ("new names", 60008): ("department-name-taken", "Enter its WeCom id"),
}
STUBBORN = {("hires", 60102): 8, ("renamings", 60102): 8, ("renamings", 60104): 8}
"""What is corrected or looked up again and again, until it is enough."""

WAITING = (Correction.CREATE_PARENT, Correction.REORDER_MOVES)


def _expected(row: Row, scene: str, call: str) -> Outcome:
    """Return what a row means for a change that meets it again and again."""
    met = (scene, row.number)
    refused = Outcome(RunStatus.PARTIAL, (FAILED, f"wecom-{row.number}"), DONE, 1, hint=row.hint)
    if met in GONE | CREATED_AGAIN:
        return Outcome(RunStatus.SUCCESS, (DONE, None), DONE, 1, is_done=True, is_noted=True)
    if met in CONFLICTS:
        code, hint = CONFLICTS[met]
        return replace(refused, first=(SKIPPED, code), hint=hint)
    if row.fix and call.endswith("delete"):  # nothing was sent that could be corrected
        return replace(refused, is_retried=True, hint="If it happens again")
    if row.fix:
        attempts = STUBBORN.get(met, 2 if row.fix in WAITING else 1)
        return replace(refused, attempts=attempts, is_retried=True)
    return _by_policy(row, refused, is_creation=call == "user/create")


def _by_policy(row: Row, refused: Outcome, *, is_creation: bool) -> Outcome:
    retried = replace(refused, is_retried=True)
    stopped = replace(refused, status=RunStatus.FAILED, later=SKIPPED, is_blocked=True)
    return {
        # A fresh token is refused as well.
        ErrorPolicy.REFRESH_TOKEN: replace(stopped, attempts=2, hint="Make sure that id and"),
        ErrorPolicy.STOP: stopped,
        ErrorPolicy.STOP_CREATES: replace(retried, later=SKIPPED if is_creation else DONE),
        ErrorPolicy.RETRY: replace(retried, attempts=1 + len(row.backoff_s)),
        ErrorPolicy.DEFER: replace(retried, attempts=2),
        ErrorPolicy.SKIP: replace(refused, is_retried=row.is_suspicious),
    }[row.policy]


def _rule(world: World, scene: str, number: int, change: Change) -> Rule:
    """Refuse for good; where the code says that something is gone, it is."""
    if (scene, number) not in GONE | CREATED_AGAIN:
        return _refuse(number, change.call, change.named)

    def gone(_: Reply) -> Reply:
        if change.key in world.wecom.directory.snapshot().members:
            world.console.delete_member(change.key)
        elif scene == "new names":
            wecom_id = world.ledger().departments[change.key].wecom_id
            world.console.delete_department(int(wecom_id))
        return _refusal(number)

    return Rule(Fault.ANSWERED, change.call, change.named, times=1, alter=gone)


def _cut(actual: Outcome, expected: Outcome) -> Outcome:
    """Leave of a hint as much as a row says of it, which is how it begins."""
    return replace(actual, hint=actual.hint[: len(expected.hint) or None])


@pytest.mark.parametrize("scene", SCENES)
def test_what_wecom_refuses_has_the_outcome_of_its_row_and_is_made_up_for(
    world: World, scene: str
) -> None:
    world.set(max_removals=100, max_removal_percent=100)
    world.hire("老板", mobile="13900000000")
    world.sync()
    change = SCENES[scene](world)
    rewind = checkpoint(world)
    actual: dict[int, Outcome] = {}
    for row in WECOM:
        rewind()
        actual[row.number] = _met(world, change, _rule(world, scene, row.number, change))
        world.wecom_faults.switch_off()
        world.engine.client_pool.retry_rejected_credentials()
        world.now_ms += DAY_MS
        assert world.sync().status is RunStatus.SUCCESS, row.number
        assert differences(world) == [], row.number
    expected = {row.number: _expected(row, scene, change.call) for row in WECOM}
    assert {key: _cut(each, expected[key]) for key, each in actual.items()} == expected


# What is done about a refusal that comes once: (result, attempts). A correction that is not made
# leaves the change failed after one attempt.
CORRECTED: dict[tuple[Correction, str], tuple[Result, int]] = {
    (Correction.ADOPT_HOLDER, "user/create"): (SKIPPED, 1),  # by nobody known: for the admin
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
            mobile=f"13{row.number:09d}",
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
        named = key
        if call.startswith("department"):
            named = world.company.roster.departments[int(key)].name
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
