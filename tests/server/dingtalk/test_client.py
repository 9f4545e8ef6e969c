import json
from collections.abc import Callable
from typing import Any

import pytest

from crypto.secret import Secret
from server.dingtalk.client import DingTalkClient
from server.dingtalk.wire import CallbackRecord, DingTalkDepartment, DingTalkUser
from server.errors.vendor import (
    CallCancelledError,
    ErrorPolicy,
    OutcomeUnknownError,
    VendorError,
    VendorRefusedError,
    VendorReplyError,
)
from tests.server.rest.loopback import OK, Reply, Vendor

RECORD = CallbackRecord(
    "https://example.com/cb", Secret("t0k3n-123"), Secret("k" * 43), ("user_add_org",)
)


def result(value: Any) -> dict[str, Any]:
    return {**OK, "result": value, "request_id": "4e7ljtq91rgo"}


def test_a_token_is_fetched_with_key_and_secret(client: DingTalkClient, vendor: Vendor) -> None:
    client.log_in()

    assert vendor.requests[0].query == {"appkey": "ding-app", "appsecret": "app-s3cr3t"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({**OK, "auth_org_scopes": {"authed_dept": [2, "3"], "authed_user": ["a"]}}, ("2", "3")),
        ({**OK, "auth_org_scopes": {"authed_dept": [], "authed_user": ["a"]}}, ()),
        ({**OK, "auth_org_scopes": {"authed_dept": ["x"]}}, ()),
        ({**OK, "auth_org_scopes": None}, ()),
        (OK, ()),
        ({"errcode": 60011}, ()),
    ],
)
def test_what_the_app_may_read_is_known_or_not(
    client: DingTalkClient, vendor: Vendor, answer: dict[str, Any], expected: tuple[str, ...]
) -> None:
    vendor.answer("auth/scopes", answer)

    assert client.readable_departments() == expected


def test_a_stop_is_not_taken_for_an_app_that_may_read_nothing(client: DingTalkClient) -> None:
    client.abort()

    with pytest.raises(CallCancelledError):
        client.readable_departments()


def test_a_department_that_holds_nobody_or_none_below_is_empty(
    client: DingTalkClient, vendor: Vendor
) -> None:
    vendor.answer("topapi/v2/user/list", result({"has_more": False}))
    vendor.answer("topapi/v2/department/listsub", result(None))

    assert client.list_users("5").users == ()
    assert client.list_subdepartments("5") == ()


def test_a_person_is_read_with_the_manager(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer("topapi/v2/user/get", result({"userid": "a", "manager_userid": "boss"}))

    assert client.get_user("a") == DingTalkUser("a", manager_userid="boss")
    assert vendor.calls("topapi/v2/user/get")[0].body == {"userid": "a"}


def test_a_person_without_a_manager_is_known_to_have_none(
    client: DingTalkClient, vendor: Vendor
) -> None:
    vendor.answer("topapi/v2/user/get", result({"userid": "a"}))

    assert client.get_user("a").manager_userid == ""


def test_a_page_of_members_is_read(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer(
        "topapi/v2/user/list",
        result({"has_more": True, "next_cursor": 100, "list": [{"userid": "a"}]}),
        result({"has_more": False, "list": [{"userid": "b"}]}),
    )

    first = client.list_users("5")
    second = client.list_users("5", first.next_cursor or 0)

    assert [user.userid for user in first.users + second.users] == ["a", "b"]
    assert (first.next_cursor, second.next_cursor) == (100, None)
    assert [request.body for request in vendor.calls("topapi/v2/user/list")] == [
        {"dept_id": 5, "cursor": 0, "size": 100, "contain_access_limit": True},
        {"dept_id": 5, "cursor": 100, "size": 100, "contain_access_limit": True},
    ]


@pytest.mark.parametrize("cursor", [None, 0, "x"])
def test_a_cursor_that_does_not_move_is_an_error_and_no_endless_loop(
    client: DingTalkClient, vendor: Vendor, cursor: object
) -> None:
    page = {"has_more": "true", "next_cursor": cursor, "list": []}
    vendor.answer("topapi/v2/user/list", result(page))

    with pytest.raises(VendorReplyError):
        client.list_users("5")


def test_a_department_is_read_with_its_order(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer(
        "topapi/v2/department/get",
        result({"dept_id": 5, "name": "研发", "parent_id": 1, "order": 3}),
    )

    assert client.get_department("5") == DingTalkDepartment("5", "研发", "1", 3)


def test_subdepartments_are_read(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer(
        "topapi/v2/department/listsub",
        result([{"dept_id": 5, "name": "研发", "parent_id": 1}]),
        result([]),
    )

    assert client.list_subdepartments("1") == (DingTalkDepartment("5", "研发", "1"),)
    assert client.list_subdepartments("5") == ()


@pytest.mark.parametrize(
    ("path", "answer", "ask"),
    [
        ("topapi/v2/user/get", result({}), lambda c: c.get_user("a")),
        ("topapi/v2/user/get", result([]), lambda c: c.get_user("a")),
        ("topapi/v2/user/get", OK, lambda c: c.get_user("a")),
        ("topapi/v2/user/list", result({}), lambda c: c.list_users("1")),
        ("topapi/v2/user/list", result({"list": [{}]}), lambda c: c.list_users("1")),
        ("topapi/v2/department/get", result({}), lambda c: c.get_department("1")),
        ("topapi/v2/department/listsub", OK, lambda c: c.list_subdepartments("1")),
        ("topapi/v2/department/listsub", result([{}]), lambda c: c.list_subdepartments("1")),
    ],
)
def test_an_answer_that_lacks_what_it_should_hold_is_never_taken_for_empty(
    client: DingTalkClient,
    vendor: Vendor,
    path: str,
    answer: dict[str, Any],
    ask: Callable[[DingTalkClient], object],
) -> None:
    vendor.answer(path, answer)

    with pytest.raises(VendorReplyError) as caught:
        ask(client)

    assert caught.value.policy is ErrorPolicy.SKIP


def test_the_registered_callback_is_read(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer(
        "call_back/get_call_back",
        {
            **OK,
            "call_back_tag": ["user_add_org", "user_leave_org"],
            "aes_key": "hvnzd2y8jkhx8yoo4483xxxx",
            "url": "www.dingtalk.com",
            "token": "dingtalk",
        },
    )

    record = client.get_callback()

    assert record == CallbackRecord(
        "www.dingtalk.com",
        Secret("dingtalk"),
        Secret("hvnzd2y8jkhx8yoo4483xxxx"),
        ("user_add_org", "user_leave_org"),
    )
    assert "hvnzd2y8" not in repr(record)


@pytest.mark.parametrize("answer", [{"errcode": 71007, "errmsg": "不存在"}, {**OK, "url": ""}])
def test_a_subscription_made_in_the_console_is_no_record(
    client: DingTalkClient, vendor: Vendor, answer: dict[str, Any]
) -> None:
    vendor.answer("call_back/get_call_back", answer)

    assert client.get_callback() is None


def test_another_refusal_of_the_record_is_an_error(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer("call_back/get_call_back", {"errcode": 50003})

    with pytest.raises(VendorRefusedError):
        client.get_callback()


def test_a_callback_is_registered_and_replaced_with_all_its_values(
    client: DingTalkClient, vendor: Vendor
) -> None:
    vendor.answer("call_back/register_call_back", OK)
    vendor.answer("call_back/update_call_back", OK)

    client.register_callback(RECORD)
    client.update_callback(RECORD)

    expected = {
        "call_back_tag": ["user_add_org"],
        "token": "t0k3n-123",
        "aes_key": "k" * 43,
        "url": "https://example.com/cb",
    }
    assert vendor.calls("call_back/register_call_back")[0].body == expected
    assert vendor.calls("call_back/update_call_back")[0].body == expected


def test_a_refused_registration_shows_no_secret_that_dingtalk_quotes(
    client: DingTalkClient, vendor: Vendor
) -> None:
    curl = f"curl -d '{json.dumps({'token': 't0k3n-123', 'aes_key': 'k' * 43})}' app-s3cr3t"
    vendor.answer("call_back/register_call_back", {"errcode": 71012, "errmsg": curl})

    with pytest.raises(VendorRefusedError) as caught:
        client.register_callback(RECORD)

    shown = repr(vars(caught.value))
    assert "curl" in shown
    for secret in ("t0k3n-123", "k" * 43, "app-s3cr3t"):
        assert secret not in shown


def test_a_lost_reply_to_a_registration_is_not_repeated(
    client: DingTalkClient, vendor: Vendor
) -> None:
    vendor.answer("call_back/register_call_back", Reply(fault="drop"))

    with pytest.raises(OutcomeUnknownError):
        client.register_callback(RECORD)

    assert len(vendor.calls("call_back/register_call_back")) == 1


def test_a_lost_reply_to_a_replacement_is_repeated(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer("call_back/update_call_back", Reply(fault="drop"), OK)

    client.update_callback(RECORD)

    assert len(vendor.calls("call_back/update_call_back")) == 2


def test_failed_events_come_as_text_that_can_be_stored(
    client: DingTalkClient, vendor: Vendor
) -> None:
    entry = {
        "user_add_org": {"userid": ["张三"], "corpid": "ding241f334c339e175b35c2f4657xxxx"},
        "call_back_tag": "user_add_org",
        "event_time": 1606126433000,
    }
    vendor.answer(
        "call_back/get_call_back_failed_result",
        {**OK, "failed_list": [entry, "odd"], "has_more": True},
        OK,
    )

    taken = client.take_failed_events()

    assert [json.loads(payload) for payload in taken.payloads] == [entry, "odd"]
    assert "张三" in taken.payloads[0]
    assert taken.has_more
    assert client.take_failed_events().payloads == ()


def test_a_lost_reply_with_failed_events_is_told_and_not_asked_for_again(
    client: DingTalkClient, vendor: Vendor
) -> None:
    vendor.answer("call_back/get_call_back_failed_result", Reply(fault="drop"))

    with pytest.raises(OutcomeUnknownError):
        client.take_failed_events()

    assert len(vendor.calls("call_back/get_call_back_failed_result")) == 1


def test_half_a_character_in_a_failed_event_can_still_be_stored(
    client: DingTalkClient, vendor: Vendor
) -> None:
    broken = Reply(b'{"errcode":0,"failed_list":[{"name":"\\ud83d"}]}')
    vendor.answer("call_back/get_call_back_failed_result", broken)

    assert client.take_failed_events().payloads[0].encode()


def test_one_call_less_than_dingtalk_allows_an_api_leaves_without_waiting(
    client: DingTalkClient, vendor: Vendor, time: Any
) -> None:
    vendor.answer("topapi/v2/user/get", result({"userid": "a"}))

    for _ in range(19):
        client.get_user("a")
    waits_before = list(time.waits)
    client.get_user("a")

    assert (waits_before, time.waits) == ([], [1.0])


def test_every_error_is_one_of_ours(client: DingTalkClient, vendor: Vendor) -> None:
    vendor.answer("topapi/v2/user/get", {"errcode": 33012})

    with pytest.raises(VendorError) as caught:
        client.get_user("a")

    assert caught.value.policy is ErrorPolicy.GONE
