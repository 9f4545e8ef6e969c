import pytest

from server.config.settings import Language
from server.journal.events import EventState
from server.simulator.dingtalk.payloads import CONTACT_EVENTS
from ui.words.event_words import STATES, TYPES, payload_words, state_words, subject, type_words
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
CHINESE = Texts(Language.CHINESE)


def test_every_contact_event_has_words() -> None:
    assert set(CONTACT_EVENTS) <= set(TYPES)


def test_every_state_has_words() -> None:
    assert list(STATES) == list(EventState)


@pytest.mark.parametrize(
    ("event_type", "english", "chinese"),
    [
        ("user_add_org", "Person joined", "员工入职"),
        ("a_new_event", "a_new_event", "a_new_event"),
        (None, "Not JSON", "不是 JSON"),
    ],
)
def test_a_type_is_put_into_words(event_type: str | None, english: str, chinese: str) -> None:
    assert type_words(event_type, ENGLISH) == english
    assert type_words(event_type, CHINESE) == chinese


def test_a_state_is_put_into_words() -> None:
    assert (state_words("failed", ENGLISH), state_words("failed", CHINESE)) == ("Failed", "失败")


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"UserId": ["01", "02"]}, "Person 01, 02"),
        ({"userId": "01"}, "Person 01"),
        ({"userid": list("123456")}, "Person 1, 2, 3, 4, 5…"),
        ({"DeptId": [97393190]}, "Department 97393190"),
        ({"deptId": 1}, "Department 1"),
        ({"userIdList": ["01"], "labelIdList": [7]}, "Person 01; Role 7"),
        ({"UserId": []}, ""),
        ({}, ""),
        ("no JSON", ""),
        ([1], ""),
        (None, ""),
    ],
)
def test_an_event_tells_whom_it_is_about(payload: object, expected: str) -> None:
    assert subject(payload, ENGLISH) == expected


def test_half_a_surrogate_pair_is_shown_as_its_escape() -> None:
    payload = {"userId": ["\ud83d"], "EventType": "钉"}
    assert subject(payload, ENGLISH) == "Person \\ud83d"
    assert payload_words(payload) == '{\n  "userId": [\n    "\\ud83d"\n  ],\n  "EventType": "钉"\n}'
    assert payload_words("no JSON \ud83d") == "no JSON \\ud83d"
