"""The members of a simulated WeCom, beside its departments, and the invariants that always hold.

Userids (case-insensitively), mobiles and addresses are held once; everybody is in departments that
exist. Which call may change what, and how WeCom words a refusal, is not known here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import RLock
from types import MappingProxyType

from server.simulator.wecom.tree import Department, DepartmentTree


@dataclass(frozen=True, slots=True)
class Membership:
    """One of a member's departments; larger `order` comes first."""

    department_id: int
    order: int = 0
    is_leader: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A member with every field the contact API can write; an empty string means empty.

    `is_activated` is whether the person ever logged in: only then is the mobile theirs for good.
    """

    userid: str
    name: str
    memberships: tuple[Membership, ...]
    main_department: int
    mobile: str = ""
    email: str = ""
    alias: str = ""
    position: str = ""
    gender: str = "0"
    telephone: str = ""
    address: str = ""
    biz_mail: str = ""
    external_position: str = ""
    direct_leader: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    is_enabled: bool = True
    is_activated: bool = False

    @property
    def key(self) -> str:
        """The userid as WeCom compares it."""
        return self.userid.lower()

    @property
    def department_ids(self) -> tuple[int, ...]:
        """The departments in their sequence."""
        return tuple(one.department_id for one in self.memberships)

    @property
    def status(self) -> int:
        """1 active, 2 disabled, 4 not activated."""
        if not self.is_enabled:
            return 2
        return 1 if self.is_activated else 4


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a WeCom may grow; `accounts` None means no limit."""

    departments: int = 30_000
    levels: int = 15
    nodes: int = 30_000
    accounts: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole state at one moment, for comparison field by field; members by their own userid."""

    departments: Mapping[int, Department]
    members: Mapping[str, Member]


def mobile_key(mobile: str) -> str:
    """Return a mobile as WeCom compares it: without blanks, hyphens and +86."""
    return mobile.replace(" ", "").replace("-", "").removeprefix("+86")


class WeComDirectory:
    """Members with their indexes, and the tree. Hold `lock` over steps that belong together.

    `attribute_names` are the extended attributes made in the console; `creator` is the userid of
    the member who cannot be deleted; `invited` lists the userids that WeCom sent invitations to.
    """

    def __init__(self, corp_name: str = "钉桥演示公司", limits: Limits | None = None) -> None:
        self.lock = RLock()
        self.tree = DepartmentTree(corp_name, self.lock)
        self.limits = limits or Limits()
        self.attribute_names: set[str] = set()
        self.creator = ""
        self.invited: list[str] = []
        self._members: dict[str, Member] = {}
        self._mobiles: dict[str, str] = {}
        self._emails: dict[str, str] = {}
        self._people: dict[int, set[str]] = {}
        self._rows: list[tuple[str, int]] | None = None

    def snapshot(self) -> Snapshot:
        """Return the whole state; nothing in it changes any more."""
        with self.lock:
            members = {member.userid: member for member in self._members.values()}
            return Snapshot(self.tree.by_id(), MappingProxyType(members))

    def member(self, userid: str) -> Member | None:
        """Return a member by userid, in whatever case it is written."""
        return self._members.get(userid.lower())

    def member_count(self) -> int:
        """Return how many members there are, disabled ones too."""
        return len(self._members)

    def mobile_holder(self, mobile: str) -> Member | None:
        """Return the member who holds a mobile."""
        key = self._mobiles.get(mobile_key(mobile))
        return None if key is None else self._members[key]

    def email_holder(self, email: str) -> Member | None:
        """Return the member who holds an address."""
        key = self._emails.get(email.lower())
        return None if key is None else self._members[key]

    def people(self, department_id: int) -> list[Member]:
        """Return the direct members, by userid."""
        with self.lock:
            return [self._members[key] for key in sorted(self._people.get(department_id, ()))]

    def node_count(self, department_id: int) -> int:
        """Return how many members and departments lie right below a department."""
        members = self._people.get(department_id, ())
        if department_id not in self.tree:
            return 0
        return len(members) + len(self.tree.children(department_id))

    def rows(self) -> list[tuple[str, int]]:
        """Return one (userid, department) for each membership, in a sequence that keeps."""
        with self.lock:
            if self._rows is None:
                self._rows = [
                    (self._members[key].userid, department_id)
                    for key in sorted(self._members)
                    for department_id in sorted(self._members[key].department_ids)
                ]
            return self._rows

    def put_member(self, member: Member) -> None:
        """Add a member or replace the one with the same userid."""
        with self.lock:
            self._unlist(member.key)
            self._members[member.key] = member
            for department_id in member.department_ids:
                self._people.setdefault(department_id, set()).add(member.key)
            if member.mobile:
                self._mobiles[mobile_key(member.mobile)] = member.key
            if member.email:
                self._emails[member.email.lower()] = member.key
            self._rows = None

    def drop_member(self, userid: str) -> None:
        """Remove a member, also as the leader of others."""
        with self.lock:
            self._unlist(userid.lower())
            self._rows = None
            for member in list(self._members.values()):
                if member.direct_leader and userid.lower() == member.direct_leader[0].lower():
                    self._members[member.key] = replace(member, direct_leader=())

    def _unlist(self, key: str) -> None:
        member = self._members.pop(key, None)
        if member is None:
            return
        for department_id in member.department_ids:
            self._people[department_id].discard(key)
        self._mobiles.pop(mobile_key(member.mobile), None)
        self._emails.pop(member.email.lower(), None)
