"""Whatever happened, and whatever was lost on the way: after the next full run both sides agree.

DINGBRIDGE_CONVERGENCE_CASES: how many random histories to try; DINGBRIDGE_CONVERGENCE_SEED: the
first seed. A failure names its seed, which is all it takes to see it again.
"""

import os
from pathlib import Path
from random import Random

import pytest

from server.errors.vendor import CallCancelledError
from server.journal.runs import RunStatus
from server.simulator.company_generator import generate
from server.sync.clients import PolledStop
from server.sync.worker import Worker
from tests.convergence.history import History, foreigners, settle_foreigners, unexplained
from tests.server.sync.world import DAY_MS, World, open_world

CASES = int(os.environ.get("DINGBRIDGE_CONVERGENCE_CASES", "40"))
FIRST_SEED = int(os.environ.get("DINGBRIDGE_CONVERGENCE_SEED", "1"))


@pytest.mark.slow
@pytest.mark.timeout(max(120, CASES * 20))
@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + CASES))
def test_after_any_history_one_full_run_makes_both_sides_equal(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")  # noqa: T201 - shown with a failure
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    company = generate(random.randrange(8, 25), random.randrange(2, 9), seed)
    with open_world(tmp_path, company, max_removals=10_000, max_removal_percent=100) as world:
        history = History(company, random)
        settle_foreigners(world.console)
        world.first_sync()
        strangers = foreigners(world.wecom)
        worker = world.new_worker()
        for _ in range(random.randrange(3, 8)):
            worker = _one_day(world, history, worker)
        world.dingtalk_faults.switch_off()
        world.wecom_faults.switch_off()
        world.now_ms += 8 * DAY_MS  # everybody's manager is read within seven
        result = world.sync()
        assert result.status in (RunStatus.SUCCESS, RunStatus.PARTIAL), result.error
        assert unexplained(world, result) == []
        assert foreigners(world.wecom) == strangers
        world.forget_calls()
        world.sync()
        assert [one.path for one in world.wecom.writes()] == []


def _one_day(world: World, history: History, worker: Worker) -> Worker:
    """Let things happen under faults; the service may be killed in the middle."""
    random = history.random
    for _ in range(random.randrange(1, 8)):
        history.happen()
    world.dingtalk_faults.add(*history.rules(0.05))
    world.wecom_faults.add(*history.rules(0.08))
    history.deliver_to(world.journal, world.now_ms)
    if random.random() < 0.4:
        _die_in_a_run(world, random.randrange(1, 60))
        world.restart()
        worker = world.new_worker()
    else:
        for _ in range(4):
            world.now_ms += 60_000
            worker.loop(world.now_ms)
        if random.random() < 0.3:
            world.sync()
    world.now_ms += random.randrange(3600_000, 2 * DAY_MS)
    return worker


def _die_in_a_run(world: World, looks: int) -> None:
    """End a run after so many looks at the stop, wherever it is then; its end is never written."""
    left = iter(range(looks))
    try:
        world.engine.run(stop=PolledStop(lambda: next(left, None) is None))
    except CallCancelledError:
        return
