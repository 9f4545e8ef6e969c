from typing import Any

import pytest

from server.wecom.wire import (
    Accepted,
    CreatedDepartment,
    Department,
    Member,
    PlacedDepartment,
    parse_created_departments,
    parse_placed_department,
)


def test_only_the_fields_that_are_given_are_sent() -> None:
    assert Member("a", position="").to_json() == {"userid": "a", "position": ""}
    assert Department("5", order=0).to_json() == {"id": 5, "order": 0}


def test_a_whole_member_is_sent_in_wecoms_words() -> None:
    member = Member(
        userid="zhangsan",
        name="张三",
        mobile="+86 13800000000",
        email="zhangsan@example.com",
        position="产品经理",
        telephone="020-123456",
        department_ids=("1", "2"),
        orders=(1, 4294967295),
        leads=(True, False),
        main_department_id="1",
        direct_leader="lisi",
        is_enabled=False,
        attributes={"工号": "0042"},
    )

    assert member.to_json() == {
        "userid": "zhangsan",
        "name": "张三",
        "mobile": "+86 13800000000",
        "email": "zhangsan@example.com",
        "position": "产品经理",
        "telephone": "020-123456",
        "department": [1, 2],
        "order": [1, 4294967295],
        "is_leader_in_dept": [1, 0],
        "main_department": 1,
        "direct_leader": ["lisi"],
        "enable": 0,
        "extattr": {"attrs": [{"type": 0, "name": "工号", "text": {"value": "0042"}}]},
    }


def test_an_empty_leader_takes_the_leader_away() -> None:
    assert Member("a", direct_leader="").to_json() == {"userid": "a", "direct_leader": []}


def test_a_whole_department_is_sent_in_wecoms_words() -> None:
    assert Department("2", "广州研发中心", "1", 1).to_json() == {
        "id": 2,
        "name": "广州研发中心",
        "parentid": 1,
        "order": 1,
    }


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": 2, "parentid": 1, "order": 10}, PlacedDepartment("2", "1", 10)),
        ({"id": "1", "parentid": 0}, PlacedDepartment("1", "0", 0)),
        ({"id": 2}, None),
        ({"parentid": 2}, None),
    ],
)
def test_a_row_of_the_simple_list_is_read(
    row: dict[str, Any], expected: PlacedDepartment | None
) -> None:
    assert parse_placed_department(row) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            {"created_department_list": {"department_info": [{"name": "xxxx", "id": 123}]}},
            (CreatedDepartment("123", "xxxx"),),
        ),
        (
            {"created_department_list": {"department_info": [{}]}},
            (CreatedDepartment("?", "?"),),
        ),
        ({"created_department_list": {"department_info": []}}, ()),
        ({"created_department_list": {}}, ()),
        ({}, ()),
    ],
)
def test_departments_that_wecom_made_up_are_read(
    answer: dict[str, Any], expected: tuple[CreatedDepartment, ...]
) -> None:
    assert parse_created_departments(answer) == expected


def test_departments_that_wecom_made_up_are_an_alarm() -> None:
    alarmed = Accepted(created_departments=(CreatedDepartment("123", "xxxx"),))

    assert "xxxx (123)" in str(alarmed.alarm)
    assert Accepted().alarm is None
