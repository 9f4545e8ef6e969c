"""What WeCom should look like: the result of the mapping and the input of the plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.directory.causes import Cause
from server.directory.model import DepartmentLink, DepartmentState, MemberState, PersonLink
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Presence:
    """Who is in scope of a snapshot, and who has left."""

    present: frozenset[str]
    # Those whose absence is proven; missing from a list proves nothing.
    gone: frozenset[str] = frozenset()
    # Everything in scope was read, and everybody missing from it is known to be gone.
    is_settled: bool = False

    def has_left(self, dingtalk_userid: str) -> bool | None:
        """Whether a linked person is no longer mirrored; None if that is unknown."""
        if dingtalk_userid in self.present:
            return False
        return True if dingtalk_userid in self.gone else None


@dataclass(frozen=True, slots=True)
class DesiredDepartment:
    """A department and the WeCom id it has or will get."""

    department_id: str
    wecom_id: str
    state: DepartmentState
    link: DepartmentLink | None
    # It is in WeCom already, as far as we know.
    exists: bool
    # `sync.department_links` names its WeCom department.
    is_named: bool = False
    # Why it cannot be created or changed now.
    cause: Cause | None = None
    warnings: tuple[Message, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether people and departments can be put into it in this run."""
        return self.exists or self.cause is None


@dataclass(frozen=True, slots=True)
class DesiredPerson:
    """A person and the WeCom member they are or become."""

    dingtalk_userid: str
    wecom_userid: str
    member: MemberState
    # The ledger's link to that member.
    link: PersonLink | None = None
    # The old DingTalk userid in that link, if the person returned under a new one.
    replaces: str = ""
    # Why the person is skipped; if `is_conflict`, the admin has to decide.
    cause: Cause | None = None
    is_conflict: bool = False
    # Why the person keeps the old mobile: somebody else holds the new one.
    mobile_conflict: Cause | None = None
    warnings: tuple[Message, ...] = ()
    # The DingTalk userid behind `member.direct_leader`.
    manager_userid: str = ""
    # An unlinked member of WeCom is taken over.
    adopts: bool = False
    # WeCom said that this member has the mobile.
    is_proven: bool = True


@dataclass(frozen=True, slots=True)
class Desired:
    """The mapped snapshot."""

    # Parents before children.
    departments: Mapping[str, DesiredDepartment]
    # By DingTalk userid.
    people: Mapping[str, DesiredPerson]
    presence: Presence
    # Departments whose absence is proven.
    gone_departments: frozenset[str] = frozenset()
    # What an event named and only a full run can place.
    unplaced: frozenset[str] = frozenset()
    warnings: tuple[Message, ...] = ()
