"""People take their seats: departments, order in each, leaders, main department (`seat_people`).

DingTalk sorts people by a larger order first, WeCom too; the numbers differ (see `order`).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from server.directory.model import (
    UNKNOWN,
    MaybeOrder,
    MemberSeat,
    MemberState,
    Person,
    Seat,
    id_key,
)
from server.directory.order import assign


class Seating(NamedTuple):  # a tuple, like `_Wish`: made 100,000 times, a third of the time
    """A person's seats; `is_partial` while some of their departments are not in WeCom yet."""

    seats: tuple[MemberSeat, ...]
    main_department: str
    is_partial: bool


class _Wish(NamedTuple):
    """One person in one WeCom department."""

    dingtalk_userid: str
    source_order: MaybeOrder
    is_leader: bool
    number: int  # the order WeCom last accepted here, 0 for none


def seat_people(
    people: Mapping[str, Person],
    bases: Mapping[str, MemberState | None],
    places: Mapping[str, str],
    scope: frozenset[str],
    colleagues: Iterable[tuple[str, MemberState]] = (),
) -> dict[str, Seating]:
    """Seat everybody of `people`.

    bases: what WeCom last accepted for each. places: the WeCom department of each department that
    people can be put into, a part of `scope`. colleagues: members of ours who were not read; they
    keep their numbers and the others are placed among them.
    """
    wishes: dict[str, dict[str, _Wish]] = {}
    for key, person in people.items():
        for seat in person.seats:
            place = places.get(seat.department_id)
            if place:
                wishes.setdefault(place, {}).setdefault(key, _wish(key, seat, place, bases[key]))
    fixed = _fixed(wishes, colleagues)
    seats: dict[str, list[MemberSeat]] = {key: [] for key in people}
    for place in sorted(wishes, key=id_key):
        numbers = _numbers([*wishes[place].values(), *fixed.get(place, ())])
        for key, wish in wishes[place].items():
            seats[key].append(MemberSeat(place, numbers[key], wish.is_leader, wish.source_order))
    return {
        key: _seating(person, tuple(seats[key]), bases[key], places, scope)
        for key, person in people.items()
    }


def _wish(key: str, seat: Seat, place: str, base: MemberState | None) -> _Wish:
    """Read a seat; what DingTalk did not show is what it was."""
    before = _seat_in(base, place)
    order, is_leader = seat.order, seat.is_leader
    if order is UNKNOWN and before:
        order = before.source_order
    if is_leader is UNKNOWN:
        is_leader = bool(before and before.is_leader)
    return _Wish(key, order, is_leader, before.order if before else 0)


def _seat_in(base: MemberState | None, place: str) -> MemberSeat | None:
    if base is None:
        return None
    return next((seat for seat in base.seats if seat.department_id == place), None)


def _fixed(
    places: Iterable[str], colleagues: Iterable[tuple[str, MemberState]]
) -> dict[str, list[_Wish]]:
    fixed: dict[str, list[_Wish]] = {place: [] for place in places}
    for key, member in colleagues:
        for seat in member.seats:
            if seat.department_id in fixed:
                wish = _Wish(key, seat.source_order, seat.is_leader, seat.order)
                fixed[seat.department_id].append(wish)
    return fixed


def _numbers(wishes: Iterable[_Wish]) -> dict[str, int]:
    sequence = sorted(wishes, key=_sequence_key)
    accepted = {wish.dingtalk_userid: wish.number for wish in sequence}
    return assign([wish.dingtalk_userid for wish in sequence], accepted)


def _sequence_key(wish: _Wish) -> tuple[bool, int, tuple[int, str]]:
    order = wish.source_order
    place = 0 if order is UNKNOWN else -order
    return order is UNKNOWN, place, id_key(wish.dingtalk_userid)


def _seating(
    person: Person,
    seats: tuple[MemberSeat, ...],
    base: MemberState | None,
    places: Mapping[str, str],
    scope: frozenset[str],
) -> Seating:
    mine = [seat.department_id for seat in person.seats if seat.department_id in scope]
    is_partial = not places.keys() >= set(mine)
    if not seats:  # everything waits: nobody is taken out of where they are
        return Seating(base.seats if base else (), base.main_department if base else "", is_partial)
    main = base.main_department if base else ""
    if main not in {seat.department_id for seat in seats}:
        main = next(places[department_id] for department_id in mine if department_id in places)
    return Seating(seats, main, is_partial)
