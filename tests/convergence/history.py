"""A random company with a random past: what happens to it, and what becomes of its events."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from threading import Lock
from typing import Any

from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.simulator.company import Company, CompanyError, Payload
from server.simulator.roster import ROOT_ID
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Member
from server.sync.outcome import RunResult
from tests.server.simulator.faults import Fault, Rule
from tests.server.sync.world import World, differences

_LOST, _TWICE = 0.3, 0.2
_FOREIGN = ("foreign-1", "foreign-2", "foreign-3")
FAULTS = (
    Fault.SERVER_ERROR,
    Fault.BAD_GATEWAY,
    Fault.LATE_BAD_GATEWAY,
    Fault.DROPPED,
    Fault.LATE_DROPPED,
    Fault.BUSY,
    Fault.LATE_BUSY,
    Fault.TOKEN_ENDED,
    Fault.PAGE,
)


def settle_foreigners(console: WeComConsole) -> None:
    """Put people into WeCom who are nobody's but the WeCom admin's."""
    place = console.add_department("别人的部门")
    for number, userid in enumerate(_FOREIGN):
        console.add_member(userid, f"外人{number}", (1, place), mobile=f"188{number:08d}")


def foreigners(wecom: WeComContacts) -> list[Member]:
    """Look at them as they are now."""
    members = wecom.directory.snapshot().members
    return [members[userid] for userid in _FOREIGN]


def unexplained(world: World, result: RunResult) -> list[str]:
    """Compare both sides, but for who returned under another name unseen: the admin decides."""
    waiting = {
        change.dingtalk_id
        for change in result.changes
        if change.error and change.error.code == "mobile-of-leaver"
    }
    return [each for each in differences(world) if each.split()[0] not in waiting]


@dataclass
class History:
    """Changes a company at random; `waiting` are events that have not been delivered yet."""

    company: Company
    random: Random
    waiting: list[Payload] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    _number: int = 0

    def happen(self) -> None:
        """Let one thing happen; what the console would refuse does not."""
        act = self.random.choices(
            (
                self._hire,
                self._leave,
                self._rehire,
                self._change,
                self._appoint,
                self._move,
                self._add_department,
                self._change_department,
                self._remove_department,
            ),
            weights=(3, 2, 1, 4, 2, 3, 2, 3, 1),
        )[0]
        self._let_happen(act)

    def _let_happen(self, act: Callable[[], Any]) -> None:
        try:
            payloads = act()
        except CompanyError:
            return
        for payload in payloads:
            if self.random.random() >= _LOST:
                copies = 2 if self.random.random() < _TWICE else 1
                self.waiting += [payload] * copies

    def move_about(self) -> None:
        """Let one thing happen that changes the lists; from any thread, while they are read."""
        with self.lock:
            self._let_happen(
                self.random.choices(
                    (
                        self._move,
                        self._move_department,
                        self._leave,
                        self._rehire,
                        self._hire,
                        self._add_and_move,
                        self._remove_department,
                        self._change,
                    ),
                    weights=(6, 4, 2, 1, 1, 2, 2, 1),
                )[0]
            )

    def deliver_to(self, journal: Journal, now_ms: int) -> None:
        """Put some of the waiting events into the journal, as if they had been received."""
        batch = [
            NewEvent(
                payload["eventId"],
                now_ms,
                payload["EventType"],
                payload["eventId"],
                payload["CorpId"],
                json.dumps(payload),
            )
            for payload in self.delivered()
        ]
        journal.append(batch).result(10)

    def delivered(self) -> list[Payload]:
        """Take some of the waiting events, in any order."""
        with self.lock:
            return self._delivered()

    def _delivered(self) -> list[Payload]:
        self.random.shuffle(self.waiting)
        count = self.random.randrange(len(self.waiting) + 1)
        now, self.waiting = self.waiting[:count], self.waiting[count:]
        return now

    def rules(self, probability: float) -> tuple[Rule, ...]:
        """Make up faults that meet any call."""
        return tuple(
            Rule(fault, probability=probability)
            for fault in self.random.sample(FAULTS, self.random.randrange(1, 4))
        )

    def _departments(self) -> list[int]:
        return sorted(self.company.roster.departments)

    def _somebody(self) -> str:
        people = sorted(self.company.roster.people)
        if not people:
            raise CompanyError("nobody is left")
        return self.random.choice(people)

    def _places(self) -> list[int]:
        departments = self._departments()
        return self.random.sample(departments, min(self.random.choice((1, 1, 2)), len(departments)))

    def _hire(self) -> Any:
        self._number += 1
        number = self._number
        person = self.company.draft(
            f"新人{number}",
            self._places(),
            mobile=f"177{number:08d}",
            email=f"new{number}@example.com" if number % 2 else "",
            title=self.random.choice(("工程师", "经理", "")),
        )
        return self.company.hire(person)

    def _leave(self) -> Any:
        return self.company.leave(self._somebody())

    def _rehire(self) -> Any:
        if not self.company.left:
            raise CompanyError("nobody left")
        return self.company.rehire(self.random.choice(sorted(self.company.left)), self._places())

    def _change(self) -> Any:
        self._number += 1
        changes: dict[str, Any] = self.random.choice(
            (
                {"name": f"改名{self._number}"},
                {"title": f"职位{self._number}"},
                {"mobile": f"166{self._number:08d}", "state_code": "86"},
                {"email": f"changed{self._number}@example.com"},
            )
        )
        return self.company.change(self._somebody(), **changes)

    def _appoint(self) -> Any:
        person, manager = self._somebody(), self._somebody()
        return self.company.change(person, manager_userid="" if person == manager else manager)

    def _move(self) -> Any:
        places = self._places()
        return self.company.move(self._somebody(), places, places[: self.random.randrange(2)])

    def _add_department(self) -> Any:
        self._number += 1
        name = self.random.choice((f"部门{self._number}", "同名部门"))
        return self.company.create_department(name, self.random.choice(self._departments()))

    def _change_department(self) -> Any:
        self._number += 1
        change: dict[str, Any] = self.random.choice(
            (
                {"name": f"改部门{self._number}"},
                {"name": "同名部门"},
                {"parent_id": self.random.choice(self._departments())},
                {"order": self.random.randrange(1, 1000)},
            )
        )
        return self.company.change_department(self._a_department(), **change)

    def _move_department(self) -> Any:
        parent_id = self.random.choice(self._departments())
        return self.company.change_department(self._a_department(), parent_id=parent_id)

    def _add_and_move(self) -> Any:
        """Make a department and put somebody into it at once."""
        made = self._add_department()
        place = made[0]["deptId"]
        return (*made, *self.company.move(self._somebody(), place))

    def _remove_department(self) -> Any:
        department_id = self._a_department()
        below = self.company.roster.subtree(department_id)
        payloads: list[Payload] = []
        for one in below:
            for person in self.company.roster.members(one):
                left = [each for each in person.dept_ids if each not in below] or [ROOT_ID]
                leads = sorted(person.leads & set(left))
                payloads += self.company.move(person.userid, left, leads)
        return [*payloads, *self.company.remove_department(department_id)]

    def _a_department(self) -> int:
        departments = [one for one in self._departments() if one != ROOT_ID]
        if not departments:
            raise CompanyError("only the root is left")
        return self.random.choice(departments)
