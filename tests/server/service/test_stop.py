"""A stop does not wait for a vendor that does not answer."""

from pathlib import Path

from server.api.app import App
from server.config.paths import DataFolder
from server.simulator.company import Company
from tests.e2e.program import FIRST
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import open_sides
from tests.waiting import until


def test_a_stop_gives_up_the_call_under_way(tmp_path: Path) -> None:
    with open_sides(Company()) as sides:
        sides.wecom_faults.add(Rule(Fault.SLOW, path="list_id", delay_s=60.0))
        app = App(DataFolder(tmp_path))
        callback = {"host": "127.0.0.1", "port": 0, **FIRST.settings}
        app.configure({**sides.settings, "callback": callback, "sync": {"enabled": True}})
        app.start()
        until(lambda: sides.wecom_faults.injected)
        assert app.stop(4.0) == ()
        sides.switch_off_faults()
