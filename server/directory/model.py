"""The nouns of the mirror: DingTalk's directory, WeCom's structure, and the ledger between them.

Ids are strings everywhere: DingTalk's department ids and orders are larger than a float can hold.
Times are seconds since the epoch. Nothing in here decides anything.
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
"""Not read, or not allowed to be read. It leaves in WeCom what is there; empty would clear it."""

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
    """Bring a WeCom userid into the form in which they compare (case does not count)."""
    return wecom_userid.lower()


def id_key(identifier: str) -> tuple[int, str]:
    """Sort ids of digits by their number and all others in one stable order."""
    return len(identifier), identifier


# --- DingTalk ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Membership:
    """One department a person belongs to. People with a larger `order` come first."""

    department_id: str
    order: MaybeOrder = UNKNOWN
    is_leader: bool | Unknown = UNKNOWN


@dataclass(frozen=True, slots=True)
class Person:
    """A person as DingTalk shows them; `memberships` stand in the order of `dept_id_list`.

    mobile, email: absent both when empty and when the app may not read them, so that "" and
    UNKNOWN mean the same there. title, telephone, job_number: no permission hides them, so that
    UNKNOWN is empty there. manager_userid: UNKNOWN where only `user/list` was read, "" where
    `user/get` names nobody (`v2/user/get`, `v2/user/list`).
    """

    dingtalk_userid: str
    name: str
    memberships: tuple[Membership, ...]
    mobile: MaybeText = UNKNOWN
    state_code: MaybeText = UNKNOWN
    email: MaybeText = UNKNOWN
    title: MaybeText = UNKNOWN
    telephone: MaybeText = UNKNOWN
    job_number: MaybeText = UNKNOWN
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
    """What was read of DingTalk: everything in scope (`is_full`) or what an event named.

    is_complete: nothing that should have been read is missing; `reasons` says what is.
    gone_people, gone_departments: proven not to be mirrored any more. DingTalk itself said that
    they do not exist (33012, 60111, 60121; 60003), or showed them where our own settings mirror
    nothing. Out of the app's scope (50002, 50004) is no such proof.
    disputed: names of people whom a list shows and `user/get` calls non-existent; nothing is
    concluded about them. is_settled: of all that is missing it is known whether it is gone.
    has_moved: something missing proved to be there: DingTalk was changed while it was read.
    notes: what the admin should know although nothing is missing.
    """

    people: Mapping[str, Person]
    departments: Mapping[str, Department]
    is_full: bool = True
    is_complete: bool = True
    reasons: tuple[Message, ...] = ()
    gone_people: frozenset[str] = frozenset()
    gone_departments: frozenset[str] = frozenset()
    disputed: Mapping[str, str] = field(default_factory=dict)
    is_settled: bool = True
    has_moved: bool = False
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
    """WeCom's structure now; members are keyed by their folded userid.

    spellings: the userids as WeCom writes them. holders: mobile -> who holds it in WeCom, "" for
    nobody, as far as that was asked.
    """

    departments: Mapping[str, TargetDepartment]
    members: Mapping[str, frozenset[str]]
    spellings: Mapping[str, str] = field(default_factory=dict)
    holders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, departments: Iterable[TargetDepartment], memberships: Iterable[TargetMembership]
    ) -> "TargetSnapshot":
        """Gather the rows of both lists."""
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
    """A member's place in one WeCom department.

    source_order is DingTalk's order behind it: not written, but remembered, so that an event's
    single person finds their place among colleagues who are not read again.
    """

    department_id: str
    order: int
    is_leader: bool = False
    source_order: MaybeOrder = field(default=UNKNOWN, compare=False)


@dataclass(frozen=True, slots=True)
class MemberState:
    """All we tell WeCom about a person; seats are sorted by department id.

    attribute: name of the extended attribute that holds `employee_number`, "" for none.
    source_manager: the DingTalk userid behind `direct_leader`, also of one who is not mirrored: not
    written, but remembered, so that they lead again as soon as they are back.
    """

    name: str
    mobile: str = ""
    email: str = ""
    position: str = ""
    telephone: str = ""
    memberships: tuple[MemberDepartment, ...] = ()
    main_department: str = ""
    direct_leader: str = ""
    attribute: str = ""
    employee_number: str = ""
    source_manager: MaybeText = field(default=UNKNOWN, compare=False)


NOBODY: Final = MemberState("")
"""Stands for what WeCom accepted of somebody who is not a member yet."""


@dataclass(frozen=True, slots=True)
class DepartmentState:
    """All we tell WeCom about a department; `source_order` as in `MemberDepartment`."""

    name: str
    parent_id: str
    order: int
    source_order: MaybeOrder = field(default=UNKNOWN, compare=False)


# --- The ledger -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PersonLink:
    """A person and their WeCom member.

    accepted: what WeCom last accepted; None while a create was begun and no answer is known.
    since_s: when it became enabled or disabled. is_hidden: WeCom says the member exists although
    `user/list_id` does not show it, so that its absence there proves nothing. is_since_sure: the
    clock was right at `since_s`, so that days can be counted from it.
    """

    dingtalk_userid: str
    wecom_userid: str
    accepted: MemberState | None
    is_enabled: bool = True
    since_s: float = 0.0
    origin: Origin = Origin.CREATED
    is_hidden: bool = False
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
    """What waits for the admin; a refusal of WeCom's is tried again once what it is about changes.

    For a person: `wecom_id` holds the mobile `value`. For a department: `value` is the name that
    is taken under the WeCom department `parent_id`. Without a value WeCom was not asked: the rules
    met the conflict by themselves, as they do anew in each run.
    """

    kind: Kind
    dingtalk_id: str
    wecom_id: str
    value: str
    parent_id: str = ""

    @property
    def is_refusal(self) -> bool:
        """Whether WeCom refused, which is remembered lest it be asked again."""
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that WeCom refused, and would refuse again, when it last did so, and why."""

    value: str
    at_s: float
    cause: Cause


Refusals = Mapping[str, Mapping[str, Refusal]]
"""By DingTalk userid, then by field."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A person disabled or a department deleted by us, for the guard's 24 hours."""

    kind: Kind
    dingtalk_id: str
    wecom_id: str
    at_s: float
    is_approved: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """What is mirrored where; a change of it asks for the admin's approval."""

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
    """What we know of our own doing; people and departments are keyed by their DingTalk id.

    doubts: fields whose last write got no answer, so that WeCom may have them or not; the keys are
    made by `doubt_key`. refusals: what WeCom refused for good of people, linked or not.
    """

    people: Mapping[str, PersonLink] = field(default_factory=dict)
    departments: Mapping[str, DepartmentLink] = field(default_factory=dict)
    conflicts: tuple[Conflict, ...] = ()
    removals: tuple[Removal, ...] = ()
    approved_scope: Scope | None = None
    doubts: Mapping[tuple[Kind, str], frozenset[str]] = field(default_factory=dict)
    refusals: Refusals = field(default_factory=dict)


def doubt_key(kind: Kind, wecom_id: str) -> tuple[Kind, str]:
    """Name a member or department in `Ledger.doubts`."""
    return kind, fold(wecom_id)


@dataclass(frozen=True, slots=True)
class Rules:
    """The admin's wishes (`sync.*`) as far as they decide what is changed."""

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
        """The members put beyond our reach, folded."""
        return frozenset(fold(userid) for userid in self.protected_wecom_userids)
