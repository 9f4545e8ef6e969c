"""One change to WeCom, the differences it consists of, and why changes are held.

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
"""The object of a change: its kind and its id in DingTalk."""


class HoldReason(Enum):
    """Why the whole run, or its removals, needs the admin's approval."""

    FIRST_RUN = "first-run"
    SCOPE_CHANGED = "scope-changed"
    MASS_REMOVAL = "mass-removal"
    NOBODY_SHARED = "nobody-shared"
    ALLOWANCE = "allowance"


@dataclass(frozen=True, slots=True)
class Hold:
    """A reason to hold changes, with the numbers behind it."""

    reason: HoldReason
    kind: Kind
    # Removals in this plan.
    wanted: int
    # Removals of the last 24 hours that still count.
    used: int
    # What those two together may reach.
    limit: int
    # Our enabled people or departments in WeCom.
    linked: int

    @property
    def is_whole(self) -> bool:
        """Whether the whole run is held, not only its removals."""
        return self.reason is not HoldReason.ALLOWANCE


FieldValue = None | bool | int | str | tuple[str, ...] | tuple[int, ...] | tuple[bool, ...]
Fields = Mapping[str, tuple[FieldValue, FieldValue]]


class Action(Enum):
    """What a change does; a conflict does nothing and waits for the admin."""

    CREATE = "create"
    ADOPT = "adopt"
    UPDATE = "update"
    ENABLE = "enable"
    DISABLE = "disable"
    DELETE = "delete"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Change:
    """One change."""

    action: Action
    kind: Kind
    dingtalk_id: str
    wecom_id: str
    # Old and new value of every field that differs; old None: unknown or absent.
    fields: Fields = field(default_factory=dict)
    # Everything WeCom should have afterwards: it goes into the ledger once it is accepted. WeCom
    # takes department, order and is_leader_in_dept only together, so all three are sent from here.
    payload: MemberState | DepartmentState | None = None
    # Why it is listed but not made.
    cause: Cause | None = None
    warnings: tuple[Message, ...] = ()
    # The DingTalk userid whose link this person takes over.
    replaces: str = ""
    # People whose removal must succeed first.
    requires: frozenset[str] = frozenset()
    # The guard counts it as a removal.
    counts: bool = False

    @property
    def is_executable(self) -> bool:
        """Whether there is something to do."""
        return self.cause is None and self.action is not Action.CONFLICT

    def to_json(self) -> dict[str, object]:
        """Return the parts of the `sync --json` contract that are known before it is applied."""
        return {
            "action": self.action.value,
            "kind": self.kind.value,
            "dingtalk_id": self.dingtalk_id,
            "wecom_id": self.wecom_id,
            "fields": {name: {"old": old, "new": new} for name, (old, new) in self.fields.items()},
        }


def member_of(change: Change) -> MemberState:
    """Return what WeCom should have of the person; raises TypeError for a department."""
    if not isinstance(change.payload, MemberState):
        raise TypeError(change.kind)
    return change.payload


def state_of(change: Change) -> DepartmentState:
    """Return what WeCom should have of the department; raises TypeError for a person."""
    if not isinstance(change.payload, DepartmentState):
        raise TypeError(change.kind)
    return change.payload


def digest_of(changes: Iterable[Change]) -> str:
    """Return the digest of what changes would do; causes, warnings and order do not count."""
    lines = [
        json.dumps(change.to_json(), ensure_ascii=False, sort_keys=True)
        for change in changes
        if change.is_executable
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def member_fields(member: MemberState) -> dict[str, FieldValue]:
    """Return a member as WeCom's fields."""
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
    """Return all non-empty fields, for a member whose present values are unknown."""
    return {name: (None, value) for name, value in member_fields(member).items() if value}


def member_changes(
    old: MemberState, new: MemberState, departments: frozenset[str] | None
) -> Fields:
    """Return the differences between what WeCom accepted and what it should have.

    departments: where the member is now; None if that was not read.
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
    """Return the differences between a department as it is (name, row) and as it should be."""
    pairs: dict[str, tuple[FieldValue, FieldValue]] = {
        "name": (name, new.name),
        "parentid": (row.parent_id if row else None, new.parent_id),
        "order": (row.order if row else None, new.order),
    }
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}
