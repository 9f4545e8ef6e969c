"""WeCom's members and departments as requests and answers.

None means "not sent", and WeCom leaves such a field alone. Ids are strings here and become numbers
on the wire. Knows nothing of DingTalk and decides nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.errors.message import N_, Message
from server.rest import fields


@dataclass(frozen=True, slots=True)
class Member:
    """A member to create, or the fields of a member to change."""

    userid: str
    name: str | None = None
    mobile: str | None = None
    email: str | None = None
    position: str | None = None
    telephone: str | None = None
    # WeCom pairs these three by position.
    department_ids: tuple[str, ...] | None = None
    orders: tuple[int, ...] | None = None
    leads: tuple[bool, ...] | None = None
    main_department_id: str | None = None
    direct_leader: str | None = None  # "" removes the leader
    is_enabled: bool | None = None
    # Extended attributes by name; WeCom silently ignores a name that its console does not have.
    attributes: Mapping[str, str] | None = None

    def to_json(self) -> dict[str, object]:
        """Return the request body with the fields that are sent."""
        sent: dict[str, object | None] = {
            "userid": self.userid,
            "name": self.name,
            "mobile": self.mobile,
            "email": self.email,
            "position": self.position,
            "telephone": self.telephone,
            "department": _numbers(self.department_ids),
            "order": _numbers(self.orders),
            "is_leader_in_dept": _numbers(self.leads),
            "main_department": None
            if not self.main_department_id
            else int(self.main_department_id),
            "direct_leader": _leaders(self.direct_leader),
            "enable": _number(self.is_enabled),
            "extattr": _attributes(self.attributes),
        }
        return {name: value for name, value in sent.items() if value is not None}


def _number(value: str | bool | None) -> int | None:  # noqa: FBT001 - a value, not a switch
    return None if value is None else int(value)


def _numbers(entries: tuple[str, ...] | tuple[int, ...] | None) -> list[int] | None:
    return None if entries is None else [int(entry) for entry in entries]


def _leaders(userid: str | None) -> list[str] | None:
    """Return at most one leader: the documentation says both 1 and 5 (60257)."""
    if userid is None:
        return None
    return [userid] if userid else []


def _attributes(attributes: Mapping[str, str] | None) -> dict[str, object] | None:
    if attributes is None:
        return None
    return {
        "attrs": [
            {"type": 0, "name": name, "text": {"value": value}}
            for name, value in attributes.items()
        ]
    }


@dataclass(frozen=True, slots=True)
class Department:
    """A department to create, or the fields of one to change. `order`: larger first, uint32."""

    department_id: str | None = None
    name: str | None = None
    parent_id: str | None = None
    order: int | None = None

    def to_json(self) -> dict[str, object]:
        """Return the request body with the fields that are sent."""
        sent: dict[str, object | None] = {
            "id": _number(self.department_id),
            "name": self.name,
            "parentid": _number(self.parent_id),
            "order": self.order,
        }
        return {name: value for name, value in sent.items() if value is not None}


@dataclass(frozen=True, slots=True)
class PlacedDepartment:
    """A row of `department/simplelist`, without a name. The root's parent is "0"."""

    department_id: str
    parent_id: str
    order: int


@dataclass(frozen=True, slots=True)
class CreatedDepartment:
    """A department that WeCom made up for an id it did not know."""

    department_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """WeCom's answer to a change it accepted."""

    # Of the department created.
    department_id: str | None = None
    # There was nothing to delete.
    was_gone: bool = False
    # A value had the wrong form and was dropped.
    warning: Message | None = None
    # Should always be empty: WeCom makes up departments for ids it does not know.
    created_departments: tuple[CreatedDepartment, ...] = ()

    @property
    def alarm(self) -> Message | None:
        """What the admin must know, or None."""
        if not self.created_departments:
            return None
        named = ", ".join(
            f"{made.name} ({made.department_id})" for made in self.created_departments
        )
        return Message(
            N_(
                "WeCom created departments that were not requested: {departments}. Remove them "
                "there."
            ),
            {"departments": named},
        )


def parse_placed_department(entry: Mapping[str, Any]) -> PlacedDepartment | None:
    """Parse a row of `department/simplelist`; None without id or parent."""
    department_id = fields.whole_number(entry.get("id"))
    parent_id = fields.whole_number(entry.get("parentid"))
    if department_id is None or parent_id is None:
        return None
    return PlacedDepartment(department_id, parent_id, fields.number(entry.get("order")) or 0)


def parse_created_departments(answer: Mapping[str, Any]) -> tuple[CreatedDepartment, ...]:
    """Parse `created_department_list` from the answer to a member's change."""
    created = answer.get("created_department_list")
    entries = fields.items(created.get("department_info")) if isinstance(created, dict) else None
    return tuple(_created(entry if isinstance(entry, dict) else {}) for entry in entries or ())


def _created(entry: Mapping[str, Any]) -> CreatedDepartment:
    return CreatedDepartment(
        fields.identifier(entry.get("id")) or "?", fields.text(entry.get("name")) or "?"
    )
