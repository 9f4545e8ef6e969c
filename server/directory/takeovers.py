"""Finds WeCom members who may be new people from DingTalk, and says what stays unknown.

Names and mobiles of members cannot be read (48009). WeCom only says who has a given mobile, and
closes that call for a day after too many wrong numbers.
"""

from collections.abc import Collection, Iterable, Mapping

from server.directory import causes
from server.directory.desired import DesiredPerson
from server.directory.identity import holds_already
from server.directory.model import Ledger, TargetSnapshot, fold
from server.errors.message import Message


def worth_asking(
    people: Collection[DesiredPerson], ledger: Ledger, live: TargetSnapshot
) -> tuple[list[DesiredPerson], list[DesiredPerson]]:
    """Return the new people whose mobile is worth looking up: likely hits, then all others.

    Likely hits have the userid of a member, or a conflict from an earlier answer that may have been
    solved.
    """
    new_people = [each for each in people if each.link is None and each.member.mobile]
    if not new_people:
        return [], []
    held = {
        link.accepted.mobile
        for link in ledger.people.values()
        if link.accepted and holds_already(link, live)
    }
    unasked = [
        each
        for each in new_people
        if each.cause is None
        and each.member.mobile not in live.holders
        and each.member.mobile not in held
    ]
    alike = [each for each in unasked if _is_alike(each, live)]
    stopped = [
        each for each in new_people if each.is_conflict and each.member.mobile in live.holders
    ]
    return alike + stopped, [each for each in unasked if not _is_alike(each, live)]


def _is_alike(person: DesiredPerson, live: TargetSnapshot) -> bool:
    return person.adopts or fold(person.dingtalk_userid) in live.members


def strangers(people: Iterable[DesiredPerson], ledger: Ledger, live: TargetSnapshot) -> set[str]:
    """Return the members without a link and without a match, protected or not."""
    matched = {fold(each.wecom_userid) for each in people if each.link is None}
    owned = {fold(link.wecom_userid) for link in ledger.people.values()}
    return set(live.members) - owned - matched


def takeover_warnings(
    people: Mapping[str, DesiredPerson], ledger: Ledger, live: TargetSnapshot | None
) -> tuple[Message, ...]:
    """Return the warnings about take-overs that the plan cannot foresee."""
    if live is None:
        return ()
    unasked = [
        each
        for part in worth_asking(people.values(), ledger, live)
        for each in part
        if each.cause is None
    ]
    unproven = sum(each.adopts for each in unasked)
    others = len(unasked) - unproven
    notes = [causes.warning(causes.UNPROVEN, count=unproven)] if unproven else []
    left = strangers(people.values(), ledger, live) if others else ()
    if left:
        notes.append(causes.warning(causes.UNMATCHED, count=len(left), people=others))
    return tuple(notes)
