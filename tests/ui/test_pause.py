"""The tk thread goes on answering while callbacks pour in."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from server.api.app import App
from tests.ui.office import AES_KEY, KEY, TOKEN
from tests.ui.stage import Stage, open_main
from ui.state.window_api import PageName

CALLS_PER_S = 500
LAST_S = 4.0
LONGEST_MS = 50.0
BEAT_MS = 5


@pytest.fixture
def language() -> str:
    return "zh-CN"


def test_no_pause_is_longer_than_50_ms_at_500_callbacks_a_second(stage: Stage) -> None:
    open_main(stage)
    stage.program.open_page(PageName.EVENTS)
    pauses_ms: list[float] = []
    last_s = time.perf_counter()

    def beat() -> None:
        nonlocal last_s
        now_s = time.perf_counter()
        pauses_ms.append((now_s - last_s) * 1000 - BEAT_MS)
        last_s = now_s
        stage.root.after(BEAT_MS, beat)

    with _pouring(stage.app) as sender:
        before = stage.app.status().events.pending
        stage.hand.wait_for(lambda: stage.app.status().events.pending > before)
        last_s = time.perf_counter()
        timer = stage.root.after(BEAT_MS, beat)
        stage.root.after(round(LAST_S * 1000), stage.root.quit)
        stage.root.mainloop()
        stage.root.after_cancel(timer)
        sender.terminate()
    received = stage.app.status().events.pending - before

    assert received > LAST_S * CALLS_PER_S / 4, "too few to mean anything"
    assert max(pauses_ms) < LONGEST_MS


def _pouring(app: App) -> "subprocess.Popen[bytes]":
    """Send callbacks from another process, as DingTalk does."""
    values = [app.status().service.address, TOKEN, AES_KEY, KEY, str(CALLS_PER_S)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.ui.pouring", *values], cwd=Path(__file__).parents[2]
    )
