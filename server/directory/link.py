"""Whose member is this? The decisions when WeCom, or our ledger, names the holder of a mobile.

Used before a run (the ledger knows the holder) and during it (60104 names them), so that both
follow the same rules. Nothing is decided by name or userid alone: only the mobile is a proof.
"""

from dataclasses import dataclass
from enum import Enum

from server.directory.causes import Cause, cause
from server.directory.model import PersonLink


class Fate(Enum):
    """What follows from the holder of the mobile."""

    SAME = "same"  # our own earlier create, whose answer was lost: update it
    ADOPT = "adopt"  # a member that is nobody's yet: the mobile proves who it is
    RETURN = "return"  # one of ours who left and is back: enable and link anew
    CONFLICT = "conflict"  # the admin decides
    WAIT = "wait"  # the holder was not read this time; a full run decides


@dataclass(frozen=True, slots=True)
class Claim:
    """A person who wants a mobile, and the member they have or are about to get."""

    dingtalk_userid: str
    name: str
    wecom_userid: str
    is_linked: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """The member that has the mobile.

    link: the ledger's entry if the member is ours; has_left: whether its person is no longer
    mirrored, None where that is not known.
    """

    wecom_userid: str
    link: PersonLink | None
    has_left: bool | None
    is_protected: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """The fate, the member it is about, whose link it replaces, and the cause if it stops here."""

    fate: Fate
    wecom_userid: str
    replaces: str = ""
    cause: Cause | None = None


def judge_holder(claim: Claim, holder: Holder) -> Decision:
    """Decide about a mobile that `holder` has and `claim` wants; never hands over a stranger's."""
    wecom_userid = holder.wecom_userid
    if holder.is_protected:
        return _conflict("member-protected", claim, wecom_userid)
    link = holder.link
    if link and link.dingtalk_userid == claim.dingtalk_userid:
        return Decision(Fate.SAME, wecom_userid)
    if claim.is_linked:  # one person cannot be two members
        return _conflict("mobile-held", claim, wecom_userid)
    if link is None:
        return Decision(Fate.ADOPT, wecom_userid)
    return _judge_ours(claim, link, holder)


def _judge_ours(claim: Claim, link: PersonLink, holder: Holder) -> Decision:
    if holder.has_left is None and link.is_enabled:
        reason = cause("mobile-undecided", name=claim.name, wecom_id=link.wecom_userid)
        return Decision(Fate.WAIT, link.wecom_userid, cause=reason)
    if holder.has_left is False:
        return _conflict("mobile-held", claim, link.wecom_userid)
    known_name = link.accepted.name if link.accepted else ""
    if known_name == claim.name:
        return Decision(Fate.RETURN, link.wecom_userid, replaces=link.dingtalk_userid)
    return _conflict("mobile-of-leaver", claim, link.wecom_userid, other=known_name)


def _conflict(code: str, claim: Claim, wecom_userid: str, **values: str) -> Decision:
    reason = cause(code, name=claim.name, wecom_id=wecom_userid, **values)
    return Decision(Fate.CONFLICT, wecom_userid, cause=reason)
