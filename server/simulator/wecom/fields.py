"""The fields of a WeCom write call: taken from JSON, judged one by one.

A field of the wrong type or range is left out and only *warned* of (`Warning: wrong json format.`,
even on success), as the real API does; what breaks a rule is refused with the rule's error code.
"""

import re
from typing import Any

from server.simulator.gate import Json, RefusedError

_UINT32_END = 2**32
_INT32_END = 2**31
_USERID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-@.]{0,63}")
_MOBILE = re.compile(r"1[0-9]{10}|\+86 ?-?1[0-9]{10}|\+(?!86)[0-9][0-9 -]{4,30}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_TELEPHONE = re.compile(r"[0-9+,\-]{0,32}")
_FORBIDDEN_IN_NAMES = frozenset('\\:*?"<>|')
_LONGEST_DEPARTMENT_NAME = 32
_MOST_DEPARTMENTS = 100


class Fields:
    """The JSON object of one call; `has_warning` once a field could not be understood."""

    def __init__(self, values: Json, *, has_warning: bool = False) -> None:
        self.values = values
        self.has_warning = has_warning

    def text(self, name: str) -> str | None:
        """Return a text; None where it is absent or no text."""
        value = self.values.get(name)
        return value if self._fits(value, isinstance(value, str)) else None

    def whole(self, name: str, end: int = _UINT32_END) -> int | None:
        """Return a number of 0 up to (not with) `end`; None where it is absent or none such."""
        value = self.values.get(name)
        return value if self._fits(value, _is_whole(value, end)) else None

    def flag(self, name: str) -> bool | None:
        """Return a boolean; 0 and 1 are taken too."""
        value = self.values.get(name)
        return bool(value) if self._fits(value, value in (0, 1)) else None

    def numbers(self, name: str) -> list[int] | None:
        """Return a list of numbers below 2^32; None where it is absent or none such."""
        value = self.values.get(name)
        is_list = isinstance(value, list) and all(_is_whole(one, _UINT32_END) for one in value)
        return value if self._fits(value, is_list) else None

    def strings(self, name: str) -> list[str] | None:
        """Return a list of texts; None where it is absent or none such."""
        value = self.values.get(name)
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return value if self._fits(value, is_list) else None

    def _fits(self, value: Any, has_type: bool) -> bool:  # noqa: FBT001 - a verdict, not a switch
        self.has_warning = self.has_warning or (value is not None and not has_type)
        return has_type


def _is_whole(value: Any, end: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def new_userid(fields: Fields) -> str:
    """Return the userid of somebody new; 41009 for none, 40003 for one that is not allowed."""
    userid = fields.text("userid")
    if not userid:
        raise RefusedError(41009, "missing userid")
    if not _USERID.fullmatch(userid):
        raise RefusedError(40003, "invalid userid")
    return userid


def member_name(fields: Fields) -> str:
    """Return the name; 60112 for none, an empty one or more than 64 characters."""
    name = fields.text("name")
    if not name or len(name) > 64:
        raise RefusedError(60112, "invalid username length")
    return name


def mobile(fields: Fields) -> str | None:
    """Return the mobile; 60103 where it is none. Other regions must carry their country code."""
    number = fields.text("mobile")
    if number and not (len(number) <= 32 and _MOBILE.fullmatch(number)):
        raise RefusedError(60103, "invalid mobile")
    return number


def email(fields: Fields) -> str | None:
    """Return the address; 60105 where it is none, or not of 6 to 64 bytes."""
    address = fields.text("email")
    if address and not (6 <= len(address.encode()) <= 64 and _EMAIL.fullmatch(address)):
        raise RefusedError(60105, "invalid email")
    return address


def simple_texts(fields: Fields) -> dict[str, Any]:
    """Return the texts that are judged by their length alone, as far as they are given."""
    limits = {"alias": 64, "address": 128, "external_position": 12, "biz_mail": 64}
    found = {name: fields.text(name) for name in (*limits, "position", "telephone", "gender")}
    for name, limit in limits.items():
        if len(found[name] or "") > limit:
            raise RefusedError(
                40058, f"{name} exceed max length {limit}. invalid Request Parameter"
            )
    if len(found["position"] or "") > 128:
        raise RefusedError(301012, "invalid position")
    if not _TELEPHONE.fullmatch(found["telephone"] or ""):
        raise RefusedError(301013, "invalid telephone")
    if found["gender"] not in {None, "0", "1", "2"}:
        raise RefusedError(40058, "invalid gender. invalid Request Parameter")
    return {name: text for name, text in found.items() if text is not None}


def attributes(fields: Fields, known: set[str]) -> dict[str, str]:
    """Return the extended attributes; those not made in the console are silently left out."""
    box = fields.values.get("extattr")
    given = box.get("attrs", []) if isinstance(box, dict) else []
    found = {}
    for attribute in given:
        name, value = _attribute(attribute)
        if name not in known or value is None:
            continue
        if len(value) > 64:
            raise RefusedError(40058, "extattr exceed max length 64. invalid Request Parameter")
        found[name] = value
    return found


def _attribute(attribute: Any) -> tuple[str, str | None]:
    match attribute:
        case {"name": str(name), "text": {"value": str(value)}}:
            return name, value
    return "", None


def memberships(fields: Fields, current: int) -> tuple[list[int] | None, list[int], list[int]]:
    """Return departments, orders and leader flags; `current` counts the present departments.

    60110 for too many, 40066 for what is no list of numbers, 40058 or 60132 where the parallel
    lists are not as long as the departments. An order without departments has no effect.
    """
    departments = fields.numbers("department")
    if departments is None and fields.values.get("department") is not None:
        raise RefusedError(40066, "invalid party list")
    if departments and len(departments) > _MOST_DEPARTMENTS:
        raise RefusedError(60110, "user's department count exceed limit")
    orders, leaders = fields.numbers("order") or [], fields.numbers("is_leader_in_dept") or []
    if departments is not None and orders and len(orders) != len(departments):
        raise RefusedError(40058, "order size not match department. invalid Request Parameter")
    if leaders and len(leaders) != (current if departments is None else len(departments)):
        raise RefusedError(60132, "is_leader_in_dept and department size not match")
    return departments, orders if departments is not None else [], leaders


def department_name(fields: Fields, name: str | None) -> str:
    """Return a department's name; 60001 for none or a long one, 60009 for bad characters."""
    if name == "":
        raise RefusedError(
            40058, "name exceed min utf8 words 1. Invalid input invalid Request Parameter"
        )
    if name is None or len(name) > _LONGEST_DEPARTMENT_NAME:
        raise RefusedError(60001, "department invalid length")
    if not _FORBIDDEN_IN_NAMES.isdisjoint(name):
        raise RefusedError(60009, "department name include invalid char")
    if len(fields.text("name_en") or "") > _LONGEST_DEPARTMENT_NAME:
        raise RefusedError(40058, "name_en exceed max length 32. invalid Request Parameter")
    return name


def new_department_id(fields: Fields) -> int | None:
    """Return the id wished for, None for none; 60123 for 0, 60009 for what is no int32."""
    department_id = fields.whole("id", _INT32_END)
    if department_id == 0:
        raise RefusedError(60123, "invalid party id")
    if department_id is None and fields.values.get("id") is not None:
        raise RefusedError(60009, "department name include invalid char")
    return department_id
