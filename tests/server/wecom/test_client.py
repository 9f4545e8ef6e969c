from collections.abc import Callable
from typing import Any

import pytest

from server.errors.vendor import (
    CredentialsRejectedError,
    ErrorPolicy,
    MobileTakenError,
    OutcomeUnknownError,
    VendorRefusedError,
    VendorReplyError,
)
from server.wecom.client import WeComClient
from server.wecom.wire import Accepted, CreatedDepartment, Department, Member, PlacedDepartment
from tests.server.rest.loopback import OK, FakeTime, Reply, Vendor

SIMPLELIST = "cgi-bin/department/simplelist"
LIST_ID = "cgi-bin/user/list_id"
ANNA = Member("anna", name="安娜", mobile="13800000000", department_ids=("2",))


def test_a_token_is_fetched_with_corp_id_and_secret(client: WeComClient, vendor: Vendor) -> None:
    client.log_in()

    assert vendor.requests[0].query == {"corpid": "corp", "corpsecret": "contact-s3cr3t"}


def test_a_wrong_secret_is_sent_once(client: WeComClient, vendor: Vendor) -> None:
    vendor.answer("cgi-bin/gettoken", {"errcode": 40001, "errmsg": "invalid credential"})

    for _ in range(4):
        with pytest.raises(CredentialsRejectedError):
            client.list_departments()

    assert len(vendor.requests) == 1


def test_departments_are_listed_without_names(client: WeComClient, vendor: Vendor) -> None:
    rows = [{"id": 2, "parentid": 1, "order": 10}, {"id": 3, "parentid": 2, "order": 40}]
    vendor.answer(SIMPLELIST, {**OK, "department_id": rows})

    assert client.list_departments() == (
        PlacedDepartment("2", "1", 10),
        PlacedDepartment("3", "2", 40),
    )
    assert vendor.calls(SIMPLELIST)[0].method == "GET"


def test_members_are_listed_over_all_pages_and_grouped(client: WeComClient, vendor: Vendor) -> None:
    first = [{"userid": "zhangsan", "department": 1}, {"userid": "zhangsan", "department": 2}]
    second = [{"userid": "lisi", "department": 2}, {"userid": "zhangsan", "department": 2}]
    vendor.answer(
        LIST_ID,
        {**OK, "next_cursor": "aaaaaaaaa", "dept_user": first},
        {**OK, "next_cursor": "", "dept_user": second},
    )

    assert client.list_members() == {"zhangsan": ("1", "2"), "lisi": ("2",)}
    assert [request.body for request in vendor.calls(LIST_ID)] == [
        {"cursor": "", "limit": 10000},
        {"cursor": "aaaaaaaaa", "limit": 10000},
    ]


def test_a_list_without_a_cursor_is_the_last_page(client: WeComClient, vendor: Vendor) -> None:
    vendor.answer(LIST_ID, {**OK, "dept_user": []})

    assert client.list_members() == {}


def test_a_cursor_that_comes_back_is_an_error_and_no_endless_loop(
    client: WeComClient, vendor: Vendor
) -> None:
    vendor.answer(LIST_ID, {**OK, "next_cursor": "again", "dept_user": []})

    with pytest.raises(VendorReplyError):
        client.list_members()

    assert len(vendor.calls(LIST_ID)) == 2


def test_the_holder_of_a_mobile_is_found(client: WeComClient, vendor: Vendor) -> None:
    vendor.answer("cgi-bin/user/getuserid", {**OK, "userid": "zhangsan"}, {"errcode": 46004})

    assert client.find_userid("13430388888") == "zhangsan"
    assert client.find_userid("13430388889") is None
    assert vendor.calls("cgi-bin/user/getuserid")[0].body == {"mobile": "13430388888"}


def test_another_refusal_is_not_taken_for_nobody(client: WeComClient, vendor: Vendor) -> None:
    vendor.answer("cgi-bin/user/getuserid", {"errcode": 48009})

    with pytest.raises(VendorRefusedError) as caught:
        client.find_userid("13430388888")

    assert caught.value.policy is ErrorPolicy.STOP


@pytest.mark.parametrize(
    ("path", "answer", "ask"),
    [
        (SIMPLELIST, OK, lambda c: c.list_departments()),
        (SIMPLELIST, {**OK, "department_id": [{"id": 1}]}, lambda c: c.list_departments()),
        (LIST_ID, OK, lambda c: c.list_members()),
        (LIST_ID, {**OK, "dept_user": [{"open_userid": "x"}]}, lambda c: c.list_members()),
        (LIST_ID, {**OK, "dept_user": [{"userid": "x"}]}, lambda c: c.list_members()),
        ("cgi-bin/user/getuserid", OK, lambda c: c.find_userid("1")),
    ],
)
def test_an_answer_that_lacks_what_it_should_hold_is_never_taken_for_empty(
    client: WeComClient,
    vendor: Vendor,
    path: str,
    answer: dict[str, Any],
    ask: Callable[[WeComClient], object],
) -> None:
    vendor.answer(path, answer)

    with pytest.raises(VendorReplyError):
        ask(client)


@pytest.mark.parametrize("invite", [True, False])
def test_a_member_is_created_and_invitations_are_always_spelled_out(
    client: WeComClient, vendor: Vendor, *, invite: bool
) -> None:
    vendor.answer("cgi-bin/user/create", {"errcode": 0, "errmsg": "created"})

    assert client.create_member(ANNA, invite=invite) == Accepted()
    assert vendor.calls("cgi-bin/user/create")[0].body == {
        "userid": "anna",
        "name": "安娜",
        "mobile": "13800000000",
        "department": [2],
        "to_invite": invite,
    }
    assert "安娜".encode() in vendor.calls("cgi-bin/user/create")[0].raw


def test_departments_that_wecom_made_up_are_reported(client: WeComClient, vendor: Vendor) -> None:
    made = {"department_info": [{"name": "xxxx", "id": 123}]}
    vendor.answer(
        "cgi-bin/user/create", {"errcode": 0, "errmsg": "created", "created_department_list": made}
    )

    accepted = client.create_member(ANNA, invite=False)

    assert accepted.created_departments == (CreatedDepartment("123", "xxxx"),)
    assert accepted.alarm is not None


def test_a_taken_mobile_names_its_holder(client: WeComClient, vendor: Vendor) -> None:
    vendor.answer("cgi-bin/user/create", {"errcode": 60104, "errmsg": "mobile existed:zhangsan"})

    with pytest.raises(MobileTakenError) as caught:
        client.create_member(ANNA, invite=False)

    assert caught.value.holder == "zhangsan"


def test_a_member_is_changed(client: WeComClient, vendor: Vendor) -> None:
    vendor.answer("cgi-bin/user/update", {"errcode": 0, "errmsg": "updated"})

    assert client.update_member(Member("anna", position="")) == Accepted()
    assert vendor.calls("cgi-bin/user/update")[0].body == {"userid": "anna", "position": ""}


def test_a_value_that_wecom_dropped_is_a_warning(client: WeComClient, vendor: Vendor) -> None:
    dropped = {"errcode": 0, "errmsg": "updated. Warning: wrong json format. "}
    vendor.answer("cgi-bin/department/update", dropped)

    assert client.update_department(Department("5", order=-1)).warning is not None


def test_a_department_is_created_with_the_id_that_wecom_gives(
    client: WeComClient, vendor: Vendor
) -> None:
    vendor.answer("cgi-bin/department/create", {"errcode": 0, "errmsg": "created", "id": 2})

    accepted = client.create_department(Department(name="研发", parent_id="1", order=7))

    assert accepted == Accepted(department_id="2")
    assert vendor.calls("cgi-bin/department/create")[0].body == {
        "name": "研发",
        "parentid": 1,
        "order": 7,
    }


def test_a_department_whose_id_did_not_come_back_may_exist(
    client: WeComClient, vendor: Vendor
) -> None:
    vendor.answer("cgi-bin/department/create", {"errcode": 0, "errmsg": "created"})

    with pytest.raises(OutcomeUnknownError):
        client.create_department(Department(name="研发", parent_id="1"))


@pytest.mark.parametrize(
    ("path", "delete", "query"),
    [
        ("cgi-bin/user/delete", lambda c: c.delete_member("anna"), {"userid": "anna"}),
        ("cgi-bin/department/delete", lambda c: c.delete_department("5"), {"id": "5"}),
    ],
)
def test_what_is_deleted_or_was_gone_is_a_success(
    client: WeComClient,
    vendor: Vendor,
    path: str,
    delete: Callable[[WeComClient], Accepted],
    query: dict[str, str],
) -> None:
    gone = {"errcode": 60111 if "user" in path else 60123}
    vendor.answer(path, {"errcode": 0, "errmsg": "deleted"}, gone, {"errcode": 60005})

    assert delete(client) == Accepted()
    assert delete(client) == Accepted(was_gone=True)
    with pytest.raises(VendorRefusedError) as caught:
        delete(client)

    assert caught.value.policy is ErrorPolicy.DEFER
    assert query.items() <= vendor.calls(path)[0].query.items()
    assert vendor.calls(path)[0].method == "GET"


@pytest.mark.parametrize(
    ("path", "create"),
    [
        ("cgi-bin/user/create", lambda c: c.create_member(ANNA, invite=False)),
        (
            "cgi-bin/department/create",
            lambda c: c.create_department(Department(name="a", parent_id="1")),
        ),
    ],
)
def test_a_creation_whose_reply_was_lost_is_never_repeated(
    client: WeComClient, vendor: Vendor, path: str, create: Callable[[WeComClient], Accepted]
) -> None:
    vendor.answer(path, Reply(fault="drop"))

    with pytest.raises(OutcomeUnknownError):
        create(client)

    assert len(vendor.calls(path)) == 1


@pytest.mark.parametrize(
    ("path", "change"),
    [
        ("cgi-bin/user/update", lambda c: c.update_member(ANNA)),
        ("cgi-bin/department/update", lambda c: c.update_department(Department("5"))),
        ("cgi-bin/user/delete", lambda c: c.delete_member("a")),
        ("cgi-bin/department/delete", lambda c: c.delete_department("5")),
    ],
)
def test_a_change_that_may_be_made_twice_is_repeated_when_its_reply_was_lost(
    client: WeComClient, vendor: Vendor, path: str, change: Callable[[WeComClient], Accepted]
) -> None:
    vendor.answer(path, Reply(fault="drop"), OK)

    assert change(client) == Accepted()
    assert len(vendor.calls(path)) == 2


def test_writers_that_got_in_each_others_way_wait_and_try_again(
    client: WeComClient, vendor: Vendor, time: FakeTime
) -> None:
    vendor.answer("cgi-bin/user/update", {"errcode": 6000}, {"errcode": 45033}, OK)

    client.update_member(ANNA)

    assert time.waits == [1.0, 4.0]
