"""Reads DingTalk into the snapshot that the pure rules work on: a full scope, or what events named.

None on the wire means "DingTalk did not say" and becomes UNKNOWN: unknown is not empty.
"""

import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from server.dingtalk.errors import is_permission_missing
from server.dingtalk.reader import Outcome, Reader
from server.dingtalk.walk import Gap, Reading, is_no_department
from server.dingtalk.wire import DingTalkDepartment, DingTalkUser
from server.directory.causes import Cause
from server.directory.change import Action, Change, Key
from server.directory.model import (
    DINGTALK_ROOT,
    UNKNOWN,
    Department,
    Kind,
    Ledger,
    MaybeText,
    Membership,
    Person,
    PersonLink,
    Rules,
    Snapshot,
    Unknown,
)
from server.errors.message import Message
from server.errors.vendor import VendorError
from server.sync.outcome import cause_of

DAY_MS = 86_400_000
_SLICES = 7
CHUNK = 200
"""This many people are read before the answers are checked for a refusal that concerns all."""
_MOST_LEVELS = 15  # more than either vendor allows


def read_scope(reader: Reader, rules: Rules) -> Snapshot:
    """Read everything in scope, departments with their orders."""
    scope = rules.scope
    reading = reader.read_scope(scope.source_department_ids, scope.excluded_department_ids)
    snapshot = snapshot_of(reading, is_full=True)
    return with_orders(snapshot, _ordered(reader, snapshot, snapshot.departments))


def _ordered(reader: Reader, snapshot: Snapshot, wanted: Iterable[str]) -> list[Department]:
    """Read departments one by one, except those whose order is known already."""
    ids = [
        key
        for key in wanted
        if key != DINGTALK_ROOT and not isinstance(snapshot.departments[key].order, int)
    ]
    found = reader.read_departments(ids)
    return [department_of(each.value) for each in found if each.value is not None]


def read_details(reader: Reader, snapshot: Snapshot, userids: Iterable[str]) -> Snapshot:
    """Read people's managers; whoever cannot be read keeps the values of the list."""
    wanted = sorted(userids)
    for start in range(0, len(wanted), CHUNK):
        found = reader.read_people(wanted[start : start + CHUNK])
        snapshot = with_details(
            snapshot,
            [person_of(each.value) for each in found if each.value is not None],
            [each.dingtalk_id for each in found if each.outcome is Outcome.GONE],
        )
        failed = [each for each in found if each.outcome is Outcome.FAILED]
        refused = next((each.error for each in failed if is_refused_for_all(each.error)), None)
        if refused is not None:  # thousands of equal answers would show nothing new
            reasons = without_repeats((*snapshot.reasons, refused.title, refused.hint))
            return replace(snapshot, is_complete=False, reasons=reasons)
    return snapshot


def is_refused_for_all(error: VendorError | None) -> bool:
    """Whether a permission is missing (60011, 43007, 88), so that further calls are useless."""
    return error is not None and is_permission_missing(error)


def changed_people(changes: Iterable[Change], snapshot: Snapshot) -> set[str]:
    """Return the people of a snapshot who are new or changed, or whose conflict is retried."""
    there = (Action.CREATE, Action.ADOPT, Action.UPDATE, Action.ENABLE)
    return {
        change.dingtalk_id
        for change in changes
        if change.kind is Kind.PERSON
        and (change.action is Action.CONFLICT or (change.action in there and change.cause is None))
        and change.dingtalk_id in snapshot.people
    }


def due_for_details(userids: Iterable[str], last_ms: int | None, now_ms: int) -> set[str]:
    """Return the people whose manager is to be read although nothing seems changed.

    Everybody's turn comes every seventh day; days missed since the last complete run are made up.
    """
    today = now_ms // DAY_MS
    first = today - _SLICES + 1 if last_ms is None else max(today - _SLICES, last_ms // DAY_MS) + 1
    days = {day % _SLICES for day in range(min(first, today + 1), today + 1)}
    return {key for key in userids if zlib.crc32(key.encode()) % _SLICES in days}


@dataclass(slots=True)
class PartialSnapshot:
    """What was read for events."""

    snapshot: Snapshot = field(default_factory=lambda: Snapshot({}, {}, is_full=False))
    # People who were read with their manager.
    deep: set[str] = field(default_factory=set)
    # What could not be read, and why.
    failed: dict[Key, Cause] = field(default_factory=dict)
    # Somebody lies in a department that only a full run can place.
    needs_full: bool = False
    # Whether what the events named is there, in scope.
    seen: dict[Key, bool] = field(default_factory=dict)


class EventReader:
    """Reads what events named. `outside`: departments known to lie out of scope."""

    def __init__(self, reader: Reader, ledger: Ledger, rules: Rules, outside: set[str]) -> None:
        self._reader = reader
        self._ledger = ledger
        self._rules = rules
        self._outside = outside
        self._partial = PartialSnapshot()

    def read(self, people: Collection[str], departments: Collection[str]) -> PartialSnapshot:
        """Read each person and each subtree once, and everybody from departments that are gone."""
        for department_id in departments:
            self._read_subtree(department_id)
        everybody = dict.fromkeys((*people, *self._left_behind()))
        if everybody:
            self._read_people(everybody)
        self._place_unknown_departments()
        self._partial.seen = self._seen(people, departments)
        return self._partial

    def _seen(self, people: Collection[str], departments: Collection[str]) -> dict[Key, bool]:
        """Return whether each thing that was read is there; excluded departments are not read."""
        snapshot, excluded = self._partial.snapshot, self._rules.scope.excluded_department_ids
        there = {
            (Kind.PERSON, key) for key, person in snapshot.people.items() if person.memberships
        }
        there |= {(Kind.DEPARTMENT, key) for key in snapshot.departments}
        asked: list[Key] = [(Kind.PERSON, key) for key in people]
        asked += [(Kind.DEPARTMENT, key) for key in departments if key not in excluded]
        return {key: key in there for key in asked if key not in self._partial.failed}

    def _read_subtree(self, department_id: str) -> None:
        partial = self._partial
        known = partial.snapshot
        if department_id in known.departments or department_id in known.gone_departments:
            return  # part of a subtree that was read already
        excluded = self._rules.scope.excluded_department_ids
        if department_id in excluded:
            return
        reading = self._reader.read_subtree(department_id, excluded)
        gaps = {reason.gap for reason in reading.reasons}
        if gaps == {Gap.ROOT_GONE}:
            gone = known.gone_departments | {department_id}
            partial.snapshot = replace(known, gone_departments=gone)
            self._read_below(department_id)
        elif gaps == {Gap.ROOT_OUT_OF_SCOPE}:
            self._outside.add(department_id)
        elif gaps:
            error = next((each.error for each in reading.reasons if each.error), None)
            first = next(text for reason in reading.reasons for text in reason.messages)
            failed = Cause("incomplete", first, first)
            key = (Kind.DEPARTMENT, department_id)
            partial.failed[key] = cause_of(error) if error else failed
        else:
            part = snapshot_of(reading, is_full=False)
            self._outside -= part.departments.keys()
            self._add(part.people, part.departments)
            fresh = [key for key in part.departments if key not in self._ledger.departments]
            ordered = _ordered(self._reader, partial.snapshot, fresh)
            partial.snapshot = with_orders(partial.snapshot, ordered)

    def _read_below(self, department_id: str) -> None:
        """Read what lay below a department that is gone; its own events may still be coming."""
        link = self._ledger.departments.get(department_id)
        if link is None:
            return
        for each in self._ledger.departments.values():
            if each.accepted and each.accepted.parent_id == link.wecom_id:
                self._read_subtree(each.department_id)

    def _left_behind(self) -> list[str]:
        """Return the people whom WeCom still has in departments that are gone.

        WeCom does not delete a department as long as they are in it.
        """
        gone = self._partial.snapshot.gone_departments & self._ledger.departments.keys()
        places = {self._ledger.departments[key].wecom_id for key in gone}
        return [key for key, link in self._ledger.people.items() if _is_in(link, places)]

    def _add(self, people: Mapping[str, Person], departments: Mapping[str, Department]) -> None:
        known = self._partial.snapshot
        self._partial.snapshot = replace(
            known,
            people={**known.people, **people},
            departments={**known.departments, **departments},
        )

    def _read_people(self, userids: Collection[str]) -> None:
        partial = self._partial
        found = self._reader.read_people(userids)
        for each in found:
            if each.outcome is Outcome.FAILED and each.error is not None:
                partial.failed[Kind.PERSON, each.dingtalk_id] = cause_of(each.error)
        people = [person_of(each.value) for each in found if each.value is not None]
        gone = [each.dingtalk_id for each in found if each.outcome is Outcome.GONE]
        partial.deep |= {person.dingtalk_userid for person in people}
        partial.snapshot = with_details(partial.snapshot, people, gone)

    def _place_unknown_departments(self) -> None:
        """Find out where the unknown departments of these people lie."""
        people = self._partial.snapshot.people.values()
        for department_id in sorted(
            {membership.department_id for one in people for membership in one.memberships}
        ):
            self._climb(department_id)
        self._partial.snapshot = replace(
            self._partial.snapshot,
            people={
                key: self._without_outside(one)
                for key, one in self._partial.snapshot.people.items()
            },
        )

    def _without_outside(self, person: Person) -> Person:
        memberships = tuple(
            membership
            for membership in person.memberships
            if membership.department_id not in self._outside
        )
        return (
            person
            if memberships == person.memberships
            else replace(person, memberships=memberships)
        )

    def _climb(self, department_id: str) -> None:
        """Read upwards to the first known department; remember those that lie out of scope."""
        ladder: dict[str, Department] = {}
        while not self._is_known(department_id):
            if department_id in self._outside or self._is_outside(department_id):
                self._outside |= {*ladder, department_id}
                return
            (found,) = self._reader.read_departments([department_id])
            if found.outcome is Outcome.OUT_OF_SCOPE:
                self._outside |= {*ladder, department_id}
                return
            if found.value is None or len(ladder) > _MOST_LEVELS:
                self._partial.needs_full = True
                return
            ladder[department_id] = department_of(found.value)
            department_id = ladder[department_id].parent_id or DINGTALK_ROOT
        self._add({}, ladder)

    def _is_known(self, department_id: str) -> bool:
        scope = self._rules.scope
        if department_id in scope.excluded_department_ids:
            return False
        return (
            department_id in scope.source_department_ids
            or department_id in self._ledger.departments
            or department_id in self._partial.snapshot.departments
        )

    def _is_outside(self, department_id: str) -> bool:
        scope = self._rules.scope
        is_excluded = department_id in scope.excluded_department_ids
        is_root = department_id == DINGTALK_ROOT
        return is_excluded or (is_root and DINGTALK_ROOT not in scope.source_department_ids)


def _is_in(link: PersonLink, places: Collection[str]) -> bool:
    """Whether WeCom last put a member of ours into one of these departments."""
    memberships = link.accepted.memberships if link.accepted and places else ()
    return any(membership.department_id in places for membership in memberships)


def snapshot_of(reading: Reading, *, is_full: bool) -> Snapshot:
    """Convert a walk into a snapshot; DingTalk's own words say why it is incomplete."""
    return Snapshot(
        people={user.userid: person_of(user) for user in reading.people},
        departments={each.department_id: department_of(each) for each in reading.departments},
        is_full=is_full,
        is_complete=reading.is_complete,
        reasons=without_repeats(text for reason in reading.reasons for text in reason.messages),
        notes=reading.notes,
    )


def without_repeats(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Keep the last of equal messages: many departments may fail for the same reason."""
    return tuple({str(message): message for message in reversed(tuple(messages))}.values())[::-1]


def department_of(department: DingTalkDepartment) -> Department:
    """Convert a department; the root has no parent."""
    return Department(
        department.department_id,
        department.name,
        department.parent_id or "",
        UNKNOWN if department.order is None else department.order,
    )


def person_of(user: DingTalkUser) -> Person:
    """Convert a person as a list or `user/get` shows them."""
    return Person(
        user.userid,
        user.name or "",
        tuple(
            _membership(user, department_id)
            for department_id in user.department_ids or ()
            if not is_no_department(department_id)
        ),
        mobile=_maybe(user.mobile),
        state_code=_maybe(user.state_code),
        email=_maybe(user.email),
        title=_maybe(user.title),
        telephone=_maybe(user.telephone),
        job_number=_maybe(user.job_number),
        manager_userid=_maybe(user.manager_userid),
    )


def _membership(user: DingTalkUser, department_id: str) -> Membership:
    order, leads = user.orders.get(department_id), user.leads.get(department_id)
    return Membership(
        department_id, UNKNOWN if order is None else order, UNKNOWN if leads is None else leads
    )


def _maybe(value: str | None) -> MaybeText:
    return UNKNOWN if value is None else value


def with_details(snapshot: Snapshot, people: Iterable[Person], gone: Iterable[str]) -> Snapshot:
    """Merge the answers of `user/get` into a snapshot made from lists.

    A value that only the list shows is kept. Somebody who was listed and is gone by `user/get` is
    disputed, neither there nor gone: one of the two answers may be late or wrong.
    """
    merged = dict(snapshot.people)
    for person in people:
        listed = merged.get(person.dingtalk_userid)
        merged[person.dingtalk_userid] = _over(person, listed) if listed else person
    left = frozenset(gone)
    disputed = {key: merged.pop(key).name for key in sorted(left & merged.keys())}
    return replace(
        snapshot,
        people=merged,
        gone_people=snapshot.gone_people | (left - disputed.keys()),
        disputed={**snapshot.disputed, **disputed},
    )


def _over(person: Person, listed: Person) -> Person:
    def either(one: MaybeText, other: MaybeText) -> MaybeText:
        return other if one is UNKNOWN else one

    known = {membership.department_id: membership for membership in listed.memberships}
    return replace(
        person,
        name=person.name or listed.name,
        memberships=tuple(_fuller(membership, known) for membership in person.memberships)
        or listed.memberships,
        mobile=either(person.mobile, listed.mobile),
        state_code=either(person.state_code, listed.state_code),
        email=either(person.email, listed.email),
        title=either(person.title, listed.title),
        telephone=either(person.telephone, listed.telephone),
        job_number=either(person.job_number, listed.job_number),
    )


def _fuller(membership: Membership, known: Mapping[str, Membership]) -> Membership:
    listed = known.get(membership.department_id)
    if listed is None:
        return membership
    order = listed.order if isinstance(membership.order, Unknown) else membership.order
    leads = listed.is_leader if isinstance(membership.is_leader, Unknown) else membership.is_leader
    return replace(membership, order=order, is_leader=leads)


def with_orders(snapshot: Snapshot, departments: Iterable[Department]) -> Snapshot:
    """Add departments that were read one by one: only those answers show their order."""
    fresh = {each.department_id: each for each in departments}
    return replace(snapshot, departments={**snapshot.departments, **fresh})
