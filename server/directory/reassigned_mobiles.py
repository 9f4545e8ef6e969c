"""Company phones passed on: mobiles that perhaps only our ledger still gives to leavers.

We cannot read whether the admin has removed such a mobile from its old member in WeCom's console.
Only writing it shows that: 60104 names the holder if nothing has changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from server.directory.change import Change
from server.directory.desired import Presence
from server.directory.model import Kind, Ledger, PersonLink, fold

_CODES = ("mobile-of-leaver", "mobile-held")


def waiting_for(
    changes: Iterable[Change], ledger: Ledger, presence: Presence
) -> dict[str, PersonLink]:
    """Return the people who wait for a leaver's mobile, with that leaver's link."""
    waiting = {
        change.dingtalk_id: fold(str(change.cause.title.values["wecom_id"]))
        for change in changes
        if change.kind is Kind.PERSON and change.cause and change.cause.code in _CODES
    }
    if not waiting:
        return {}
    leavers = {
        fold(link.wecom_userid): link
        for key, link in ledger.people.items()
        if presence.has_left(key) and link.accepted
    }
    return {key: leavers[holder] for key, holder in waiting.items() if holder in leavers}


def without_mobiles(ledger: Ledger, links: Iterable[PersonLink]) -> Ledger:
    """Return the ledger as if these leavers had no mobile."""
    changed = {link.dingtalk_userid: without_mobile(link) for link in links}
    return replace(ledger, people={**ledger.people, **changed})


def without_mobile(link: PersonLink) -> PersonLink:
    """Return the link as if the member had no mobile."""
    accepted = replace(link.accepted, mobile="") if link.accepted else None
    return replace(link, accepted=accepted)


def is_reassigned(userid: str, leaver: PersonLink, people: Mapping[str, PersonLink]) -> bool:
    """Whether WeCom accepted a leaver's mobile for the person who waited for it."""
    link, former = people.get(userid), people.get(leaver.dingtalk_userid)
    if not (former and link and link.accepted and leaver.accepted):
        return False
    return link.accepted.mobile == leaver.accepted.mobile != ""
