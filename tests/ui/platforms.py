"""Both platforms, simulated, and an office whose DingBridge mirrors one into the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from server.api.app import App
from server.simulator.company import Company
from server.simulator.company_generator import generate
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from server.sync.clients import Throttle
from tests.server.simulator.faults import WECOM_ANSWERS, Fault, FaultPlan, Rule
from tests.ui.office import office

_SPEED = 500.0


class HurriedApp(App):
    """The facade with time running faster for waits and rates, as the vendors are simulated."""

    def start(
        self, host: str | None = None, port: int | None = None, pace: Throttle | None = None
    ) -> str:
        return super().start(host, port, pace or Throttle.hurried(_SPEED))


@dataclass(frozen=True, slots=True)
class Platforms:
    """A company on DingTalk, a WeCom, and the settings that lead to both."""

    company: Company
    wecom: WeComContacts
    console: WeComConsole
    faults: FaultPlan
    settings: dict[str, dict[str, object]]

    def members(self) -> dict[str, bool]:
        """Return who is in WeCom, and whether they are enabled."""
        members = self.wecom.directory.snapshot().members
        return {userid: member.is_enabled for userid, member in members.items()}

    def leave(self, count: int) -> list[str]:
        """Let so many people leave the company, without an event; return their userids."""
        gone = sorted(self.company.roster.people)[:count]
        for userid in gone:
            self.company.leave(userid)
        return gone

    def change_some(self) -> None:
        """Let somebody be renamed, somebody move, and a department get another name."""
        people = sorted(self.company.roster.people)
        departments = sorted(self.company.roster.departments)
        self.company.change(people[-1], name="欧阳新名", title="销售总监")
        self.company.move(people[-2], departments[1:3])
        self.company.change_department(departments[1], name="华东客户成功部")

    def hire_one_whom_wecom_knows(self) -> None:
        """Let somebody join whose mobile a member by another name has in WeCom."""
        self.console.add_member("lao-ban", "老板本人", mobile="13912345678")
        person = self.company.draft("陌生人", (1,), mobile="13912345678")
        self.company.hire(person)

    def trust(self, *, is_trusted: bool) -> None:
        """Let WeCom accept this computer's address, or refuse it (60020)."""
        self.wecom.rules.is_ip_trusted = is_trusted

    def dawdle(self, path: str, delay_s: float) -> None:
        """Let WeCom answer calls of this path late."""
        self.faults.add(Rule(Fault.SLOW, path, delay_s=delay_s))


@contextmanager
def platforms(people: int = 24, departments: int = 5, *, odd: bool = False) -> Iterator[Platforms]:
    """Open both on loopback, without limits on how often they are called."""
    company = generate(people, departments, 2026, odd=odd)
    dingtalk = DingTalkContacts(company, calls_per_second=None)
    wecom = WeComContacts(calls_per_minute=None, calls_per_hour=None)
    faults = FaultPlan(1, WECOM_ANSWERS, wecom.tokens.revoke)
    with (
        LoopbackServer(dingtalk.handle) as source,
        LoopbackServer(faults.wrap(wecom.handle)) as target,
    ):
        settings: dict[str, dict[str, object]] = {
            "dingtalk": dingtalk.rules.settings(source.address),
            "wecom": wecom.rules.settings(target.address),
        }
        try:
            yield Platforms(company, wecom, WeComConsole(wecom.directory), faults, settings)
        finally:
            faults.switch_off()


def mirrored(folder: Path, language: str, both: Platforms) -> App:
    """Return an office that is set up for the sync, which is off."""
    app = HurriedApp(office(folder, language).folder)
    app.configure(both.settings)
    return app
