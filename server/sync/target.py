"""What a run writes to: WeCom itself, or for a preview a target that only says yes."""

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
from server.sync.clients import Clients
from server.sync.lookups import HolderLookup
from server.wecom import wire
from server.wecom.client import WeComClient
from server.wecom.wire import Accepted, Department, Member, PlacedDepartment

WECOM_ROOT = "1"
"""The company itself, which is always there."""


def departments_of(rows: Iterable[PlacedDepartment]) -> dict[str, TargetDepartment]:
    """Turn rows of `department/simplelist`, by id."""
    return {
        row.department_id: TargetDepartment(row.department_id, row.parent_id, row.order)
        for row in rows
    }


def read_target(client: WeComClient) -> TargetSnapshot:
    """Read departments and members: two calls for up to 10,000 memberships."""
    departments = departments_of(client.list_departments())
    return TargetSnapshot.of(departments.values(), _memberships(client))


def ensure_target(live: TargetSnapshot, scope: Scope) -> None:
    """Raise `TargetMissingError` where WeCom lacks the department under which all is to stand."""
    target = scope.target_department_id
    if target not in live.departments.keys() | {WECOM_ROOT}:
        raise TargetMissingError(department_id=target)


def read_members(client: WeComClient, ledger: Ledger) -> TargetSnapshot:
    """Read members only; the departments are those of ours as WeCom last accepted them.

    For an event's new person: which userids are taken has to be known, departments do not.
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


_TRIO = {"department", "order", "is_leader_in_dept"}
_ATTRIBUTE = "extattr."


def member_body(change: Change) -> wire.Member:
    """Return the fields of a member that are to be sent."""
    names = change.fields.keys()
    member = member_of(change)
    is_placed = bool(names & _TRIO) or change.action is Action.CREATE

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
    """Return a department whole where it is created, else the fields that differ."""
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
    """The writes of a run, and the looks that decide what became of a lost one."""

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
        """Look whether a member is there now."""

    def departments(self) -> dict[str, TargetDepartment]:
        """Look which departments are there now."""

    def holder_of(self, mobile: str) -> str | None:
        """Ask who holds a mobile, where a refusal did not say; None where nobody says."""

    def learn_holder(self, mobile: str, holder: str | None) -> None:
        """Remember who holds a mobile, where that was believed to be somebody else."""


class WeComTarget:
    """The real one. `may_invite`: WeCom sends new members an invitation."""

    def __init__(self, clients: Clients, lookup: HolderLookup, *, may_invite: bool) -> None:
        self._client = clients.wecom
        self._writer = clients.writer
        self._may_invite = may_invite
        self.update_member = clients.writer.update_member
        self.delete_member = clients.writer.delete_member
        self.create_department = clients.writer.create_department
        self.update_department = clients.writer.update_department
        self.delete_department = clients.writer.delete_department
        self._lookup = lookup
        self.learn_holder = lookup.learn

    def create_member(self, member: Member) -> Accepted:
        """Create a member; without the admin's wish nobody gets a message."""
        return self._writer.create_member(member, invite=self._may_invite)

    def has_member(self, userid: str) -> bool:
        """Look whether a member is there now."""
        return fold(userid) in {fold(each) for each in self._client.list_members()}

    def departments(self) -> dict[str, TargetDepartment]:
        """Look which departments are there now."""
        return departments_of(self._client.list_departments())

    def holder_of(self, mobile: str) -> str | None:
        """Ask who holds a mobile, where a refusal did not say; None where nobody says."""
        return self._lookup.ask(mobile) or None


class RecordingTarget:
    """Accepts everything and does nothing: a preview is the same run with this target."""

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

    def has_member(self, userid: str) -> bool:  # noqa: ARG002 - nothing is ever lost here
        """Nobody was created."""
        return False

    def departments(self) -> dict[str, TargetDepartment]:
        """Nothing was created."""
        return {}

    def holder_of(self, mobile: str) -> str | None:  # noqa: ARG002 - nothing is ever refused here
        """Nobody is asked."""
        return None

    def learn_holder(self, mobile: str, holder: str | None) -> None:
        """Nothing is learned."""
