"""Maps a DingTalk snapshot to what WeCom should look like (`map_directory`).

Knows which departments and people are in scope, and what may be concluded from absence.
`departments` and `people` do the mapping itself.
"""

from collections.abc import Mapping
from dataclasses import replace

from server.directory import causes
from server.directory.departments import Tree, build_tree, map_departments
from server.directory.desired import Desired, DesiredDepartment, Presence
from server.directory.identity import read_contact
from server.directory.model import (
    DINGTALK_ROOT,
    Ledger,
    MemberState,
    Person,
    Rules,
    Snapshot,
    TargetSnapshot,
    id_key,
)
from server.directory.people import Places, map_people
from server.directory.takeovers import takeover_warnings
from server.errors.message import Message

_MARK = "@@"


def ledger_for_company(app_key: str, ledger: Ledger, snapshot: Snapshot) -> Ledger:
    """Return the ledger under the userids of the company that `app_key` shows in `snapshot`.

    If it is another company, all links get keys that are nobody's userid there: these people count
    as missing, and those who are there too are found by mobile and name. Returning to the former
    app restores the old keys.
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
    """Whether a key stands for a person of another company."""
    return _MARK in dingtalk_userid


def userid_of(key: str) -> str:
    """Return the DingTalk userid behind a key of the ledger."""
    return key.rpartition(_MARK)[0] or key


def _is_familiar(ledger: Ledger, snapshot: Snapshot) -> bool:
    shared = [
        is_same(link.accepted, snapshot.people[key])
        for key, link in ledger.people.items()
        if link.accepted and key in snapshot.people
    ]
    return 2 * sum(shared) > len(shared)


def is_same(member: MemberState, person: Person) -> bool:
    """Whether a member of ours looks like this person: by the name, or by the mobile."""
    contact = read_contact(person)
    return contact.name == member.name or bool(contact.mobile and contact.mobile == member.mobile)


def _renamed(key: str, before: str, now: str) -> str:
    userid, mark, app_key = key.rpartition(_MARK)
    if mark and app_key == now:
        return userid
    return key if mark else f"{key}{_MARK}{before}"


def map_directory(
    snapshot: Snapshot,
    ledger: Ledger,
    live: TargetSnapshot | None,
    rules: Rules,
    *,
    supposes_absence: bool = False,
) -> Desired:
    """Map people and departments. `live` is None if an event's run did not read it.

    supposes_absence: assume that everything missing from a full snapshot is gone, to find out whose
    absence has to be proven. A plan made from that must never be carried out.
    """
    tree = build_tree(snapshot, ledger, rules)
    is_read = snapshot.is_full and snapshot.is_complete and not tree.doubts
    scope = _scope(snapshot, tree, ledger, rules)
    present = _present(snapshot, scope)
    if supposes_absence and is_read:
        snapshot = replace(
            snapshot,
            gone_people=frozenset(ledger.people.keys() - present),
            gone_departments=frozenset(ledger.departments.keys() - tree.departments.keys()),
        )
    departments = map_departments(tree, ledger, live, rules, _staying(snapshot, tree, ledger))
    presence = Presence(
        present,
        _if_complete(snapshot, snapshot.gone_people),
        is_settled=is_read and snapshot.is_settled,
    )
    places = Places(scope, _wecom_ids(scope, departments, ledger, rules))
    people = map_people(snapshot, places, presence, ledger, live, rules)
    return Desired(
        departments,
        people,
        presence,
        _if_complete(snapshot, snapshot.gone_departments),
        frozenset() if snapshot.is_full else tree.unknown | _unplaced(snapshot, scope, rules),
        (
            *snapshot.reasons,
            *tree.doubts,
            *snapshot.notes,
            *_blind_spots(snapshot),
            *(takeover_warnings(people, ledger, live) if snapshot.is_full else ()),
        ),
    )


def _if_complete(snapshot: Snapshot, gone: frozenset[str]) -> frozenset[str]:
    """Treat nobody as absent when part of the directory could not be read."""
    return gone if snapshot.is_complete else frozenset()


def _staying(snapshot: Snapshot, tree: Tree, ledger: Ledger) -> list[str]:
    """Return our departments that were not read and are not proven gone."""
    gone = _if_complete(snapshot, snapshot.gone_departments)
    absent = ledger.departments.keys() - tree.departments.keys() - gone
    return sorted(absent, key=id_key)


def scope_of(snapshot: Snapshot, ledger: Ledger, rules: Rules) -> frozenset[str]:
    """Return the departments whose people are mirrored."""
    return _scope(snapshot, build_tree(snapshot, ledger, rules), ledger, rules)


def _scope(snapshot: Snapshot, tree: Tree, ledger: Ledger, rules: Rules) -> frozenset[str]:
    scope = set(tree.departments)
    if not snapshot.is_full:
        scope |= ledger.departments.keys() - snapshot.gone_departments - tree.unknown
    if DINGTALK_ROOT in rules.scope.source_department_ids:
        scope.add(DINGTALK_ROOT)
    return frozenset(scope - rules.scope.excluded_department_ids)


def _present(snapshot: Snapshot, scope: frozenset[str]) -> frozenset[str]:
    return frozenset(
        key
        for key, person in snapshot.people.items()
        if any(membership.department_id in scope for membership in person.memberships)
    )


def _wecom_ids(
    scope: frozenset[str],
    departments: Mapping[str, DesiredDepartment],
    ledger: Ledger,
    rules: Rules,
) -> dict[str, str]:
    """Return the WeCom department of every department that can take people now."""
    found: dict[str, str] = {}
    for department_id in scope:
        if department_id == DINGTALK_ROOT:
            found[department_id] = rules.scope.target_department_id
        elif department_id in departments:
            if departments[department_id].is_usable:
                found[department_id] = departments[department_id].wecom_id
        elif ledger.departments[department_id].accepted:
            found[department_id] = ledger.departments[department_id].wecom_id
    return found


def _unplaced(snapshot: Snapshot, scope: frozenset[str], rules: Rules) -> frozenset[str]:
    """Return the people with a department that is neither in scope nor excluded."""
    known = scope | rules.scope.excluded_department_ids
    return frozenset(
        key
        for key, person in snapshot.people.items()
        if any(membership.department_id not in known for membership in person.memberships)
    )


def _blind_spots(snapshot: Snapshot) -> tuple[Message, ...]:
    """Warn if a field permission seems to be missing; the snapshot still counts as complete."""
    if not snapshot.is_full or not snapshot.people:
        return ()
    mobiles = () if snapshot.shows_mobiles else (causes.warning(causes.NO_MOBILES),)
    emails = () if snapshot.shows_emails else (causes.warning(causes.NO_EMAILS),)
    return mobiles + emails
