"""What WeCom is to look like, as the mapping hands it to the plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.directory.causes import Cause
from server.directory.model import DepartmentLink, DepartmentState, MemberState, PersonLink
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Presence:
    """The people in scope of a snapshot, and who of the others has left.

    gone: whose absence is proven; to be missing from a list proves nothing. is_settled: everything
    in scope was read, and whoever is missing from it is known to be gone.
    """

    present: frozenset[str]
    gone: frozenset[str] = frozenset()
    is_settled: bool = False

    def has_left(self, dingtalk_userid: str) -> bool | None:
        """Whether a linked person is no longer mirrored; None where that is not known."""
        if dingtalk_userid in self.present:
            return False
        return True if dingtalk_userid in self.gone else None


@dataclass(frozen=True, slots=True)
class DesiredDepartment:
    """A department and the WeCom id it has, or gets.

    exists: it is in WeCom already, as far as we know. is_named: `sync.department_links` names it.
    cause: it cannot be brought about now.
    """

    department_id: str
    wecom_id: str
    state: DepartmentState
    link: DepartmentLink | None
    exists: bool
    is_named: bool = False
    cause: Cause | None = None
    warnings: tuple[Message, ...] = ()

    @property
    def is_usable(self) -> bool:
        """Whether people and departments can be put into it in this run."""
        return self.exists or self.cause is None


@dataclass(frozen=True, slots=True)
class DesiredPerson:
    """A person and the WeCom member they are, or become.

    link: the ledger's entry of that member, which is another person's where somebody returned
    under a new DingTalk userid; `replaces` then names the old one. cause: the person is skipped,
    and the admin has to decide if `is_conflict`. mobile_conflict: only the mobile is not taken
    over, because somebody else holds it. adopts: a member of WeCom's who was nobody's is taken
    over; is_proven: WeCom said that this one has the mobile. manager_userid: the DingTalk userid
    behind `member.direct_leader`.
    """

    dingtalk_userid: str
    wecom_userid: str
    member: MemberState
    link: PersonLink | None = None
    replaces: str = ""
    cause: Cause | None = None
    is_conflict: bool = False
    mobile_conflict: Cause | None = None
    warnings: tuple[Message, ...] = ()
    manager_userid: str = ""
    adopts: bool = False
    is_proven: bool = True


@dataclass(frozen=True, slots=True)
class Desired:
    """The mapped snapshot. Parents stand before children in `departments`, people by userid.

    gone_departments: whose absence is proven. unplaced: people and departments
    that an event named and only a full run can place.
    """

    departments: Mapping[str, DesiredDepartment]
    people: Mapping[str, DesiredPerson]
    presence: Presence
    gone_departments: frozenset[str] = frozenset()
    unplaced: frozenset[str] = frozenset()
    warnings: tuple[Message, ...] = ()
