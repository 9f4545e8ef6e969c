"""Plans what has to change in WeCom, in the order of writing (`make_plan`).

Departments first, parents before children; then people, then removals, departments last. A plan
holds only differences from the ledger (attributes) and from WeCom's structure (departments,
memberships). An event's run plans only what the event named; nothing else is touched or removed.
"""

from dataclasses import dataclass

from server.directory.change import Change, digest_of
from server.directory.desired import Desired
from server.directory.model import DepartmentLink, Ledger, PersonLink, Rules, TargetSnapshot
from server.directory.plan_departments import DepartmentPlanner, Structure
from server.directory.plan_people import PeoplePlanner
from server.directory.plan_removals import RemovalPlanner, leaving_departments
from server.directory.sequence import arrange
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes to make."""

    # In the order of writing.
    changes: tuple[Change, ...]
    # Links that change in the ledger only, such as by DingTalk's own order; nothing is written.
    noted_people: tuple[PersonLink, ...] = ()
    noted_departments: tuple[DepartmentLink, ...] = ()
    # Ids that an event named and that need a full run.
    unplaced: frozenset[str] = frozenset()
    warnings: tuple[Message, ...] = ()

    @property
    def digest(self) -> str:
        """The digest of what the whole plan would do."""
        return digest_of(self.changes)

    @property
    def executable(self) -> tuple[Change, ...]:
        """The changes that do something."""
        return tuple(change for change in self.changes if change.is_executable)


def make_plan(
    desired: Desired,
    ledger: Ledger,
    live: TargetSnapshot | None,
    rules: Rules,
    now_s: float,
    *,
    is_clock_right: bool = False,
) -> Plan:
    """Compare what WeCom should have with what it has. `live` is None if it was not read.

    Days are counted only if `is_clock_right`: a clock that jumped must not delete anybody.
    """
    structure = Structure(live, ledger)
    leaving = leaving_departments(desired, ledger)
    departments = DepartmentPlanner(desired, ledger, structure, leaving)
    departments.plan()
    people = PeoplePlanner(structure, rules.protected, ledger)
    people.plan(arrange(desired.people, ledger, structure, rules.protected))
    days_from_s = now_s if is_clock_right else None
    removals = RemovalPlanner(desired, ledger, structure, rules, days_from_s)
    gone = removals.plan(leaving)
    return Plan(
        (*departments.changes, *people.changes, *gone),
        (*people.noted, *removals.noted(gone)),
        tuple(departments.noted),
        desired.unplaced,
        desired.warnings,
    )
