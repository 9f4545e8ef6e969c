"""DingTalk's people and departments as it sends them, parsed once.

None means that DingTalk did not say: empty, forbidden and left out look alike on the wire. Ids are
strings. Knows nothing of WeCom and decides nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from typing import Any, TypeVar

from crypto.secret import Secret
from server.rest import fields

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DingTalkUser:
    """A person as `user/get` or `user/list` shows them."""

    userid: str
    name: str | None = None
    state_code: str | None = None
    mobile: str | None = None
    email: str | None = None
    title: str | None = None
    telephone: str | None = None
    job_number: str | None = None
    # Only `user/get` shows it; "" for none.
    manager_userid: str | None = None
    active: bool | None = None
    exclusive_account: bool | None = None
    # All departments in DingTalk's order, including those out of scope.
    department_ids: tuple[str, ...] | None = None
    # By department id; what is missing is unknown.
    leads: Mapping[str, bool] = field(default_factory=dict)
    # By department id, larger first, about 1.8e17; what is missing is unknown.
    orders: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DingTalkDepartment:
    """A department. `parent_id` is None for DingTalk's root."""

    department_id: str
    name: str
    parent_id: str | None = None
    # Smaller first; only `department/get` shows it.
    order: int | None = None


@dataclass(frozen=True, slots=True)
class CallbackRecord:
    """A subscription that a program registered, as DingTalk stores it."""

    url: str
    token: Secret
    aes_key: Secret
    event_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FailedEvents:
    """Events that DingTalk could not deliver, each as JSON text; reading clears its list."""

    payloads: tuple[str, ...]
    has_more: bool


def parse_user(entry: Mapping[str, Any]) -> DingTalkUser | None:
    """Parse a person from `user/get`; None without a userid."""
    userid = fields.identifier(entry.get("userid"))
    if userid is None:
        return None
    return DingTalkUser(
        userid=userid,
        name=fields.text(entry.get("name")),
        state_code=fields.text(entry.get("state_code")),
        mobile=fields.text(entry.get("mobile")),
        email=fields.text(entry.get("email")),
        title=fields.text(entry.get("title")),
        telephone=fields.text(entry.get("telephone")),
        job_number=fields.text(entry.get("job_number")),
        manager_userid=fields.text(entry.get("manager_userid")),
        active=fields.flag(entry.get("active")),
        exclusive_account=fields.flag(entry.get("exclusive_account")),
        department_ids=fields.whole_numbers(entry.get("dept_id_list")),
        leads=_parse_leads(entry.get("leader_in_dept")),
        orders=_parse_orders(entry.get("dept_order_list")),
    )


def parse_listed_user(entry: Mapping[str, Any], department_id: str) -> DingTalkUser | None:
    """Parse a person from a department's `user/list`, which has `leader` and `dept_order`."""
    user = parse_user(entry)
    if user is None:
        return None
    leader = fields.flag(entry.get("leader"))
    order = fields.number(entry.get("dept_order"))
    return replace(
        user,
        manager_userid=None,
        department_ids=user.department_ids or (department_id,),
        leads=user.leads if leader is None else {**user.leads, department_id: leader},
        orders=user.orders if order is None else {**user.orders, department_id: order},
    )


def merge_users(listed: Iterable[DingTalkUser]) -> DingTalkUser:
    """Merge one person's entries from several departments' lists; known values win.

    Raises ValueError if there is no entry.
    """
    first, *others = listed
    for other in others:
        first = _merge(first, other)
    return first


def _merge(one: DingTalkUser, other: DingTalkUser) -> DingTalkUser:
    known = {
        known_field.name: getattr(other, known_field.name)
        for known_field in dataclass_fields(DingTalkUser)
        if getattr(one, known_field.name) is None
    }
    return replace(
        replace(one, **known),
        department_ids=_union(one.department_ids, other.department_ids),
        leads={**other.leads, **one.leads},
        orders={**other.orders, **one.orders},
    )


def _union(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if one is None:
        return other
    if other is None:
        return one
    return tuple(dict.fromkeys((*one, *other)))


def _parse_leads(value: object) -> Mapping[str, bool]:
    return _by_department(value, lambda entry: fields.flag(entry.get("leader")))


def _parse_orders(value: object) -> Mapping[str, int]:
    return _by_department(value, lambda entry: fields.number(entry.get("order")))


def _by_department(
    value: object, read: Callable[[Mapping[str, Any]], _T | None]
) -> Mapping[str, _T]:
    """Read one value per department; entries that cannot be read are left out."""
    found: dict[str, _T] = {}
    for entry in fields.objects(value) or ():
        department_id, known = fields.whole_number(entry.get("dept_id")), read(entry)
        if department_id is not None and known is not None:
            found[department_id] = known
    return found


def parse_department(entry: Mapping[str, Any]) -> DingTalkDepartment | None:
    """Parse a department from `department/get` or `listsub`.

    None without id or name, or if its parent cannot be read: it would look like a root.
    """
    department_id = fields.whole_number(entry.get("dept_id"))
    name = fields.text(entry.get("name"))
    parent_id = fields.whole_number(entry.get("parent_id"))
    has_parent = entry.get("parent_id") not in (None, "")
    if department_id is None or name is None or (has_parent and parent_id is None):
        return None
    return DingTalkDepartment(
        department_id=department_id,
        name=name,
        parent_id=parent_id,
        order=fields.number(entry.get("order")),
    )
