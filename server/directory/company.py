"""Whose userids the ledger's keys are: another DingTalk company gives the same ones to others.

An app does not say which company it belongs to (`gettoken`), but its people do: in the company that
we know, most of those whose userids we know still bear their name or their mobile.
"""

from dataclasses import replace

from server.directory.contact import read_contact
from server.directory.model import Ledger, MemberState, Person, Snapshot

_MARK = "@@"


def as_known_to(app_key: str, ledger: Ledger, snapshot: Snapshot) -> Ledger:
    """Return the ledger as it reads for the company that `app_key` shows in `snapshot`.

    For another company than before, all links get keys that are nobody's userid there: these people
    count as gone, and who is there too is found by mobile and name. Back with the former app, every
    key is what it was.
    """
    before = ledger.approved_scope
    if before is None or before.app_key == app_key or not snapshot.people:
        return ledger
    if _is_familiar(ledger, snapshot):
        return ledger
    links = [
        replace(link, dingtalk_userid=_renamed(key, before.app_key, app_key))
        for key, link in ledger.people.items()
    ]
    return replace(ledger, people={link.dingtalk_userid: link for link in links})


def is_of_another(dingtalk_userid: str) -> bool:
    """Whether a key stands for somebody of another company, so that nobody here has it."""
    return _MARK in dingtalk_userid


def _is_familiar(ledger: Ledger, snapshot: Snapshot) -> bool:
    shared = [
        _is_same(link.accepted, snapshot.people[key])
        for key, link in ledger.people.items()
        if link.accepted and key in snapshot.people
    ]
    return 2 * sum(shared) > len(shared)


def _is_same(member: MemberState, person: Person) -> bool:
    contact = read_contact(person)
    return contact.name == member.name or bool(contact.mobile and contact.mobile == member.mobile)


def _renamed(key: str, before: str, now: str) -> str:
    userid, mark, app_key = key.rpartition(_MARK)
    if mark and app_key == now:
        return userid
    return key if mark else f"{key}{_MARK}{before}"
