"""Events have the names and shapes of the documents and of the captures."""

import json
from typing import Any

import pytest

from server.simulator.dingtalk.payloads import (
    CONTACT_EVENTS,
    OTHER_EVENTS,
    EventMaker,
    as_captured,
    check_create_suite_url,
    check_update_suite_url,
    check_url,
    new_userid,
    random_name,
)
from tests.server.simulator.seeds import seeded

CORP_ID = "ding0123456789abcdef0123456789abcdef"
NOW_MS = 1_663_143_335_567
ENVELOPE = ["EventType", "EventTime", "CorpId", "BizId", "eventId"]


def maker(seed: int = 1) -> EventMaker:
    return EventMaker(seeded(seed), CORP_ID, lambda: NOW_MS)


DOCUMENTED = {
    "user_add_org": ["timeStamp", "userId"],
    "user_leave_org": ["timeStamp", "userId"],
    "user_active_org": ["userId"],
    "user_modify_org": ["timeStamp", "userId", "diffInfo"],
    "org_admin_add": ["timeStamp", "userId"],
    "org_admin_remove": ["timeStamp", "userId"],
    "org_dept_create": ["deptId"],
    "org_dept_modify": ["deptId"],
    "org_dept_remove": ["deptId"],
    "org_change": [],
    "org_remove": [],
    "label_user_change": ["userIdList", "action", "labelIdList"],
    "label_conf_add": ["scope", "labelIdList"],
    "label_conf_del": ["labelIdList"],
    "label_conf_modify": ["scope", "labelIdList", "postLabelList", "preLabelList"],
    "check_in": ["timeStamp", "staffId"],
    "attendance_check_record": ["dataList"],
}

CAPTURED = {
    "user_add_org": ["TimeStamp", "CorpId", "UserId", "EventType"],
    "org_dept_create": ["CorpId", "EventType", "DeptId", "TimeStamp"],
    "org_change": ["TimeStamp", "CorpId", "EventType"],
    "org_admin_add": ["CorpId", "EventType", "UserId", "TimeStamp"],
    "label_user_change": [
        "UserIdList", "CorpId", "EventType", "LabelIdList", "action", "TimeStamp",
    ],
    "label_conf_add": ["CorpId", "EventType", "LabelIdList", "scope", "TimeStamp"],
    "label_conf_modify": [
        "PostLabelList", "CorpId", "EventType", "PreLabelList", "LabelIdList", "scope", "TimeStamp",
    ],
    "check_in": ["TimeStamp", "CorpId", "StaffId", "EventType"],
}  # fmt: skip


@pytest.mark.parametrize(("event_type", "own"), DOCUMENTED.items())
def test_a_documented_event_has_the_documented_names(event_type: str, own: list[str]) -> None:
    assert sorted(ENVELOPE + own) == sorted(maker().any_of(event_type))


@pytest.mark.parametrize(("event_type", "names"), CAPTURED.items())
def test_a_captured_event_has_the_captured_names(event_type: str, names: list[str]) -> None:
    assert sorted(names) == sorted(as_captured(maker().any_of(event_type)))


def test_documented_names_cover_every_contact_event() -> None:
    assert set(CONTACT_EVENTS) <= set(DOCUMENTED)


@pytest.mark.parametrize("event_type", CONTACT_EVENTS + OTHER_EVENTS)
def test_any_event_names_its_type_and_survives_json(event_type: str) -> None:
    event = maker().any_of(event_type)
    assert event_type == event["EventType"]
    assert event == json.loads(json.dumps(event))


def test_events_are_repeatable_by_seed() -> None:
    assert maker(7).mixed(50) == maker(7).mixed(50)
    assert maker(7).mixed(50) != maker(8).mixed(50)


def test_mixed_events_hold_both_generations_and_no_event_id_twice() -> None:
    events = maker().mixed(300)
    ids = [event["eventId"] for event in events if "eventId" in event]
    assert 0 < len(ids) < len(events)
    assert len(set(ids)) == len(ids)


def test_time_stamps_are_strings_but_in_a_check_in() -> None:
    stamps = {kind: maker().any_of(kind)["timeStamp"] for kind in ("user_add_org", "check_in")}
    assert {"user_add_org": str, "check_in": int} == {kind: type(s) for kind, s in stamps.items()}


def test_several_ids_may_stand_in_one_event() -> None:
    event = maker().of_users("user_add_org", ["1003681538845361", "120232122"])
    assert event["userId"] == ["1003681538845361", "120232122"]


@pytest.mark.parametrize("is_array", [False, True])
def test_diff_info_is_an_object_or_an_array_of_one(is_array: bool) -> None:  # noqa: FBT001 - parametrized
    event = maker().of_changed_user("u1", {"name": "测试01"}, {"name": "测试1"}, is_array=is_array)
    diff = {"prev": {"name": "测试01"}, "curr": {"name": "测试1"}, "userid": "u1"}
    expected: Any = [diff] if is_array else diff
    assert expected == event["diffInfo"]
    assert [diff] == as_captured(event)["diffInfo"]


def test_a_captured_event_is_left_as_it_is() -> None:
    event = as_captured(maker().any_of("user_add_org"))
    assert event == as_captured(event)


def test_checks_of_the_address_are_no_more_than_documented() -> None:
    assert check_url() == {"EventType": "check_url"}
    created = check_create_suite_url(seeded(1), "suite1")
    assert list(created) == ["EventType", "Random", "TestSuiteKey"]
    assert check_update_suite_url(seeded(1), "suite1")["EventType"] == "check_update_suite_url"


def test_userids_come_in_both_forms() -> None:
    rng = seeded(1)
    ids = {new_userid(rng) for _ in range(100)}
    assert {True, False} == {one.startswith("manager") for one in ids}


def test_names_reach_beyond_ascii_and_the_basic_plane() -> None:
    rng = seeded(1)
    characters = set("".join(random_name(rng) for _ in range(500)))
    assert {"王", "·", "😀", "𠮷"} <= characters
