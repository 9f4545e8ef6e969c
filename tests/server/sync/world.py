"""A company, its DingTalk, a WeCom and the engine between them, over real sockets."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
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
from server.directory import text
from server.directory.model import Ledger
from server.journal import ledger as stored
from server.journal.journal import Journal
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.simulator.company import Company
from server.simulator.contacts_dingtalk import DingTalkContacts
from server.simulator.contacts_wecom import WeComContacts
from server.simulator.faults import DINGTALK_ANSWERS, WECOM_ANSWERS, FaultPlan
from server.simulator.httpd import LoopbackServer
from server.simulator.roster import ROOT_ID, Person
from server.simulator.wecom_console import WeComConsole
from server.simulator.wecom_directory import Member
from server.sync.engine import Engine
from server.sync.parties import Pace, Road
from server.sync.result import RunResult

DAY_MS = 86_400_000
SPEED = 500.0
FAST = Pace(
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
    now_ms: int = 1_790_000_000_000
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self.engine = self.new_engine()

    def new_engine(self) -> Engine:
        return Engine(self.journal, lambda: self.config, Road(FAST), lambda: self.now_ms)

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
        person = self.company.draft(name, dept_ids or (ROOT_ID,), **details)
        self.company.hire(person)
        return person

    def department(self, name: str, parent_id: int = ROOT_ID) -> int:
        return int(self.company.create_department(name, parent_id)[0]["deptId"][0])

    def forget_calls(self) -> None:
        self.dingtalk.log.clear()
        self.wecom.log.clear()

    def attempted_writes(self) -> list[str]:
        reads = ("gettoken", "simplelist", "list_id", "getuserid")
        return [one.path for one in self.wecom.log.calls() if not one.path.endswith(reads)]


@contextmanager
def open_world(tmp_path: Path, company: Company | None = None, **sync: Any) -> Iterator[World]:
    company = company or Company()
    dingtalk = DingTalkContacts(company, calls_per_second=None)
    wecom = WeComContacts(calls_per_minute=None, calls_per_hour=None)
    source_faults = FaultPlan(1, DINGTALK_ANSWERS, dingtalk.tokens.revoke)
    target_faults = FaultPlan(2, WECOM_ANSWERS, wecom.tokens.revoke)
    path = tmp_path / "dingbridge.db"
    with (
        LoopbackServer(source_faults.wrap(dingtalk.handle)) as source,
        LoopbackServer(target_faults.wrap(wecom.handle)) as target,
    ):
        config = Config(
            Settings(
                dingtalk=DingTalkSettings(dingtalk.rules.app_key, source.address),
                wecom=WeComSettings(wecom.rules.corp_id, target.address),
                sync=SyncSettings(enabled=True, **sync),
            ),
            Secrets(
                app_secret=Secret(dingtalk.rules.app_secret),
                contact_secret=Secret(wecom.rules.contact_secret),
            ),
        )
        world = World(
            company,
            dingtalk,
            wecom,
            WeComConsole(wecom.directory),
            source_faults,
            target_faults,
            Journal.open(path, 0),
            config,
            path,
        )
        try:
            yield world
        finally:
            source_faults.switch_off()
            target_faults.switch_off()
            world.engine.close()
            world.journal.close(10)


def differences(world: World) -> list[str]:
    """Compare both sides field by field, without the mirror's own mapping; [] means equal."""
    return [
        *_department_differences(world),
        *_people_differences(world),
        *_order_differences(world),
    ]


def _department_differences(world: World) -> Iterator[str]:
    links = world.ledger().departments
    rows = world.wecom.directory.snapshot().departments
    roster = world.company.roster
    for key, one in roster.departments.items():
        if key == ROOT_ID:
            continue
        link = links.get(str(key))
        row = rows.get(int(link.wecom_id)) if link else None
        if link is None or row is None:
            yield f"department {key} {one.name!r} is missing"
            continue
        base = text.department_name(one.name) or str(key)
        if text.number_of(base, row.name) is None:
            yield f"department {key}: name {row.name!r} for {one.name!r}"
        above = 1 if one.parent_id == ROOT_ID else int(links[str(one.parent_id)].wecom_id)
        if row.parent_id != above:
            yield f"department {key}: parent {row.parent_id}, not {above}"
    for linked in links.values():
        if int(linked.department_id) not in roster.departments:
            yield f"department {linked.department_id} ({linked.wecom_id}) is still linked"


def is_reachable(person: Person) -> bool:
    mobile = text.mobile(person.mobile, person.state_code) if person.mobile else ""
    return bool(mobile or (person.email and text.email(person.email)))


def _people_differences(world: World) -> Iterator[str]:
    links = world.ledger().people
    members = world.wecom.directory.snapshot().members
    places = {key: int(link.wecom_id) for key, link in world.ledger().departments.items()}
    places[str(ROOT_ID)] = 1
    for key, person in world.company.roster.people.items():
        if not is_reachable(person):
            continue
        link = links.get(key)
        member = members.get(link.wecom_userid) if link else None
        if member is None:
            yield f"{key} {person.name!r} is missing"
            continue
        manager = links.get(person.manager_userid)
        wished = {
            "name": person.name.strip()[:64],
            "mobile": text.mobile(person.mobile, person.state_code) or member.mobile,
            "email": person.email or member.email,
            "position": person.title.strip()[:128],
            "departments": {places[str(one)] for one in person.dept_ids},
            "leads": {places[str(one)] for one in person.leads},
            "direct_leader": (manager.wecom_userid,) if manager else (),
            "enabled": True,
        }
        found = {
            "name": member.name,
            "mobile": member.mobile,
            "email": member.email,
            "position": member.position,
            "departments": set(member.department_ids),
            "leads": {one.department_id for one in member.memberships if one.is_leader},
            "direct_leader": member.direct_leader,
            "enabled": member.is_enabled,
        }
        if _is_kept_by_a_leaver(world, person):
            wished["email"] = member.email
        for name, value in wished.items():
            if found[name] != value:
                yield f"{key} {name}: {found[name]!r}, not {value!r}"
    for key, link in links.items():
        if key not in world.company.roster.people and link.is_enabled and link.accepted:
            yield f"{key} ({link.wecom_userid}) has left and is enabled"


def _is_kept_by_a_leaver(world: World, person: Person) -> bool:
    """Whether a disabled member has the address: only the mobile proves that it is the same."""
    holder = world.wecom.directory.email_holder(person.email) if person.email else None
    return holder is not None and not holder.is_enabled


def _order_differences(world: World) -> Iterator[str]:
    """DingTalk lists people by falling order, WeCom too; compare who stands before whom."""
    links = world.ledger().people
    members = world.wecom.directory.snapshot().members
    places = {key: int(link.wecom_id) for key, link in world.ledger().departments.items()}
    places[str(ROOT_ID)] = 1
    for department_id in world.company.roster.departments:
        people = [one for one in world.company.roster.members(department_id) if is_reachable(one)]
        place = places.get(str(department_id))
        orders = [
            next(
                (
                    one.order
                    for one in members[links[person.userid].wecom_userid].memberships
                    if one.department_id == place
                ),
                -1,
            )
            for person in people
            if person.userid in links and links[person.userid].wecom_userid in members
        ]
        if orders != sorted(orders, reverse=True):
            yield f"people of {department_id} stand in another order: {orders}"
        below = sorted(
            world.company.roster.children(department_id), key=lambda one: (one.order, one.dept_id)
        )
        rows = world.wecom.directory.snapshot().departments
        numbers = [
            rows[places[str(one.dept_id)]].order
            for one in below
            if str(one.dept_id) in places and places[str(one.dept_id)] in rows
        ]
        if numbers != sorted(numbers, reverse=True):
            yield f"departments below {department_id} stand in another order: {numbers}"
