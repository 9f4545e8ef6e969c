"""One reconciliation: plan, let the guard divide the plan, apply what is allowed, judge the run.

Reads neither DingTalk nor WeCom's structure: the engine does, and passes both in.
"""

import gc
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from server.directory.change import Action, Change, Key
from server.directory.desired import Desired
from server.directory.guard import Approval, guard
from server.directory.mapping import map_directory
from server.directory.model import (
    Conflict,
    Kind,
    Ledger,
    PersonLink,
    Rules,
    Snapshot,
    TargetSnapshot,
    fold,
)
from server.directory.plan import Plan, make_plan
from server.directory.reassigned_mobiles import is_reassigned, waiting_for, without_mobile
from server.directory.refusals import fresh, left_out, without_refused, without_refused_deletions
from server.errors.message import Message
from server.errors.vendor import VendorError
from server.journal.runs import RecordedChange, Result, RunStatus
from server.rest.vendor_clock import VendorClock
from server.sync.apply import Executor
from server.sync.clients import StopSignal
from server.sync.executor import RunContext
from server.sync.ledger import RunLedger
from server.sync.lookups import HolderLookup, ask_about_new_people
from server.sync.outcome import RunResult, cause_of, passes_after_s, status_of, stops_all, will_pass
from server.sync.target import RecordingTarget, Target

_LOG = logging.getLogger(__name__)
_WAITS = ("department-waits", "person-waits")
"""The causes of changes that wait for a department."""


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector: planning makes millions of objects and no circles."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What was read, what WeCom should look like, and the plan that leads there."""

    snapshot: Snapshot
    desired: Desired
    plan: Plan
    live: TargetSnapshot | None
    # Planned as if the conflicts were solved, to find out whether they are.
    is_second: bool = False


class Reconciliation:
    """Plans and applies for one run, and collects what became of it.

    `refused`: what failed and would only fail again.
    """

    def __init__(
        self,
        run_ledger: RunLedger,
        rules: Rules,
        target: Target,
        lookup: HolderLookup,
        now_ms: int,
        stop: StopSignal,
        vendor_clock: VendorClock,
    ) -> None:
        self.run_ledger = run_ledger
        self.rules = rules
        self.now_s = now_ms / 1000
        self._target = target
        self._lookup = lookup
        self._stop = stop
        self._vendor_clock = vendor_clock
        self._stopped_by: VendorError | None = None
        self._alarms: list[Message] = []
        self.refused: set[Key] = set()

    def foresee(
        self,
        snapshot: Snapshot,
        known: Ledger,
        live: TargetSnapshot | None,
        *,
        may_ask: bool,
        supposes_absence: bool = False,
    ) -> Proposal:
        """Plan, and plan again if WeCom could say who holds the mobiles of new people.

        may_ask: False for an approved list, and for one that awaits approval: it must not change.
        supposes_absence: as in `map_directory`.
        """
        lookup, is_full = self._lookup, snapshot.is_full
        if may_ask and is_full:
            lookup.forget_old()
        proposal = self.plan(snapshot, known, live, supposes_absence=supposes_absence)
        if live is None or not may_ask:
            return proposal
        desired, asked = proposal.desired, proposal.live or live
        if not ask_about_new_people(lookup, desired, known, asked, is_full=is_full):
            return proposal
        return self.plan(snapshot, known, live, supposes_absence=supposes_absence)

    def plan(
        self,
        snapshot: Snapshot,
        known: Ledger,
        live: TargetSnapshot | None,
        *,
        supposes_absence: bool = False,
    ) -> Proposal:
        """Map and plan with what WeCom has said about mobiles so far.

        supposes_absence: as in `map_directory`.
        """
        if live is not None:
            live = replace(live, holders=self._lookup.holders)
        with gc_paused():
            desired = map_directory(
                snapshot, known, live, self.rules, supposes_absence=supposes_absence
            )
            refusals = fresh(known.refusals, self.now_s, is_full=snapshot.is_full)
            plan = make_plan(
                without_refused(desired, refusals),
                known,
                live,
                self.rules,
                self.now_s,
                is_clock_right=self._vendor_clock.is_right(),
            )
            plan = replace(plan, changes=without_refused_deletions(plan.changes, refusals))
        return Proposal(snapshot, desired, plan, live)

    def judge(self, proposal: Proposal, known: Ledger, allow: str | None = None) -> Approval:
        """Ask the guard; `allow` is the digest that the admin approved."""
        # A wrong clock must not make removals look old: they would leave the allowance too early.
        now_s = 0.0 if self._vendor_clock.is_wrong() else self.now_s
        return guard(proposal.plan, proposal.snapshot, known, self.rules, now_s, allow)

    def carry_out(
        self, proposal: Proposal, approval: Approval, *, retries_conflicts: bool
    ) -> frozenset[Key]:
        """Apply what the guard allows and list the rest.

        With `retries_conflicts` the conflicts that somebody may have solved, and what waits for
        them, are returned instead of listed.
        """
        again: frozenset[Key] = frozenset()
        if retries_conflicts and not _is_whole(approval):
            again = self._remembered(proposal) | self._waiting_for_mobile(proposal)
        self._list(proposal, approval, again)
        if not _is_whole(approval):
            self._note(proposal, approval)
        self._apply(proposal, approval)
        if not self._stopped_by:
            return again
        self.leave(proposal, again, self._stopped_by)
        return frozenset()

    def leave(self, proposal: Proposal, again: frozenset[Key], error: VendorError) -> None:
        """List the conflicts that will not be retried after all."""
        if again:
            _LOG.warning("Conflicts are not retried: %s", error)
        self.run_ledger.record(
            RecordedChange.of(change, Result.SKIPPED)
            for change in proposal.plan.changes
            if (change.kind, change.dingtalk_id) in again and change.cause
        )

    def carry_out_rest(self, proposal: Proposal, known: Ledger, again: frozenset[Key]) -> None:
        """Apply what a second plan found: the conflicts in `again`, and what they made possible.

        Nothing that failed or was held before is retried, and removals stay as they were judged.
        """
        proposal = replace(proposal, is_second=True)
        listed = self.run_ledger.results
        over = {(one.kind, one.dingtalk_id) for one in listed if one.result is not Result.DONE}
        over -= again
        rest = tuple(
            change
            for change in proposal.plan.changes
            if change.action not in (Action.DISABLE, Action.DELETE)
            and (change.kind, change.dingtalk_id) not in over
        )
        narrowed = replace(proposal, plan=replace(proposal.plan, changes=rest))
        approval = self.judge(narrowed, known)
        self._list(narrowed, approval)
        self._note(proposal, approval)
        self._apply(narrowed, approval)

    def _list(
        self, proposal: Proposal, approval: Approval, without: frozenset[Key] = frozenset()
    ) -> None:
        """Record the changes that are not applied, with their causes."""
        listed = [
            RecordedChange.of(change, Result.SKIPPED)
            for change in proposal.plan.changes
            if change.cause and (change.kind, change.dingtalk_id) not in without
        ]
        listed += [RecordedChange.of(change, Result.SKIPPED) for change in approval.refused]
        listed += [RecordedChange.of(change, Result.HELD) for change in approval.held]
        if approval.is_mismatch:
            held = {id(change) for change in approval.held}
            open_changes = [each for each in proposal.plan.executable if id(each) not in held]
            listed += [RecordedChange.of(change, Result.PLANNED) for change in open_changes]
        self.run_ledger.record(listed)

    def _remembered(self, proposal: Proposal) -> frozenset[Key]:
        """Return the conflicts of earlier runs, and the changes that wait for one of them."""
        known = {
            (one.kind, one.dingtalk_id)
            for one in self.run_ledger.ledger.conflicts
            if one.is_refusal
        }
        refused = {
            (one.kind, one.dingtalk_id): one.cause.code
            for one in proposal.plan.changes
            if one.cause
        }
        conflicts = known & refused.keys()
        if any(kind is Kind.DEPARTMENT for kind, _ in conflicts):
            conflicts |= {key for key, code in refused.items() if code in _WAITS}
        return frozenset(conflicts)

    def _waiting_for_mobile(self, proposal: Proposal) -> frozenset[Key]:
        """Return the people who wait for a mobile that only our ledger gives to a leaver."""
        presence = proposal.desired.presence
        found = waiting_for(proposal.plan.changes, self.run_ledger.ledger, presence)
        return frozenset((Kind.PERSON, userid) for userid in found)

    def note_reassigned(self, waiting: Mapping[str, PersonLink]) -> None:
        """Take mobiles away from leavers in our ledger once WeCom accepted them for others."""
        for userid, leaver in waiting.items():
            if is_reassigned(userid, leaver, self.run_ledger.people):
                self.run_ledger.put_person(
                    without_mobile(self.run_ledger.people[leaver.dingtalk_userid])
                )
        self.run_ledger.ensure_stored()

    def _note(self, proposal: Proposal, approval: Approval) -> None:
        """Store what needs no write to WeCom: the approval, noted links, conflicts."""
        is_idle = not proposal.plan.executable and proposal.desired.presence.is_settled
        is_free = not self.rules.approve_first_run and bool(proposal.snapshot.people)
        if approval.approved or is_idle or is_free:
            self.run_ledger.approve(self.rules.scope)
        for person in proposal.plan.noted_people:
            self.run_ledger.put_person(person)
        for department in proposal.plan.noted_departments:
            self.run_ledger.put_department(department)
        if proposal.desired.presence.is_settled:
            self._forget_unmade(proposal)
        self._note_conflicts(proposal)

    def _note_conflicts(self, proposal: Proposal) -> None:
        """Forget solved conflicts, and store those that the plan itself shows."""
        presence, plan = proposal.desired.presence, proposal.plan
        planned = {_key(each) for each in plan.changes}
        waiting = [each for each in plan.changes if each.action is Action.CONFLICT]
        met = {_key(each): _noticed(each) for each in waiting}
        known = {(each.kind, each.dingtalk_id): each for each in self.run_ledger.ledger.conflicts}
        for key, conflict in known.items():
            if conflict.is_refusal:
                is_solved = presence.is_settled and key not in planned
            else:
                was_looked_at = presence.is_settled or _is_mapped(key, proposal.desired)
                is_solved = was_looked_at and key not in met and not proposal.is_second
            if is_solved:
                self.run_ledger.drop_conflict(*key)
        for key, noticed in met.items():
            former = known.get(key)
            if former != noticed and not (former and former.is_refusal):
                self.run_ledger.put_conflict(noticed)

    def _forget_unmade(self, proposal: Proposal) -> None:
        """Drop links that were announced, never created, and are no longer wanted."""
        live, desired = proposal.live, proposal.desired
        if live is None:
            return
        for department in tuple(self.run_ledger.departments.values()):
            is_there = department.accepted is not None or department.wecom_id in live.departments
            if not is_there and department.department_id not in desired.departments:
                self.run_ledger.drop_department(department.department_id)
        for person in tuple(self.run_ledger.people.values()):
            is_there = person.accepted is not None or fold(person.wecom_userid) in live.members
            if not is_there and person.dingtalk_userid not in desired.people:
                self.run_ledger.drop_person(person.dingtalk_userid)
        self.run_ledger.keep_refusals_of({*desired.people, *self.run_ledger.people})

    def _apply(self, proposal: Proposal, approval: Approval) -> None:
        is_preview = isinstance(self._target, RecordingTarget)
        context = RunContext(
            self.run_ledger,
            self._target,
            self.rules,
            proposal.desired.presence.has_left,
            proposal.live,
            self.now_s,
            approved=frozenset(id(change) for change in approval.approved),
            done=Result.PLANNED if is_preview else Result.DONE,
            is_clock_right=self._vendor_clock.is_right(),
        )
        executor = Executor(context, self._stop)
        executor.apply(approval.allowed)
        self._stopped_by = self._stopped_by or executor.stopped_by
        self._alarms += context.alarms
        self.refused |= context.refused

    def result(self, proposal: Proposal, approval: Approval, *, is_preview: bool) -> RunResult:
        """Return the result of the run."""
        is_full = proposal.snapshot.is_full
        is_complete = proposal.desired.presence.is_settled or not is_full
        reasons = () if is_complete else _reasons(proposal)
        changes = tuple(self.run_ledger.results)
        status = status_of(
            changes,
            is_complete=is_complete,
            is_held=bool(approval.held),
            is_preview=is_preview,
            is_alarmed=bool(self._alarms),
        )
        if approval.is_mismatch:
            status = RunStatus.REFUSED
        error = self._stopped_by
        if error:
            status = RunStatus.FAILED
        failed = {(one.kind, one.dingtalk_id) for one in changes if one.result is Result.FAILED}
        return RunResult(
            status,
            approval.digest,
            is_complete,
            reasons,
            cause_of(error) if error else None,
            changes,
            self.run_ledger.run_id,
            approval.holds if approval.held else (),
            (
                *self._alarms,
                *(each for each in proposal.desired.warnings if each not in reasons),
                *left_out(proposal.desired, self.run_ledger.ledger),
            ),
            retryable=will_pass(error) if error else not is_complete or not failed <= self.refused,
            blocked=bool(error and stops_all(error)),
            wait_s=passes_after_s(error) if error else None,
            has_moved=proposal.snapshot.has_moved,
            people=len(proposal.snapshot.people),
            departments=len(proposal.snapshot.departments),
        )


def _key(change: Change) -> Key:
    return change.kind, change.dingtalk_id


def _is_mapped(key: Key, desired: Desired) -> bool:
    kind, dingtalk_id = key
    return dingtalk_id in (desired.people if kind is Kind.PERSON else desired.departments)


def _noticed(change: Change) -> Conflict:
    """Return the conflict that waits for the admin, with the WeCom id from its cause."""
    named = change.cause.title.values.get("wecom_id", "") if change.cause else ""
    return Conflict(change.kind, change.dingtalk_id, str(named), "")


def _is_whole(approval: Approval) -> bool:
    """Whether the approval covers the whole list, so that nothing may be written without it."""
    return approval.is_mismatch or (
        bool(approval.held) and any(hold.is_whole for hold in approval.holds)
    )


def _reasons(proposal: Proposal) -> tuple[Message, ...]:
    return proposal.snapshot.reasons or proposal.desired.warnings[:1]
