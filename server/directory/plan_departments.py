"""Plans departments in an order that WeCom accepts, on a working copy of its structure.

WeCom refuses a name that a sibling has at that moment (60008) and a move below oneself (60010). So
parents come first, and a sibling that blocks a name is written first or gets a temporary name.
"""

from collections.abc import Iterable

from server.directory.causes import Cause, cause
from server.directory.change import Action, Change, department_changes
from server.directory.desired import Desired, DesiredDepartment
from server.directory.model import (
    DepartmentLink,
    DepartmentState,
    Kind,
    Ledger,
    TargetDepartment,
    TargetSnapshot,
    doubt_key,
    fold,
)
from server.directory.text import DEPARTMENT_NAME_MAX

_ASKS_ADMIN = ("department-name-taken", "department-link-unusable")


class Structure:
    """A working copy of WeCom: departments by id, names of ours, members by folded userid."""

    def __init__(self, live: TargetSnapshot | None, ledger: Ledger) -> None:
        self.is_live = live is not None
        known = live or _remembered(ledger)
        self.rows: dict[str, TargetDepartment] = dict(known.departments)
        self.members = known.members
        self.names: dict[str, str] = {}
        self._slots: dict[tuple[str, str], str] = {}
        for link in ledger.departments.values():
            row = self.rows.get(link.wecom_id)
            if row and link.accepted:
                self._name(row, link.accepted.name)

    def put(self, row: TargetDepartment, name: str) -> None:
        """Set a department's row and name."""
        before = self.rows.get(row.department_id)
        if before and row.department_id in self.names:
            self._slots.pop((before.parent_id, self.names[row.department_id]), None)
        self.rows[row.department_id] = row
        self._name(row, name)

    def _name(self, row: TargetDepartment, name: str) -> None:
        self.names[row.department_id] = name
        self._slots[row.parent_id, name] = row.department_id

    def holder_of(self, parent_id: str, name: str) -> str | None:
        """Return our department that has this name below `parent_id`."""
        return self._slots.get((parent_id, name))

    def is_below(self, department_id: str, ancestor: str) -> bool:
        """Whether a department is `ancestor` or lies below it."""
        seen: set[str] = set()
        while department_id in self.rows and department_id not in seen:
            if department_id == ancestor:
                return True
            seen.add(department_id)
            department_id = self.rows[department_id].parent_id
        return department_id == ancestor

    def depth(self, department_id: str) -> int:
        """Return how many departments lie above this one."""
        depth = 0
        while department_id in self.rows and depth <= len(self.rows):
            department_id = self.rows[department_id].parent_id
            depth += 1
        return depth

    def departments_of(self, wecom_userid: str) -> frozenset[str] | None:
        """Return a member's departments; None if there is no such member."""
        return self.members.get(fold(wecom_userid))


def _remembered(ledger: Ledger) -> TargetSnapshot:
    return TargetSnapshot(
        {
            link.wecom_id: TargetDepartment(
                link.wecom_id, link.accepted.parent_id, link.accepted.order
            )
            for link in ledger.departments.values()
            if link.accepted
        },
        {
            fold(link.wecom_userid): frozenset(
                membership.department_id for membership in link.accepted.memberships
            )
            for link in ledger.people.values()
            if link.accepted
        },
    )


class DepartmentPlanner:
    """Plans departments step by step on a working copy of WeCom's structure."""

    def __init__(
        self, desired: Desired, ledger: Ledger, structure: Structure, leaving: Iterable[str]
    ) -> None:
        self._wanted = {each.wecom_id: each for each in desired.departments.values()}
        self._links = {link.wecom_id: link for link in ledger.departments.values()}
        self._leaving = frozenset(leaving)
        self._doubts = ledger.doubts
        self._structure = structure
        self._done: set[str] = set()
        self.changes: list[Change] = []
        self.noted: list[DepartmentLink] = []

    def plan(self) -> None:
        """Fill `changes`, and `noted` with links that change in the ledger only."""
        for wecom_id in sorted(self._leaving):
            if self._may_be_in_the_way(wecom_id):
                self._step_aside(wecom_id)
        for wecom_id in sorted(self._wanted, key=self._has_known_name):
            chain = [wecom_id]
            while chain:
                blocker = self._blocker(self._wanted[chain[-1]])
                if blocker and self._can_go_first(blocker, chain):
                    chain.append(blocker)
                else:
                    self._settle(self._wanted[chain.pop()], blocker)

    def _may_be_in_the_way(self, wecom_id: str) -> bool:
        """Whether a department to delete may have, unknown to us, a name that another one needs."""
        row = self._structure.rows.get(wecom_id)
        if row is None or self._links[wecom_id].accepted is not None:
            return False
        return any(
            each.state.parent_id == row.parent_id
            and self._structure.holder_of(row.parent_id, each.state.name) != each.wecom_id
            for each in self._wanted.values()
        )

    def _has_known_name(self, wecom_id: str) -> bool:
        """Whether the department's name in WeCom is known, so that it can wait for its turn.

        After a creation or renaming without a reply it is not, and it may block others (60008).
        Such a department is written first, provided that its parent exists.
        """
        link = self._wanted[wecom_id].link
        is_begun = link is not None and (link.accepted is None or "name" in self._doubted(wecom_id))
        is_begun = is_begun and wecom_id in self._structure.rows
        return not (is_begun and self._wanted[wecom_id].state.parent_id in self._structure.rows)

    def _blocker(self, desired: DesiredDepartment) -> str | None:
        """Return the department that has the wanted name below the wanted parent."""
        if desired.wecom_id in self._done or desired.cause:
            return None
        holder = self._structure.holder_of(desired.state.parent_id, desired.state.name)
        return None if holder == desired.wecom_id else holder

    def _can_go_first(self, wecom_id: str, chain: list[str]) -> bool:
        """Whether the blocking department only gets another name below the same parent."""
        desired = self._wanted.get(wecom_id)
        if desired is None or desired.cause or wecom_id in chain or wecom_id in self._done:
            return False
        return self._structure.rows[wecom_id].parent_id == desired.state.parent_id

    def _settle(self, desired: DesiredDepartment, blocker: str | None) -> None:
        if desired.wecom_id in self._done:
            return
        self._done.add(desired.wecom_id)
        reason = desired.cause or self._obstacle(desired, blocker)
        if reason:
            self._refuse(desired, reason)
            return
        if blocker:
            self._step_aside(blocker)
        self._write(desired)

    def _obstacle(self, desired: DesiredDepartment, blocker: str | None) -> Cause | None:
        state = desired.state
        if self._structure.is_below(state.parent_id, desired.wecom_id):
            return cause("department-circle", name=state.name)
        if blocker and blocker not in self._wanted and blocker not in self._leaving:
            return cause("department-name-taken", name=state.name, id=desired.department_id)
        return None

    def _refuse(self, desired: DesiredDepartment, reason: Cause) -> None:
        action = Action.CONFLICT if reason.code in _ASKS_ADMIN else _action(desired)
        self.changes.append(self._change(desired, action, reason))

    def _change(self, desired: DesiredDepartment, action: Action, reason: Cause | None) -> Change:
        row = self._structure.rows.get(desired.wecom_id)
        name, state = self._structure.names.get(desired.wecom_id), desired.state
        everything = department_changes(None, None, state)
        doubted = self._doubted(desired.wecom_id)
        fields = {key: pair for key, pair in everything.items() if key in doubted}
        fields = {**fields, **department_changes(name, row, state)}
        return Change(
            action,
            Kind.DEPARTMENT,
            desired.department_id,
            desired.wecom_id,
            fields,
            desired.state,
            reason,
            desired.warnings,
        )

    def _doubted(self, wecom_id: str) -> frozenset[str]:
        return self._doubts.get(doubt_key(Kind.DEPARTMENT, wecom_id), frozenset())

    def _write(self, desired: DesiredDepartment) -> None:
        change = self._change(desired, _action(desired), None)
        state = desired.state
        if change.fields or desired.link is None:
            self.changes.append(change)
        elif desired.link.accepted and _is_stale(desired.link.accepted, state):
            self.noted.append(_renewed(desired.link, state))
        row = TargetDepartment(desired.wecom_id, state.parent_id, state.order)
        self._structure.put(row, state.name)

    def _step_aside(self, wecom_id: str) -> None:
        """Give a department a temporary name, so that another one can have its name."""
        link, row = self._links[wecom_id], self._structure.rows[wecom_id]
        known = self._structure.names.get(wecom_id)
        old = known or link.department_id
        suffix = f"_{wecom_id}"
        name = old[: DEPARTMENT_NAME_MAX - len(suffix)] + suffix
        while self._structure.holder_of(row.parent_id, name):
            suffix = f"_{suffix}"
            name = old[: DEPARTMENT_NAME_MAX - len(suffix)] + suffix
        state = DepartmentState(name, row.parent_id, row.order)
        fields = {"name": (known, name)}
        self.changes.append(
            Change(Action.UPDATE, Kind.DEPARTMENT, link.department_id, wecom_id, fields, state)
        )
        self._structure.put(row, name)


def _action(desired: DesiredDepartment) -> Action:
    if desired.is_named:
        return Action.ADOPT
    return Action.UPDATE if desired.exists else Action.CREATE


def _is_stale(accepted: DepartmentState, state: DepartmentState) -> bool:
    return (accepted, accepted.source_order) != (state, state.source_order)


def _renewed(link: DepartmentLink, state: DepartmentState) -> DepartmentLink:
    return DepartmentLink(link.department_id, link.wecom_id, state, link.origin)
