"""The service killed again and again while it mirrors: the next one brings both sides in step.

Both vendors are outside the service, so that they keep what it wrote. DINGBRIDGE_CONVERGENCE_CASES
and _SEED as in `test_convergence`; a tenth of the cases are killed services.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from server.api.app import App
from server.config.paths import DataFolder
from server.journal.runs import RunStatus
from server.simulator.company import Payload
from server.simulator.company_generator import generate
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.simulator.wecom.console import WeComConsole
from server.sync.schedule import MINUTE_MS
from tests.convergence.history import History, foreigners, settle_foreigners, unexplained
from tests.convergence.lives import Life, Nursery, Order, Started, forked
from tests.e2e.program import FIRST
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import DAY_MS, Sides, open_sides

CASES = int(os.environ.get("DINGBRIDGE_CONVERGENCE_CASES", "40")) // 10
FIRST_SEED = int(os.environ.get("DINGBRIDGE_CONVERGENCE_SEED", "1"))
LONGEST_LIFE_S = 0.8
SLOWLY = Rule(Fault.SLOW, delay_s=0.01)  # so that a life ends in the middle of something
UNASKED = {"approve_first_run": False, "max_removals": 10_000, "max_removal_percent": 100}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(max(120, CASES * 20)),
    pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL"),
]


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with forked() as opened:
        yield opened


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + CASES))
def test_after_any_kills_one_full_run_makes_both_sides_equal(
    seed: int, tmp_path: Path, nursery: Nursery
) -> None:
    _survive(seed, tmp_path, nursery, longest_life_s=LONGEST_LIFE_S)


def test_the_program_itself_survives_kills(tmp_path: Path) -> None:
    _survive(FIRST_SEED, tmp_path, Started(), longest_life_s=3.0)


def _survive(seed: int, tmp_path: Path, nursery: Nursery, longest_life_s: float) -> None:
    print(f"seed {seed}")  # noqa: T201 - shown with a failure
    random = Random(seed)  # noqa: S311 - repeatable, not secret
    company = generate(random.randrange(6, 18), random.randrange(2, 7), seed)
    with open_sides(company) as sides:
        settle_foreigners(WeComConsole(sides.wecom.directory))
        strangers = foreigners(sides.wecom)
        case = _Case(sides, History(company, random), nursery, tmp_path)
        for _ in range(random.randrange(3, 6)):
            case.live(random.uniform(0.0, longest_life_s))
        sides.switch_off_faults()
        case.ahead_ms += 8 * DAY_MS  # everybody's manager is read within seven
        if random.random() < 0.3:
            case.recover()
        with sides.world(case.database, case.now_ms(), **UNASKED) as world:
            result = world.first_sync()  # all may have left whom the first lives had created
            assert result.status in (RunStatus.SUCCESS, RunStatus.PARTIAL), result.error
            assert unexplained(world, result) == []
            assert foreigners(sides.wecom) == strangers
            world.forget_calls()
            world.sync()
            assert [one.path for one in world.wecom.writes()] == []


class _Case:
    """One data folder, the services that lived on it, and what happened outside meanwhile."""

    def __init__(self, sides: Sides, history: History, nursery: Nursery, tmp_path: Path) -> None:
        self._sides = sides
        self._history = history
        self._nursery = nursery
        self._folder = DataFolder(tmp_path / "data")
        self._transcript = tmp_path / "said.txt"
        self.ahead_ms = 0
        callback = {"host": "127.0.0.1", "port": 0, **FIRST.settings}
        sync = {"enabled": True, "missed_events_minutes": 1, **UNASKED}
        App(self._folder).configure({**sides.settings, "callback": callback, "sync": sync})

    @property
    def database(self) -> Path:
        return self._folder.database

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def live(self, life_s: float) -> None:
        """Let a service live for so long, while things happen and their events reach it."""
        history, sides = self._history, self._sides
        for _ in range(history.random.randrange(1, 8)):
            history.happen()
        sides.switch_off_faults()
        sides.dingtalk_faults.add(*history.rules(0.01), SLOWLY)
        sides.wecom_faults.add(*history.rules(0.03), SLOWLY)
        life = self._bear()
        reaper = threading.Timer(life_s, life.kill)
        reaper.start()
        self._deliver(life, history.delivered(), time.monotonic() + life_s)
        reaper.join()
        assert life.end() == -signal.SIGKILL
        # Minutes later the next service follows events; days later it makes a full run first.
        longest_ms = history.random.choice((5 * MINUTE_MS, DAY_MS // 2, 2 * DAY_MS))
        self.ahead_ms += history.random.randrange(1000, longest_ms)

    def recover(self) -> None:
        """Have a service that nobody kills make the full run, and stop it in good order."""
        life = self._bear()
        life.ready()
        run = App(self._folder).sync()
        assert run.summary.status in ("success", "partial"), run.summary.error
        assert life.end(signal.SIGTERM) == 0

    def _bear(self) -> Life:
        self._transcript.unlink(missing_ok=True)
        order = Order(str(self._folder.root), str(self._transcript), self.ahead_ms)
        return self._nursery.bear(order)

    def _deliver(self, life: Life, payloads: list[Payload], until_s: float) -> None:
        """Send events as long as it lives; some of the undelivered ones DingTalk keeps."""
        address = life.address()
        while address is None and time.monotonic() < until_s:
            time.sleep(0.002)
            address = life.address()
        random, kept = self._history.random, self._sides.dingtalk.callbacks.record_failure
        patience = Patience(deadline_s=1.5, retry_delays_s=())
        url = address or "http://127.0.0.1:9"
        with CallbackSender(
            url, FIRST.token, FIRST.aes_key, FIRST.key, rng=random, patience=patience
        ) as sender:
            for payload in payloads:
                is_there = address is not None and time.monotonic() < until_s
                if is_there and sender.deliver(payload).accepted:
                    self._history.happen()
                elif random.random() < 0.5:
                    kept(payload, names_nobody=random.random() < 0.1)
