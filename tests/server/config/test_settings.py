import json
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.config.files import JsonObject
from server.config.parsing import parse_settings, with_settings
from server.config.rules import DINGTALK_ID_MAX, WECOM_ID_MAX
from server.config.settings import Language, Leavers, Settings, known_settings
from server.errors.base import SettingsError

# Section 4 of the design, word for word; other programs rely on these names.
CONTRACT: dict[str, object] = {
    "callback.host": "0.0.0.0",  # noqa: S104 - the contract's default
    "callback.port": 8080,
    "callback.path": "/api/callback",
    "callback.token": "",
    "callback.aes_key": "",
    "callback.key": "",
    "dingtalk.app_key": "",
    "dingtalk.app_secret": "",
    "dingtalk.api_base": "https://oapi.dingtalk.com",
    "wecom.corp_id": "",
    "wecom.contact_secret": "",
    "wecom.api_base": "https://qyapi.weixin.qq.com",
    "sync.enabled": False,
    "sync.source_department_ids": [1],
    "sync.excluded_department_ids": [],
    "sync.protected_wecom_userids": [],
    "sync.target_department_id": 1,
    "sync.leavers": "disable",
    "sync.delete_after_days": 30,
    "sync.max_removals": 3,
    "sync.max_removal_percent": 5,
    "sync.invite": False,
    "sync.daily_at": "03:00",
    "sync.missed_events_minutes": 5,
    "sync.approve_first_run": True,
    "sync.department_links": {},
    "sync.employee_number_attribute": "",
    "ui.language": "auto",
}
SECRET = {
    "callback.token",
    "callback.aes_key",
    "callback.key",
    "dingtalk.app_secret",
    "wecom.contact_secret",
}


def nested(name: str, value: object) -> dict[str, object]:
    section, _, setting = name.partition(".")
    return {section: {setting: value}}


def complaints(document: Any) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(document)
    return {problem.name: str(problem.message) for problem in caught.value.problems}


def test_every_setting_of_the_contract_is_known_with_its_default() -> None:
    table = {info.name: info.default for info in known_settings()}
    assert {name: table[name] for name in CONTRACT} == CONTRACT
    added = {"callback.public_url", "callback.previous_grace_hours"}
    assert added | {"journal.keep_days", "journal.keep_events"} == (table.keys() - CONTRACT.keys())


def test_the_table_explains_every_setting_and_marks_the_secret_ones() -> None:
    assert all(info.text.endswith(".") and info.kind for info in known_settings())
    assert {info.name for info in known_settings() if info.is_secret} == SECRET
    assert {info.name for info in known_settings() if info.needs_restart} == {
        "callback.host",
        "callback.port",
    }


def test_an_empty_object_gives_the_defaults() -> None:
    assert Settings() == parse_settings({}).settings


def test_settings_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().callback.port = 1  # type: ignore[misc]  # that it is refused is the claim
    with pytest.raises(TypeError):
        Settings().sync.department_links[1] = 2  # type: ignore[index]  # as above


@pytest.mark.parametrize(
    ("name", "given_value", "expected"),
    [
        ("callback.host", " 127.0.0.1 ", "127.0.0.1"),
        ("callback.host", "::1", "::1"),
        ("callback.host", "office-pc.example.com", "office-pc.example.com"),
        ("callback.port", 0, 0),
        ("callback.path", "/", "/"),
        ("callback.path", "/ding/", "/ding/"),
        ("dingtalk.api_base", "http://127.0.0.1:8123/", "http://127.0.0.1:8123"),
        ("wecom.api_base", "https://proxy.example.com/wecom", "https://proxy.example.com/wecom"),
        ("wecom.api_base", "http://[::1]:81", "http://[::1]:81"),
        ("wecom.api_base", "http://localhost:81", "http://localhost:81"),
        ("sync.source_department_ids", ["2", 3, 2], (2, 3)),
        ("sync.excluded_department_ids", [-1, "-7", 0, "0", 5, "5"], (-1, -7, 0, 5)),
        ("sync.target_department_id", "17", 17),
        ("sync.protected_wecom_userids", ["b", "a", "B"], ("b", "a")),
        ("sync.leavers", "delete", Leavers.DELETE),
        ("sync.daily_at", "23:59", "23:59"),
        ("sync.department_links", {"9223372036854775807": "2"}, {DINGTALK_ID_MAX: 2}),
        ("sync.employee_number_attribute", "工号", "工号"),
        ("ui.language", "zh_CN", Language.CHINESE),
        ("ui.language", "en-US", Language.ENGLISH),
        ("ui.language", "ZH-cn", Language.CHINESE),
    ],
)
def test_a_usable_value_is_read(name: str, given_value: object, expected: object) -> None:
    assert expected == parse_settings(nested(name, given_value)).settings.value_of(name)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("callback.host", "999.1.1.1", "an IP address or a host name"),
        ("callback.host", "", "an IP address or a host name"),
        ("callback.host", "127.0.0.1:80", "without port"),
        ("callback.host", "http://pc", "an IP address"),
        ("callback.host", 1, "text in quotes"),
        ("callback.port", True, "an integer"),
        ("callback.port", "8080", "an integer"),
        ("callback.port", 8080.0, "an integer"),
        ("callback.port", None, "an integer"),
        ("callback.port", 65536, "from 0 to 65535"),
        ("callback.port", -1, "from 0 to 65535"),
        ("callback.path", "api", 'starts with "/"'),
        ("callback.path", "/healthz", "reserved for the health check"),
        ("callback.path", "/HealthZ/", "reserved for the health check"),
        ("callback.path", "/a b", "only letters"),
        ("callback.path", "/<name>", "only letters"),
        ("callback.path", "//a", "only letters"),
        ("callback.path", "/a/../b", "only letters"),
        ("callback.path", "/回调", "only letters"),
        ("callback.previous_grace_hours", -1, "from 0 to 720"),
        ("dingtalk.app_key", "ding abc", "without spaces"),
        ("dingtalk.app_key", "d" * 129, "at most 128"),
        ("dingtalk.api_base", "oapi.dingtalk.com", "a web address"),
        ("dingtalk.api_base", "ftp://oapi.dingtalk.com", "a web address"),
        ("dingtalk.api_base", "http://oapi.dingtalk.com", "https:// is expected"),
        ("wecom.api_base", "http://10.0.0.7", "https:// is expected"),
        ("wecom.api_base", "HTTP://localhost.example.com", "https:// is expected"),
        ("wecom.api_base", "http://[2001:db8::1]:81", "https:// is expected"),
        ("dingtalk.api_base", "https://", "a web address"),
        ("dingtalk.api_base", "https://a:b", "a web address"),
        ("dingtalk.api_base", "https://[::1", "a web address"),
        ("dingtalk.api_base", "https://me:pw@host", "a web address"),
        ("dingtalk.api_base", "https://host?x=1", "a web address"),
        ("sync.enabled", 1, "true or false"),
        ("sync.enabled", "true", "true or false"),
        ("sync.source_department_ids", [], "at least one"),
        ("sync.source_department_ids", 1, "a list"),
        ("sync.source_department_ids", [True], "a department id"),
        ("sync.source_department_ids", ["x"], "a department id"),
        ("sync.source_department_ids", [0], "from 1 to 9223372036854775807"),
        ("sync.source_department_ids", [-1], "from 1 to 9223372036854775807"),
        ("sync.excluded_department_ids", [2**63], "from 1 to"),
        ("sync.excluded_department_ids", ["--1"], "a department id"),
        ("sync.excluded_department_ids", [False], "a department id"),
        ("sync.target_department_id", 0, f"from 1 to {WECOM_ID_MAX}"),
        ("sync.target_department_id", WECOM_ID_MAX + 1, "from 1 to"),
        ("sync.protected_wecom_userids", [7], "text in quotes"),
        ("sync.protected_wecom_userids", ["张三"], "userids"),
        ("sync.leavers", "remove", "disable, delete, keep"),
        ("sync.max_removal_percent", 101, "from 0 to 100"),
        ("sync.daily_at", "3:00", "03:00"),
        ("sync.daily_at", "24:00", "03:00"),
        ("sync.department_links", [], "an object"),
        ("sync.department_links", {"a": 1}, "a department id"),
        ("sync.department_links", {"2": 5, "3": 5}, "linked to the same"),
        ("sync.employee_number_attribute", "a\x07b", "invisible characters"),
        ("sync.employee_number_attribute", "a\ud800", "invisible characters"),
        ("ui.language", "fr", "auto, zh-CN, en"),
    ],
)
def test_an_unusable_value_is_named_with_what_is_expected(
    name: str, value: object, words: str
) -> None:
    found = complaints(nested(name, value))
    assert [name] == list(found)
    assert words in found[name]


def test_all_problems_are_named_at_once() -> None:
    document = {"callback": {"port": "x", "host": 1}, "sync": 5, "ui": {"language": None}}
    assert {"callback.port", "callback.host", "sync", "ui.language"} == complaints(document).keys()


def test_a_department_both_mirrored_and_left_out_is_a_problem() -> None:
    document = {"sync": {"source_department_ids": [4, 5], "excluded_department_ids": ["5"]}}
    assert list(complaints(document)) == ["sync.excluded_department_ids"]


def test_names_of_a_newer_version_are_reported_and_no_error() -> None:
    document = {"version": 1, "callback": {"colour": 1}, "robot": {}}
    assert parse_settings({**document}).unknown == ("callback.colour", "robot")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
setting_values = st.sampled_from([info.name for info in known_settings()])


def rendered(settings: Settings) -> JsonObject:
    plain = [info.name for info in known_settings() if not info.is_secret]
    return with_settings({}, {name: settings.value_of(name) for name in plain})


@given(name=setting_values, value=json_values)
def test_any_json_value_is_read_or_named(name: str, value: object) -> None:
    try:
        settings = parse_settings(nested(name, value)).settings
    except SettingsError as exc:
        assert [name] == [problem.name for problem in exc.problems]  # noqa: PT017 - either may be
    else:
        written = json.loads(json.dumps(rendered(settings)))
        assert settings == parse_settings(written).settings


usable = {
    "callback.host": st.ip_addresses().map(str) | st.just("office-pc"),
    "callback.port": st.integers(0, 65535),
    "callback.path": st.from_regex(r"/([a-y0-9._~-]{2,5}/?){0,4}", fullmatch=True).filter(
        lambda path: not {".", ".."} & set(path.split("/"))
    ),
    "sync.enabled": st.booleans(),
    "sync.source_department_ids": st.lists(st.integers(1, DINGTALK_ID_MAX), min_size=1),
    "sync.protected_wecom_userids": st.lists(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}", fullmatch=True)
    ),
    "sync.leavers": st.sampled_from(["disable", "delete", "keep"]),
    "sync.department_links": st.dictionaries(
        st.integers(1, DINGTALK_ID_MAX).map(str), st.integers(1, WECOM_ID_MAX)
    ).filter(lambda links: len(set(links.values())) == len(links)),
    "ui.language": st.sampled_from(["auto", "zh_CN", "en-GB", "en"]),
}


@given(st.fixed_dictionaries({}, optional=usable))
def test_reading_what_was_written_gives_the_same_settings(values: dict[str, object]) -> None:
    settings = parse_settings(with_settings({}, values)).settings
    written = json.loads(json.dumps(rendered(settings)))
    assert settings == parse_settings(written).settings
