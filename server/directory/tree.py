"""Which DingTalk departments are mirrored, and below which other one each lies.

In: a snapshot (whole, or what an event named), the ledger and the scope. Out: the departments in
scope, parents first. Nothing about names, orders or WeCom ids.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from server.directory import causes
from server.directory.model import (
    DINGTALK_ROOT,
    Department,
    Ledger,
    Rules,
    Snapshot,
    id_key,
)
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Tree:
    """The departments in scope, parents first.

    parents: DingTalk id of the department above, "" for the target root. unknown: what was read
    but hangs on nothing we know, so that only a full run can place it. doubts: why absence from
    this tree proves nothing, although the snapshot calls itself complete.
    """

    departments: Mapping[str, Department]
    parents: Mapping[str, str]
    unknown: frozenset[str] = frozenset()
    doubts: tuple[Message, ...] = ()


def grow(snapshot: Snapshot, ledger: Ledger, rules: Rules) -> Tree:
    """Find the departments in scope: below a source, or below one of ours, and not excluded."""
    known = frozenset[str]()
    if not snapshot.is_full:
        known = frozenset(ledger.departments) - rules.scope.excluded_department_ids
    reached = _reach(snapshot, known, rules)
    above = reached | known
    parents: dict[str, str] = {}
    for department_id in reached:
        parent_id = snapshot.departments[department_id].parent_id
        parents[department_id] = parent_id if parent_id in above else ""
    ordered = _parents_first(parents)
    return Tree(
        {department_id: snapshot.departments[department_id] for department_id in ordered},
        parents,
        frozenset() if snapshot.is_full else _unplaced(snapshot, set(ordered), ledger, rules),
        _doubts(snapshot, rules) if snapshot.is_full else (),
    )


def _reach(snapshot: Snapshot, known: Collection[str], rules: Rules) -> frozenset[str]:
    """Walk down from every department that is a source or hangs on something in scope."""
    scope = rules.scope
    children = _children({key: each.parent_id for key, each in snapshot.departments.items()})
    above = {*known, DINGTALK_ROOT} if _mirrors_root(rules) else {*known}
    closed = scope.excluded_department_ids | {DINGTALK_ROOT}
    waiting = [
        department_id
        for department_id, department in snapshot.departments.items()
        if department_id not in closed
        and (department_id in scope.source_department_ids or department.parent_id in above)
    ]
    reached = set(waiting)
    for department_id in waiting:
        for child in children.get(department_id, ()):
            if child not in reached and child not in closed:
                reached.add(child)
                waiting.append(child)
    return frozenset(reached)


def _mirrors_root(rules: Rules) -> bool:
    scope = rules.scope
    return (
        DINGTALK_ROOT in scope.source_department_ids
        and DINGTALK_ROOT not in scope.excluded_department_ids
    )


def _children(parents: Mapping[str, str]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {}
    for department_id in sorted(parents, key=id_key):
        children.setdefault(parents[department_id], []).append(department_id)
    return children


def _parents_first(parents: Mapping[str, str]) -> list[str]:
    """Order by depth; departments that lie below each other are never reached."""
    children = _children(parents)
    ordered = [each for each in sorted(parents, key=id_key) if parents[each] not in parents]
    for department_id in ordered:
        ordered.extend(children.get(department_id, ()))
    return ordered


def _unplaced(
    snapshot: Snapshot, placed: Collection[str], ledger: Ledger, rules: Rules
) -> frozenset[str]:
    """Name what was read but has no place; below an excluded department nothing is expected."""
    excluded = rules.scope.excluded_department_ids
    return frozenset(
        department_id
        for department_id, department in snapshot.departments.items()
        if department_id not in {*excluded, DINGTALK_ROOT}
        and department_id not in placed
        and (department.parent_id not in excluded or department_id in ledger.departments)
    )


def _doubts(snapshot: Snapshot, rules: Rules) -> tuple[Message, ...]:
    """Say why a whole tree cannot be trusted: moved while it was read, or a source is missing."""
    doubts: list[Message] = []
    circle = _circle({key: each.parent_id for key, each in snapshot.departments.items()})
    if circle:
        doubts.append(causes.warning(causes.CIRCLE, ids=", ".join(circle)))
    scope = rules.scope
    missing = set(scope.source_department_ids) - snapshot.departments.keys()
    missing -= scope.excluded_department_ids | {DINGTALK_ROOT}
    if missing:
        ids = ", ".join(sorted(missing, key=id_key))
        doubts.append(causes.warning(causes.SOURCE_MISSING, ids=ids))
    return tuple(doubts)


def _circle(parents: Mapping[str, str]) -> list[str]:
    """Name the departments whose way up never ends."""
    tops = {
        each: "" if parents[each] not in parents or each == DINGTALK_ROOT else parents[each]
        for each in parents
    }
    return sorted(parents.keys() - set(_parents_first(tops)), key=id_key)
