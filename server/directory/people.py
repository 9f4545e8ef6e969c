"""Maps people in scope to WeCom members (`map_people`) and assigns their memberships.

A value that DingTalk does not show stays as WeCom last accepted it: unknown is not empty. A mobile
is never cleared, an email only if the same snapshot proves that emails are visible.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from server.directory import causes
from server.directory.causes import Cause, cause
from server.directory.desired import DesiredPerson, Presence
from server.directory.identity import Contact, Identity, identify, read_contact
from server.directory.model import (
    NOBODY,
    UNKNOWN,
    Ledger,
    MaybeOrder,
    MemberDepartment,
    Membership,
    MemberState,
    Person,
    PersonLink,
    Rules,
    Snapshot,
    TargetSnapshot,
    fold,
    id_key,
)
from server.directory.order import assign
from server.directory.text import unique_owners


# A tuple, like `_Request`: 100,000 of them are made, in a third of a dataclass's time.
class Placement(NamedTuple):
    """A person's memberships in WeCom."""

    memberships: tuple[MemberDepartment, ...]
    main_department: str
    # Some of their departments are not in WeCom yet.
    is_partial: bool


class _Request(NamedTuple):
    """One person's wanted membership in one WeCom department."""

    dingtalk_userid: str
    source_order: MaybeOrder
    is_leader: bool
    number: int  # the order that WeCom last accepted, 0 for none


def assign_memberships(
    people: Mapping[str, Person],
    bases: Mapping[str, MemberState | None],
    places: Mapping[str, str],
    scope: frozenset[str],
    colleagues: Iterable[tuple[str, MemberState]] = (),
) -> dict[str, Placement]:
    """Return the memberships of everybody in `people`.

    bases: what WeCom last accepted of each. places: the WeCom department of each department that
    can take people, a subset of `scope`. colleagues: our members who were not read; they keep
    their numbers, and the others are placed among them.
    """
    requests: dict[str, dict[str, _Request]] = {}
    for key, person in people.items():
        for membership in person.memberships:
            place = places.get(membership.department_id)
            if place:
                requests.setdefault(place, {}).setdefault(
                    key, _request(key, membership, place, bases[key])
                )
    fixed = _fixed(requests, colleagues)
    memberships: dict[str, list[MemberDepartment]] = {key: [] for key in people}
    for place in sorted(requests, key=id_key):
        numbers = _numbers([*requests[place].values(), *fixed.get(place, ())])
        for key, request in requests[place].items():
            memberships[key].append(
                MemberDepartment(place, numbers[key], request.is_leader, request.source_order)
            )
    return {
        key: _placement(person, tuple(memberships[key]), bases[key], places, scope)
        for key, person in people.items()
    }


def _request(key: str, membership: Membership, place: str, base: MemberState | None) -> _Request:
    """Convert a membership; whatever DingTalk did not show stays as it was."""
    before = _membership_in(base, place)
    order, is_leader = membership.order, membership.is_leader
    if order is UNKNOWN and before:
        order = before.source_order
    if is_leader is UNKNOWN:
        is_leader = bool(before and before.is_leader)
    return _Request(key, order, is_leader, before.order if before else 0)


def _membership_in(base: MemberState | None, place: str) -> MemberDepartment | None:
    if base is None:
        return None
    return next(
        (membership for membership in base.memberships if membership.department_id == place), None
    )


def _fixed(
    places: Iterable[str], colleagues: Iterable[tuple[str, MemberState]]
) -> dict[str, list[_Request]]:
    fixed: dict[str, list[_Request]] = {place: [] for place in places}
    for key, member in colleagues:
        for membership in member.memberships:
            if membership.department_id in fixed:
                request = _Request(
                    key, membership.source_order, membership.is_leader, membership.order
                )
                fixed[membership.department_id].append(request)
    return fixed


def _numbers(requests: Iterable[_Request]) -> dict[str, int]:
    sequence = sorted(requests, key=_sequence_key)
    accepted = {request.dingtalk_userid: request.number for request in sequence}
    return assign([request.dingtalk_userid for request in sequence], accepted)


def _sequence_key(request: _Request) -> tuple[bool, int, tuple[int, str]]:
    order = request.source_order
    place = 0 if order is UNKNOWN else -order
    return order is UNKNOWN, place, id_key(request.dingtalk_userid)


def _placement(
    person: Person,
    memberships: tuple[MemberDepartment, ...],
    base: MemberState | None,
    places: Mapping[str, str],
    scope: frozenset[str],
) -> Placement:
    mine = [
        membership.department_id
        for membership in person.memberships
        if membership.department_id in scope
    ]
    is_partial = not places.keys() >= set(mine)
    if not memberships:  # all their departments wait: they stay where they are
        return Placement(
            base.memberships if base else (), base.main_department if base else "", is_partial
        )
    main = base.main_department if base else ""
    if main not in {membership.department_id for membership in memberships}:
        main = next(places[department_id] for department_id in mine if department_id in places)
    return Placement(memberships, main, is_partial)


@dataclass(frozen=True, slots=True)
class Places:
    """The departments in scope, and the WeCom ids of those usable now."""

    scope: frozenset[str]
    wecom_ids: Mapping[str, str]


def map_people(
    snapshot: Snapshot,
    places: Places,
    presence: Presence,
    ledger: Ledger,
    live: TargetSnapshot | None,
    rules: Rules,
) -> dict[str, DesiredPerson]:
    """Map everybody present; the result is sorted by DingTalk userid."""
    people = {key: snapshot.people[key] for key in sorted(presence.present, key=id_key)}
    contacts = {key: read_contact(person) for key, person in people.items()}
    identities = identify(contacts, ledger, live, rules, presence)
    bases = {key: _base(identity) for key, identity in identities.items()}
    colleagues = _colleagues(ledger, identities, presence)
    placements = assign_memberships(people, bases, places.wecom_ids, places.scope, colleagues)
    mapper = _Mapper(
        rules,
        ledger,
        presence,
        identities,
        {fold(link.wecom_userid): key for key, link in ledger.people.items()},
        _email_owners(contacts, bases),
        can_clear_emails=presence.is_settled and snapshot.shows_emails,
    )
    return {
        key: mapper.map(person, contacts[key], bases[key], placements[key])
        for key, person in people.items()
    }


def _base(identity: Identity) -> MemberState | None:
    return identity.link.accepted if identity.link else None


def _colleagues(
    ledger: Ledger, identities: Mapping[str, Identity], presence: Presence
) -> list[tuple[str, MemberState]]:
    """Return our members who were not read and have not left."""
    returned = {identity.replaces for identity in identities.values()}
    return [
        (key, link.accepted)
        for key, link in ledger.people.items()
        if link.accepted
        and link.is_enabled
        and key not in returned
        and presence.has_left(key) is None
    ]


def _email_owners(
    contacts: Mapping[str, Contact], bases: Mapping[str, MemberState | None]
) -> dict[str, str]:
    held = {key: base.email.lower() if base else "" for key, base in bases.items()}
    wanted = {key: (contact.email or "").lower() for key, contact in contacts.items()}
    return unique_owners(wanted, held)


@dataclass(frozen=True, slots=True)
class _Mapper:
    """Maps people one by one; holds what is the same for all."""

    rules: Rules
    ledger: Ledger
    presence: Presence
    identities: Mapping[str, Identity]
    owners: Mapping[str, str]  # folded WeCom userid -> DingTalk userid
    email_owners: Mapping[str, str]
    can_clear_emails: bool

    def map(
        self, person: Person, contact: Contact, base: MemberState | None, placement: Placement
    ) -> DesiredPerson:
        """Map one person; `cause` says what stops them."""
        key = person.dingtalk_userid
        identity = self.identities[key]
        known = base or NOBODY
        mobile = known.mobile if identity.mobile_conflict else contact.mobile or known.mobile
        email, is_taken = self._email(key, contact, known, mobile)
        manager = self._manager(person, known)
        attribute = self.rules.employee_number_attribute
        member = MemberState(
            contact.name,
            mobile,
            email,
            contact.position,
            known.telephone if contact.telephone is None else contact.telephone,
            placement.memberships,
            placement.main_department,
            self._wecom_userid(manager),
            attribute,
            contact.employee_number if attribute else "",
            known.source_manager if person.manager_userid is UNKNOWN else person.manager_userid,
        )
        warnings = list(contact.warnings)
        if is_taken:
            warnings.append(causes.warning(causes.EMAIL_TAKEN, name=contact.name))
        if placement.is_partial:
            warnings.append(causes.warning(causes.SOME_DEPARTMENTS_WAIT, name=contact.name))
        if not identity.is_proven:
            warnings.append(causes.warning(causes.IF_SAME_MOBILE, wecom_id=identity.wecom_userid))
        return DesiredPerson(
            key,
            identity.wecom_userid,
            member,
            identity.link,
            identity.replaces,
            identity.cause or _obstacle(key, member, base),
            identity.is_conflict,
            identity.mobile_conflict,
            tuple(warnings),
            manager,
            identity.adopts,
            identity.is_proven,
        )

    def _email(
        self, key: str, contact: Contact, known: MemberState, mobile: str
    ) -> tuple[str, bool]:
        """Return the email, and whether the wanted one belongs to somebody else."""
        if contact.email:
            is_taken = self.email_owners[contact.email.lower()] != key
            return known.email if is_taken else contact.email, is_taken
        is_cleared = contact.email == "" and self.can_clear_emails and mobile
        return "" if is_cleared else known.email, False

    def _manager(self, person: Person, known: MemberState) -> str:
        """Return the DingTalk userid of the manager, "" for none.

        If it was not read, the leader in WeCom counts, or else the last one known.
        """
        manager = person.manager_userid
        if manager is UNKNOWN:
            former = "" if known.source_manager is UNKNOWN else known.source_manager
            manager = self.owners.get(fold(known.direct_leader), "") or former
        return "" if manager == person.dingtalk_userid else manager

    def _wecom_userid(self, manager: str) -> str:
        identity = self.identities.get(manager)
        if identity and identity.cause is None:
            return identity.wecom_userid
        link = self.ledger.people.get(manager)
        return link.wecom_userid if link and self._is_mirrored(link) else ""

    def _is_mirrored(self, link: PersonLink) -> bool:
        is_usable = link.accepted is not None and link.is_enabled
        return is_usable and not self.presence.has_left(link.dingtalk_userid)


def _obstacle(key: str, member: MemberState, base: MemberState | None) -> Cause | None:
    """Return why WeCom would refuse this member (60112, 60129, 60127)."""
    if not member.name:
        return cause("no-name", id=key)
    if base is None and not member.mobile and not member.email:
        return cause("no-contact", name=member.name)
    return None if member.memberships else cause("person-waits", name=member.name)
