"""WeCom as a run sees it: its structure, our changes as requests, and the target of writes.

A preview writes to `RecordingTarget`, which accepts every change and sends nothing.
"""

from collections.abc import Iterable
from typing import Protocol

from server.directory.change import Action, Change, member_of, state_of
from server.directory.model import (
    Ledger,
    MemberState,
    Scope,
    TargetDepartment,
    TargetMembership,
    TargetSnapshot,
    fold,
)
from server.errors.base import TargetMissingError
from server.sync.lookups import HolderLookup
from server.wecom import wire
from server.wecom.client import WeComClient
from server.wecom.wire import Accepted, Department, Member, PlacedDepartment

WECOM_ROOT = "1"
"""The company itself, which always exists."""
_MEMBERSHIP_FIELDS = {"department", "order", "is_leader_in_dept"}
"""WeCom pairs these lists by position, so they are always sent together."""
_ATTRIBUTE = "extattr."


def departments_of(rows: Iterable[PlacedDepartment]) -> dict[str, TargetDepartment]:
    """Index the rows of `department/simplelist` by id."""
    return {
        row.department_id: TargetDepartment(row.department_id, row.parent_id, row.order)
        for row in rows
    }


def read_target(client: WeComClient) -> TargetSnapshot:
    """Read departments and members; two calls suffice for up to 10,000 memberships."""
    departments = departments_of(client.list_departments())
    return TargetSnapshot.of(departments.values(), _memberships(client))


def ensure_target(live: TargetSnapshot, scope: Scope) -> None:
    """Raise `TargetMissingError` if WeCom lacks the department that we mirror into."""
    target = scope.target_department_id
    if target not in live.departments.keys() | {WECOM_ROOT}:
        raise TargetMissingError(department_id=target)


def read_members(client: WeComClient, ledger: Ledger) -> TargetSnapshot:
    """Read members only, and take our departments as WeCom last accepted them.

    An event with a new person needs to know which userids are taken, but no departments.
    """
    departments = [
        TargetDepartment(link.wecom_id, link.accepted.parent_id, link.accepted.order)
        for link in ledger.departments.values()
        if link.accepted
    ]
    return TargetSnapshot.of(departments, _memberships(client))


def _memberships(client: WeComClient) -> list[TargetMembership]:
    return [
        TargetMembership(wecom_userid, department_id)
        for wecom_userid, department_ids in client.list_members().items()
        for department_id in department_ids
    ]


def member_body(change: Change) -> wire.Member:
    """Return the request for a member: the fields that this change sends."""
    names = change.fields.keys()
    member = member_of(change)
    is_placed = bool(names & _MEMBERSHIP_FIELDS) or change.action is Action.CREATE

    def text(name: str, value: str) -> str | None:
        return value if name in names else None

    return wire.Member(
        change.wecom_id,
        name=text("name", member.name),
        mobile=text("mobile", member.mobile),
        email=text("email", member.email),
        position=text("position", member.position),
        telephone=text("telephone", member.telephone),
        department_ids=tuple(membership.department_id for membership in member.memberships)
        if is_placed
        else None,
        orders=tuple(membership.order for membership in member.memberships) if is_placed else None,
        leads=tuple(membership.is_leader for membership in member.memberships)
        if is_placed
        else None,
        main_department_id=text("main_department", member.main_department),
        direct_leader=text("direct_leader", member.direct_leader),
        is_enabled=bool(change.fields["enable"][1]) if "enable" in names else None,
        attributes=_attributes(change, member),
    )


def _attributes(change: Change, member: MemberState) -> dict[str, str] | None:
    is_sent = any(name.startswith(_ATTRIBUTE) for name in change.fields)
    return {member.attribute: member.employee_number} if is_sent else None


def department_body(change: Change) -> wire.Department:
    """Return the request for a department: all fields of a new one, else those that differ."""
    state = state_of(change)
    names = change.fields.keys()
    is_new = change.action is Action.CREATE
    return wire.Department(
        change.wecom_id,
        name=state.name if is_new or "name" in names else None,
        parent_id=state.parent_id if is_new or "parentid" in names else None,
        order=state.order if is_new or "order" in names else None,
    )


class Target(Protocol):
    """The writes of a run, and the reads that tell what became of a write without a reply."""

    def create_member(self, member: Member) -> Accepted:
        """Create a member."""

    def update_member(self, member: Member) -> Accepted:
        """Change the given fields of a member."""

    def delete_member(self, userid: str) -> Accepted:
        """Delete a member for good."""

    def create_department(self, department: Department) -> Accepted:
        """Create a department under the id we chose."""

    def update_department(self, department: Department) -> Accepted:
        """Change the given fields of a department."""

    def delete_department(self, department_id: str) -> Accepted:
        """Delete an empty department."""

    def has_member(self, userid: str) -> bool:
        """Return whether the member exists now."""

    def departments(self) -> dict[str, TargetDepartment]:
        """Return the departments that exist now."""

    def holder_of(self, mobile: str) -> str | None:
        """Look up who holds a mobile that a refusal did not attribute; None if unknown."""

    def learn_holder(self, mobile: str, holder: str | None) -> None:
        """Remember who really holds a mobile; None: what was remembered is wrong."""


class WeComTarget:
    """WeCom itself. `may_invite`: WeCom sends new members an invitation."""

    def __init__(self, client: WeComClient, lookup: HolderLookup, *, may_invite: bool) -> None:
        self._client = client
        self._lookup = lookup
        self._may_invite = may_invite
        self.update_member = client.update_member
        self.delete_member = client.delete_member
        self.create_department = client.create_department
        self.update_department = client.update_department
        self.delete_department = client.delete_department
        self.learn_holder = lookup.learn

    def create_member(self, member: Member) -> Accepted:
        """Create a member; nobody gets an invitation unless the admin wants it."""
        return self._client.create_member(member, invite=self._may_invite)

    def has_member(self, userid: str) -> bool:
        """Return whether the member exists now."""
        return fold(userid) in {fold(each) for each in self._client.list_members()}

    def departments(self) -> dict[str, TargetDepartment]:
        """Return the departments that exist now."""
        return departments_of(self._client.list_departments())

    def holder_of(self, mobile: str) -> str | None:
        """Look up who holds a mobile that a refusal did not attribute; None if unknown."""
        return self._lookup.ask(mobile) or None


class RecordingTarget:
    """Accepts every change and sends nothing; a preview is the same run against this target."""

    def create_member(self, member: Member) -> Accepted:  # noqa: ARG002 - the port's shape
        """Accept a member."""
        return Accepted()

    update_member = create_member

    def delete_member(self, userid: str) -> Accepted:  # noqa: ARG002 - the port's shape
        """Accept a deletion."""
        return Accepted()

    delete_department = delete_member

    def create_department(self, department: Department) -> Accepted:
        """Accept a department."""
        return Accepted(department_id=department.department_id)

    update_department = create_department

    def has_member(self, userid: str) -> bool:  # noqa: ARG002 - no reply is ever lost here
        """Report nobody, since nobody was created."""
        return False

    def departments(self) -> dict[str, TargetDepartment]:
        """Report nothing, since nothing was created."""
        return {}

    def holder_of(self, mobile: str) -> str | None:  # noqa: ARG002 - nothing is ever refused here
        """Ask nobody."""
        return None

    def learn_holder(self, mobile: str, holder: str | None) -> None:
        """Remember nothing."""
