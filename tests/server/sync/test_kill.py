"""SIGKILL in the middle of a run: what was created is known, and nothing is created twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.journal.journal import Journal
from server.journal.runs import RunStatus
from server.simulator.company_generator import generate
from tests.server.sync.world import World, differences, open_world
from tests.waiting import until

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("killed_run.py")


def _start(world: World) -> "subprocess.Popen[bytes]":
    settings = world.config.settings
    given = {
        "app_key": settings.dingtalk.app_key,
        "app_secret": world.dingtalk.rules.app_secret,
        "dingtalk": settings.dingtalk.api_base,
        "corp_id": settings.wecom.corp_id,
        "contact_secret": world.wecom.rules.contact_secret,
        "wecom": settings.wecom.api_base,
    }
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(world.path), json.dumps(given)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 5, 12])
def test_a_killed_run_is_resumed_and_creates_nothing_twice(tmp_path: Path, writes: int) -> None:
    company = generate(12, 3, 11, odd=False)
    with open_world(tmp_path, company, approve_first_run=False) as world:
        world.journal.close(10)
        process = _start(world)
        until(lambda: len(world.wecom.writes()) >= writes or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        world.journal = Journal.open(world.path, world.now_ms)
        world.engine = world.new_engine()
        assert world.sync().status is RunStatus.SUCCESS
        assert differences(world) == []
        paths = [one.path for one in world.wecom.writes()]
        assert paths.count("/cgi-bin/user/create") == 12
        assert paths.count("/cgi-bin/department/create") == 3
