"""Every error code of both vendors, met by each call that reads or logs in.

A run that could not read something removes nothing that this leaves in doubt, tells the words of
the row, and is made up for by the next one. The rows are those of the tests and not the program's
own.
"""

from dataclasses import dataclass, replace

import pytest

from server.errors.vendor import ErrorPolicy
from server.journal import sync_state
from server.journal.runs import RunStatus
from server.simulator.httpd import Reply
from server.sync.outcome import RunResult
from server.sync.worker import Worker
from tests.server.dingtalk.rows import ROWS as DINGTALK
from tests.server.simulator.faults import Fault, FaultPlan, Rule
from tests.server.sync.rewinding import call_directly, checkpoint
from tests.server.sync.world import DAY_MS, World, differences
from tests.server.vendor_rows import Row
from tests.server.wecom.rows import ROWS as WECOM

pytestmark = pytest.mark.slow

PERMISSIONS = {60011, 43007, 88}
PERSON_GONE = {33012, 60111, 60121}
DEPARTMENT_GONE = {60003}
OUT_OF_SCOPE = {50002, 50004}
# A wrong secret is not tried again by itself; at a login, a refused token means the same.
DINGTALK_CREDENTIALS = {33001, 40089}
DINGTALK_LOGIN = DINGTALK_CREDENTIALS | {40001, 40014, 42001}
WECOM_LOGIN = {40001, 40013, 40014, 40091, 41002, 41004, 42001, 45031}


@pytest.fixture(autouse=True)
def _directly(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    call_directly(world, monkeypatch)


def _refuse(faults: FaultPlan, number: int, path: str, containing: str = "") -> None:
    answer = Reply.of_json({"errcode": number, "errmsg": "not this time"})
    faults.add(Rule(Fault.ANSWERED, path, containing, answer=answer))


def _attempts(row: Row) -> int:
    """Return how often a call is made that is refused again and again."""
    renewed = 2 if row.policy is ErrorPolicy.REFRESH_TOKEN else 1
    return 1 + len(row.backoff_s) if row.policy is ErrorPolicy.RETRY else renewed


def _is_end(row: Row) -> bool:
    return row.policy in (ErrorPolicy.STOP, ErrorPolicy.REFRESH_TOKEN)


def _make_up(world: World) -> None:
    """See that the next run has nothing left to wish for."""
    world.dingtalk_faults.switch_off()
    world.wecom_faults.switch_off()
    world.engine.client_pool.retry_rejected_credentials()
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


@dataclass(frozen=True)
class Read:
    """What a run came to that met a refusal of DingTalk.

    done: of "arrival", "leaver" and "department" those that were created, disabled, deleted.
    told: how the words for the admin begin, each of those that a row has.
    """

    status: RunStatus
    attempts: int
    done: frozenset[str] = frozenset()
    is_blocked: bool = False
    is_retried: bool = False
    code: str | None = None
    told: tuple[str, ...] = ()


EVERYTHING = frozenset({"arrival", "leaver", "department"})


class Change:
    """A company in which somebody came, somebody left, and a department was removed."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.set(max_removals=100, max_removal_percent=100)
        self.place = str(world.department("研发部"))
        self.gone = str(world.department("空部"))
        world.hire("王伟", int(self.place), userid="stays", mobile="13800000001")
        world.hire("李娜", userid="leaves", mobile="13800000002")
        world.hire("老板", userid="boss", mobile="13800000004")
        world.sync()
        links = world.ledger().departments
        self._place, self._gone = (int(links[one].wecom_id) for one in (self.place, self.gone))
        world.company.leave("leaves")
        world.company.remove_department(int(self.gone))
        world.hire("新人", userid="arrives", mobile="13800000003")

    def done(self) -> frozenset[str]:
        """Name what was brought to WeCom; what exists must not have gone."""
        seen = self._world.wecom.directory.snapshot()
        assert seen.members["stays"].is_enabled
        assert self._place in seen.departments
        found = {
            "arrival": "arrives" in seen.members,
            "leaver": not seen.members["leaves"].is_enabled,
            "department": self._gone not in seen.departments,
        }
        removals = {each.dingtalk_id for each in self._world.ledger().removals}
        assert ("leaves" in removals) is found["leaver"]
        assert (self.gone in removals) is found["department"]
        return frozenset(name for name, is_done in found.items() if is_done)


def _told(result: RunResult, row: Row) -> tuple[str, ...]:
    texts = [message.text for message in result.incomplete_reason]
    if result.error:
        texts = [result.error.title.text, result.error.hint.text]
    beginnings = (row.title, row.hint)
    return tuple(each for each in beginnings if any(text.startswith(each) for text in texts))


def _met(world: World, change: Change, row: Row) -> Read:
    """Make a run into a refusal and say what it came to, by the words of this row."""
    result = world.sync()
    return Read(
        result.status,
        len(world.dingtalk_faults.injected),
        change.done(),
        result.blocked,
        result.retryable,
        result.error.code if result.error else None,
        _told(result, row),
    )


SITES = {
    "root": "department/get",
    "order": "department/get",
    "missing department": "department/get",
    "below": "department/listsub",
    "members": "user/list",
    "arrival": "user/get",
    "leaver": "user/get",
}


def _about(site: str, change: Change) -> str:
    """Return what stands in the body of the call that is refused."""
    named = {
        "root": '"dept_id": 1}',
        "missing department": change.gone,
        "arrival": "arrives",
        "leaver": "leaves",
    }
    return named.get(site, change.place)


def _expected(row: Row, site: str) -> Read:
    attempts = _attempts(row)
    is_permission = row.number in PERMISSIONS
    words = (row.title,) if row.policy is ErrorPolicy.RETRY else (row.title, row.hint)
    if _is_end(row) and not is_permission:
        is_token = row.policy is ErrorPolicy.REFRESH_TOKEN
        told = () if is_token else (row.title, row.hint)  # even a fresh one is refused
        code = f"dingtalk-{row.number}"
        return Read(RunStatus.FAILED, attempts, is_blocked=True, code=code, told=told)
    done = Read(RunStatus.SUCCESS, attempts, EVERYTHING)
    gap = Read(RunStatus.PARTIAL, attempts, frozenset({"arrival"}), is_retried=True, told=words)
    if site == "root":
        said = {60003: (row.hint,), 50002: (), 50004: ()}  # in words about that department
        return replace(gap, done=frozenset(), told=said.get(row.number, words))
    if site in ("below", "members"):
        return gap
    if site == "missing department":
        kept = replace(gap, done=EVERYTHING - {"department"}, told=())
        return done if row.number in DEPARTMENT_GONE else kept
    if site == "leaver":
        kept = replace(gap, done=EVERYTHING - {"leaver"}, told=())
        return done if row.number in PERSON_GONE else kept
    return _of_details(row, site, done, gap)


def _of_details(row: Row, site: str, done: Read, gap: Read) -> Read:
    """Return what becomes of a run that lacks an order, or a manager, which the next one reads."""
    if site == "arrival" and row.number in PERMISSIONS:
        return gap
    if site == "arrival" and row.number in PERSON_GONE:
        return replace(done, done=EVERYTHING - {"arrival"})  # list and single read contradict
    return done


@pytest.mark.parametrize("site", SITES)
def test_whatever_dingtalk_refuses_removes_nobody_who_may_exist_and_is_made_up_for(
    world: World, site: str
) -> None:
    change = Change(world)
    rewind = checkpoint(world)
    actual: dict[int, Read] = {}
    for row in DINGTALK:
        rewind()
        _refuse(world.dingtalk_faults, row.number, SITES[site], _about(site, change))
        actual[row.number] = _met(world, change, row)
        _make_up(world)
    assert actual == {row.number: _expected(row, site) for row in DINGTALK}


@dataclass(frozen=True)
class Stop:
    """How a run ended that could do nothing. `asked_again`: by the next run, the fault unmended."""

    code: str | None
    is_blocked: bool
    is_retried: bool
    attempts: int
    asked_again: int
    hint: str


def _stopped(world: World, faults: FaultPlan) -> Stop:
    """Make two runs into a refusal, neither of which may write anything."""
    before = world.ledger()
    world.forget_calls()
    result = world.sync()
    attempts = len(faults.injected)
    world.sync()
    assert (result.status, result.changes) == (RunStatus.FAILED, ())
    assert world.attempted_writes() == []
    assert world.ledger() == before
    assert result.error is not None
    return Stop(
        result.error.code,
        result.blocked,
        result.retryable,
        attempts,
        len(faults.injected) - attempts,
        str(result.error.hint),
    )


def _cut(actual: dict[int, Stop], expected: dict[int, Stop]) -> dict[int, Stop]:
    """Leave of a hint as much as a row says of it, which is how it begins."""
    return {
        number: replace(each, hint=each.hint[: len(expected[number].hint)])
        for number, each in actual.items()
    }


def _is_retry(row: Row) -> bool:
    return row.policy is ErrorPolicy.RETRY


def test_a_login_that_dingtalk_refuses_has_the_outcome_of_its_row(world: World) -> None:
    """Who cannot log in reads nothing: that is the root department unread, or the end."""
    change = Change(world)
    rewind = checkpoint(world)
    (wrong,) = [row for row in DINGTALK if row.number == 33001]
    actual, expected = dict[int, object](), dict[int, object]()
    for row in DINGTALK:
        rewind()
        world.engine.close()
        world.engine = world.new_engine()
        _refuse(world.dingtalk_faults, row.number, "gettoken")
        is_wrong = row.number in DINGTALK_LOGIN
        read = _met(world, change, wrong if is_wrong else row)
        world.sync()
        actual[row.number] = (read, len(world.dingtalk_faults.injected) - read.attempts)
        assert change.done() == frozenset()
        _make_up(world)
        attempts = _attempts(row)
        as_root = _expected(row, "root")
        if row.number in OUT_OF_SCOPE:  # asks in vain what is in scope
            attempts = 2
            as_root = replace(as_root, attempts=attempts, told=(row.hint,))
        refused = replace(_expected(wrong, "root"), code=f"dingtalk-{row.number}")
        expected[row.number] = (refused, 0) if is_wrong else (as_root, attempts)
    assert actual == expected


@pytest.mark.parametrize("call", ["gettoken", "department/simplelist", "user/list_id"])
def test_a_read_that_wecom_refuses_ends_the_run_before_anything_is_written(
    world: World, call: str
) -> None:
    Change(world)
    rewind = checkpoint(world)
    (wrong,) = [row for row in WECOM if row.number == 40001]
    actual, expected = dict[int, Stop](), dict[int, Stop]()
    for row in WECOM:
        rewind()
        world.engine.close()
        world.engine = world.new_engine()
        _refuse(world.wecom_faults, row.number, call)
        actual[row.number] = _stopped(world, world.wecom_faults)
        is_wrong = call == "gettoken" and row.number in WECOM_LOGIN
        attempts = 1 if is_wrong else _attempts(row)
        hint = row.hint
        if row.policy is ErrorPolicy.REFRESH_TOKEN:
            hint = wrong.hint if is_wrong else "Make sure that id and"
        expected[row.number] = Stop(
            f"wecom-{row.number}",
            _is_end(row),
            _is_retry(row),
            attempts,
            0 if is_wrong else attempts,
            "If it happens again" if row.fix else hint,  # nothing was sent that could be corrected
        )
    assert _cut(actual, expected) == expected
    _make_up(world)


def test_that_wecom_does_not_say_who_holds_a_mobile_stops_nobody(world: World) -> None:
    world.console.add_member("stranger", "某人", mobile="13900000099")
    world.set(protected_wecom_userids=("stranger",))
    for each in "ab":
        world.hire(f"新{each}", userid=f"person-{each}", mobile=f"1380000000{ord(each) % 10}")
    rewind = checkpoint(world)
    actual, expected = dict[int, object](), dict[int, object]()
    for row in WECOM:
        rewind()
        _refuse(world.wecom_faults, row.number, "user/getuserid")
        result = world.sync()
        attempts = len(world.wecom_faults.injected)
        done = {"person-a", "person-b"} <= world.wecom.directory.snapshot().members.keys()
        actual[row.number] = (result.status, result.blocked, result.retryable, done, attempts)
        # That nobody has the number is an answer, after which the next one is asked for.
        asked = 2 if row.number == 46004 else _attempts(row)
        expected[row.number] = (RunStatus.SUCCESS, False, False, True, asked)
    assert actual == expected


@dataclass(frozen=True)
class Missed:
    """What became of asking for missed events: how often, what is told, and what keeps still."""

    attempts: int
    unfetched: str | None
    quarantine: str | None


def _go_on(world: World, worker: Worker) -> None:
    world.now_ms += DAY_MS // 12
    for _ in range(4):
        worker.loop(world.now_ms)


def test_missed_events_that_dingtalk_refuses_have_the_outcome_of_their_row_and_come_later(
    world: World,
) -> None:
    world.hire("老板", userid="boss", mobile="13900000000")
    world.sync()
    rewind = checkpoint(world)
    actual, expected = dict[int, Missed](), dict[int, Missed]()
    for row in DINGTALK:
        rewind()
        (payload, *_) = world.company.hire(
            world.company.draft("新人", (1,), userid="arrives", mobile="13800000003")
        )
        world.dingtalk.callbacks.record_failure(payload)
        worker = world.new_worker()
        _refuse(world.dingtalk_faults, row.number, "get_call_back_failed_result")
        world.now_ms += DAY_MS // 24
        worker.loop(world.now_ms)
        attempts = len(world.dingtalk_faults.injected)
        state = world.journal.read(sync_state.load)
        actual[row.number] = Missed(
            attempts,
            state.unfetched.code if state.unfetched else None,
            state.quarantine.cause.code if state.quarantine else None,
        )
        is_hopeless = row.number in DINGTALK_CREDENTIALS | {60020}
        code = f"dingtalk-{row.number}"
        expected[row.number] = Missed(_attempts(row), code, code if is_hopeless else None)
        world.dingtalk_faults.switch_off()
        _go_on(world, worker)
        state = world.journal.read(sync_state.load)
        assert (state.unfetched, state.quarantine) == (None, None), row.number
        assert "arrives" in world.wecom.directory.snapshot().members, row.number
    assert actual == expected
