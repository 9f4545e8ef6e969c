"""Finds the departments in scope (`build_tree`) and maps them to WeCom's (`map_departments`).

Names: forbidden characters become full-width twins, long names are cut, equal siblings get numbers
that stay when another one goes. Orders: DingTalk sorts ascending, WeCom descending.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from server.directory import causes, text
from server.directory.causes import Cause, cause
from server.directory.desired import DesiredDepartment
from server.directory.model import (
    DINGTALK_ROOT,
    UNKNOWN,
    Department,
    DepartmentLink,
    DepartmentState,
    Kind,
    Ledger,
    MaybeOrder,
    Rules,
    Snapshot,
    TargetSnapshot,
    id_key,
)
from server.directory.order import assign
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Tree:
    """The departments in scope, parents first."""

    departments: Mapping[str, Department]
    # The DingTalk id of the department above, "" for the target root.
    parents: Mapping[str, str]
    # What was read but lies below nothing we know; only a full run can place it.
    unknown: frozenset[str] = frozenset()
    # Why absence from this tree proves nothing although the snapshot is complete.
    doubts: tuple[Message, ...] = ()


def build_tree(snapshot: Snapshot, ledger: Ledger, rules: Rules) -> Tree:
    """Find the departments in scope: below a source or one of ours, and not excluded."""
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
    """Walk down from every source and from every department directly below the scope."""
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
    """Sort by depth; departments in a circle are left out."""
    children = _children(parents)
    ordered = [each for each in sorted(parents, key=id_key) if parents[each] not in parents]
    for department_id in ordered:
        ordered.extend(children.get(department_id, ()))
    return ordered


def _unplaced(
    snapshot: Snapshot, placed: Collection[str], ledger: Ledger, rules: Rules
) -> frozenset[str]:
    """Return what was read but has no place, unless it lies below an excluded department."""
    excluded = rules.scope.excluded_department_ids
    return frozenset(
        department_id
        for department_id, department in snapshot.departments.items()
        if department_id not in {*excluded, DINGTALK_ROOT}
        and department_id not in placed
        and (department.parent_id not in excluded or department_id in ledger.departments)
    )


def _doubts(snapshot: Snapshot, rules: Rules) -> tuple[Message, ...]:
    """Return why the tree cannot be trusted: it changed during the read, or lacks a source."""
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
    """Return the departments that lie below themselves."""
    tops = {
        each: "" if parents[each] not in parents or each == DINGTALK_ROOT else parents[each]
        for each in parents
    }
    return sorted(parents.keys() - set(_parents_first(tops)), key=id_key)


@dataclass(frozen=True, slots=True)
class _Sibling:
    """A department that needs a name and an order among its siblings."""

    department_id: str
    name: str
    source_order: MaybeOrder
    link: DepartmentLink | None
    is_fixed: bool  # not read this time: it keeps name and order, and the others give way


def map_departments(
    tree: Tree, ledger: Ledger, live: TargetSnapshot | None, rules: Rules, staying: Iterable[str]
) -> dict[str, DesiredDepartment]:
    """Map every department of the tree, parents first.

    staying: our departments that are not in the tree but remain.
    """
    ids = _wecom_ids(tree, ledger, live, rules)
    groups: dict[str, list[_Sibling]] = {}
    for department_id, department in tree.departments.items():
        parent = _parent_wecom_id(tree.parents[department_id], ids, ledger, rules)
        link = ledger.departments.get(department_id)
        groups.setdefault(parent, []).append(_sibling(department, link))
    for department_id in staying:
        link = ledger.departments[department_id]
        if link.accepted and link.accepted.parent_id in groups:
            groups[link.accepted.parent_id].append(_fixed(link, link.accepted))
    states: dict[str, DepartmentState] = {}
    for parent, siblings in groups.items():
        states.update(_states(parent, siblings, live))
    return _judge(tree, ids, states, ledger, live, rules)


def _sibling(department: Department, link: DepartmentLink | None) -> _Sibling:
    name = text.department_name(department.name) or department.department_id
    order = department.order
    if order is UNKNOWN and link and link.accepted:
        order = link.accepted.source_order
    return _Sibling(department.department_id, name, order, link, is_fixed=False)


def _fixed(link: DepartmentLink, accepted: DepartmentState) -> _Sibling:
    return _Sibling(link.department_id, accepted.name, accepted.source_order, link, is_fixed=True)


def _wecom_ids(
    tree: Tree, ledger: Ledger, live: TargetSnapshot | None, rules: Rules
) -> dict[str, str]:
    """Find or choose the WeCom id of every department; every run chooses the same."""
    taken = {link.wecom_id for link in ledger.departments.values()}
    taken |= {"1", rules.scope.target_department_id, *rules.department_links.values()}
    taken |= set(live.departments) if live else set()
    ids: dict[str, str] = {}
    for department_id in sorted(tree.departments, key=id_key):
        link = ledger.departments.get(department_id)
        known = link.wecom_id if link else rules.department_links.get(department_id)
        ids[department_id] = known or text.free_department_id(department_id, taken)
        taken.add(ids[department_id])
    return ids


def _parent_wecom_id(parent: str, ids: Mapping[str, str], ledger: Ledger, rules: Rules) -> str:
    if not parent:
        return rules.scope.target_department_id
    return ids[parent] if parent in ids else ledger.departments[parent].wecom_id


def _states(
    parent: str, siblings: list[_Sibling], live: TargetSnapshot | None
) -> Iterable[tuple[str, DepartmentState]]:
    names = _names(parent, siblings)
    sequence = sorted(siblings, key=_sequence_key)
    numbers = {each.department_id: _order_now(each.link, parent, live) for each in siblings}
    orders = assign([each.department_id for each in sequence], numbers)
    for each in siblings:
        if not each.is_fixed:
            key = each.department_id
            yield key, DepartmentState(names[key], parent, orders[key], each.source_order)


def _sequence_key(sibling: _Sibling) -> tuple[bool, int, tuple[int, str]]:
    order = sibling.source_order
    place = 0 if order is UNKNOWN else order
    return order is UNKNOWN, place, id_key(sibling.department_id)


def _order_now(link: DepartmentLink | None, parent: str, live: TargetSnapshot | None) -> int:
    """Return a department's present order below `parent`; 0 if it is not there."""
    if not link or not link.accepted:
        return 0
    if live:
        row = live.departments.get(link.wecom_id)
        return row.order if row and row.parent_id == parent else 0
    return link.accepted.order if link.accepted.parent_id == parent else 0


def _names(parent: str, siblings: list[_Sibling]) -> dict[str, str]:
    """Name the siblings: a fitting name stays, the others get the first free one."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for each in sorted(siblings, key=lambda one: (not one.is_fixed, id_key(one.department_id))):
        accepted = each.link.accepted if each.link else None
        if accepted and accepted.parent_id == parent and _fits(each, accepted.name, taken):
            names[each.department_id] = accepted.name
            taken.add(accepted.name)
    for each in sorted(siblings, key=lambda one: id_key(one.department_id)):
        if each.department_id not in names:
            names[each.department_id] = _first_free(each.name, taken)
            taken.add(names[each.department_id])
    return names


def _fits(sibling: _Sibling, accepted: str, taken: set[str]) -> bool:
    is_ours = sibling.is_fixed or text.number_of(sibling.name, accepted) is not None
    return is_ours and accepted not in taken


def _first_free(name: str, taken: set[str]) -> str:
    number = 1
    while text.numbered(name, number) in taken:
        number += 1
    return text.numbered(name, number)


def _judge(
    tree: Tree,
    ids: Mapping[str, str],
    states: Mapping[str, DepartmentState],
    ledger: Ledger,
    live: TargetSnapshot | None,
    rules: Rules,
) -> dict[str, DesiredDepartment]:
    """Put the parts together and mark what cannot be done; what lies below such a one waits."""
    mapped: dict[str, DesiredDepartment] = {}
    owners = {link.wecom_id for link in ledger.departments.values()}
    taken_names = {
        (each.dingtalk_id, each.parent_id, each.value)
        for each in ledger.conflicts
        if each.kind is Kind.DEPARTMENT
    }
    for department_id, department in tree.departments.items():
        link = ledger.departments.get(department_id)
        state = states[department_id]
        desired = DesiredDepartment(
            department_id,
            ids[department_id],
            state,
            link,
            exists=_exists(link, live),
            is_named=link is None and department_id in rules.department_links,
            warnings=_warnings(department, state),
        )
        above = mapped.get(tree.parents[department_id])
        reason: Cause | None = None
        if desired.is_named and not _is_adoptable(desired.wecom_id, owners, live, rules):
            reason = cause("department-link-unusable", name=state.name, wecom_id=desired.wecom_id)
        elif (
            not desired.exists
            and not desired.is_named
            and (department_id, state.parent_id, state.name) in taken_names
        ):
            reason = cause("department-name-taken", name=state.name, id=department_id)
        elif above and not above.is_usable:
            reason = cause("department-waits", name=state.name)
        mapped[department_id] = replace(desired, cause=reason)
        owners.add(desired.wecom_id)
    return mapped


def _exists(link: DepartmentLink | None, live: TargetSnapshot | None) -> bool:
    if link is None:
        return False
    return link.accepted is not None if live is None else link.wecom_id in live.departments


def _is_adoptable(
    wecom_id: str, owners: set[str], live: TargetSnapshot | None, rules: Rules
) -> bool:
    if wecom_id in owners | {"1", rules.scope.target_department_id}:
        return False
    return live is None or wecom_id in live.departments


def _warnings(department: Department, state: DepartmentState) -> tuple[Message, ...]:
    shown = department.name.strip()
    name = text.department_name(department.name)
    found: list[Message] = []
    if not name:
        found.append(causes.warning(causes.NO_DEPARTMENT_NAME, id=department.department_id))
    elif name != shown:
        found.append(causes.warning(causes.CHARACTERS, name=shown))
    if len(name) > text.DEPARTMENT_NAME_MAX:
        found.append(causes.warning(causes.CUT, field="name", name=shown))
    if name and state.name != text.numbered(name, 1):
        found.append(causes.warning(causes.NUMBERED, name=shown, new=state.name))
    return tuple(found)
