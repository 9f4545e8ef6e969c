"""What was read of DingTalk becomes the snapshot that the pure rules work on.

None on the wire means "DingTalk did not say"; here that is UNKNOWN, except where only `user/get`
tells and its silence means that there is none.
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


def snapshot_of(reading: Reading, *, is_full: bool) -> Snapshot:
    """Turn a walk into a snapshot; why it is incomplete is told with DingTalk's own words."""
    return Snapshot(
        people={user.userid: person_of(user) for user in reading.people},
        departments={each.department_id: department_of(each) for each in reading.departments},
        is_full=is_full,
        is_complete=reading.is_complete,
        reasons=told_once(text for reason in reading.reasons for text in reason.messages),
        notes=reading.notes,
    )


def told_once(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Leave out what is told again later: many departments may fail for the same reason."""
    return tuple({str(message): message for message in reversed(tuple(messages))}.values())[::-1]


def department_of(department: DingTalkDepartment) -> Department:
    """Turn a department; the root has no parent."""
    return Department(
        department.department_id,
        department.name,
        department.parent_id or "",
        UNKNOWN if department.order is None else department.order,
    )


def person_of(user: DingTalkUser) -> Person:
    """Turn a person, as a list or `user/get` shows them."""
    return Person(
        user.userid,
        user.name or "",
        tuple(
            _seat(user, department_id)
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


def _seat(user: DingTalkUser, department_id: str) -> Membership:
    order, leads = user.orders.get(department_id), user.leads.get(department_id)
    return Membership(
        department_id, UNKNOWN if order is None else order, UNKNOWN if leads is None else leads
    )


def _maybe(value: str | None) -> MaybeText:
    return UNKNOWN if value is None else value


def with_details(snapshot: Snapshot, people: Iterable[Person], gone: Iterable[str]) -> Snapshot:
    """Lay what `user/get` told over what lists told.

    Where `user/get` is silent about a value that the list showed, the list is believed. Who is gone
    but was listed is taken out, and neither there nor gone: one of the two may be late, or wrong.
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
    """Put in departments read one by one: only those tell their order."""
    fresh = {each.department_id: each for each in departments}
    return replace(snapshot, departments={**snapshot.departments, **fresh})


DAY_MS = 86_400_000
_SLICES = 7
CHUNK = 200
"""So many people are asked for in one go, after which the answers are looked at."""
_HIGHEST_LADDER = 15  # levels, more than either vendor allows


def read_scope(reader: Reader, rules: Rules) -> Snapshot:
    """Read everything in scope, departments with their orders."""
    scope = rules.scope
    reading = reader.read_scope(scope.source_department_ids, scope.excluded_department_ids)
    snapshot = snapshot_of(reading, is_full=True)
    return with_orders(snapshot, _ordered(reader, snapshot, snapshot.departments))


def _ordered(reader: Reader, snapshot: Snapshot, wanted: Iterable[str]) -> list[Department]:
    """Read departments one by one, those whose order is known already left out."""
    ids = [
        key
        for key in wanted
        if key != DINGTALK_ROOT and not isinstance(snapshot.departments[key].order, int)
    ]
    found = reader.read_departments(ids)
    return [department_of(each.value) for each in found if each.value is not None]


def read_details(reader: Reader, snapshot: Snapshot, userids: Iterable[str]) -> Snapshot:
    """Read the managers of these people; who cannot be read keeps what the list told."""
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
        if refused is not None:  # the same answer thousands of times would tell nothing new
            reasons = told_once((*snapshot.reasons, refused.title, refused.hint))
            return replace(snapshot, is_complete=False, reasons=reasons)
    return snapshot


def is_refused_for_all(error: VendorError | None) -> bool:
    """Whether a permission is missing (60011, 43007, 88), so that asking on is useless."""
    return error is not None and is_permission_missing(error)


def changed_people(changes: Iterable[Change], snapshot: Snapshot) -> set[str]:
    """Name the people of a snapshot who are new or changed."""
    there = (Action.CREATE, Action.ADOPT, Action.UPDATE, Action.ENABLE)
    tried_again = Action.CONFLICT
    return {
        change.dingtalk_id
        for change in changes
        if change.kind is Kind.PERSON
        and (change.action is tried_again or (change.action in there and change.cause is None))
        and change.dingtalk_id in snapshot.people
    }


def due_for_a_look(userids: Iterable[str], last_ms: int | None, now_ms: int) -> set[str]:
    """Name whose managers are to be read although nothing seems changed.

    Everybody belongs to one day of seven; the days since the last complete run are made up for.
    """
    today = now_ms // DAY_MS
    first = today - _SLICES + 1 if last_ms is None else max(today - _SLICES, last_ms // DAY_MS) + 1
    days = {day % _SLICES for day in range(min(first, today + 1), today + 1)}
    return {key for key in userids if zlib.crc32(key.encode()) % _SLICES in days}


@dataclass(slots=True)
class PartialSnapshot:
    """What hints led to.

    deep: whose manager is known already. failed: what could not be read, and why. needs_full: what
    only a full run can place. seen: whether what was asked for is there, in scope.
    """

    snapshot: Snapshot = field(default_factory=lambda: Snapshot({}, {}, is_full=False))
    deep: set[str] = field(default_factory=set)
    failed: dict[Key, Cause] = field(default_factory=dict)
    needs_full: bool = False
    seen: dict[Key, bool] = field(default_factory=dict)


class EventReader:
    """Reads what events named. `outside` are departments known to lie out of scope."""

    def __init__(self, reader: Reader, ledger: Ledger, rules: Rules, outside: set[str]) -> None:
        self._reader = reader
        self._ledger = ledger
        self._rules = rules
        self._outside = outside
        self._partial = PartialSnapshot()

    def read(self, people: Collection[str], departments: Collection[str]) -> PartialSnapshot:
        """Read each person once and each subtree once, and who was in what is gone by now."""
        for department_id in departments:
            self._read_subtree(department_id)
        everybody = dict.fromkeys((*people, *self._left_behind()))
        if everybody:
            self._read_people(everybody)
        self._place_strangers()
        self._partial.seen = self._seen(people, departments)
        return self._partial

    def _seen(self, people: Collection[str], departments: Collection[str]) -> dict[Key, bool]:
        """Tell of all that was read whether it is there; nothing is read of what is excluded."""
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
            return  # below one that was read already
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
        """Read what lay below a department that is gone: its events may still be on their way."""
        link = self._ledger.departments.get(department_id)
        if link is None:
            return
        for each in self._ledger.departments.values():
            if each.accepted and each.accepted.parent_id == link.wecom_id:
                self._read_subtree(each.department_id)

    def _left_behind(self) -> list[str]:
        """Name the people whom WeCom still has in departments that are gone.

        They have left or are elsewhere by now, and until WeCom knows that it keeps the department.
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

    def _place_strangers(self) -> None:
        """Find out where departments lie that people are in and nobody has told us of."""
        people = self._partial.snapshot.people.values()
        for department_id in sorted(
            {membership.department_id for one in people for membership in one.memberships}
        ):
            self._climb(department_id)
        self._partial.snapshot = replace(
            self._partial.snapshot,
            people={key: self._seated(one) for key, one in self._partial.snapshot.people.items()},
        )

    def _seated(self, person: Person) -> Person:
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
        """Read upwards until something known; what ends outside the scope is remembered."""
        ladder: dict[str, Department] = {}
        while not self._is_known(department_id):
            if department_id in self._outside or self._is_outside(department_id):
                self._outside |= {*ladder, department_id}
                return
            (found,) = self._reader.read_departments([department_id])
            if found.outcome is Outcome.OUT_OF_SCOPE:
                self._outside |= {*ladder, department_id}
                return
            if found.value is None or len(ladder) > _HIGHEST_LADDER:
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
