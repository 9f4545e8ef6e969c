"""The demo shows what is, and fails where something is wrong."""

import pytest

from server.config.settings import Language
from server.simulator.demo import run_demo
from server.simulator.stage import Stage
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)


@pytest.mark.slow
def test_the_demo_ends_with_both_sides_equal() -> None:
    lines: list[str] = []

    code = run_demo(ENGLISH, lines.append)

    assert [line for line in lines if "FAIL" in line] == []
    assert "  ok    288 people and 40 departments: 0 differences" in lines
    assert "  ok    3 members who were in WeCom before are untouched" in lines
    assert (lines[-1], code) == ("Everything went as it should.", 0)


def test_one_failed_check_is_remembered() -> None:
    lines: list[str] = []
    stage = Stage(ENGLISH, lines.append)

    stage.check("{count} is one", count=2, is_right=False)
    stage.check("one is one", is_right=True)

    assert lines == ["  FAIL  2 is one", "  ok    one is one"]
    assert not stage.is_right
