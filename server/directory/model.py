"""The mirror's data: DingTalk's directory, WeCom's structure, and the ledger between them.

Ids are strings everywhere, since DingTalk's department ids exceed what a float can hold. Times are
seconds since 1970. Decides nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from server.directory.causes import Cause
from server.errors.message import Message

DINGTALK_ROOT: Final = "1"
"""DingTalk's root department, the company itself (`department/listsub`)."""


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown.UNKNOWN
"""Not read, or forbidden. WeCom's value stays; an empty value would clear it."""

MaybeText = str | Unknown
MaybeOrder = int | Unknown


class Kind(Enum):
    """What a change or a conflict is about."""

    PERSON = "person"
    DEPARTMENT = "department"


class Leavers(Enum):
    """What happens in WeCom to people who left DingTalk (`sync.leavers`)."""

    DISABLE = "disable"
    DELETE = "delete"
    KEEP = "keep"


class Origin(Enum):
    """How something in WeCom became ours."""

    CREATED = "created"
    ADOPTED = "adopted"


def fold(wecom_userid: str) -> str:
    """Return a WeCom userid in the form used for comparison: case does not count."""
    return wecom_userid.lower()


def id_key(identifier: str) -> tuple[int, str]:
    """Return a sort key: ids of digits by number, all others in a stable order."""
    return len(identifier), identifier


# --- DingTalk ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's membership in a department. People with a larger `order` come first."""

    department_id: str
    order: MaybeOrder = UNKNOWN
    is_leader: bool | Unknown = UNKNOWN


@dataclass(frozen=True, slots=True)
class Person:
    """A person as DingTalk shows them."""

    dingtalk_userid: str
    name: str
    # In the order of `dept_id_list`.
    memberships: tuple[Membership, ...]
    # Mobile and email are absent both when empty and when the app may not read them, so "" and
    # UNKNOWN mean the same.
    mobile: MaybeText = UNKNOWN
    state_code: MaybeText = UNKNOWN
    email: MaybeText = UNKNOWN
    # No permission hides these three, so UNKNOWN means empty.
    title: MaybeText = UNKNOWN
    telephone: MaybeText = UNKNOWN
    job_number: MaybeText = UNKNOWN
    # UNKNOWN if only `user/list` was read; "" if `user/get` names nobody.
    manager_userid: MaybeText = UNKNOWN


@dataclass(frozen=True, slots=True)
class Department:
    """A department as DingTalk shows it. A smaller `order` comes first; `listsub` gives none."""

    department_id: str
    name: str
    parent_id: str
    order: MaybeOrder = UNKNOWN


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read of DingTalk: everything in scope (`is_full`) or what an event named."""

    people: Mapping[str, Person]
    departments: Mapping[str, Department]
    is_full: bool = True
    # Everything that should have been read was; otherwise `reasons` says what is missing.
    is_complete: bool = True
    reasons: tuple[Message, ...] = ()
    # Proven gone: DingTalk itself said that they do not exist (33012, 60111, 60121; 60003), or
    # showed them where our settings mirror nothing. Out of scope (50002, 50004) proves nothing.
    gone_people: frozenset[str] = frozenset()
    gone_departments: frozenset[str] = frozenset()
    # Names of people whom a list shows and `user/get` calls non-existent: neither there nor gone.
    disputed: Mapping[str, str] = field(default_factory=dict)
    # Of everything missing it is known whether it is gone.
    is_settled: bool = True
    # Something missing proved to be there: DingTalk changed while it was read.
    has_moved: bool = False
    # What the admin should know although nothing is missing.
    notes: tuple[Message, ...] = ()

    @property
    def shows_mobiles(self) -> bool:
        """Whether anybody's mobile was seen, the only proof of the field permission."""
        return any(_is_seen(person.mobile) for person in self.people.values())

    @property
    def shows_emails(self) -> bool:
        """Whether anybody's email was seen, the only proof of the field permission."""
        return any(_is_seen(person.email) for person in self.people.values())


def _is_seen(text: MaybeText) -> bool:
    return text is not UNKNOWN and bool(text.strip())


# --- WeCom ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TargetDepartment:
    """A row of `department/simplelist`. A larger `order` comes first (uint32)."""

    department_id: str
    parent_id: str
    order: int


@dataclass(frozen=True, slots=True)
class TargetMembership:
    """A row of `user/list_id`: one member in one department."""

    wecom_userid: str
    department_id: str


@dataclass(frozen=True, slots=True)
class TargetSnapshot:
    """WeCom's present structure."""

    departments: Mapping[str, TargetDepartment]
    # Folded userid -> department ids.
    members: Mapping[str, frozenset[str]]
    # Folded userid -> the userid as WeCom writes it.
    spellings: Mapping[str, str] = field(default_factory=dict)
    # Mobile -> its member, "" for nobody, as far as WeCom was asked.
    holders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, departments: Iterable[TargetDepartment], memberships: Iterable[TargetMembership]
    ) -> "TargetSnapshot":
        """Combine the rows of both lists."""
        members: dict[str, set[str]] = {}
        spellings: dict[str, str] = {}
        for row in memberships:
            key = fold(row.wecom_userid)
            spellings[key] = row.wecom_userid
            members.setdefault(key, set()).add(row.department_id)
        return cls(
            {row.department_id: row for row in departments},
            {userid: frozenset(ids) for userid, ids in members.items()},
            spellings,
        )


@dataclass(frozen=True, slots=True)
class MemberDepartment:
    """A member's membership in a WeCom department."""

    department_id: str
    order: int
    is_leader: bool = False
    # DingTalk's order behind it. Not written, but remembered, so that an event's single person can
    # be placed among colleagues who are not read again.
    source_order: MaybeOrder = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True, slots=True)
class MemberState:
    """Everything we tell WeCom about a person."""

    name: str
    mobile: str = ""
    email: str = ""
    position: str = ""
    telephone: str = ""
    # Sorted by department id.
    memberships: tuple[MemberDepartment, ...] = ()
    main_department: str = ""
    direct_leader: str = ""
    # The extended attribute that holds `employee_number`, "" for none.
    attribute: str = ""
    employee_number: str = ""
    # The DingTalk userid behind `direct_leader`, mirrored or not. Not written, but remembered, so
    # that a manager who returns leads again at once.
    source_manager: MaybeText = field(default=UNKNOWN, compare=False)


NOBODY: Final = MemberState("")
"""What WeCom accepted of somebody who is not a member yet."""


@dataclass(frozen=True, slots=True)
class DepartmentState:
    """Everything we tell WeCom about a department; `source_order` as in `MemberDepartment`."""

    name: str
    parent_id: str
    order: int
    source_order: MaybeOrder = field(default=UNKNOWN, compare=False)


# --- The ledger -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonLink:
    """A person and their WeCom member."""

    dingtalk_userid: str
    wecom_userid: str
    # What WeCom last accepted; None if a creation was begun and its reply is unknown.
    accepted: MemberState | None
    is_enabled: bool = True
    # When it became enabled or disabled.
    since_s: float = 0.0
    origin: Origin = Origin.CREATED
    # WeCom says the member exists although `user/list_id` does not show it, so absence from that
    # list proves nothing.
    is_hidden: bool = False
    # The clock was right at `since_s`, so days can be counted from it.
    is_since_sure: bool = False


@dataclass(frozen=True, slots=True)
class DepartmentLink:
    """A DingTalk department and its WeCom department; `accepted` as in `PersonLink`."""

    department_id: str
    wecom_id: str
    accepted: DepartmentState | None
    origin: Origin = Origin.CREATED


@dataclass(frozen=True, slots=True)
class Conflict:
    """What waits for the admin.

    Of a person: `wecom_id` has the mobile `value`. Of a department: `value` is the name that is
    taken below the WeCom department `parent_id`. WeCom refused these, and they are retried once the
    value changes. Without a value the plan itself shows the conflict, in every run.
    """

    kind: Kind
    dingtalk_id: str
    wecom_id: str
    value: str
    parent_id: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether WeCom refused; remembered, so that it is not asked in every run."""
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that WeCom would refuse again, when it last refused it, and why."""

    value: str
    at_s: float
    cause: Cause


Refusals = Mapping[str, Mapping[str, Refusal]]
"""By DingTalk userid, then by field."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A person we disabled or a department we deleted; the guard counts the last 24 hours."""

    kind: Kind
    dingtalk_id: str
    wecom_id: str
    at_s: float
    is_approved: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What is mirrored where; a changed scope needs the admin's approval."""

    source_department_ids: tuple[str, ...] = (DINGTALK_ROOT,)
    excluded_department_ids: frozenset[str] = frozenset()
    target_department_id: str = "1"
    app_key: str = ""
    corp_id: str = ""

    def is_same(self, other: "Scope") -> bool:
        """Whether both mean the same; the order of source departments does not count."""
        sources = tuple(sorted(self.source_department_ids))
        return replace(self, source_department_ids=sources) == replace(
            other, source_department_ids=tuple(sorted(other.source_department_ids))
        )


@dataclass(frozen=True, slots=True)
class Ledger:
    """What we last wrote to WeCom; people and departments by their DingTalk id."""

    people: Mapping[str, PersonLink] = field(default_factory=dict)
    departments: Mapping[str, DepartmentLink] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    removals: tuple[Removal, ...] = ()
    approved_scope: Scope | None = None
    # By `doubt_key`: fields whose last write got no reply, so that WeCom may have them or not.
    doubts: Mapping[tuple[Kind, str], frozenset[str]] = field(default_factory=dict)
    # Values of people, linked or not, that WeCom refused for good.
    refusals: Refusals = field(default_factory=dict)


def doubt_key(kind: Kind, wecom_id: str) -> tuple[Kind, str]:
    """Return the key of a member or department in `Ledger.doubts`."""
    return kind, fold(wecom_id)


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings (`sync.*`) that decide what is changed."""

    scope: Scope = field(default_factory=Scope)
    protected_wecom_userids: frozenset[str] = frozenset()
    leavers: Leavers = Leavers.DISABLE
    delete_after_days: int = 30
    max_removals: int = 3
    max_removal_percent: int = 5
    approve_first_run: bool = True
    department_links: Mapping[str, str] = field(default_factory=dict)
    employee_number_attribute: str = ""

    @property
    def protected(self) -> frozenset[str]:
        """The folded userids of members that must not be touched."""
        return frozenset(fold(userid) for userid in self.protected_wecom_userids)
