"""Plans removals: leavers are disabled, deleted after the waiting days; departments are deleted.

A department is deleted only if nothing in it has to stay; our own leavers move to the target root.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from server.directory.causes import cause
from server.directory.change import Action, Change, Fields, member_changes
from server.directory.desired import Desired
from server.directory.model import (
    NOBODY,
    DepartmentLink,
    Kind,
    Leavers,
    Ledger,
    MemberDepartment,
    MemberState,
    PersonLink,
    Rules,
    doubt_key,
    fold,
    id_key,
)
from server.directory.plan_departments import Structure

_DAY_S = 86_400.0


def leaving_departments(desired: Desired, ledger: Ledger) -> dict[str, DepartmentLink]:
    """Return our departments that are proven gone, by WeCom id."""
    return {
        link.wecom_id: link
        for key, link in ledger.departments.items()
        if key not in desired.departments and key in desired.gone_departments
    }


@dataclass(frozen=True, slots=True)
class _Leaver:
    """A linked person who is gone, and what to do."""

    link: PersonLink
    action: Action | None  # None: at most moved out of a department


class RemovalPlanner:
    """Plans removals on the structure as it is after the departments' changes."""

    def __init__(
        self,
        desired: Desired,
        ledger: Ledger,
        structure: Structure,
        rules: Rules,
        sure_now_s: float | None,
    ) -> None:
        """Take the wanted and the present state; `sure_now_s` is None if the clock may be wrong."""
        self._desired = desired
        self._ledger = ledger
        self._structure = structure
        self._rules = rules
        self._sure_now_s = sure_now_s
        self._protected = rules.protected
        self._leavers = self._find_leavers()

    def plan(self, leaving: Mapping[str, DepartmentLink]) -> list[Change]:
        """Plan people first, then departments, children before parents."""
        kept, emptied = self._sort_out(leaving)
        people = [
            change
            for key in sorted(self._leavers, key=id_key)
            if (change := self._remove_person(self._leavers[key], emptied))
        ]
        order = sorted(
            leaving, key=lambda wecom_id: (-self._structure.depth(wecom_id), id_key(wecom_id))
        )
        switched = {each.dingtalk_id for each in people if each.action is Action.DISABLE}
        departments = [self._remove_department(leaving[key], kept, switched) for key in order]
        return people + [change for change in departments if change]

    def _find_leavers(self) -> dict[str, _Leaver]:
        returned = {each.replaces for each in self._desired.people.values()}
        return {
            key: _Leaver(link, self._action(link))
            for key, link in self._ledger.people.items()
            if self._desired.presence.has_left(key)
            and key not in returned
            and fold(link.wecom_userid) not in self._protected
            and self._rules.leavers is not Leavers.KEEP
        }

    def _action(self, link: PersonLink) -> Action | None:
        if link.is_enabled or self._may_be_enabled(link):
            is_begun = link.accepted is None and not self._members_departments(link)
            return None if is_begun else Action.DISABLE
        is_due = self._waited_s(link) >= self._rules.delete_after_days * _DAY_S
        return Action.DELETE if self._rules.leavers is Leavers.DELETE and is_due else None

    def _waited_s(self, link: PersonLink) -> float:
        """Return how long somebody has surely been disabled: the clock was right then and is now.

        If that is not sure, it is less than any time: a deletion cannot be undone.
        """
        is_sure = self._sure_now_s is not None and link.is_since_sure
        return (self._sure_now_s or 0.0) - link.since_s if is_sure else -math.inf

    def noted(self, planned: Iterable[Change]) -> list[PersonLink]:
        """Return links with a new date for people disabled by a clock that may have been wrong."""
        changed = {change.dingtalk_id for change in planned if change.action is Action.DISABLE}
        now_s = self._sure_now_s
        if now_s is None:
            return []
        return [
            replace(leaver.link, since_s=now_s, is_since_sure=True)
            for key, leaver in self._leavers.items()
            if not (leaver.link.is_enabled or leaver.link.is_since_sure or key in changed)
        ]

    def _may_be_enabled(self, link: PersonLink) -> bool:
        """Whether the reply to enabling somebody was lost."""
        key = doubt_key(Kind.PERSON, link.wecom_userid)
        return "enable" in self._ledger.doubts.get(key, frozenset())

    def _members_departments(self, link: PersonLink) -> frozenset[str]:
        """Return a member's departments, or the last known: WeCom's list may hide the disabled."""
        there = self._structure.departments_of(link.wecom_userid)
        if there is None and link.accepted:
            return frozenset(membership.department_id for membership in link.accepted.memberships)
        return there or frozenset()

    def _sort_out(
        self, leaving: Mapping[str, DepartmentLink]
    ) -> tuple[dict[str, int], frozenset[str]]:
        """Count what must stay in each leaving department, and find those that can be emptied."""
        counts = dict.fromkeys(leaving, 0)
        for userid in self._stayers() if leaving else ():
            for department_id in self._structure.members[userid] & leaving.keys():
                counts[department_id] += 1
        rows = self._structure.rows
        for row in rows.values():
            if row.parent_id in counts and row.department_id not in leaving:
                counts[row.parent_id] += 1
        for wecom_id in sorted(leaving, key=self._structure.depth, reverse=True):
            row_above = rows.get(wecom_id)
            if counts[wecom_id] and row_above and row_above.parent_id in counts:
                counts[row_above.parent_id] += 1  # a kept department keeps its parent
        return counts, frozenset(key for key, count in counts.items() if not count)

    def _stayers(self) -> Iterable[str]:
        """Return the members who cannot be moved: foreign, enabled or protected."""
        movable = {fold(leaver.link.wecom_userid) for leaver in self._leavers.values()}
        movable |= {
            fold(person.wecom_userid)
            for person in self._desired.people.values()
            if person.cause is None and fold(person.wecom_userid) not in self._protected
        }
        return self._structure.members.keys() - movable

    def _remove_person(self, leaver: _Leaver, emptied: frozenset[str]) -> Change | None:
        link, action = leaver.link, leaver.action
        payload = link.accepted
        fields: Fields = {}
        # After a kill we may know only the userid; WeCom's list still shows the departments.
        accepted = link.accepted or NOBODY
        cleared = self._cleared(link, accepted, emptied)
        if action is not Action.DELETE and cleared is not accepted:
            payload = cleared
            fields = member_changes(accepted, cleared, self._members_departments(link))
        if action is Action.DISABLE:
            fields = {"enable": (True, False), **fields}
        if action is None and not fields:
            return None
        return Change(
            action or Action.UPDATE,
            Kind.PERSON,
            link.dingtalk_userid,
            link.wecom_userid,
            fields,
            payload,
            counts=action is Action.DISABLE and link.is_enabled,
        )

    def _cleared(
        self, link: PersonLink, accepted: MemberState, emptied: frozenset[str]
    ) -> MemberState:
        """Move a leaver out of departments to delete, to the target root if no other is left."""
        now = self._members_departments(link)
        if not now & emptied:
            return accepted
        known = {membership.department_id: membership for membership in accepted.memberships}
        left = now - emptied or {self._rules.scope.target_department_id}
        memberships = tuple(
            known.get(key, MemberDepartment(key, 0)) for key in sorted(left, key=id_key)
        )
        main = accepted.main_department
        return replace(
            accepted,
            memberships=memberships,
            main_department=main if main in left else memberships[0].department_id,
        )

    def _remove_department(
        self, link: DepartmentLink, kept: Mapping[str, int], switched: set[str]
    ) -> Change | None:
        row = self._structure.rows.get(link.wecom_id)
        if link.accepted is None and row is None:
            return None
        name = self._structure.names.get(link.wecom_id, link.department_id)
        count = kept[link.wecom_id]
        inside = {
            key
            for key in switched
            if link.wecom_id in self._members_departments(self._ledger.people[key])
        }
        return Change(
            Action.DELETE,
            Kind.DEPARTMENT,
            link.department_id,
            link.wecom_id,
            cause=cause("department-not-empty", name=name, count=count) if count else None,
            requires=frozenset(inside),
            counts=True,
        )
