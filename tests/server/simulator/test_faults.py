"""Each fault, over a real socket, and the plan that decides when it strikes."""

import json
import time
from collections.abc import Callable, Iterator
from threading import Thread

import pytest
import requests

from server.simulator.company import Company
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer, Reply, Request
from server.simulator.wecom.contacts import WeComContacts
from tests.server.simulator.faults import (
    DINGTALK_ANSWERS,
    WECOM_ANSWERS,
    Fault,
    FaultPlan,
    Rule,
)
from tests.waiting import until


class _Platform:
    """Counts the calls that took effect, and how often its token ended."""

    def __init__(self) -> None:
        self.effects = 0
        self.ended = 0

    def handle(self, _request: Request) -> Reply:
        self.effects += 1
        return Reply.of_json({"errcode": 0})

    def end_token(self) -> None:
        self.ended += 1


class _Faulty:
    def __init__(self, address: str, platform: _Platform, plan: FaultPlan) -> None:
        self.platform = platform
        self.plan = plan
        self._address = address

    def call(
        self, path: str = "/user/create", body: dict[str, str] | None = None
    ) -> requests.Response:
        # A new connection for each call: the client must not retry a dropped one by itself.
        return requests.post(f"{self._address}{path}", json=body or {}, timeout=10)


@pytest.fixture
def faulty() -> Iterator[_Faulty]:
    platform = _Platform()
    plan = FaultPlan(7, WECOM_ANSWERS, platform.end_token)
    with LoopbackServer(plan.wrap(platform.handle)) as server:
        yield _Faulty(server.address, platform, plan)
        plan.switch_off()


@pytest.mark.parametrize(
    ("fault", "status", "effects"),
    [
        (Fault.SERVER_ERROR, 500, 0),
        (Fault.BAD_GATEWAY, 502, 0),
        (Fault.LATE_BAD_GATEWAY, 502, 1),
    ],
)
def test_a_gateway_sends_a_page(faulty: _Faulty, fault: Fault, status: int, effects: int) -> None:
    faulty.plan.add(Rule(fault))
    reply = faulty.call()
    assert (reply.status_code, reply.headers["Content-Type"]) == (status, "text/html")
    assert faulty.platform.effects == effects


@pytest.mark.parametrize(("fault", "effects"), [(Fault.DROPPED, 0), (Fault.LATE_DROPPED, 1)])
def test_a_connection_closes_before_or_after_the_effect(
    faulty: _Faulty, fault: Fault, effects: int
) -> None:
    faulty.plan.add(Rule(fault))
    with pytest.raises(requests.ConnectionError):
        faulty.call()
    assert faulty.platform.effects == effects


@pytest.mark.parametrize(
    ("fault", "code", "effects"),
    [(Fault.BUSY, -1, 0), (Fault.LATE_BUSY, -1, 1), (Fault.THROTTLED, 45009, 0)],
)
def test_the_platform_words_its_own_faults(
    faulty: _Faulty, fault: Fault, code: int, effects: int
) -> None:
    faulty.plan.add(Rule(fault))
    assert faulty.call().json()["errcode"] == code
    assert faulty.platform.effects == effects


def test_a_page_may_come_instead_of_json(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.PAGE))
    reply = faulty.call()
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html")


def test_a_rule_may_give_any_answer(faulty: _Faulty) -> None:
    answer = {"errcode": 81026, "errmsg": "under maintenance"}
    faulty.plan.add(Rule(Fault.ANSWERED, answer=Reply.of_json(answer)))
    assert faulty.call().json() == answer
    assert faulty.platform.effects == 0


def test_dingtalk_throttles_with_its_own_code() -> None:
    assert b'"errcode":90018' in DINGTALK_ANSWERS[Fault.THROTTLED].body


def test_a_banned_address_gets_no_errcode_at_all(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.IP_BANNED))
    answer = faulty.call().json()
    assert (answer["status"], "errcode" in answer) == (1111, False)


def test_a_token_that_ends_early_lets_the_platform_refuse(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.TOKEN_ENDED, times=1))
    assert [faulty.call().status_code, faulty.call().status_code] == [200, 200]
    assert (faulty.platform.ended, faulty.platform.effects) == (1, 2)


def test_a_slow_answer_comes_all_the_same(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.SLOW, delay_s=0.05))
    started = time.monotonic()
    assert faulty.call().status_code == 200
    assert time.monotonic() - started >= 0.05


def test_switching_off_lets_slow_answers_go(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.SLOW, delay_s=60))
    waiting = Thread(target=faulty.call)
    waiting.start()
    until(lambda: faulty.plan.injected)
    faulty.plan.switch_off()
    waiting.join(10)
    assert not waiting.is_alive()
    assert faulty.call().json() == {"errcode": 0}


def test_a_rule_meets_the_nth_call_of_its_path_only(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.BUSY, path="user/create", nth=2))
    paths = ["/user/create", "/user/delete", "/user/create", "/user/create"]
    assert [faulty.call(path).json()["errcode"] for path in paths] == [0, 0, -1, 0]
    assert faulty.plan.injected == [(Fault.BUSY, "/user/create")]


def test_a_rule_may_be_about_one_person_only(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.BUSY, containing="zhangsan"))
    bodies = [{"userid": "zhangsan"}, {"userid": "lisi"}]
    assert [faulty.call(body=body).json()["errcode"] for body in bodies] == [-1, 0]
    assert faulty.call("/user/delete?userid=zhangsan").json()["errcode"] == -1


def test_the_same_rule_twice_counts_for_itself(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.BUSY, times=1), Rule(Fault.BUSY, times=1))
    assert [faulty.call().json()["errcode"] for _ in range(3)] == [-1, -1, 0]


def test_a_rule_ends_after_its_times(faulty: _Faulty) -> None:
    faulty.plan.add(Rule(Fault.BUSY, times=2))
    assert [faulty.call().json()["errcode"] for _ in range(4)] == [-1, -1, 0, 0]


def _pattern(make: Callable[[], FaultPlan]) -> list[bool]:
    plan = make()
    faulty = plan.wrap(lambda _: Reply(b""))
    request = Request("GET", "/x", {}, {}, b"")
    return [faulty(request) != Reply(b"") for _ in range(200)]


def test_the_same_seed_strikes_the_same_calls() -> None:
    rule = Rule(Fault.BUSY, probability=0.3)
    first, again = (
        _pattern(lambda: FaultPlan(5, WECOM_ANSWERS, lambda: None, (rule,))) for _ in range(2)
    )
    other = _pattern(lambda: FaultPlan(6, WECOM_ANSWERS, lambda: None, (rule,)))
    assert first == again != other
    assert 30 < sum(first) < 90


def _wecom_call(address: str, token: str, call: str, body: dict[str, object]) -> int:
    reply = requests.post(
        f"{address}/cgi-bin/{call}",
        params={"access_token": token},
        data=json.dumps(body, ensure_ascii=False).encode(),
        timeout=10,
    )
    return int(reply.json()["errcode"])


def test_after_a_lost_reply_wecom_says_who_and_what_exists_already() -> None:
    api = WeComContacts()
    plan = FaultPlan(1, WECOM_ANSWERS, api.tokens.revoke)
    plan.add(Rule(Fault.LATE_DROPPED, path="user/create", nth=1))
    plan.add(Rule(Fault.LATE_DROPPED, path="department/create", nth=1))
    person: dict[str, object] = {"userid": "zhangsan", "name": "张三", "mobile": "13800000001"}
    department: dict[str, object] = {"name": "研发部", "parentid": 1}
    with LoopbackServer(plan.wrap(api.handle)) as server:
        token, _ = api.tokens.issue()
        for call, body, code in (
            ("user/create", person | {"department": [1]}, 60104),
            ("department/create", department, 60008),
        ):
            with pytest.raises(requests.ConnectionError):
                _wecom_call(server.address, token, call, body)
            assert _wecom_call(server.address, token, call, body) == code


def test_both_platforms_refuse_a_token_that_ended_early() -> None:
    wecom, dingtalk = WeComContacts(), DingTalkContacts(Company())
    rule = Rule(Fault.TOKEN_ENDED, times=1)
    wecom_plan = FaultPlan(1, WECOM_ANSWERS, wecom.tokens.revoke, (rule,))
    dingtalk_plan = FaultPlan(1, DINGTALK_ANSWERS, dingtalk.tokens.revoke, (rule,))
    with LoopbackServer(wecom_plan.wrap(wecom.handle)) as server:
        token, _ = wecom.tokens.issue()
        assert _wecom_call(server.address, token, "user/list_id", {}) == 42001
        token, _ = wecom.tokens.issue()
        assert _wecom_call(server.address, token, "user/list_id", {}) == 0
    with LoopbackServer(dingtalk_plan.wrap(dingtalk.handle)) as server:
        token, _ = dingtalk.tokens.issue()
        address = f"{server.address}/auth/scopes?access_token={token}"
        assert requests.get(address, timeout=10).json()["errcode"] == 40014
