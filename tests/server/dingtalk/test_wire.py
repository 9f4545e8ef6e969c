from typing import Any

import pytest

from server.dingtalk.wire import (
    DingTalkDepartment,
    DingTalkUser,
    merge_users,
    parse_department,
    parse_listed_user,
    parse_user,
)

# facts, DingTalk 5.2: a real answer, masked there; the mobile here is made up.
REAL_USER: dict[str, Any] = {
    "boss": False,
    "unionid": "5M6z",
    "role_list": [{"group_name": "默认", "name": "主管理员", "id": 2062489174}],
    "exclusive_account": False,
    "mobile": "13800000000",
    "active": True,
    "admin": True,
    "hide_mobile": False,
    "userid": "manager4713",
    "senior": False,
    "dept_order_list": [{"dept_id": 1, "order": 176294576350761512}],
    "real_authed": True,
    "name": "某某",
    "dept_id_list": [1],
    "state_code": "86",
    "email": "",
    "leader_in_dept": [{"leader": False, "dept_id": 1}],
}


def test_a_real_person_is_read() -> None:
    assert parse_user(REAL_USER) == DingTalkUser(
        userid="manager4713",
        name="某某",
        state_code="86",
        mobile="13800000000",
        email="",
        active=True,
        exclusive_account=False,
        department_ids=("1",),
        leads={"1": False},
        orders={"1": 176294576350761512},
    )


def test_the_types_of_the_documented_sample_are_read_as_well() -> None:
    user = parse_user(
        {
            "userid": 123,
            "name": "张三",
            "active": "true",
            "exclusive_account": "false",
            "dept_id_list": "[2,3,4]",
            "dept_order_list": {"dept_id": "2", "order": "176318669012199520"},
            "leader_in_dept": {"dept_id": "2", "leader": "true"},
        }
    )

    assert user == DingTalkUser(
        userid="123",
        name="张三",
        active=True,
        exclusive_account=False,
        department_ids=("2", "3", "4"),
        leads={"2": True},
        orders={"2": 176318669012199520},
    )


def test_what_is_absent_is_unknown_and_what_is_empty_is_empty() -> None:
    user = parse_user({"userid": "a", "email": ""})

    assert user is not None
    assert (user.email, user.mobile, user.department_ids) == ("", None, None)


def test_entries_that_cannot_be_read_are_left_out() -> None:
    user = parse_user(
        {
            "userid": "a",
            "dept_order_list": [{"dept_id": 1}, {"order": 2}, {"dept_id": 3, "order": 4}],
            "leader_in_dept": [{"leader": True}, {"dept_id": 3, "leader": True}],
        }
    )

    assert user is not None
    assert (user.orders, user.leads) == ({"3": 4}, {"3": True})


@pytest.mark.parametrize("entry", [{}, {"userid": " "}, {"name": "no id"}])
def test_a_person_without_an_id_is_none(entry: dict[str, Any]) -> None:
    assert parse_user(entry) is None
    assert parse_listed_user(entry, "1") is None


def test_a_listed_person_tells_leader_and_order_of_that_department_only() -> None:
    user = parse_listed_user(
        {
            "userid": "a",
            "dept_id_list": [2, 3],
            "leader": True,
            "dept_order": 176294576350761512,
            "manager_userid": "never trusted here",
        },
        "2",
    )

    assert user == DingTalkUser(
        userid="a",
        department_ids=("2", "3"),
        leads={"2": True},
        orders={"2": 176294576350761512},
    )


def test_a_listed_person_is_at_least_in_the_department_that_lists_them() -> None:
    user = parse_listed_user({"userid": "a", "leader": False}, "2")

    assert user == DingTalkUser(userid="a", department_ids=("2",), leads={"2": False})


def test_the_lists_of_several_departments_are_joined() -> None:
    first = DingTalkUser(
        "a", name="A", department_ids=("2", "3"), leads={"2": True}, orders={"2": 9}
    )
    second = DingTalkUser(
        "a", name="B", mobile="1", department_ids=("2", "3"), leads={"3": False}, orders={"3": 8}
    )
    third = DingTalkUser("a")

    assert merge_users([first, second, third]) == DingTalkUser(
        "a",
        name="A",
        mobile="1",
        department_ids=("2", "3"),
        leads={"2": True, "3": False},
        orders={"2": 9, "3": 8},
    )
    assert merge_users([third, first]) == first


def test_departments_that_only_one_list_knows_are_kept() -> None:
    merged = merge_users(
        [DingTalkUser("a", department_ids=("2",)), DingTalkUser("a", department_ids=("3",))]
    )

    assert merged.department_ids == ("2", "3")


def test_a_department_is_read_with_what_it_tells() -> None:
    assert parse_department(
        {"dept_id": 5, "name": "测试", "parent_id": 1, "order": "7"}
    ) == DingTalkDepartment("5", "测试", "1", 7)
    assert parse_department({"dept_id": "1", "name": "root"}) == DingTalkDepartment("1", "root")


@pytest.mark.parametrize("entry", [{"dept_id": 5}, {"name": "x"}])
def test_a_department_without_id_or_name_is_none(entry: dict[str, Any]) -> None:
    assert parse_department(entry) is None
