import pytest

from server.config.settings import Language, known_settings
from server.errors.message import Message
from ui.words.setting_words import LABELS
from ui.words.window_texts import WindowTexts

ENGLISH = WindowTexts(Language.ENGLISH)
CHINESE = WindowTexts(Language.CHINESE)
ENTER = "Enter it as callback.public_url, including its path."


def test_a_setting_is_called_by_the_label_it_has_in_the_window() -> None:
    assert ENGLISH.of(Message(ENTER)) == "Enter it as “Public address”, including its path."
    assert CHINESE.of(Message(ENTER)) == "请在“公网地址”中填写完整地址，包括路径。"


@pytest.mark.parametrize("name", sorted(LABELS))
def test_every_setting_of_the_window_has_its_label(name: str) -> None:
    assert name in {info.name for info in known_settings()}
    assert ENGLISH.of(Message(f"Correct {name}.")) == f"Correct “{LABELS[name]}”."


@pytest.mark.parametrize(
    "sentence", ["Ask https://callback.host/ for it.", "Correct sync.enabled_too.", "Correct ui.x."]
)
def test_what_only_looks_like_a_setting_stays_as_it_is(sentence: str) -> None:
    assert ENGLISH.of(Message(sentence)) == sentence


def test_what_fills_a_gap_stays_as_it_is() -> None:
    message = Message("{url} leads elsewhere.", {"url": "callback.port"})
    assert ENGLISH.of(message) == "callback.port leads elsewhere."
