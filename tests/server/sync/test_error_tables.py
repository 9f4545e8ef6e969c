"""Every error code of both platforms that a run can meet, met: the run ends as the table says.

The tables: https://developer.work.weixin.qq.com/document/path/90313 and
https://open.dingtalk.com/document/development/error-code. `tests/server/wecom/test_errors.py` and
its neighbour for DingTalk hold them row by row against our tables.
"""

import pytest

from server.dingtalk import errors as dingtalk
from server.fate import Fate
from server.journal.runs import Result, RunStatus
from server.simulator.faults import Fault, Rule
from server.simulator.httpd import Reply
from server.wecom.meanings import MEANINGS as WECOM
from tests.server.sync.world import DAY_MS, World, differences

pytestmark = pytest.mark.slow


def _refuse(number: int, path: str, containing: str = "") -> Rule:
    answer = Reply.of_json({"errcode": number, "errmsg": "not this time"})
    return Rule(Fault.ANSWERED, path=path, containing=containing, answer=answer)


@pytest.mark.parametrize("number", sorted(WECOM))
def test_whatever_wecom_refuses_of_one_person_is_told_and_made_up_for(
    world: World, number: int
) -> None:
    world.hire("王伟", mobile="13800000001", email="w@example.com")
    world.hire("李娜", mobile="13800000002")
    world.wecom_faults.add(_refuse(number, "/user/create", "13800000001"))
    result = world.sync()
    told = [each.error for each in result.changes if each.result is not Result.DONE]
    assert all(error and str(error.title) and str(error.hint) for error in told)
    if WECOM[number].fate in (Fate.STOP, Fate.REFRESH_TOKEN):  # a fresh token was refused, too
        assert result.status is RunStatus.FAILED
        assert result.error is not None
        assert (result.error.code, result.blocked) == (f"wecom-{number}", True)
    else:
        assert result.status in (RunStatus.SUCCESS, RunStatus.PARTIAL, RunStatus.FAILED)
        assert not result.blocked
    world.wecom_faults.switch_off()
    world.engine.road.forgive()
    world.now_ms += DAY_MS  # a refused value is not sent again on the same day
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []


@pytest.mark.parametrize("number", sorted(dingtalk.MEANINGS))
def test_whatever_dingtalk_refuses_removes_nobody(world: World, number: int) -> None:
    place = world.department("研发部")
    world.hire("王伟", place, mobile="13800000001")
    world.hire("李娜", mobile="13800000002")
    world.sync()
    world.dingtalk_faults.add(_refuse(number, "/user/list", str(place)))
    result = world.sync()
    assert result.status in (RunStatus.PARTIAL, RunStatus.FAILED)
    assert result.error or result.incomplete_reason
    assert all(member.is_enabled for member in world.wecom.directory.snapshot().members.values())
    world.dingtalk_faults.switch_off()
    world.engine.road.forgive()
    assert world.sync().status is RunStatus.SUCCESS
    assert differences(world) == []
