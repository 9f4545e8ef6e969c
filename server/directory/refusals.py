"""Keeps refused values out of later runs (`without_refused`) and reports them (`left_out`).

The answer to the same value stays the same until somebody acts: in DingTalk, which shows, or in
WeCom's console, which does not. So a refusal counts until the value changes, but for less than a
day. Only full runs ask again: an event has only one write for each person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from server.directory.change import Action, Change
from server.directory.desired import Desired, DesiredPerson
from server.directory.model import NOBODY, Kind, Ledger, Refusal, Refusals, id_key
from server.errors.message import N_, Message

DELETION = "delete"
"""Used in place of a field if WeCom refused to delete the member."""

PATIENCE_S = 20 * 3600.0
"""Shorter than a day, so that every daily run asks again, even if the last one was late."""

_NAMES_SHOWN = 10
_TEXTS = {
    "mobile": N_(
        "WeCom rejected the mobile of {names}, so it was left out. DingBridge tries it again once "
        "a day, and as soon as it changes in DingTalk."
    ),
    "email": N_(
        "WeCom rejected the email of {names}, so it was left out. DingBridge tries it again once a "
        "day, and as soon as it changes in DingTalk."
    ),
    "position": N_(
        "WeCom rejected the title of {names}, so it was left out. DingBridge tries it again once a "
        "day, and as soon as it changes in DingTalk."
    ),
    "telephone": N_(
        "WeCom rejected the telephone of {names}, so it was left out. DingBridge tries it again "
        "once a day, and as soon as it changes in DingTalk."
    ),
}


def fresh(refusals: Refusals, now_s: float, *, is_full: bool) -> Refusals:
    """Return the refusals that still count; for an event's run, all of them."""
    if not is_full:
        return refusals
    found = {
        userid: {
            field: refusal
            for field, refusal in fields.items()
            if 0 <= now_s - refusal.at_s < PATIENCE_S
        }
        for userid, fields in refusals.items()
    }
    return {userid: fields for userid, fields in found.items() if fields}


def without_refused(desired: Desired, refusals: Refusals) -> Desired:
    """Drop values that WeCom refused; a person without mobile and email then has to wait."""
    there = refusals.keys() & desired.people.keys()
    if not there:
        return desired
    spared = {key: _without_refused(desired.people[key], refusals[key]) for key in there}
    return replace(desired, people={**desired.people, **spared})


def without_refused_deletions(changes: Iterable[Change], refusals: Refusals) -> tuple[Change, ...]:
    """Only list the deletions that WeCom refused."""
    return tuple([_without_refused_deletion(change, refusals) for change in changes])


def left_out(desired: Desired, ledger: Ledger) -> tuple[Message, ...]:
    """Return one message per field that names the people whose value WeCom refused."""
    names: dict[str, list[str]] = {}
    for key in sorted(ledger.refusals.keys() & desired.people.keys(), key=id_key):
        person = desired.people[key]
        for field in _still_refused(person, ledger.refusals[key]):
            names.setdefault(field, []).append(person.member.name)
    return tuple([Message(_TEXTS[field], {"names": _joined(names[field])}) for field in names])


def _without_refused(person: DesiredPerson, refusals: Mapping[str, Refusal]) -> DesiredPerson:
    accepted = (person.link and person.link.accepted) or NOBODY
    before = {name: getattr(accepted, name) for name in _still_refused(person, refusals)}
    names = [name for name, text in before.items() if text != refusals[name].value]
    if not names:
        return person
    member = replace(person.member, **{name: before[name] for name in names})
    cause = None if member.mobile or member.email else refusals[names[-1]].cause
    return replace(person, member=member, cause=person.cause or cause)


def _still_refused(person: DesiredPerson, refusals: Mapping[str, Refusal]) -> list[str]:
    """Return the fields whose refused value DingTalk still has."""
    return [
        name
        for name in _TEXTS
        if name in refusals and refusals[name].value == getattr(person.member, name)
    ]


def _without_refused_deletion(change: Change, refusals: Refusals) -> Change:
    if change.action is not Action.DELETE or change.kind is not Kind.PERSON:
        return change
    refusal = refusals.get(change.dingtalk_id, {}).get(DELETION)
    return replace(change, cause=change.cause or refusal.cause) if refusal else change


def _joined(names: list[str]) -> str:
    more = [f"+{len(names) - _NAMES_SHOWN}"] if len(names) > _NAMES_SHOWN else []
    return ", ".join([*names[:_NAMES_SHOWN], *more])
