"""One change to WeCom, and the differences it is made of.

Field names are WeCom's own (`parentid`, `main_department`); an extended attribute is called
`extattr.<name>`, the switch of a member `enable`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from server.directory.causes import Cause
from server.directory.model import DepartmentState, Kind, MemberState, TargetDepartment, id_key
from server.errors.message import Message

Key = tuple[Kind, str]
"""What a change is about: the kind and the id in DingTalk."""


class HoldReason(Enum):
    """Why nothing at all, or no removal, is done without the admin."""

    FIRST_RUN = "first-run"
    SCOPE_CHANGED = "scope-changed"
    MASS_REMOVAL = "mass-removal"
    NOBODY_SHARED = "nobody-shared"
    ALLOWANCE = "allowance"


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held and the numbers it was judged by.

    wanted: removals in this plan. used: removals of the last 24 hours that still count. limit:
    what those two together may reach. linked: what of ours is enabled in WeCom.
    """

    reason: HoldReason
    kind: Kind
    wanted: int
    used: int
    limit: int
    linked: int

    @property
    def is_whole(self) -> bool:
        """Whether the whole run is held, and not its removals only."""
        return self.reason is not HoldReason.ALLOWANCE


FieldValue = None | bool | int | str | tuple[str, ...] | tuple[int, ...] | tuple[bool, ...]
Fields = Mapping[str, tuple[FieldValue, FieldValue]]


class Action(Enum):
    """What is done; a conflict does nothing and waits for the admin."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    ENABLE = "enable"
    DISABLE = "disable"
    DELETE = "delete"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, old and new for every field that differs (old None: not known or not there).

    payload: all that WeCom is to have afterwards, for the ledger once it is accepted; WeCom takes
    department, order and is_leader_in_dept only together, so that whoever writes one sends all
    three from here. cause: it is listed but not made. replaces: the DingTalk userid whose link
    this person takes over. requires: people whose removal must succeed first. counts: the guard
    counts it as a removal.
    """

    action: Action
    kind: Kind
    dingtalk_id: str
    wecom_id: str
    fields: Fields = field(default_factory=dict)
    payload: MemberState | DepartmentState | None = None
    cause: Cause | None = None
    warnings: tuple[Message, ...] = ()
    replaces: str = ""
    requires: frozenset[str] = frozenset()
    counts: bool = False

    @property
    def is_executable(self) -> bool:
        """Whether there is something to do."""
        return self.cause is None and self.action is not Action.CONFLICT

    def to_json(self) -> dict[str, object]:
        """Give the parts of the `sync --json` contract that are known before it is applied."""
        return {
            "action": self.action.value,
            "kind": self.kind.value,
            "dingtalk_id": self.dingtalk_id,
            "wecom_id": self.wecom_id,
            "fields": {name: {"old": old, "new": new} for name, (old, new) in self.fields.items()},
        }


def member_of(change: Change) -> MemberState:
    """Return all that WeCom is to have of the person; TypeError for a department's change."""
    if not isinstance(change.payload, MemberState):
        raise TypeError(change.kind)
    return change.payload


def state_of(change: Change) -> DepartmentState:
    """Return all that WeCom is to have of the department; TypeError for a person's change."""
    if not isinstance(change.payload, DepartmentState):
        raise TypeError(change.kind)
    return change.payload


def digest_of(changes: Iterable[Change]) -> str:
    """Name a list of changes by what it would do; causes, warnings and order do not count."""
    lines = [
        json.dumps(change.to_json(), ensure_ascii=False, sort_keys=True)
        for change in changes
        if change.is_executable
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def member_fields(member: MemberState) -> dict[str, FieldValue]:
    """Spread a member over WeCom's fields."""
    fields: dict[str, FieldValue] = {
        "name": member.name,
        "mobile": member.mobile,
        "email": member.email,
        "position": member.position,
        "telephone": member.telephone,
        "department": tuple([membership.department_id for membership in member.memberships]),
        "order": tuple([membership.order for membership in member.memberships]),
        "is_leader_in_dept": tuple([membership.is_leader for membership in member.memberships]),
        "main_department": member.main_department,
        "direct_leader": member.direct_leader,
    }
    if member.attribute:
        fields[f"extattr.{member.attribute}"] = member.employee_number
    return fields


def all_fields(member: MemberState) -> Fields:
    """Everything a member has, for one whose present values are not known."""
    return {name: (None, value) for name, value in member_fields(member).items() if value}


def member_changes(
    old: MemberState, new: MemberState, departments: frozenset[str] | None
) -> Fields:
    """Compare what WeCom accepted with what it is to have.

    departments: where the member really is now, None where that was not read.
    """
    is_moved = departments is not None and departments != {
        membership.department_id for membership in old.memberships
    }
    if old == new and not is_moved:
        return {}
    before = member_fields(old)
    if departments is not None and is_moved:
        before["department"] = tuple(sorted(departments, key=id_key))
        if old.main_department not in departments:
            before["main_department"] = None
    after = member_fields(new)
    return {
        name: (before.get(name, ""), value)
        for name, value in after.items()
        if before.get(name, "") != value
    }


def department_changes(
    name: str | None, row: TargetDepartment | None, new: DepartmentState
) -> Fields:
    """Compare a department as it is (name, row) with what it is to be."""
    pairs: dict[str, tuple[FieldValue, FieldValue]] = {
        "name": (name, new.name),
        "parentid": (row.parent_id if row else None, new.parent_id),
        "order": (row.order if row else None, new.order),
    }
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
