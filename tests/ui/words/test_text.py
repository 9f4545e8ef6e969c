from datetime import datetime

import pytest

from server.config.settings import Language
from server.errors.base import PortHeldError
from server.errors.message import N_, Message
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
CHINESE = Texts(Language.CHINESE)
LOCALE_NAMES = ("LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def system_locale(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("sys.platform", "linux")
    for name in LOCALE_NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_sentence_is_shown_in_the_chosen_language() -> None:
    assert ENGLISH("Nothing changed.") == "Nothing changed."
    assert CHINESE("Nothing changed.") == "没有变化。"


def test_gaps_are_filled_in_both_languages() -> None:
    assert ENGLISH("Changed: {names}", names="ui.language") == "Changed: ui.language"
    assert CHINESE("Changed: {names}", names="ui.language") == "已更改：ui.language"


def test_an_error_speaks_the_chosen_language() -> None:
    error = PortHeldError(port=8080, holder="nginx.exe (4711)")

    assert CHINESE.of(error.title) == "端口 8080 已被占用：nginx.exe (4711)。"
    assert ENGLISH.of(error.title) == str(error.title)


def test_a_value_with_braces_stays_as_it_is() -> None:
    message = Message(N_("unknown setting; did you mean {nearest}?"), {"nearest": "{names}"})

    assert "{names}" in CHINESE.of(message)


def test_chinese_sentences_stand_side_by_side_without_a_blank() -> None:
    assert ENGLISH.joined(("One.", "Two.")) == "One. Two."
    assert CHINESE.joined(("甲。", "乙。")) == "甲。乙。"


def test_a_sentence_without_translation_stays_english() -> None:
    unknown = "A sentence of a newer version."

    assert unknown == CHINESE(unknown)


@pytest.mark.parametrize("name", LOCALE_NAMES)
@pytest.mark.parametrize("value", ["zh_CN.UTF-8", "zh_TW", "ZH-Hans"])
def test_a_chinese_system_is_spoken_to_in_chinese(
    system_locale: pytest.MonkeyPatch, name: str, value: str
) -> None:
    system_locale.setenv(name, value)

    assert Texts(Language.AUTO).language is Language.CHINESE


@pytest.mark.parametrize("value", ["", "C", "POSIX", "en_US.UTF-8", "de_DE.UTF-8"])
def test_any_other_system_is_spoken_to_in_english(
    system_locale: pytest.MonkeyPatch, value: str
) -> None:
    system_locale.setenv("LANG", value)

    assert Texts(Language.AUTO).language is Language.ENGLISH


def test_lc_all_outweighs_lang(system_locale: pytest.MonkeyPatch) -> None:
    system_locale.setenv("LANG", "zh_CN.UTF-8")
    system_locale.setenv("LC_ALL", "en_US.UTF-8")

    assert Texts(Language.AUTO).language is Language.ENGLISH


def test_a_chosen_language_outweighs_the_systems(system_locale: pytest.MonkeyPatch) -> None:
    system_locale.setenv("LC_ALL", "zh_CN.UTF-8")

    assert Texts(Language.ENGLISH)("Nothing changed.") == "Nothing changed."


def test_a_moment_is_shown_as_local_time() -> None:
    at_ms = int(datetime(2026, 11, 22, 9, 5, 7).astimezone().timestamp() * 1000)

    assert ENGLISH.moment(at_ms) == "2026-11-22 09:05:07"


def test_no_moment_is_a_dash() -> None:
    assert ENGLISH.moment(None) == "–"
    assert [ENGLISH.moment(at_ms) for at_ms in (10**30, 10**17, -(10**18))] == ["–"] * 3
