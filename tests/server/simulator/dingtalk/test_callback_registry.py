"""DingTalk's record of a callback and of failed events, over a real socket."""

import pytest
import requests

from server.simulator.company import Company
from server.simulator.dingtalk.callback_registry import CheckOutcome
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from tests.server.clocks import SteadyClock
from tests.server.simulator.raw_dingtalk import CALLBACK, RawDingTalk


def test_registering_checks_the_address_first(dingtalk: RawDingTalk) -> None:
    assert dingtalk.code("/call_back/register_call_back", **CALLBACK) == 0
    assert dingtalk.checked is not None
    assert dingtalk.checked.url == CALLBACK["url"]
    answer = dingtalk.read("/call_back/get_call_back")
    assert {name: answer[name] for name in CALLBACK} == CALLBACK


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": "short"}, 71010),
        ({"aes_key": "a" * 42}, 71010),
        ({"call_back_tag": "user_add_org"}, 71010),
        ({"token": 7}, 71010),
        ({"call_back_tag": ["no_such_event"]}, 71008),
        ({"url": "bridge.example.com"}, 71011),
    ],
)
def test_a_bad_callback_is_refused(
    dingtalk: RawDingTalk, change: dict[str, object], code: int
) -> None:
    assert dingtalk.code("/call_back/register_call_back", **CALLBACK | change) == code
    assert dingtalk.read("/call_back/get_call_back")["errcode"] == 71007


def test_without_a_check_no_address_answers() -> None:
    api = DingTalkContacts(Company())
    with LoopbackServer(api.handle) as server, requests.Session() as session:
        dingtalk = RawDingTalk(api.company, api, SteadyClock(), server.address, session)
        assert dingtalk.code("/call_back/register_call_back", **CALLBACK) == 71012


@pytest.mark.parametrize(
    ("outcome", "code"), [(CheckOutcome.UNREACHABLE, 71012), (CheckOutcome.NOT_SUCCESS, 71009)]
)
def test_an_address_that_fails_the_check_is_not_stored(
    dingtalk: RawDingTalk, outcome: CheckOutcome, code: int
) -> None:
    dingtalk.outcome = outcome
    answer = dingtalk.post("/call_back/register_call_back", **CALLBACK)
    assert answer["errcode"] == code
    assert ("curl" in answer["errmsg"]) == (code == 71012)
    assert dingtalk.read("/call_back/get_call_back")["errcode"] == 71007


def test_there_is_one_callback_that_is_updated_and_deleted(dingtalk: RawDingTalk) -> None:
    assert dingtalk.code("/call_back/update_call_back", **CALLBACK) == 71007
    assert dingtalk.code("/call_back/register_call_back", **CALLBACK) == 0
    assert dingtalk.code("/call_back/register_call_back", **CALLBACK) == 71006
    changed = CALLBACK | {"call_back_tag": ["user_leave_org"]}
    assert dingtalk.code("/call_back/update_call_back", **changed) == 0
    assert dingtalk.read("/call_back/get_call_back")["call_back_tag"] == ["user_leave_org"]
    assert dingtalk.read("/call_back/delete_call_back")["errcode"] == 0
    assert dingtalk.read("/call_back/delete_call_back")["errcode"] == 71007


def test_failed_events_are_given_once_in_lower_case(dingtalk: RawDingTalk) -> None:
    event = dingtalk.company.hire(dingtalk.company.draft("王伟", [1], userid="w1"))[0]
    dept_event = dingtalk.company.create_department("研发部")[0]
    dingtalk.api.callbacks.record_failure(event)
    dingtalk.api.callbacks.record_failure(dept_event)
    dingtalk.api.callbacks.record_failure(event, names_nobody=True)
    corp_id = dingtalk.company.corp_id
    first = dingtalk.read("/call_back/get_call_back_failed_result")
    assert [entry[entry["call_back_tag"]] for entry in first["failed_list"]] == [
        {"userid": ["w1"], "corpid": corp_id},
        {"deptid": dept_event["deptId"], "corpid": corp_id},
        {"corpid": corp_id},
    ]
    assert first["failed_list"][0]["event_time"] == event["EventTime"]
    assert dingtalk.read("/call_back/get_call_back_failed_result")["failed_list"] == []


def test_failed_events_come_two_hundred_at_a_time(dingtalk: RawDingTalk) -> None:
    event = dingtalk.company.create_department("研发部")[0]
    for _ in range(201):
        dingtalk.api.callbacks.record_failure(event)
    answers = [dingtalk.read("/call_back/get_call_back_failed_result") for _ in range(2)]
    shown = [(len(answer["failed_list"]), answer["has_more"]) for answer in answers]
    assert shown == [(200, True), (1, False)]
