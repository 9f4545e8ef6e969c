import pytest

from server.api.app import App
from server.config.settings import Settings, known_settings
from ui.words.setting_words import CHOICES, LABELS, SECTIONS, from_text, to_text

BY_NAME = {info.name: info for info in known_settings()}
# The three credentials have a page of their own, the language a box; the vendors' addresses are
# for trials.
ELSEWHERE = {
    *("callback.token", "callback.aes_key", "callback.key"),
    *("dingtalk.api_base", "wecom.api_base", "ui.language"),
}


def test_every_setting_is_shown_or_left_out_on_purpose() -> None:
    assert set(BY_NAME) == {*LABELS, *ELSEWHERE}
    assert {name.partition(".")[0] for name in LABELS} == set(SECTIONS)


@pytest.mark.parametrize("name", [n for n in LABELS if not BY_NAME[n].is_secret])
def test_a_default_survives_being_shown_and_read(name: str) -> None:
    info, value = BY_NAME[name], Settings().value_of(name)

    shown = to_text(value)
    read = shown == "True" if isinstance(value, bool) else from_text(info, shown)

    assert App.judge_setting(name, read) is None
    assert info.rule.parse(read) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("callback.port", " 8080 ", 8080),
        ("callback.port", "eighty", "eighty"),
        ("callback.port", "", ""),
        ("sync.source_department_ids", "1, 2，3、4,", [1, 2, 3, 4]),
        ("sync.source_department_ids", "", []),
        ("sync.source_department_ids", "x", ["x"]),
        ("sync.protected_wecom_userids", "ZhangSan, 007", ["ZhangSan", "007"]),
        ("sync.department_links", "2 = 15，3=16", {"2": 15, "3": 16}),
        ("sync.department_links", "", {}),
        ("sync.department_links", "2", {"2": ""}),
    ],
)
def test_what_people_type_becomes_json(name: str, text: str, expected: object) -> None:
    assert from_text(BY_NAME[name], text) == expected


def test_every_choice_has_words() -> None:
    for name, words in CHOICES.items():
        assert all(App.judge_setting(name, str(choice)) is None for choice in words)
