"""What was read of DingTalk becomes the snapshot that the pure rules work on.

None on the wire means "DingTalk did not say"; here that is UNKNOWN, except where only `user/get`
tells and its silence means that there is none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from server.dingtalk.walk import Reading, is_no_department
from server.dingtalk.wire import DingTalkDepartment, DingTalkUser
from server.directory.model import (
    UNKNOWN,
    Department,
    MaybeText,
    Person,
    Seat,
    Snapshot,
    Unknown,
)
from server.errors.message import Message


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


def _seat(user: DingTalkUser, department_id: str) -> Seat:
    order, leads = user.orders.get(department_id), user.leads.get(department_id)
    return Seat(
        department_id, UNKNOWN if order is None else order, UNKNOWN if leads is None else leads
    )


def _maybe(value: str | None) -> MaybeText:
    return UNKNOWN if value is None else value


def deepened(snapshot: Snapshot, people: Iterable[Person], gone: Iterable[str]) -> Snapshot:
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

    known = {seat.department_id: seat for seat in listed.seats}
    return replace(
        person,
        name=person.name or listed.name,
        seats=tuple(_fuller(seat, known) for seat in person.seats) or listed.seats,
        mobile=either(person.mobile, listed.mobile),
        state_code=either(person.state_code, listed.state_code),
        email=either(person.email, listed.email),
        title=either(person.title, listed.title),
        telephone=either(person.telephone, listed.telephone),
        job_number=either(person.job_number, listed.job_number),
    )


def _fuller(seat: Seat, known: Mapping[str, Seat]) -> Seat:
    listed = known.get(seat.department_id)
    if listed is None:
        return seat
    order = listed.order if isinstance(seat.order, Unknown) else seat.order
    leads = listed.is_leader if isinstance(seat.is_leader, Unknown) else seat.is_leader
    return replace(seat, order=order, is_leader=leads)


def with_orders(snapshot: Snapshot, departments: Iterable[Department]) -> Snapshot:
    """Put in departments read one by one: only those tell their order."""
    fresh = {each.department_id: each for each in departments}
    return replace(snapshot, departments={**snapshot.departments, **fresh})
