"""Puts people in an order that WeCom accepts (`arrange`).

Whoever frees a mobile or email comes before the person who gets it, and a new manager before their
reports. Two people cannot swap mobiles: one of them would have none in between, and a mobile is
never cleared. Both keep theirs, and the admin sees a conflict.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from server.directory import causes
from server.directory.causes import cause
from server.directory.desired import DesiredPerson
from server.directory.model import NOBODY, Ledger, MemberState, PersonLink, fold
from server.directory.plan_departments import Structure


class Step(NamedTuple):
    """A person in order; `later_leader`: the manager to set once that member exists."""

    desired: DesiredPerson
    later_leader: str = ""


def arrange(
    people: Mapping[str, DesiredPerson],
    ledger: Ledger,
    structure: Structure,
    protected: frozenset[str],
) -> list[Step]:
    """Order `people` (sorted by userid already) and decide who gets which value."""
    arranger = _Arranger(people, ledger, structure, protected)
    arranger.run()
    return list(arranger.steps.values())


class _Arranger:
    """Decides one person after the other.

    First people with a value that somebody else gets (all of them are members), then new members,
    managers first, then everybody else. So a second write is needed only for a circle of managers,
    or for a new manager of somebody in the first group.
    """

    def __init__(
        self,
        people: Mapping[str, DesiredPerson],
        ledger: Ledger,
        structure: Structure,
        protected: frozenset[str],
    ) -> None:
        self._people = people
        self._structure = structure
        self._protected = protected
        self._mobiles: dict[str, str] = {}
        self._emails: dict[str, str] = {}
        successors = {each.replaces: key for key, each in people.items() if each.replaces}
        self._members: set[str] = set()
        for key, link in ledger.people.items():
            if link.accepted and self._is_there(link):
                self._members.add(key)
                self._mobiles[link.accepted.mobile] = successors.get(key, key)
                self._emails[link.accepted.email.lower()] = successors.get(key, key)
        self._holders = {
            key: holders for key, each in people.items() if any(holders := self._find_holders(each))
        }
        self.steps: dict[str, Step] = {}

    def run(self) -> None:
        """Fill `steps` in the order of writing."""
        needed = {holder for holders in self._holders.values() for holder in holders}
        for key in self._people:
            if key in needed:
                self._visit(key, self._holders_among_us)
        for key, desired in self._people.items():
            if not self._exists(desired):
                self._visit(key, self._new_managers)
        for key, desired in self._people.items():
            if key not in self.steps:
                self.steps[key] = self._settle(desired)

    def _visit(self, key: str, needs: Callable[[DesiredPerson], list[str]]) -> None:
        """Decide `key` after everybody it depends on; a circle is broken where it closes."""
        waiting, begun = [key], set[str]()
        while waiting:
            current = waiting[-1]
            open_needs = [
                each
                for each in needs(self._people[current])
                if each not in self.steps and each not in begun
            ]
            if open_needs and current not in self.steps:
                begun.add(current)
                waiting.extend(open_needs)
                continue
            waiting.pop()
            if current not in self.steps:
                self.steps[current] = self._settle(self._people[current])

    def _find_holders(self, desired: DesiredPerson) -> tuple[str, str]:
        """Return whose mobile and whose email this person gets, "" for nobody's."""
        if not self._is_written(desired):
            return "", ""
        return self._mobile_holder(desired), self._email_holder(desired)

    def _holders_among_us(self, desired: DesiredPerson) -> list[str]:
        holders = self._holders.get(desired.dingtalk_userid, ())
        return [holder for holder in holders if holder in self._people]

    def _new_managers(self, desired: DesiredPerson) -> list[str]:
        manager = self._people.get(desired.manager_userid)
        if manager is None or not desired.member.direct_leader or self._exists(manager):
            return []
        return [manager.dingtalk_userid]

    def _is_written(self, desired: DesiredPerson) -> bool:
        return desired.cause is None and fold(desired.wecom_userid) not in self._protected

    def _is_there(self, link: PersonLink) -> bool:
        there = self._structure.departments_of(link.wecom_userid) is not None
        return there or link.is_hidden or not self._structure.is_live

    def _exists(self, desired: DesiredPerson) -> bool:
        return desired.link is not None and desired.link.dingtalk_userid in self._members

    def _mobile_holder(self, desired: DesiredPerson) -> str:
        mobile = desired.member.mobile
        holder = self._mobiles.get(mobile, "") if mobile else ""
        if not holder or mobile == _base(desired).mobile:
            return ""
        return "" if holder == desired.dingtalk_userid else holder

    def _email_holder(self, desired: DesiredPerson) -> str:
        email = desired.member.email.lower()
        holder = self._emails.get(email, "") if email else ""
        if not holder or email == _base(desired).email.lower():
            return ""
        return "" if holder == desired.dingtalk_userid else holder

    def _settle(self, desired: DesiredPerson) -> Step:
        if not self._is_written(desired):
            return Step(desired)
        of_mobile, of_email = self._holders.get(desired.dingtalk_userid, ("", ""))
        if of_mobile and not self._frees_mobile(of_mobile):
            desired = self._without_mobile(desired, of_mobile)
        if of_email and not self._frees_email(of_email):
            desired = _without_email(desired)
        return self._with_leader(desired)

    def _frees_mobile(self, holder: str) -> bool:
        step = self.steps.get(holder)
        if step is None or not self._is_written(step.desired):
            return False
        return step.desired.member.mobile != _base(step.desired).mobile

    def _frees_email(self, holder: str) -> bool:
        step = self.steps.get(holder)
        if step is None or not self._is_written(step.desired):
            return False
        return step.desired.member.email.lower() != _base(step.desired).email.lower()

    def _without_mobile(self, desired: DesiredPerson, holder: str) -> DesiredPerson:
        wecom_userid = self._wecom_userid(holder)
        reason = cause("mobile-held", name=desired.member.name, wecom_id=wecom_userid)
        if desired.link is None:
            return replace(desired, cause=reason, is_conflict=True)
        member = replace(desired.member, mobile=_base(desired).mobile)
        return replace(desired, member=member, mobile_conflict=reason)

    def _wecom_userid(self, holder: str) -> str:
        desired = self._people.get(holder)
        return desired.wecom_userid if desired else holder

    def _with_leader(self, desired: DesiredPerson) -> Step:
        """Leave out a manager who is not a member: set it later, or never if they are skipped."""
        if not self._new_managers(desired):
            return Step(desired)
        step = self.steps.get(desired.manager_userid)
        if step and step.desired.cause is None:
            return Step(desired)
        leader = "" if step else desired.member.direct_leader
        member = replace(desired.member, direct_leader=_base(desired).direct_leader)
        return Step(replace(desired, member=member), leader)


def _base(desired: DesiredPerson) -> MemberState:
    return (desired.link and desired.link.accepted) or NOBODY


def _without_email(desired: DesiredPerson) -> DesiredPerson:
    note = causes.warning(causes.EMAIL_TAKEN, name=desired.member.name)
    member = replace(desired.member, email=_base(desired).email)
    desired = replace(desired, member=member, warnings=(*desired.warnings, note))
    if member.email or member.mobile or desired.link:
        return desired
    return replace(desired, cause=cause("no-contact", name=member.name))
