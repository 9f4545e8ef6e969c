"""Each kind of refusal has its fate: skipped, corrected, deferred, or the end of the run."""

import pytest

from server.errors.vendor import ErrorPolicy
from server.journal.runs import Result, RunStatus
from server.simulator.httpd import Reply
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World
from tests.server.wecom.rows import ROWS


def _answer(errcode: int) -> Reply:
    return Reply.of_json({"errcode": errcode, "errmsg": "refused"})


def _incomplete(world: World, rule: Rule) -> list[str]:
    world.dingtalk_faults.add(rule)
    result = world.sync()
    assert (result.status, result.snapshot_complete) == (RunStatus.PARTIAL, False)
    return [str(one) for one in result.incomplete_reason]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("user/list", {"errcode": 60011, "errmsg": "no"}),
        ("user/list", {"errcode": 88, "sub_code": "60011", "sub_msg": "no", "errmsg": "no"}),
        ("user/get", {"errcode": 60011, "errmsg": "no"}),
    ],
)
def test_a_missing_permission_is_named_with_its_call_and_code_and_what_to_do(
    world: World, path: str, answer: dict[str, object]
) -> None:
    for number in range(3):
        world.company.create_department(f"部门{number}")
        world.hire(f"王伟{number}", mobile=f"1380000000{number}")
    rule = Rule(Fault.ANSWERED, path=path, answer=Reply.of_json(answer))
    told = _incomplete(world, rule)
    assert f"{path} (error 60011)" in told[0]
    assert "qyapi_get_department_member" in told[1]
    assert len(told) == len(set(told))


def test_departments_that_could_not_be_read_are_told_with_the_reason(world: World) -> None:
    staff = [world.department(f"部门{number}") for number in range(2)]
    for number in range(3):
        world.hire(f"王伟{number}", mobile=f"1380000000{number}")
    world.sync()
    told = _incomplete(world, Rule(Fault.SERVER_ERROR, path="user/list", containing=str(staff[0])))
    assert str(staff[0]) in told[0]
    assert told[1:] == ["DingTalk's server failed to answer topapi/v2/user/list (HTTP 500)."]
    world.dingtalk_faults.switch_off()
    answer = Reply.of_json({"errcode": 50004, "errmsg": "no"})
    rules = [
        Rule(Fault.ANSWERED, path="user/list", containing=str(one), answer=answer) for one in staff
    ]
    world.dingtalk_faults.add(rules[0])
    told = _incomplete(world, rules[1])
    assert set(told[:-2]) == {f"Department {one} could not be read completely." for one in staff}
    assert "50004" in told[-2]
    assert "contact scope" in told[-1]


def test_a_department_that_wecom_made_up_is_no_success(world: World) -> None:
    person = world.hire("甲", mobile="13800000001")
    made = {"department_info": [{"name": "xxxx", "id": 123}]}
    answer = Reply.of_json({"errcode": 0, "errmsg": "created", "created_department_list": made})
    world.wecom_faults.add(Rule(Fault.ANSWERED, path="user/create", answer=answer))
    result = world.sync()
    assert (result.status, result.retryable) == (RunStatus.PARTIAL, False)
    (change,) = result.changes
    assert (change.dingtalk_id, change.result) == (person.userid, Result.DONE)
    assert "xxxx (123)" in str(result.warnings[0])


@pytest.mark.parametrize("errcode", [row.number for row in ROWS if row.policy is ErrorPolicy.FIX])
def test_no_correction_goes_round_in_circles(world: World, errcode: int) -> None:
    world.department("研发部")
    world.hire("甲", mobile="13800000001", email="jia@example.com", title="经理")
    for path in ("user/create", "department/create"):
        world.wecom_faults.add(Rule(Fault.ANSWERED, path=path, answer=_answer(errcode)))
    result = world.sync()
    assert result.status is RunStatus.PARTIAL
    assert all(one.error for one in result.changes if one.result is not Result.DONE)
    assert len(world.wecom_faults.injected) <= 20


@pytest.mark.parametrize("errcode", [40089, 50003, 50005, 90020])
def test_what_dingtalk_refuses_for_everything_writes_nothing(world: World, errcode: int) -> None:
    world.hire("甲", mobile="13800000001")
    world.dingtalk_faults.add(Rule(Fault.ANSWERED, path="", answer=_answer(errcode)))
    result = world.sync()
    assert (result.status, result.blocked) == (RunStatus.FAILED, True)
    assert world.attempted_writes() == []


def test_a_missing_permission_makes_the_snapshot_incomplete(world: World) -> None:
    world.hire("甲", mobile="13800000001")
    world.sync()
    world.dingtalk.rules.missing_permissions = frozenset({"qyapi_get_department_member"})
    result = world.sync()
    assert (result.status, result.snapshot_complete) == (RunStatus.PARTIAL, False)
    assert len(world.ledger().people) == 1


def test_a_missing_permission_to_read_people_is_not_asked_for_thousands_of_times(
    world: World,
) -> None:
    for number in range(30):
        world.hire(f"王伟{number}", mobile=f"138000000{number:02}")
    world.dingtalk.rules.missing_permissions = frozenset({"qyapi_get_member"})
    result = world.sync()
    assert (result.status, result.snapshot_complete) == (RunStatus.PARTIAL, False)
    assert len(world.ledger().people) == 30


def _hire_many(world: World, count: int) -> list[str]:
    """Hire people who are created in the order of their userids."""
    userids = [f"p{number:03}" for number in range(count)]
    for number, userid in enumerate(userids):
        world.hire(f"王伟{number}", userid=userid, mobile=f"138000000{number:02}")
    return userids


def _results_with(world: World, refused: dict[int, int], count: int) -> list[Result]:
    """Return what became of people of whom some are refused, by their number, with a code each."""
    userids = _hire_many(world, count)
    for number, errcode in refused.items():
        rule = Rule(
            Fault.ANSWERED, "user/create", containing=userids[number], answer=_answer(errcode)
        )
        world.wecom_faults.add(rule)
    return [one.result for one in world.sync().changes]


DONE, FAILED, SKIPPED = Result.DONE, Result.FAILED, Result.SKIPPED
UNKNOWN, BUSY, BAD_NAME, TAKEN_NAME = 60999, -1, 60112, 60102


def test_ten_unknown_codes_in_a_row_end_the_run(world: World) -> None:
    assert (
        _results_with(world, dict.fromkeys(range(15), UNKNOWN), 15) == [FAILED] * 10 + [SKIPPED] * 5
    )
    assert world.sync().status is RunStatus.FAILED


def test_nine_unknown_codes_and_a_success_between_end_nothing(world: World) -> None:
    refused = dict.fromkeys([*range(9), *range(10, 19)], UNKNOWN)

    assert _results_with(world, refused, 19) == [FAILED] * 9 + [DONE] + [FAILED] * 9


def test_a_code_that_is_known_interrupts_those_that_are_not(world: World) -> None:
    refused = {
        **dict.fromkeys(range(9), UNKNOWN),
        9: BAD_NAME,
        **dict.fromkeys(range(10, 25), UNKNOWN),
    }

    assert _results_with(world, refused, 25) == [FAILED] * 20 + [SKIPPED] * 5


def test_three_exhausted_calls_in_a_row_end_the_run(world: World) -> None:
    results = _results_with(world, dict.fromkeys(range(6), BUSY), 6)

    assert results == [FAILED] * 3 + [SKIPPED] * 3
    assert len(world.wecom_faults.injected) == 3 * 4  # each with all its attempts


def test_two_exhausted_calls_and_a_success_between_end_nothing(world: World) -> None:
    refused = dict.fromkeys([0, 1, 3, 4], BUSY)

    assert _results_with(world, refused, 5) == [FAILED] * 2 + [DONE] + [FAILED] * 2


def test_an_exhausted_call_interrupts_neither_less_nor_more_than_itself(world: World) -> None:
    refused = {0: BUSY, 1: BUSY, 2: BAD_NAME, 3: BUSY, 4: BUSY, 5: BUSY}

    assert _results_with(world, refused, 8) == [FAILED] * 6 + [SKIPPED] * 2


def test_secrets_and_tokens_are_in_no_result_and_no_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.hire("甲", mobile="13800000001")
    world.wecom_faults.add(Rule(Fault.SERVER_ERROR, path="user/create"))
    caplog.set_level(0)
    told = repr(world.sync()) + caplog.text
    assert world.wecom.rules.contact_secret not in told
    assert world.dingtalk.rules.app_secret not in told
    assert world.wecom.tokens.issue()[0] not in told
