"""Plans people who are present: create, enable, update, or list them with the reason why not."""

from collections.abc import Iterable
from dataclasses import replace

from server.directory import causes
from server.directory.change import (
    Action,
    Change,
    Fields,
    all_fields,
    member_changes,
    member_fields,
)
from server.directory.desired import DesiredPerson
from server.directory.model import Kind, Ledger, MemberState, PersonLink, doubt_key, fold
from server.directory.plan_departments import Structure
from server.directory.sequence import Step


class PeoplePlanner:
    """Turns arranged people into changes; `noted` are links that change in the ledger only."""

    def __init__(self, structure: Structure, protected: frozenset[str], ledger: Ledger) -> None:
        self._structure = structure
        self._protected = protected
        self._doubts = ledger.doubts
        self.changes: list[Change] = []
        self.noted: list[PersonLink] = []

    def plan(self, steps: Iterable[Step]) -> None:
        """Plan every step, then set the managers who did not exist before."""
        refused: set[str] = set()
        later: list[Step] = []
        for step in steps:
            desired = step.desired
            if fold(desired.wecom_userid) in self._protected and desired.cause is None:
                continue
            if desired.cause:
                refused.add(desired.dingtalk_userid)
                self._refuse(desired)
                continue
            self._write(desired)
            if step.later_leader:
                later.append(step)
        for step in later:
            if step.desired.manager_userid not in refused:
                self._lead(step)

    def _refuse(self, desired: DesiredPerson) -> None:
        action = Action.CREATE if desired.link is None else Action.UPDATE
        self.changes.append(
            Change(
                Action.CONFLICT if desired.is_conflict else action,
                Kind.PERSON,
                desired.dingtalk_userid,
                desired.wecom_userid,
                cause=desired.cause,
                warnings=desired.warnings,
            )
        )

    def _write(self, desired: DesiredPerson) -> None:
        action = self._action(desired)
        fields = self._fields(desired, action)
        if fields or action is not Action.UPDATE:
            self.changes.append(self._change(desired, action, fields))
        elif desired.link and _is_stale(desired.link.accepted, desired.member):
            self.noted.append(replace(desired.link, accepted=desired.member))
        if desired.mobile_conflict:
            self.changes.append(
                Change(
                    Action.CONFLICT,
                    Kind.PERSON,
                    desired.dingtalk_userid,
                    desired.wecom_userid,
                    cause=desired.mobile_conflict,
                )
            )

    def _action(self, desired: DesiredPerson) -> Action:
        link = desired.link
        if link is None or self._is_missing(link):
            return Action.ADOPT if desired.adopts else Action.CREATE
        return Action.UPDATE if link.is_enabled and not desired.replaces else Action.ENABLE

    def _fields(self, desired: DesiredPerson, action: Action) -> Fields:
        """Return the differences from what WeCom accepted; all fields if it never answered."""
        link = desired.link
        if link is None or action is Action.CREATE:
            return all_fields(desired.member)
        if link.accepted is None:
            return {**self._doubted(desired), **all_fields(desired.member)}
        there = None
        if self._structure.is_live:
            there = self._structure.departments_of(desired.wecom_userid)
        fields = member_changes(link.accepted, desired.member, there)
        if self._doubts:
            fields = {**self._doubted(desired), **fields}
        return fields if link.is_enabled else {"enable": (False, True), **fields}

    def _doubted(self, desired: DesiredPerson) -> Fields:
        """Return the fields whose value in WeCom may differ from the ledger's."""
        names = self._doubts.get(doubt_key(Kind.PERSON, desired.wecom_userid), frozenset())
        values = {**member_fields(desired.member), "enable": True}
        if not desired.member.mobile:
            del values["mobile"]  # a mobile is never cleared
        return {name: (None, values[name]) for name in values if name in names}

    def _change(self, desired: DesiredPerson, action: Action, fields: Fields) -> Change:
        warnings = desired.warnings
        if "mobile" in fields and action not in (Action.CREATE, Action.ADOPT):
            warnings = (*warnings, causes.warning(causes.MOBILE_MAY_STAY))
        return Change(
            action,
            Kind.PERSON,
            desired.dingtalk_userid,
            desired.wecom_userid,
            fields,
            desired.member,
            warnings=warnings,
            replaces=desired.replaces,
        )

    def _is_missing(self, link: PersonLink) -> bool:
        """Whether our member is not in WeCom: deleted in the console, or never created."""
        if self._structure.is_live:
            is_there = self._structure.departments_of(link.wecom_userid) is not None
            return not is_there and not link.is_hidden
        return link.accepted is None

    def _lead(self, step: Step) -> None:
        desired = step.desired
        before = desired.member.direct_leader
        self.changes.append(
            Change(
                Action.UPDATE,
                Kind.PERSON,
                desired.dingtalk_userid,
                desired.wecom_userid,
                {"direct_leader": (before, step.later_leader)},
                replace(desired.member, direct_leader=step.later_leader),
            )
        )


def _is_stale(accepted: MemberState | None, member: MemberState) -> bool:
    """Whether something changed that only the ledger stores."""
    if accepted is None:
        return True
    orders = [membership.source_order for membership in accepted.memberships]
    is_reordered = orders != [membership.source_order for membership in member.memberships]
    return accepted != member or is_reordered or accepted.source_manager != member.source_manager
