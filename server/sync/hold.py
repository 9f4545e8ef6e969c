"""The list that awaits the admin, as an event's run sees it: what it holds joins the open list.

An event names one person, but the admin decides about all held removals at once, and a full run
that finds the same people must arrive at the same digest. People on the open list are only listed,
not read again; whatever is allowed comes from what this run itself read.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from sqlite3 import Connection

from server.directory.change import Action, Key
from server.directory.guard import Approval
from server.directory.model import Kind, Ledger, Snapshot, TargetSnapshot
from server.directory.plan import Plan
from server.journal import runs, sync_state
from server.journal.runs import Result
from server.sync.reconcile import Proposal, Reconciliation

UNDECIDED = "mobile-undecided"
"""The cause of a change that depends on somebody whom the run did not read."""
_REMOVALS = (Action.DISABLE, Action.DELETE)


@dataclass(frozen=True, slots=True)
class OpenList:
    """The removals that await the admin."""

    removals: frozenset[Key] = frozenset()
    # All other changes of the full run wait as well; only another full run can replace such a list.
    is_whole: bool = False

    def concerns(self, snapshot: Snapshot, approval: Approval) -> bool:
        """Whether a run adds to the list, or read somebody who is on it."""
        if self.is_whole or not self.removals:
            return False
        return bool(approval.held) or not self.removals.isdisjoint(_read(snapshot))

    def added_to(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot with everybody on the list gone, except those it shows itself."""
        unread = self.removals - _read(snapshot)
        return replace(
            snapshot,
            gone_people=snapshot.gone_people | _ids(unread, Kind.PERSON),
            gone_departments=snapshot.gone_departments | _ids(unread, Kind.DEPARTMENT),
        )

    def is_in(self, plan: Plan) -> bool:
        """Whether somebody on the list would still be removed."""
        return any((each.kind, each.dingtalk_id) in self.removals for each in plan.executable)


@dataclass(frozen=True, slots=True)
class Holding:
    """What the guard allows an event's run."""

    approval: Approval
    # The stored list of what awaits the admin has to be replaced.
    is_news: bool
    # Something waits that only a full run can do.
    needs_full: bool


def load_open_list(conn: Connection) -> OpenList:
    """Read what awaits the admin."""
    held = sync_state.load(conn).held
    if held is None:
        return OpenList()
    removals = frozenset(
        (change.kind, change.dingtalk_id)
        for change in runs.changes(conn, held.run_id)
        if change.result is Result.HELD and change.action in _REMOVALS
    )
    return OpenList(removals, any(hold.is_whole for hold in held.holds))


def merge_held(
    run: Reconciliation,
    proposal: Proposal,
    known: Ledger,
    live: TargetSnapshot | None,
    open_list: OpenList,
) -> Holding:
    """Let the guard judge an event's run together with what is held already."""
    own = run.judge(proposal, known)
    is_waited_for = bool(open_list.removals) and _waits_for_others(proposal.plan)
    if not open_list.concerns(proposal.snapshot, own):
        is_left = bool(own.held) and open_list.is_whole
        needs_full = is_left or is_waited_for or _holds_more(own)
        return Holding(own, bool(own.held) and not is_left, needs_full)
    together = run.plan(open_list.added_to(proposal.snapshot), known, live)
    approval = _joined(own, run.judge(together, known))
    is_set_free = not approval.held and open_list.is_in(together.plan)
    return Holding(
        approval, is_news=True, needs_full=is_set_free or is_waited_for or _holds_more(approval)
    )


def _joined(own: Approval, together: Approval) -> Approval:
    """Hold what both lists hold together; allow only what this run itself read."""
    held = {(each.action, each.kind, each.dingtalk_id) for each in together.held}
    allowed = [
        each for each in own.allowed if (each.action, each.kind, each.dingtalk_id) not in held
    ]
    return replace(
        own,
        allowed=tuple(allowed),
        held=together.held,
        holds=together.holds,
        digest=together.digest,
    )


def _holds_more(approval: Approval) -> bool:
    """Whether more than removals waits; an approved list triggers only those."""
    return any(hold.is_whole for hold in approval.holds)


def _waits_for_others(plan: Plan) -> bool:
    """Whether somebody claims the mobile of a member on the list, perhaps the same person back."""
    return any(each.cause and each.cause.code == UNDECIDED for each in plan.changes)


def _read(snapshot: Snapshot) -> set[Key]:
    people = snapshot.people.keys() | snapshot.gone_people
    departments = snapshot.departments.keys() | snapshot.gone_departments
    return {(Kind.PERSON, key) for key in people} | {(Kind.DEPARTMENT, key) for key in departments}


def _ids(keys: Collection[Key], kind: Kind) -> frozenset[str]:
    return frozenset(dingtalk_id for found, dingtalk_id in keys if found is kind)
