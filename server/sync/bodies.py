"""A planned change as WeCom's calls take it: only the fields that differ, the trio together."""

from server.directory.change import Action, Change, member_of, state_of
from server.directory.model import MemberState
from server.wecom import wire

_TRIO = {"department", "order", "is_leader_in_dept"}
_ATTRIBUTE = "extattr."


def member_body(change: Change) -> wire.Member:
    """Return the fields of a member that are to be sent."""
    names = change.fields.keys()
    member = member_of(change)
    is_placed = bool(names & _TRIO) or change.action is Action.CREATE

    def text(name: str, value: str) -> str | None:
        return value if name in names else None

    return wire.Member(
        change.wecom_id,
        name=text("name", member.name),
        mobile=text("mobile", member.mobile),
        email=text("email", member.email),
        position=text("position", member.position),
        telephone=text("telephone", member.telephone),
        department_ids=tuple(seat.department_id for seat in member.seats) if is_placed else None,
        orders=tuple(seat.order for seat in member.seats) if is_placed else None,
        leads=tuple(seat.is_leader for seat in member.seats) if is_placed else None,
        main_department_id=text("main_department", member.main_department),
        direct_leader=text("direct_leader", member.direct_leader),
        is_enabled=bool(change.fields["enable"][1]) if "enable" in names else None,
        attributes=_attributes(change, member),
    )


def _attributes(change: Change, member: MemberState) -> dict[str, str] | None:
    is_sent = any(name.startswith(_ATTRIBUTE) for name in change.fields)
    return {member.attribute: member.employee_number} if is_sent else None


def department_body(change: Change) -> wire.Department:
    """Return a department whole where it is created, else the fields that differ."""
    state = state_of(change)
    names = change.fields.keys()
    is_new = change.action is Action.CREATE
    return wire.Department(
        change.wecom_id,
        name=state.name if is_new or "name" in names else None,
        parent_id=state.parent_id if is_new or "parentid" in names else None,
        order=state.order if is_new or "order" in names else None,
    )
