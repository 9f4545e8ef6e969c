"""Who is who: which WeCom member a DingTalk person is, decided from the ledger alone (`identify`).

The proof of identity is the mobile. A mobile of a member of ours who left means, with the same
name, the same person back under a new DingTalk userid; with another name, a company phone passed
on, which must not hand over the old owner's chats.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.directory import text
from server.directory.causes import Cause, cause
from server.directory.claims import give_out
from server.directory.contact import Contact
from server.directory.link import Claim, Decision, Fate, Holder, judge_holder
from server.directory.model import Conflict, Kind, Ledger, Live, PersonLink, Rules, fold, id_key
from server.directory.presence import Presence


@dataclass(frozen=True, slots=True)
class Identity:
    """The member a person is or becomes; the fields mean the same as in `DesiredPerson`."""

    wecom_userid: str
    link: PersonLink | None = None
    replaces: str = ""
    cause: Cause | None = None
    is_conflict: bool = False
    mobile_conflict: Cause | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What the decisions rest on; `holders` maps a mobile to the member of ours who holds it."""

    ledger: Ledger
    live: Live | None
    protected: frozenset[str]
    holders: Mapping[str, PersonLink]
    refused: Mapping[str, Conflict]
    owners: Mapping[str, PersonLink]
    presence: Presence


def identify(
    contacts: Mapping[str, Contact],
    ledger: Ledger,
    live: Live | None,
    rules: Rules,
    presence: Presence,
) -> dict[str, Identity]:
    """Decide for everybody; new people get a userid that nobody has, each run the same."""
    known = _gather(ledger, live, rules, presence)
    claims = _claims(contacts, ledger)
    taken = {*known.owners, *known.protected, *(live.members if live else ())}
    found: dict[str, Identity] = {}
    for dingtalk_userid in sorted(contacts, key=id_key):
        contact = contacts[dingtalk_userid]
        link = ledger.people.get(dingtalk_userid)
        rival = claims.get(contact.mobile or "", dingtalk_userid)
        if link:
            conflict = _conflict_of_linked(contact, contacts[rival], rival, link, known)
            found[dingtalk_userid] = Identity(link.wecom_userid, link, mobile_conflict=conflict)
            continue
        identity = _identify_new(dingtalk_userid, contact, contacts[rival], rival, known)
        if identity is None:
            identity = Identity(text.free_userid(dingtalk_userid, taken))
            taken.add(fold(identity.wecom_userid))
        found[dingtalk_userid] = identity
    return found


def _gather(ledger: Ledger, live: Live | None, rules: Rules, presence: Presence) -> _Known:
    links = sorted(ledger.people.values(), key=lambda each: each.is_enabled)
    return _Known(
        ledger,
        live,
        rules.protected,
        {each.accepted.mobile: each for each in links if each.accepted and each.accepted.mobile},
        {
            each.dingtalk_id: each
            for each in ledger.conflicts
            if each.kind is Kind.PERSON and each.is_refusal
        },
        {fold(each.wecom_userid): each for each in links},
        presence,
    )


def _claims(contacts: Mapping[str, Contact], ledger: Ledger) -> dict[str, str]:
    held = {
        key: link.accepted.mobile
        for key in contacts
        if (link := ledger.people.get(key)) and link.accepted
    }
    return give_out({key: contact.mobile or "" for key, contact in contacts.items()}, held)


def _conflict_of_linked(
    contact: Contact, rival: Contact, rival_userid: str, link: PersonLink, known: _Known
) -> Cause | None:
    """Say why a linked person cannot take over a mobile; all else of theirs goes on."""
    if not contact.mobile or (link.accepted and link.accepted.mobile == contact.mobile):
        return None
    if rival_userid != link.dingtalk_userid:
        return cause("mobile-duplicate", name=contact.name, other=rival.name)
    refusal = known.refused.get(link.dingtalk_userid)
    if refusal and refusal.value == contact.mobile and _is_there(refusal.wecom_id, known.live):
        return cause("mobile-held", name=contact.name, wecom_id=refusal.wecom_id)
    holder = known.holders.get(contact.mobile)
    if holder is None or not _has_member(holder, known.live):
        return None
    if known.presence.has_left(holder.dingtalk_userid) is not False:
        return cause("mobile-held", name=contact.name, wecom_id=holder.wecom_userid)
    return None


def _identify_new(
    dingtalk_userid: str, contact: Contact, rival: Contact, rival_userid: str, known: _Known
) -> Identity | None:
    """Decide for somebody without a link; None means a new member."""
    if rival_userid != dingtalk_userid:
        reason = cause("mobile-duplicate", name=contact.name, other=rival.name)
        return Identity("", cause=reason, is_conflict=True)
    claim = Claim(dingtalk_userid, contact.name, "")
    refused = _still_refused(known.refused.get(dingtalk_userid), contact, claim, known)
    if refused:
        return refused
    link = known.holders.get(contact.mobile or "")
    if link is None or not _has_member(link, known.live):
        return None
    if known.presence.has_left(link.dingtalk_userid) is False:
        return None  # the holder is about to have another mobile; `sequence` sees to the order
    return _as_identity(_judge(claim, link.wecom_userid, known), link)


def _still_refused(
    refusal: Conflict | None, contact: Contact, claim: Claim, known: _Known
) -> Identity | None:
    """Repeat a remembered conflict without asking WeCom again, as long as nothing has changed."""
    if refusal is None or refusal.value != contact.mobile:
        return None
    if not _is_there(refusal.wecom_id, known.live):
        return None
    decision = _judge(claim, refusal.wecom_id, known)
    return _as_identity(decision, None) if decision.fate is Fate.CONFLICT else None


def _judge(claim: Claim, wecom_userid: str, known: _Known) -> Decision:
    link = known.owners.get(fold(wecom_userid))
    has_left = known.presence.has_left(link.dingtalk_userid) if link else None
    is_protected = fold(wecom_userid) in known.protected
    return judge_holder(claim, Holder(wecom_userid, link, has_left, is_protected))


def _as_identity(decision: Decision, link: PersonLink | None) -> Identity:
    if decision.cause:
        is_conflict = decision.fate is Fate.CONFLICT
        return Identity(decision.wecom_userid, cause=decision.cause, is_conflict=is_conflict)
    return Identity(decision.wecom_userid, link, replaces=decision.replaces)


def _is_there(wecom_userid: str, live: Live | None) -> bool:
    return live is None or fold(wecom_userid) in live.members


def _has_member(link: PersonLink, live: Live | None) -> bool:
    return link.is_hidden or _is_there(link.wecom_userid, live)
