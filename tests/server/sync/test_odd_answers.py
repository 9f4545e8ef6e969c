"""An odd entry in an answer is a gap in a reading or a failed change, never a fault of the run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from server.directory.change import Action
from server.journal.runs import RunStatus
from server.simulator.httpd import Reply
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World, differences

ODD: list[Any] = ["abc", "²", "1_0", "٣", None, [], {}, 1.5, 10**400, "[" * 100_000, "\0"]


def _with(change: Callable[[Any], object]) -> Callable[[Reply], Reply]:
    def alter(reply: Reply) -> Reply:
        answer = json.loads(reply.body)
        change(answer)
        return Reply(json.dumps(answer).encode())

    return alter


def _set(*way: Any, value: object) -> Callable[[Any], object]:
    def change(answer: Any) -> None:
        *outer, last = way
        for key in outer:
            answer = answer[key] if not isinstance(key, int) or len(answer) > key else {}
        if isinstance(answer, dict) or (isinstance(answer, list) and len(answer) > last):
            answer[last] = value

    return change


PLACES: list[tuple[str, tuple[Any, ...]]] = [
    ("department/listsub", ("result", 0, "dept_id")),
    ("department/listsub", ("result", 0)),
    ("department/listsub", ("result",)),
    ("department/get", ("result", "dept_id")),
    ("department/get", ("result", "order")),
    ("user/list", ("result", "list", 0, "dept_id_list")),
    ("user/list", ("result", "list", 0, "userid")),
    ("user/list", ("result", "list", 0)),
    ("user/list", ("result", "has_more")),
    ("user/get", ("result", "dept_id_list")),
    ("user/get", ("result", "leader_in_dept")),
    ("user/get", ("result",)),
    ("department/simplelist", ("department_id", 0, "id")),
    ("department/simplelist", ("department_id", 0)),
    ("user/list_id", ("dept_user", 0, "department")),
    ("user/list_id", ("next_cursor",)),
    ("user/create", ("created_department_list",)),
    ("department/create", ("id",)),
    ("gettoken", ("expires_in",)),
    ("gettoken", ("access_token",)),
]


def _is_sound(path: str, way: tuple[Any, ...], value: object) -> bool:
    """Whether it is another answer, and not an odd one: somebody else, or nothing below."""
    if way[-1] == "userid":
        return isinstance(value, str | int)
    return (path, way) == ("department/listsub", ("result",)) and value in (None, [])


@pytest.mark.slow
@pytest.mark.parametrize(("path", "way"), PLACES, ids=str)
def test_a_run_that_meets_an_odd_answer_is_no_fault_of_ours(
    world: World, path: str, way: tuple[Any, ...]
) -> None:
    place = world.department("研发部")
    world.hire("王伟", place, mobile="13800000001")
    world.hire("李娜", mobile="13800000002")
    world.sync()
    for number, odd in enumerate(one for one in ODD if not _is_sound(path, way, one)):
        lower = world.department(f"组{number}", place)
        person = world.hire(f"新{number}", lower, mobile=f"139000000{number:02}")
        for plan in (world.dingtalk_faults, world.wecom_faults):
            plan.add(Rule(Fault.ANSWERED, path, alter=_with(_set(*way, value=odd))))
        result = world.sync()
        assert result.error is None or result.error.code != "fault", odd
        removed = [
            each for each in result.changes if each.action in (Action.DISABLE, Action.DELETE)
        ]
        assert removed == [], odd
        world.dingtalk_faults.switch_off()
        world.wecom_faults.switch_off()
        world.engine.client_pool.retry_rejected_credentials()
        assert world.sync().status is RunStatus.SUCCESS, (odd, person.name)
    assert differences(world) == []
