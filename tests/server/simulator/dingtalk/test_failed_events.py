"""The list of failed events has the documented shape and is emptied by reading."""

from server.simulator.dingtalk.failed_events import MAX_EVENTS_AN_ANSWER, FailedEvents
from server.simulator.dingtalk.payloads import CONTACT_EVENTS, OTHER_EVENTS, EventMaker, as_captured
from tests.server.simulator.seeds import seeded

CORP_ID = "ding0123456789abcdef0123456789abcdef"
NOW_MS = 1_606_126_433_000


def maker() -> EventMaker:
    return EventMaker(seeded(1), CORP_ID, lambda: NOW_MS)


def test_a_user_event_has_the_documented_shape() -> None:
    failed = FailedEvents()
    failed.add(maker().of_users("user_add_org", ["zhangsan"]))
    expected = {
        "errcode": 0,
        "errmsg": "ok",
        "failed_list": [
            {
                "user_add_org": {"userid": ["zhangsan"], "corpid": CORP_ID},
                "call_back_tag": "user_add_org",
                "event_time": NOW_MS,
            }
        ],
        "has_more": False,
    }
    assert expected == failed.answer()


def test_both_generations_give_the_same_entry() -> None:
    event = maker().of_departments("org_dept_create", [7])
    entries = []
    for one in (event, as_captured(event)):
        failed = FailedEvents()
        failed.add(one)
        entries.append(failed.answer()["failed_list"])
    assert entries[0] == entries[1]


def test_every_type_of_event_has_its_tag_for_inner_name() -> None:
    failed = FailedEvents()
    types = CONTACT_EVENTS + OTHER_EVENTS
    for event_type in types:
        failed.add(maker().any_of(event_type))
    entries = failed.answer()["failed_list"]
    assert list(types) == [entry["call_back_tag"] for entry in entries]
    assert all("corpid" in entry[entry["call_back_tag"]] for entry in entries)


def test_inner_names_depend_on_the_kind_of_event() -> None:
    expected = {
        "org_dept_remove": {"deptid", "corpid"},
        "org_change": {"corpid"},
        "bpms_task_change": {"bpmsCallBackData", "corpid"},
        "label_conf_add": {"roleLabelChange", "corpid"},
        "check_in": {"callbackData", "corpid"},
    }
    failed = FailedEvents()
    for event_type in expected:
        failed.add(maker().any_of(event_type))
    entries = failed.answer()["failed_list"]
    assert expected == {one["call_back_tag"]: set(one[one["call_back_tag"]]) for one in entries}


def test_an_answer_holds_200_at_most_and_reading_clears_it() -> None:
    failed = FailedEvents()
    for number in range(MAX_EVENTS_AN_ANSWER + 1):
        failed.add(maker().of_users("user_add_org", [str(number)]))
    answers = [failed.answer() for _ in range(3)]
    assert [len(one["failed_list"]) for one in answers] == [200, 1, 0]
    assert [one["has_more"] for one in answers] == [True, False, False]
    assert len(failed) == 0
