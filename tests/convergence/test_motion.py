"""Nobody who exists is ever removed, whatever changes in DingTalk while a run reads it.

DINGBRIDGE_CONVERGENCE_CASES and _SEED as in `test_convergence`; half of the cases change DingTalk
during runs. A failure names its seed; which of two threads is faster is not in it, so that it may
take a few tries to see it again.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from server.dingtalk import client
from server.directory.model import Ledger
from server.journal.runs import RunStatus
from server.simulator.company_generator import generate
from server.sync.worker import Worker
from tests.convergence.history import History, foreigners, settle_foreigners, unexplained
from tests.server.sync.world import DAY_MS, World, open_world

CASES = int(os.environ.get("DINGBRIDGE_CONVERGENCE_CASES", "40")) // 2
FIRST_SEED = int(os.environ.get("DINGBRIDGE_CONVERGENCE_SEED", "1"))
MINUTE_MS = 60_000
MOST_APPROVALS = 5

pytestmark = [pytest.mark.slow, pytest.mark.timeout(max(120, CASES * 20))]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that somebody always stands on the page behind a leaver."""
    monkeypatch.setattr(client, "_PAGE_SIZE", 3)


@dataclass(frozen=True)
class _Before:
    """What was ours before a run."""

    world: World
    ledger: Ledger

    @classmethod
    def of(cls, world: World) -> "_Before":
        return cls(world, world.ledger())

    def lost(self) -> list[str]:
        """Name who exists and was disabled or deleted, or whose department was.

        Nobody comes back under an old id, so that who exists now did so all the time.
        """
        roster, known = self.world.company.roster, self.world.wecom.directory.snapshot()
        after = self.world.ledger()
        lost = []
        for key, link in self.ledger.people.items():
            if key not in roster.people or link.accepted is None or not link.is_enabled:
                continue
            member = known.members.get(link.wecom_userid)
            if key not in after.people or member is None or not member.is_enabled:
                lost.append(f"person {key}")
        for key, place in self.ledger.departments.items():
            if int(key) not in roster.departments or place.accepted is None:
                continue
            if key not in after.departments or int(place.wecom_id) not in known.departments:
                lost.append(f"department {key}")
        return lost


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + CASES))
def test_whatever_changes_during_runs_nobody_who_exists_is_removed(
    seed: int, tmp_path: Path
) -> None:
    print(f"seed {seed}")  # noqa: T201 - shown with a failure
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    company = generate(random.randrange(6, 30), random.randrange(2, 10), seed)
    with open_world(tmp_path, company) as world:
        history = History(company, random)
        settle_foreigners(world.console)
        world.first_sync()
        strangers = foreigners(world.wecom)
        worker = world.new_worker()
        for _ in range(random.randrange(2, 6)):
            _some_runs(world, history, worker)
        world.dingtalk.forget_acts()
        world.dingtalk_faults.switch_off()
        _assert_in_step(world)
        assert foreigners(world.wecom) == strangers


def _some_runs(world: World, history: History, worker: Worker) -> None:
    """Let things happen before a full run, during it, and while events are followed."""
    random = history.random
    with history.lock:
        is_faulty, is_asked = random.random() < 0.3, random.random() < 0.5
        calls = 3 * len(world.company.roster.departments) + len(world.company.roster.people) // 2
        moments = [random.randrange(1, calls + 2) for _ in range(random.randrange(1, 9))]
        rules = history.rules(0.03) if is_faulty else ()
    world.dingtalk_faults.add(*rules)
    for nth in moments:
        world.dingtalk.after_call(history.move_about, nth=nth)
    if is_asked:
        before = _Before.of(world)
        world.sync()
        assert before.lost() == []
    history.deliver_to(world.journal, world.now_ms)
    for _ in range(3):
        world.now_ms += MINUTE_MS
        before = _Before.of(world)
        worker.loop(world.now_ms)
        assert before.lost() == []
    world.dingtalk_faults.switch_off()
    world.now_ms += 60 * MINUTE_MS


def _assert_in_step(world: World) -> None:
    """DingTalk holds still: with all that is held approved both sides agree, and stay so."""
    world.now_ms += 8 * DAY_MS  # everybody's manager is read within seven
    result = world.sync()
    for _ in range(MOST_APPROVALS):
        if result.digest:
            result = world.sync(allow=result.digest)
    assert result.status in (RunStatus.SUCCESS, RunStatus.PARTIAL), result
    assert unexplained(world, result) == []
    world.forget_calls()
    world.sync()
    assert [one.path for one in world.wecom.writes()] == []
