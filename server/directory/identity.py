"""Decides which WeCom member a DingTalk person is, from the ledger and from WeCom's answers.

The mobile proves identity. If a leaver of ours has it, the same name means the same person, back
under a new DingTalk userid; another name means a company phone passed on, which must not hand over
the old owner's chats. A foreign member with the userid that a person would get is probably that
person: the take-over is planned, and proven when it is written. Contact values are cleaned here
(`read_contact`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from server.directory import causes, text
from server.directory.causes import Cause, cause, unnamed_holder
from server.directory.desired import Presence
from server.directory.model import (
    UNKNOWN,
    Conflict,
    Kind,
    Ledger,
    MaybeText,
    Person,
    PersonLink,
    Rules,
    TargetSnapshot,
    fold,
    id_key,
)
from server.directory.text import unique_owners
from server.errors.message import Message


class Match(Enum):
    """How a member that has the mobile relates to the person who claims it."""

    SAME = "same"  # created by us, but the reply was lost: update it
    ADOPT = "adopt"  # a member without a link: the mobile proves who it is
    RETURN = "return"  # somebody who left and is back: enable and link anew
    CONFLICT = "conflict"  # the admin decides
    WAIT = "wait"  # the holder was not read this time: a full run decides


@dataclass(frozen=True, slots=True)
class Claimant:
    """A person who claims a mobile, and the member they have or are about to get."""

    dingtalk_userid: str
    name: str
    wecom_userid: str
    is_linked: bool = False


@dataclass(frozen=True, slots=True)
class Owner:
    """The member that has the mobile."""

    wecom_userid: str
    # The ledger's link, if the member is ours.
    link: PersonLink | None
    # Whether the linked person is no longer mirrored; None if that is unknown.
    has_left: bool | None
    is_protected: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The match of a claimant and a member."""

    match: Match
    wecom_userid: str
    # The DingTalk userid whose link is replaced.
    replaces: str = ""
    # Why the person is skipped, if they are.
    cause: Cause | None = None


def match_owner(claimant: Claimant, owner: Owner) -> Decision:
    """Decide about a mobile that `owner` has; a stranger's member is never handed over."""
    wecom_userid = owner.wecom_userid
    if owner.is_protected:
        return _conflict("member-protected", claimant, wecom_userid)
    link = owner.link
    if link and link.dingtalk_userid == claimant.dingtalk_userid:
        return Decision(Match.SAME, wecom_userid)
    if claimant.is_linked:  # one person cannot be two members
        return _conflict("mobile-held", claimant, wecom_userid)
    if link is None:
        return Decision(Match.ADOPT, wecom_userid)
    return _judge_ours(claimant, link, owner)


def _judge_ours(claimant: Claimant, link: PersonLink, owner: Owner) -> Decision:
    if owner.has_left is None and link.is_enabled:
        reason = cause("mobile-undecided", name=claimant.name, wecom_id=link.wecom_userid)
        return Decision(Match.WAIT, link.wecom_userid, cause=reason)
    if owner.has_left is False:
        return _conflict("mobile-held", claimant, link.wecom_userid)
    known_name = link.accepted.name if link.accepted else ""
    if known_name == claimant.name:
        return Decision(Match.RETURN, link.wecom_userid, replaces=link.dingtalk_userid)
    return _conflict("mobile-of-leaver", claimant, link.wecom_userid, other=known_name)


def _conflict(code: str, claimant: Claimant, wecom_userid: str, **values: str) -> Decision:
    reason = cause(code, name=claimant.name, wecom_id=wecom_userid, **values)
    return Decision(Match.CONFLICT, wecom_userid, cause=reason)


@dataclass(frozen=True, slots=True)
class Contact:
    """Cleaned values of a person."""

    name: str
    # "" may also mean that the app lacks the field permission; None: unusable.
    mobile: str | None
    email: str | None
    # The rest needs no field permission.
    position: str
    telephone: str | None
    employee_number: str
    warnings: tuple[Message, ...]


def read_contact(person: Person) -> Contact:
    """Clean every value of `person`; whatever is cut or left out becomes a warning."""
    reader = _Reader(person.name.strip() or person.dingtalk_userid)
    state_code = _known(person.state_code)

    def to_mobile(number: str) -> str | None:
        return text.mobile(number, state_code)

    return Contact(
        name=reader.cut("name", person.name, text.MEMBER_NAME_MAX),
        mobile=reader.take("mobile", person.mobile, to_mobile),
        email=reader.take("email", person.email, text.email),
        position=reader.cut("position", person.title, text.POSITION_MAX),
        telephone=reader.take("telephone", person.telephone, text.telephone),
        employee_number=reader.cut("employee number", person.job_number, text.ATTRIBUTE_MAX),
        warnings=tuple(reader.warnings),
    )


def _known(value: MaybeText) -> str:
    return "" if value is UNKNOWN else value


class _Reader:
    """Cleans values one by one and collects warnings about adjustments."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.warnings: list[Message] = []

    def cut(self, field: str, value: MaybeText, limit: int) -> str:
        known = _known(value).strip()
        if len(known) > limit:
            self.warnings.append(causes.warning(causes.CUT, field=field, name=self.label))
        return known[:limit]

    def take(self, field: str, value: MaybeText, clean: Callable[[str], str | None]) -> str | None:
        known = _known(value)
        if not known.strip():
            return ""
        cleaned = clean(known)
        if cleaned is None:
            self.warnings.append(causes.warning(causes.UNUSABLE, field=field, name=self.label))
        return cleaned


@dataclass(frozen=True, slots=True)
class Identity:
    """The member a person is or becomes; the fields are those of `DesiredPerson`."""

    wecom_userid: str
    link: PersonLink | None = None
    replaces: str = ""
    cause: Cause | None = None
    is_conflict: bool = False
    mobile_conflict: Cause | None = None
    adopts: bool = False
    is_proven: bool = True


@dataclass(frozen=True, slots=True)
class _Known:
    """What the decisions are based on."""

    ledger: Ledger
    live: TargetSnapshot | None
    protected: frozenset[str]
    # Mobile -> the link of our member who has it.
    holders: Mapping[str, PersonLink]
    # DingTalk userid -> the conflict that WeCom refused before.
    refused: Mapping[str, Conflict]
    # Folded WeCom userid -> its link.
    owners: Mapping[str, PersonLink]
    presence: Presence


def identify(
    contacts: Mapping[str, Contact],
    ledger: Ledger,
    live: TargetSnapshot | None,
    rules: Rules,
    presence: Presence,
) -> dict[str, Identity]:
    """Decide for everybody; new people get a free userid, the same in every run."""
    known = _gather(ledger, live, rules, presence)
    mobile_owners = _mobile_owners(contacts, ledger)
    userids = _Userids(known, contacts)
    found: dict[str, Identity] = {}
    for dingtalk_userid in sorted(contacts, key=id_key):
        contact = contacts[dingtalk_userid]
        link = ledger.people.get(dingtalk_userid)
        rival = mobile_owners.get(contact.mobile or "", dingtalk_userid)
        if link:
            conflict = _conflict_of_linked(contact, contacts[rival], rival, link, known)
            found[dingtalk_userid] = Identity(link.wecom_userid, link, mobile_conflict=conflict)
            continue
        identity = _identify_new(dingtalk_userid, contact, contacts[rival], rival, known)
        if identity is None:
            identity = userids.assign(dingtalk_userid, contact)
        found[dingtalk_userid] = identity
    return found


class _Userids:
    """Assigns new people the userid of the member they already are in WeCom, or a free one.

    `_ours` must not be taken over; `_taken` adds all other members of WeCom.
    """

    def __init__(self, known: _Known, contacts: Mapping[str, Contact]) -> None:
        self._known = known
        self._live = known.live or TargetSnapshot({}, {})
        holders = self._live.holders
        named = {
            fold(holders.get(contact.mobile or "", ""))
            for key, contact in (contacts.items() if holders else ())
            if key not in known.ledger.people
        }
        self._ours = {*known.owners, *known.protected, *named}
        self._ours.discard("")
        self._taken = {*self._ours, *self._live.members}

    def assign(self, dingtalk_userid: str, contact: Contact) -> Identity:
        """Decide for a person whose mobile no member of ours has."""
        mobile = contact.mobile or ""
        holder = None
        if mobile and not holds_already(self._known.holders.get(mobile), self._known.live):
            holder = self._live.holders.get(mobile)
            if holder:
                return self._of_holder(Claimant(dingtalk_userid, contact.name, ""), holder)
            like = text.free_userid(dingtalk_userid, self._ours)
            if holder is None and fold(like) in self._live.members:
                return self._reserve(Identity(self._spelled(like), adopts=True, is_proven=False))
        return self._reserve(Identity(text.free_userid(dingtalk_userid, self._taken)))

    def _of_holder(self, claimant: Claimant, holder: str) -> Identity:
        decision = _judge(claimant, holder, self._known)
        return _as_identity(decision, self._known.owners.get(fold(holder)))

    def _reserve(self, identity: Identity) -> Identity:
        self._ours.add(fold(identity.wecom_userid))
        self._taken.add(fold(identity.wecom_userid))
        return identity

    def _spelled(self, userid: str) -> str:
        return self._live.spellings.get(fold(userid), userid)


def _gather(
    ledger: Ledger, live: TargetSnapshot | None, rules: Rules, presence: Presence
) -> _Known:
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


def _mobile_owners(contacts: Mapping[str, Contact], ledger: Ledger) -> dict[str, str]:
    held = {
        key: link.accepted.mobile
        for key in contacts
        if (link := ledger.people.get(key)) and link.accepted
    }
    return unique_owners({key: contact.mobile or "" for key, contact in contacts.items()}, held)


def _conflict_of_linked(
    contact: Contact, rival: Contact, rival_userid: str, link: PersonLink, known: _Known
) -> Cause | None:
    """Return why a linked person cannot get a mobile; their other fields are written anyway."""
    if not contact.mobile or (link.accepted and link.accepted.mobile == contact.mobile):
        return None
    if rival_userid != link.dingtalk_userid:
        return cause("mobile-duplicate", name=contact.name, other=rival.name)
    refusal = known.refused.get(link.dingtalk_userid)
    if refusal and refusal.value == contact.mobile and _is_there(refusal.wecom_id, known.live):
        return _held_by(contact.name, refusal.wecom_id)
    holder = known.holders.get(contact.mobile)
    if holder is None or not holds_already(holder, known.live):
        return None
    if known.presence.has_left(holder.dingtalk_userid) is not False:
        return cause("mobile-held", name=contact.name, wecom_id=holder.wecom_userid)
    return None


def _held_by(name: str, wecom_id: str) -> Cause:
    return cause("mobile-held", name=name, wecom_id=wecom_id) if wecom_id else unnamed_holder(name)


def _identify_new(
    dingtalk_userid: str, contact: Contact, rival: Contact, rival_userid: str, known: _Known
) -> Identity | None:
    """Decide for a person without a link; None: a new member."""
    if rival_userid != dingtalk_userid:
        reason = cause("mobile-duplicate", name=contact.name, other=rival.name)
        return Identity("", cause=reason, is_conflict=True)
    claimant = Claimant(dingtalk_userid, contact.name, "")
    refused = _still_refused(known.refused.get(dingtalk_userid), contact, claimant, known)
    if refused:
        return refused
    link = known.holders.get(contact.mobile or "")
    if link is None or not holds_already(link, known.live):
        return None
    if known.presence.has_left(link.dingtalk_userid) is False:
        return None  # the holder is about to get another mobile first, see `sequence`
    return _as_identity(_judge(claimant, link.wecom_userid, known), link)


def _still_refused(
    refusal: Conflict | None, contact: Contact, claimant: Claimant, known: _Known
) -> Identity | None:
    """Return a remembered conflict, without asking WeCom again, while nothing has changed."""
    if refusal is None or refusal.value != contact.mobile:
        return None
    if not _is_there(refusal.wecom_id, known.live):
        return None
    decision = _judge(claimant, refusal.wecom_id, known)
    return _as_identity(decision, None) if decision.match is Match.CONFLICT else None


def _judge(claimant: Claimant, wecom_userid: str, known: _Known) -> Decision:
    link = known.owners.get(fold(wecom_userid))
    has_left = known.presence.has_left(link.dingtalk_userid) if link else None
    is_protected = fold(wecom_userid) in known.protected
    return match_owner(claimant, Owner(wecom_userid, link, has_left, is_protected))


def _as_identity(decision: Decision, link: PersonLink | None) -> Identity:
    if decision.cause:
        is_conflict = decision.match is Match.CONFLICT
        return Identity(decision.wecom_userid, cause=decision.cause, is_conflict=is_conflict)
    if decision.match is Match.ADOPT:
        return Identity(decision.wecom_userid, adopts=True)
    return Identity(decision.wecom_userid, link, replaces=decision.replaces)


def _is_there(wecom_userid: str, live: TargetSnapshot | None) -> bool:
    return live is None or fold(wecom_userid) in live.members


def holds_already(link: PersonLink | None, live: TargetSnapshot | None) -> bool:
    """Whether the linked member exists, and so has the mobile that the ledger says."""
    return link is not None and (link.is_hidden or _is_there(link.wecom_userid, live))
