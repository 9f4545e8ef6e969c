"""What a run writes to: WeCom itself, or for a preview a target that only says yes."""

from typing import Protocol

from server.directory.model import TargetDepartment, fold
from server.sync.live import departments_of
from server.sync.lookups import HolderLookup
from server.sync.parties import Parties
from server.wecom.wire import Accepted, Department, Member


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

    def __init__(self, parties: Parties, lookup: HolderLookup, *, may_invite: bool) -> None:
        self._client = parties.wecom
        self._writer = parties.writer
        self._may_invite = may_invite
        self.update_member = parties.writer.update_member
        self.delete_member = parties.writer.delete_member
        self.create_department = parties.writer.create_department
        self.update_department = parties.writer.update_department
        self.delete_department = parties.writer.delete_department
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
