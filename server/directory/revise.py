"""Revises a planned change by WeCom's answer, one change at a time.

Examples: a creation becomes an adoption or a return, a manager got another userid than planned, a
department could not be created.
"""

from collections.abc import Container, Mapping
from dataclasses import replace

from server.directory.causes import MOBILE_MAY_STAY, Cause, cause
from server.directory.change import Action, Change, all_fields, member_changes, member_of
from server.directory.identity import Decision, Match
from server.directory.model import MemberState, PersonLink


def follow(change: Change, decision: Decision, link: PersonLink | None = None) -> Change:
    """Revise a person's change after 60104 named the holder of the mobile.

    link: the ledger's link of the holder. SAME and ADOPT write every value that DingTalk has and
    clear nothing. A linked member whose mobile is refused loses only that field: the caller uses
    `without_mobile` and lists the conflict as well.
    """
    member = member_of(change)
    if decision.cause:
        action = Action.CONFLICT if decision.match is Match.CONFLICT else change.action
        return replace(
            change, action=action, wecom_id=decision.wecom_userid, fields={}, cause=decision.cause
        )
    revised = replace(change, wecom_id=decision.wecom_userid)
    if decision.match is Match.RETURN and link and link.accepted:
        switch = {} if link.is_enabled else {"enable": (False, True)}
        fields = {**switch, **member_changes(link.accepted, member, None)}
        return replace(revised, action=Action.ENABLE, fields=fields, replaces=decision.replaces)
    action = Action.ADOPT if decision.match is Match.ADOPT else Action.UPDATE
    return replace(revised, action=action, fields=all_fields(member))


def without_mobile(change: Change, accepted: MemberState) -> Change:
    """Keep the mobile as WeCom last accepted it, and write the rest."""
    member = replace(member_of(change), mobile=accepted.mobile)
    fields = {name: diff for name, diff in change.fields.items() if name != "mobile"}
    warnings = tuple(each for each in change.warnings if each.text != MOBILE_MAY_STAY)
    return replace(change, fields=fields, payload=member, warnings=warnings)


def without_text(change: Change, name: str, accepted: MemberState) -> Change:
    """Keep an email, position or telephone as WeCom last accepted it, and write the rest."""
    member = replace(member_of(change), **{name: getattr(accepted, name)})
    fields = {key: diff for key, diff in change.fields.items() if key != name}
    return replace(change, fields=fields, payload=member)


def with_leader(change: Change, actual: Mapping[str, str], accepted: MemberState | None) -> Change:
    """Set the manager's actual userid (planned -> actual, "" if they were not created)."""
    member = member_of(change)
    leader = actual.get(member.direct_leader, member.direct_leader)
    if leader == member.direct_leader:
        return change
    before = accepted.direct_leader if accepted else ""
    fields = {name: diff for name, diff in change.fields.items() if name != "direct_leader"}
    if leader != before:
        fields["direct_leader"] = (before or None, leader)
    return replace(change, fields=fields, payload=replace(member, direct_leader=leader))


def without_departments(change: Change, missing: Container[str]) -> Change:
    """Remove departments that could not be created: WeCom makes up some for unknown ids."""
    member = member_of(change)
    memberships = tuple(
        membership for membership in member.memberships if membership.department_id not in missing
    )
    if memberships == member.memberships:
        return change
    if not memberships:
        return refused(change, cause("person-waits", name=member.name))
    kept = {membership.department_id for membership in memberships}
    main = (
        member.main_department if member.main_department in kept else memberships[0].department_id
    )
    revised = replace(member, memberships=memberships, main_department=main)
    new = {name: pair[1] for name, pair in all_fields(revised).items()}
    pairs = {name: (old, new.get(name, value)) for name, (old, value) in change.fields.items()}
    fields = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return replace(change, fields=fields, payload=revised)


def refused(change: Change, reason: Cause) -> Change:
    """Return the change as one that is listed but not made."""
    return replace(change, cause=reason)
