"""A company, its DingTalk, a WeCom and the engine between them, over real sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

from crypto.secret import Secret
from server.config.secrets import Secrets
from server.config.settings import (
    DingTalkSettings,
    Settings,
    SyncSettings,
    WeComSettings,
)
from server.config.store import Config
from server.directory.model import Ledger
from server.journal import ledger as stored
from server.journal.journal import Journal
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.rest.vendor_clock import VendorClock
from server.simulator.company import Company
from server.simulator.comparison import Pairs
from server.simulator.comparison import differences as compared
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from server.simulator.roster import ROOT_ID, Person
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Member
from server.sync.clients import ClientPool, Throttle
from server.sync.engine import Engine
from server.sync.outcome import RunResult
from server.sync.worker import Worker
from tests.server.simulator.companies import found_department, hire
from tests.server.simulator.faults import DINGTALK_ANSWERS, WECOM_ANSWERS, FaultPlan

DAY_MS = 86_400_000
START_MS = 1_790_000_000_000
SPEED = 500.0
FAST = Throttle(
    Limits(connect_s=5, read_s=10, total_s=60 * SPEED), RetryPolicy(patience=0.01), speed=SPEED
)


@dataclass
class World:
    company: Company
    dingtalk: DingTalkContacts
    wecom: WeComContacts
    console: WeComConsole
    dingtalk_faults: FaultPlan
    wecom_faults: FaultPlan
    journal: Journal
    config: Config
    path: Path
    now_ms: int
    engine: Engine = field(init=False)
    thrown_ms: int = 0
    vendors_ahead_ms: int = 0
    servers: tuple[LoopbackServer, ...] = ()

    def __post_init__(self) -> None:
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        client_pool = ClientPool(FAST, VendorClock(lambda: self.now_ms, self.steady_s))
        return Engine(self.journal, lambda: self.config, client_pool, lambda: self.now_ms)

    def new_worker(self) -> Worker:
        """A worker whose thread does not run: its loop is gone through by hand."""
        worker = self.unprepared_worker()
        worker.prepare()
        return worker

    def unprepared_worker(self) -> Worker:
        return Worker(
            self.journal,
            self.engine,
            lambda: self.config,
            clock_ms=lambda: self.now_ms,
            steady_s=self.steady_s,
        )

    def steady_s(self) -> float:
        """Read the clock that goes on whatever `throw_clock` does to the one on the wall."""
        return (self.now_ms - self.thrown_ms) / 1000

    def date(self) -> str:
        """Tell the time as the vendors do, whose clocks nobody throws."""
        return formatdate(self.steady_s() + self.vendors_ahead_ms / 1000, usegmt=True)

    def throw_clock(self, by_ms: int) -> None:
        """Set the clock on the wall forward, or back; no time passes."""
        self.now_ms += by_ms
        self.thrown_ms += by_ms

    def set(self, **sync: Any) -> None:
        settings = self.config.settings
        changed = replace(settings, sync=replace(settings.sync, **sync))
        self.config = replace(self.config, settings=changed)

    def sync(self, **how: Any) -> RunResult:
        return self.engine.run(**how)

    def first_sync(self) -> RunResult:
        """Run and approve what is held."""
        held = self.sync()
        return self.sync(allow=held.digest) if held.digest else held

    def write_to(self, other: WeComContacts, address: str) -> None:
        """Enter another WeCom company in the settings."""
        settings = replace(self.config.settings, wecom=WeComSettings(other.rules.corp_id, address))
        self.config = replace(self.config, settings=settings)
        self.wecom, self.console = other, WeComConsole(other.directory)

    def restart(self) -> None:
        """A new process on the same data folder."""
        self.engine.close()
        self.journal.close(10)
        self.journal = Journal.open(self.path, self.now_ms)
        self.engine = self.new_engine()

    def ledger(self) -> Ledger:
        return self.journal.read(stored.load)

    def member_of(self, dingtalk_userid: str) -> Member:
        link = self.ledger().people[dingtalk_userid]
        return self.wecom.directory.snapshot().members[link.wecom_userid]

    def hire(self, name: str, *dept_ids: int, **details: Any) -> Person:
        return hire(self.company, name, *dept_ids, **details)

    def department(self, name: str, parent_id: int = ROOT_ID) -> int:
        return found_department(self.company, name, parent_id)

    def forget_calls(self) -> None:
        self.dingtalk.log.clear()
        self.wecom.log.clear()

    def attempted_writes(self) -> list[str]:
        reads = ("gettoken", "simplelist", "list_id", "getuserid")
        return [one.path for one in self.wecom.log.calls() if not one.path.endswith(reads)]


@dataclass
class Sides:
    """Both vendors, served on loopback as long as they are open, and the way to them."""

    company: Company
    dingtalk: DingTalkContacts
    wecom: WeComContacts
    dingtalk_faults: FaultPlan
    wecom_faults: FaultPlan
    servers: tuple[LoopbackServer, LoopbackServer]

    @property
    def source(self) -> str:
        return self.servers[0].address

    @property
    def target(self) -> str:
        return self.servers[1].address

    @property
    def settings(self) -> dict[str, dict[str, object]]:
        """What `configure` takes to reach both."""
        return {
            "dingtalk": self.dingtalk.rules.settings(self.source),
            "wecom": self.wecom.rules.settings(self.target),
        }

    def switch_off_faults(self) -> None:
        self.dingtalk_faults.switch_off()
        self.wecom_faults.switch_off()

    @contextmanager
    def world(self, path: Path, now_ms: int = START_MS, **sync: Any) -> Iterator[World]:
        """Put the engine between them, in this process."""
        rules = self.dingtalk.rules, self.wecom.rules
        config = Config(
            Settings(
                dingtalk=DingTalkSettings(rules[0].app_key, self.source),
                wecom=WeComSettings(rules[1].corp_id, self.target),
                sync=SyncSettings(enabled=True, **sync),
            ),
            Secrets(
                app_secret=Secret(rules[0].app_secret),
                contact_secret=Secret(rules[1].contact_secret),
            ),
        )
        world = World(
            self.company,
            self.dingtalk,
            self.wecom,
            WeComConsole(self.wecom.directory),
            self.dingtalk_faults,
            self.wecom_faults,
            Journal.open(path, 0),
            config,
            path,
            now_ms,
        )
        world.servers = self.servers
        for server in self.servers:
            server.date = world.date
        try:
            yield world
        finally:
            self.switch_off_faults()
            world.engine.close()
            world.journal.close(10)


@contextmanager
def open_sides(company: Company) -> Iterator[Sides]:
    dingtalk = DingTalkContacts(company, calls_per_second=None)
    wecom = WeComContacts(calls_per_minute=None, calls_per_hour=None)
    source_faults = FaultPlan(1, DINGTALK_ANSWERS, dingtalk.tokens.revoke)
    target_faults = FaultPlan(2, WECOM_ANSWERS, wecom.tokens.revoke)
    with (
        LoopbackServer(source_faults.wrap(dingtalk.handle)) as source,
        LoopbackServer(target_faults.wrap(wecom.handle)) as target,
    ):
        yield Sides(company, dingtalk, wecom, source_faults, target_faults, (source, target))


@contextmanager
def open_world(tmp_path: Path, company: Company | None = None, **sync: Any) -> Iterator[World]:
    with (
        open_sides(company or Company()) as sides,
        sides.world(tmp_path / "dingbridge.db", **sync) as world,
    ):
        yield world


def differences(world: World) -> list[str]:
    """Compare both sides field by field, without the mirror's own mapping; [] means equal."""
    ledger = world.ledger()
    pairs = Pairs(
        people={key: link.wecom_userid for key, link in ledger.people.items()},
        departments={key: int(link.wecom_id) for key, link in ledger.departments.items()},
    )
    return compared(world.company.roster, world.wecom.directory, pairs)
