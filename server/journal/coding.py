"""Encodes the mirror's values as text for a column, and decodes them again without loss.

JSON in ASCII, which keeps integers of any size and half a surrogate pair in somebody's name.
UNKNOWN is null; lists come back as tuples.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from server.directory.causes import Cause
from server.directory.change import Fields, FieldValue
from server.directory.model import (
    UNKNOWN,
    DepartmentState,
    MaybeOrder,
    MemberDepartment,
    MemberState,
    Refusal,
    Scope,
)
from server.errors.message import Message

_COMPACT = (",", ":")


def dump(value: object) -> str:
    """Write a JSON value as text."""
    return json.dumps(value, separators=_COMPACT)


def _order(stored: int | None) -> MaybeOrder:
    return UNKNOWN if stored is None else stored


def _storable(order: MaybeOrder) -> int | None:
    return None if order is UNKNOWN else order


def dump_member(member: MemberState | None) -> str | None:
    """Write what WeCom accepted of a person; None if its answer is not known."""
    if member is None:
        return None
    memberships = [
        (
            membership.department_id,
            membership.order,
            membership.is_leader,
            _storable(membership.source_order),
        )
        for membership in member.memberships
    ]
    return dump(
        (
            member.name,
            member.mobile,
            member.email,
            member.position,
            member.telephone,
            memberships,
            member.main_department,
            member.direct_leader,
            member.attribute,
            member.employee_number,
            None if member.source_manager is UNKNOWN else member.source_manager,
        )
    )


def load_member(text: str | None) -> MemberState | None:
    """Read what `dump_member` wrote; older versions wrote no manager."""
    if text is None:
        return None
    name, mobile, email, position, telephone, memberships, main, leader, *rest = json.loads(text)
    attribute, employee_number, manager = rest if len(rest) == 3 else (*rest, None)
    return MemberState(
        name,
        mobile,
        email,
        position,
        telephone,
        tuple(
            [
                MemberDepartment(where, at, leads, _order(source))
                for where, at, leads, source in memberships
            ]
        ),
        main,
        leader,
        attribute,
        employee_number,
        UNKNOWN if manager is None else manager,
    )


def dump_target(state: DepartmentState | None) -> str | None:
    """Write what WeCom accepted of a department; None if its answer is not known."""
    if state is None:
        return None
    return dump((state.name, state.parent_id, state.order, _storable(state.source_order)))


def load_target(text: str | None) -> DepartmentState | None:
    """Read what `dump_target` wrote."""
    if text is None:
        return None
    name, parent_id, order, source_order = json.loads(text)
    return DepartmentState(name, parent_id, order, _order(source_order))


def dump_refusals(refusals: Mapping[str, Refusal]) -> str:
    """Write what WeCom refuses of a person, by field."""
    return dump(
        {field: (one.value, one.at_s, plain_cause(one.cause)) for field, one in refusals.items()}
    )


def load_refusals(text: str) -> dict[str, Refusal]:
    """Read what `dump_refusals` wrote."""
    return {
        field: Refusal(value, at_s, cause_of(cause))
        for field, (value, at_s, cause) in json.loads(text).items()
    }


def dump_scope(scope: Scope) -> str:
    """Write an approved scope."""
    return dump(
        (
            scope.source_department_ids,
            sorted(scope.excluded_department_ids),
            scope.target_department_id,
            scope.app_key,
            scope.corp_id,
        )
    )


def load_scope(text: str) -> Scope:
    """Read what `dump_scope` wrote."""
    sources, excluded, *rest = json.loads(text)
    return Scope(tuple(sources), frozenset(excluded), *rest)


def dump_messages(messages: Iterable[Message]) -> str:
    """Write sentences with their gaps, so that they can be shown in another language later."""
    return dump([_plain(message) for message in messages])


def load_messages(text: str) -> tuple[Message, ...]:
    """Read what `dump_messages` wrote."""
    return tuple([Message(sentence, values) for sentence, values in json.loads(text)])


def plain_cause(cause: Cause) -> list[object]:
    """Return a cause as a JSON value."""
    return [cause.code, _plain(cause.title), _plain(cause.hint)]


def cause_of(plain: Any) -> Cause:
    """Return the cause of a JSON value."""
    code, title, hint = plain
    return Cause(code, Message(*title), Message(*hint))


def dump_cause(cause: Cause | None) -> str | None:
    """Write why something was not done."""
    return None if cause is None else dump(plain_cause(cause))


def load_cause(text: str | None) -> Cause | None:
    """Read what `dump_cause` wrote."""
    return None if text is None else cause_of(json.loads(text))


def _plain(message: Message) -> tuple[str, Mapping[str, object]]:
    return message.text, dict(message.values)


def dump_fields(fields: Fields) -> str:
    """Write the old and new value of each field."""
    return dump(dict(fields))


def load_fields(text: str) -> dict[str, tuple[FieldValue, FieldValue]]:
    """Read what `dump_fields` wrote."""
    return {name: (_value(old), _value(new)) for name, (old, new) in json.loads(text).items()}


def _value(stored: Any) -> FieldValue:
    return tuple(stored) if isinstance(stored, list) else stored
