from hypothesis import given
from hypothesis import strategies as st

from ui.widgets.wrapping import is_chinese, wrap


def _columns(text: str) -> int:
    return sum(2 if ord(sign) > 0x2E80 else 1 for sign in text)


def test_chinese_is_broken_at_the_edge_and_latin_words_are_kept_whole() -> None:
    text = "请把 key 改为 dingtheotherkey0。在后台配置的订阅使用 AppKey（Client ID）。"

    assert wrap(text, 30, _columns).split("\n") == [
        "请把 key 改为",
        "dingtheotherkey0。在后台配置的",
        "订阅使用 AppKey（Client ID）。",
    ]


def test_a_word_wider_than_the_line_stands_alone() -> None:
    assert wrap("见 https://ding.example.com/api/callback 。", 10, _columns).split("\n")[:2] == [
        "见",
        "https://ding.example.com/api/callback",
    ]


@given(st.text(st.sampled_from("中文字，。“”（）ab1 /.\n"), max_size=60), st.integers(8, 40))
def test_nothing_but_blanks_is_lost_and_no_line_begins_with_a_stop(text: str, width: int) -> None:
    wrapped = wrap(text, width, _columns)

    assert "".join(wrapped.split()) == "".join(text.split())
    made = len(wrapped.split("\n")) - len(text.split("\n"))
    assert made >= 0


def test_chinese_is_recognised() -> None:
    assert is_chinese("AppKey 填写")
    assert not is_chinese("“AppKey” …")
