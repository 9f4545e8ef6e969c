import json
from typing import Any

import pytest
from hypothesis import given

from server.dingtalk.events import (
    DepartmentsChanged,
    FullRunNeeded,
    FullRunReason,
    Hint,
    NothingToDo,
    PersonChanged,
    read_failed_entry,
    read_hint,
)
from tests.server.dingtalk.absurd import payloads

SAID_THERE = {
    "user_add_org": True,
    "user_leave_org": False,
    "org_dept_create": True,
    "org_dept_remove": False,
}


def event(event_type: str, **more: Any) -> str:
    """Build an event of the documented camelCase generation (facts, DingTalk 3.1)."""
    envelope = {
        "EventType": event_type,
        "EventTime": 1663143335567,
        "CorpId": "ding9f50b15bxxxx16741",
        "BizId": "1663**35567",
        "eventId": "c7c7120f2c07419**ebdba0318c8",
    }
    return json.dumps({**envelope, **more})


@pytest.mark.parametrize(
    "event_type",
    ["user_add_org", "user_modify_org", "user_leave_org", "user_active_org", "user_new_kind"],
)
def test_events_about_people_name_them(event_type: str) -> None:
    hint = read_hint(event(event_type, userId=["015xxxx227"]))
    assert hint == PersonChanged(("015xxxx227",), SAID_THERE.get(event_type))


@pytest.mark.parametrize("event_type", ["org_dept_create", "org_dept_modify", "org_dept_remove"])
def test_events_about_departments_name_them(event_type: str) -> None:
    hint = read_hint(event(event_type, deptId=[432825033]))
    assert hint == DepartmentsChanged(("432825033",), SAID_THERE.get(event_type))


# facts, DingTalk 3.2: captured events, as they came.
CAPTURED: list[tuple[str, Hint]] = [
    (
        (
            '{"TimeStamp":"1532670599144","CorpId":"dingb9875d6606f892ed35c2f4657eb6378f",'
            '"UserId":["202844352662984130"],"EventType":"user_add_org"}'
        ),
        PersonChanged(("202844352662984130",), is_there=True),
    ),
    (
        (
            '{"CorpId":"ding28716be3f4b986aebc961a6cb783455b","EventType":"user_leave_org",'
            '"UserId":["013415163130664023"],"OptStaffId":"0113430928611169518",'
            '"TimeStamp":"1645077203219"}'
        ),
        PersonChanged(("013415163130664023",), is_there=False),
    ),
    (
        (
            '{"TimeStamp":"1547555842228","CorpId":"ding1a422bb2c4531b3935c2f4657eb6378f",'
            '"DeptId":[97393190,97393189],"EventType":"org_dept_remove"}'
        ),
        DepartmentsChanged(("97393190", "97393189"), is_there=False),
    ),
    (
        (
            '{"TimeStamp":"1547557196034","CorpId":"ding1a422bb2c4531b3935c2f4657eb6378f",'
            '"EventType":"org_change"}'
        ),
        FullRunNeeded(FullRunReason.COMPANY_CHANGED, "org_change"),
    ),
    (
        (
            '{"CorpId":"dingc7c5220402493357f2c783f7214b6d69","EventType":"org_admin_add",'
            '"UserId":["011505184066774889"],"TimeStamp":"1640670965261"}'
        ),
        NothingToDo(),
    ),
    (
        (
            '{"UserIdList":["011505184066774889"],"CorpId":"dingc7c5220402493357f2c783f7214b6d69",'
            '"EventType":"label_user_change","LabelIdList":[1299380990],"action":"add",'
            '"TimeStamp":"1640670965490"}'
        ),
        NothingToDo(),
    ),
]


@pytest.mark.parametrize(("payload", "expected"), CAPTURED)
def test_captured_events_are_understood(payload: str, expected: Hint) -> None:
    assert read_hint(payload) == expected


@pytest.mark.parametrize("key", ["userId", "UserId", "userid", "USERID", "UserIdList"])
def test_keys_count_whatever_their_casing(key: str) -> None:
    assert read_hint(event("user_modify_org", **{key: ["a"]})) == PersonChanged(("a",))


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["1003681538845361", "120232122"], ("1003681538845361", "120232122")),
        ([5, "6"], ("5", "6")),
        ("7", ("7",)),
        ("[8,9]", ("8", "9")),
        (["a", "a", "", None, "b"], ("a", "b")),
    ],
)
def test_ids_may_be_several_numbers_or_strings(ids: object, expected: tuple[str, ...]) -> None:
    assert read_hint(event("user_modify_org", userId=ids)) == PersonChanged(expected)


@pytest.mark.parametrize(
    "diff",
    [
        {"prev": {"name": "x"}, "curr": {"name": "y"}, "userid": "user123456"},
        [{"prev": {}, "curr": {}, "userid": "user123456"}],
    ],
)
def test_a_difference_names_the_person_as_object_or_array(diff: object) -> None:
    payload = event("user_modify_org", diffInfo=diff, userId=["user1"])

    assert read_hint(payload) == PersonChanged(("user1", "user123456"))


@pytest.mark.parametrize("event_type", ["org_change", "org_remove"])
def test_a_changed_company_needs_a_full_run(event_type: str) -> None:
    assert read_hint(event(event_type)) == FullRunNeeded(FullRunReason.COMPANY_CHANGED, event_type)


@pytest.mark.parametrize(
    "payload",
    [
        event("user_modify_org"),
        event("user_modify_org", userId=[]),
        event("org_dept_modify"),
        event("org_dept_modify", deptId=["not a number", "²"]),
    ],
)
def test_a_contact_event_that_names_nobody_needs_a_full_run(payload: str) -> None:
    hint = read_hint(payload)

    assert isinstance(hint, FullRunNeeded)
    assert hint.reason is FullRunReason.NAMES_NOBODY
    assert hint.event_type in str(hint.message)


def test_an_unknown_contact_event_needs_a_full_run() -> None:
    assert read_hint(event("org_split")) == FullRunNeeded(
        FullRunReason.UNKNOWN_CONTACT_EVENT, "org_split"
    )


@pytest.mark.parametrize(
    "payload",
    [
        event("check_url"),
        event("bpms_instance_change", staffId="manager75"),
        event("label_conf_add", labelIdList=[1], scope="1"),
        event("org_admin_remove", userId=["a"]),
        event("check_in", staffId="a"),
        "{}",
        "[]",
        "not json",
        '{"EventType":null}',
        '{"EventType":[]}',
        "[" * 100_000,
    ],
)
def test_everything_else_is_nothing_to_do(payload: str) -> None:
    assert read_hint(payload) == NothingToDo()


def failed(tag: str, inner: object) -> str:
    """Build an entry of the failed list (facts, DingTalk 4)."""
    return json.dumps({tag: inner, "call_back_tag": tag, "event_time": 1606126433000})


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (
            failed("user_add_org", {"userid": ["zhangsan"], "corpid": "ding241f"}),
            PersonChanged(("zhangsan",), is_there=True),
        ),
        (
            failed("user_leave_org", {"callbackData": {"UserId": ["a", "b"]}, "corpid": "d"}),
            PersonChanged(("a", "b"), is_there=False),
        ),
        (
            failed("user_leave_org", {"callbackData": '{"UserId":["a"]}', "corpid": "d"}),
            PersonChanged(("a",), is_there=False),
        ),
        (
            failed("org_dept_create", {"deptid": [5], "corpid": "d"}),
            DepartmentsChanged(("5",), is_there=True),
        ),
        (
            failed("user_modify_org", {"corpid": "d"}),
            FullRunNeeded(FullRunReason.NAMES_NOBODY, "user_modify_org"),
        ),
        (failed("bpms_instance_change", {"bpmsCallBackData": {}, "corpid": "d"}), NothingToDo()),
        (failed("label_conf_add", {"roleLabelChange": {}, "corpid": "d"}), NothingToDo()),
        (
            json.dumps({"call_back_tag": "user_add_org", "call_back_data": '{"userid":["a"]}'}),
            PersonChanged(("a",), is_there=True),
        ),
    ],
)
def test_entries_of_the_failed_list_are_understood(payload: str, expected: Hint) -> None:
    assert read_hint(payload) == expected


def test_nesting_without_end_is_cut_off() -> None:
    inner: dict[str, Any] = {"userid": ["deep"]}
    for _ in range(50):
        inner = {"callbackdata": inner}

    assert isinstance(read_hint(failed("user_add_org", inner)), FullRunNeeded)


@pytest.mark.parametrize("key", ["userId", "deptId", "callbackData", "user_add_org"])
def test_brackets_without_end_in_a_string_are_no_ids(key: str) -> None:
    hint = read_hint(event("user_add_org", **{key: "[" * 3000}))

    assert hint == FullRunNeeded(FullRunReason.NAMES_NOBODY, "user_add_org")


@pytest.mark.parametrize("event_type", ["user_modify_org", "org_dept_modify"])
def test_an_event_that_names_more_than_200_needs_a_full_run(event_type: str) -> None:
    key = "userId" if event_type.startswith("user") else "deptId"
    few = read_hint(event(event_type, **{key: list(range(1, 201))}))
    many = read_hint(event(event_type, **{key: list(range(1, 202))}))

    assert isinstance(few, PersonChanged | DepartmentsChanged)
    assert many == FullRunNeeded(FullRunReason.NAMES_MANY, event_type)
    assert event_type in str(many.message)


def test_a_number_too_long_for_a_department_names_none() -> None:
    hint = read_hint(event("org_dept_modify", deptId=["9" * 5000, 10**400, "9" * 20]))

    assert hint == FullRunNeeded(FullRunReason.NAMES_NOBODY, "org_dept_modify")
    largest = str(2**63 - 1)
    assert read_hint(event("org_dept_modify", deptId=[largest])) == DepartmentsChanged((largest,))


def test_a_number_of_thousands_of_digits_beside_them_hides_no_ids() -> None:
    payload = event("user_modify_org", userId=["a"]).replace("1663143335567", "1" * 5000)

    assert read_hint(payload) == PersonChanged(("a",))


@given(payload=payloads())
def test_no_payload_makes_reading_raise(payload: str) -> None:
    assert isinstance(
        read_hint(payload), PersonChanged | DepartmentsChanged | FullRunNeeded | NothingToDo
    )
    entry = read_failed_entry(payload)
    assert all(text is None or isinstance(text, str) for text in (entry.event_type, entry.corp_id))
