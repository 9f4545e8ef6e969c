"""The demo shows what is, and fails where something is wrong."""

import threading

import pytest

from server.config.settings import Language
from server.demo import mirror_demo as demo_mirror
from server.demo.callback_demo import run_demo
from server.demo.stage import CheckFailedError, Stage
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import Reply as HttpReply
from server.simulator.httpd import Request
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)


@pytest.mark.slow
def test_the_demo_ends_with_both_sides_equal() -> None:
    lines: list[str] = []

    code = run_demo(ENGLISH, lines.append)

    assert [line for line in lines if "FAIL" in line] == []
    assert "  ok    288 people and 40 departments: 0 differences" in lines
    assert "  ok    3 members who were in WeCom before are untouched" in lines
    assert (lines[-1], code) == ("Everything worked.", 0)


def test_a_check_that_fails_is_shown_and_is_the_end() -> None:
    lines: list[str] = []
    stage = Stage(ENGLISH, lines.append)

    stage.check("one is one", is_right=True)
    with pytest.raises(CheckFailedError):
        stage.check("{count} is one", count=2, is_right=False)

    assert lines == ["  ok    one is one", "  FAIL  2 is one"]


def _refuse_everything(_: Request) -> HttpReply:
    return HttpReply.of_json({"errcode": 50003, "errmsg": "switched off"})


@pytest.mark.slow
def test_the_demo_ends_where_a_step_fails_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody there: it would be noticed
    monkeypatch.setattr(DingTalkContacts, "handle", staticmethod(_refuse_everything))

    code = run_demo(ENGLISH, lines.append)

    assert [line for line in lines if "FAIL" in line] == [lines[-3]]
    assert any("The app is disabled in DingTalk" in line for line in lines)
    assert (lines[-1], code) == ("Something failed.", 1)


@pytest.mark.slow
def test_the_demo_gives_up_a_run_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    released = threading.Event()

    def hang(_: Request) -> HttpReply:
        released.wait(20)
        return HttpReply.of_json({"errcode": 50003, "errmsg": "at last"})

    monkeypatch.setattr(DingTalkContacts, "handle", staticmethod(hang))
    monkeypatch.setattr(demo_mirror, "_PATIENCE_S", 1.0)
    timer = threading.Timer(5.0, released.set)  # lets the server's own threads go
    timer.start()

    code = run_demo(ENGLISH, lines.append)

    timer.join()
    assert any("FAIL" in line for line in lines)
    assert (lines[-1], code) == ("Something failed.", 1)
