"""Limits what may be removed without approval (`guard`), so that no accident wipes a directory.

Small offices are protected too: the allowance counts heads as well as per cent, over runs and
events together. A refusal is a value that carries its numbers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from server.directory.causes import cause
from server.directory.change import Action, Change, Hold, HoldReason, digest_of
from server.directory.model import Kind, Ledger, Rules, Snapshot, fold
from server.directory.plan import Plan

WINDOW_S = 86_400.0
MASS_PERCENT = 30


@dataclass(frozen=True, slots=True)
class Approval:
    """Which changes of a plan may be written now."""

    # In the plan's order.
    allowed: tuple[Change, ...]
    # What waits for approval under `digest` (None: nothing waits), and why.
    held: tuple[Change, ...] = ()
    holds: tuple[Hold, ...] = ()
    digest: str | None = None
    # Listed, never made.
    refused: tuple[Change, ...] = ()
    # What only the admin's digest let through; such removals do not use up the allowance.
    approved: tuple[Change, ...] = ()
    # Another digest was given, so nothing is allowed.
    is_mismatch: bool = False


def guard(
    plan: Plan,
    snapshot: Snapshot,
    ledger: Ledger,
    rules: Rules,
    now_s: float,
    approved_digest: str | None = None,
) -> Approval:
    """Divide a plan into what is allowed, what waits for the admin, and what is refused."""
    refused = tuple(_refusals(plan, ledger, rules))
    barred = {id(change) for change, _ in refused}
    open_changes = [change for change in plan.executable if id(change) not in barred]
    holds = _whole_holds(open_changes, snapshot, ledger, rules, now_s)
    held = open_changes
    if not holds:
        holds = _allowance_holds(open_changes, ledger, rules, now_s)
        held = _held_removals(open_changes, {hold.kind for hold in holds})
    digest = digest_of(held) if held else None
    listed = tuple(replacement for _, replacement in refused)
    if approved_digest is not None and approved_digest != digest:
        return Approval((), tuple(held), holds, digest, listed, is_mismatch=True)
    if digest is not None and approved_digest == digest:
        return Approval(tuple(open_changes), (), holds, None, listed, tuple(held))
    waiting = {id(change) for change in held}
    allowed = tuple(change for change in open_changes if id(change) not in waiting)
    return Approval(allowed, tuple(held), holds, digest, listed)


def allowance(kind: Kind, ledger: Ledger, rules: Rules, now_s: float) -> int:
    """Return how many may be removed in 24 hours: `min(max_removals, max(1, per cent of ours))`.

    Recent removals still count as ours, or using the allowance would shrink it.
    """
    ours = linked_count(kind, ledger) + used_removals(kind, ledger, now_s)
    return min(rules.max_removals, max(1, rules.max_removal_percent * ours // 100))


def linked_count(kind: Kind, ledger: Ledger) -> int:
    """Count our enabled members or departments, including those never confirmed."""
    if kind is Kind.DEPARTMENT:
        return len(ledger.departments)
    return sum(1 for link in ledger.people.values() if link.is_enabled)


def used_removals(kind: Kind, ledger: Ledger, now_s: float) -> int:
    """Count removals without approval in the last 24 hours that have not come back.

    A removal dated in the future counts: a clock that was wrong excuses nothing.
    """
    removed = {
        (removal.dingtalk_id, fold(removal.wecom_id))
        for removal in ledger.removals
        if removal.kind is kind and not removal.is_approved and removal.at_s > now_s - WINDOW_S
    }
    return sum(1 for ids in removed if not _is_back(kind, *ids, ledger))


def _is_back(kind: Kind, dingtalk_id: str, wecom_id: str, ledger: Ledger) -> bool:
    if kind is Kind.DEPARTMENT:
        return dingtalk_id in ledger.departments
    link = ledger.people.get(dingtalk_id)
    if link:
        return link.is_enabled
    return any(
        link.is_enabled and fold(link.wecom_userid) == wecom_id for link in ledger.people.values()
    )


def _refusals(plan: Plan, ledger: Ledger, rules: Rules) -> Iterable[tuple[Change, Change]]:
    """Find changes to what is not ours: a second line of defence against a wrong plan."""
    protected = rules.protected
    people = {fold(link.wecom_userid) for link in ledger.people.values()}
    departments = {link.wecom_id for link in ledger.departments.values()}
    roots = {"1", rules.scope.target_department_id}
    for change in plan.executable:
        is_person = change.kind is Kind.PERSON
        key = fold(change.wecom_id) if is_person else change.wecom_id
        ours = people if is_person else departments
        if change.action in (Action.CREATE, Action.ADOPT):
            ours.add(key)
        if key not in ours or key in (protected if is_person else roots):
            yield change, replace(change, cause=cause("never-touched", wecom_id=change.wecom_id))


def _whole_holds(
    changes: Sequence[Change], snapshot: Snapshot, ledger: Ledger, rules: Rules, now_s: float
) -> tuple[Hold, ...]:
    """Find reasons to write nothing at all."""
    if not changes:
        return ()
    wanted = _wanted(changes, Kind.PERSON)
    linked = linked_count(Kind.PERSON, ledger)
    reasons: list[HoldReason] = []
    approved = ledger.approved_scope if rules.approve_first_run else rules.scope
    if approved is None:
        reasons.append(HoldReason.FIRST_RUN)
    elif not rules.scope.is_same(approved):
        reasons.append(HoldReason.SCOPE_CHANGED)
    if wanted > rules.max_removals and wanted * 100 > MASS_PERCENT * linked:
        reasons.append(HoldReason.MASS_REMOVAL)
    if _shares_nobody(snapshot, ledger):
        reasons.append(HoldReason.NOBODY_SHARED)
    used = used_removals(Kind.PERSON, ledger, now_s) if reasons else 0
    limit = allowance(Kind.PERSON, ledger, rules, now_s)
    return tuple(Hold(each, Kind.PERSON, wanted, used, limit, linked) for each in reasons)


def _shares_nobody(snapshot: Snapshot, ledger: Ledger) -> bool:
    if not snapshot.is_full or not snapshot.people:
        return False
    enabled = [key for key, link in ledger.people.items() if link.is_enabled and link.accepted]
    return bool(enabled) and not any(key in snapshot.people for key in enabled)


def _allowance_holds(
    changes: Sequence[Change], ledger: Ledger, rules: Rules, now_s: float
) -> tuple[Hold, ...]:
    """Find the kinds whose removals exceed the allowance; then none of that kind is removed."""
    holds: list[Hold] = []
    for kind in Kind:
        wanted = _wanted(changes, kind)
        used, limit = used_removals(kind, ledger, now_s), allowance(kind, ledger, rules, now_s)
        if wanted and used + wanted > limit:
            linked = linked_count(kind, ledger)
            holds.append(Hold(HoldReason.ALLOWANCE, kind, wanted, used, limit, linked))
    return tuple(holds)


def _wanted(changes: Sequence[Change], kind: Kind) -> int:
    return sum(1 for change in changes if change.counts and change.kind is kind)


def _held_removals(changes: Sequence[Change], kinds: set[Kind]) -> list[Change]:
    """Return the removals that wait, and those of departments the people would still be in."""
    held = [change for change in changes if change.counts and change.kind in kinds]
    people = {change.dingtalk_id for change in held if change.kind is Kind.PERSON}
    waiting = {id(change) for change in held}
    return [change for change in changes if id(change) in waiting or change.requires & people]
