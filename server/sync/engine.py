"""One run of the mirror: read, map, plan, guard, apply, record.

A full run compares everything, an event's run only what the events named. A preview is the same run
against a target that records writes and sends nothing. The caller ensures one run at a time.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from sqlite3 import Connection
from threading import Event

from server.config.store import Config
from server.directory.absence import missing_from
from server.directory.causes import Cause
from server.directory.change import Key
from server.directory.guard import WINDOW_S
from server.directory.mapping import ledger_for_company
from server.directory.model import Ledger, Rules, Snapshot, TargetSnapshot
from server.directory.reassigned_mobiles import waiting_for, without_mobiles
from server.errors.base import DingBridgeError
from server.errors.vendor import CallCancelledError, VendorError
from server.journal import ledger as stored
from server.journal import runs, sync_state
from server.journal.journal import Journal
from server.journal.runs import Ending, Result, RunCause, RunCounts, RunStatus
from server.rest.vendor_clock import wall_ms
from server.sync.clients import ClientPool, Clients, PolledStop, StopSignal, missing, rules_of
from server.sync.hold import UNDECIDED, load_open_list, merge_held
from server.sync.ledger import WAIT_S, RunLedger, load_ledger
from server.sync.lookups import HolderLookup
from server.sync.outcome import (
    FAULT,
    EventOutcome,
    RunResult,
    cause_of,
    end_of,
    not_set_up,
    passes_after_s,
    stops_all,
    will_pass,
)
from server.sync.proof import prove
from server.sync.reading import (
    EventReader,
    PartialSnapshot,
    changed_people,
    due_for_details,
    read_details,
    read_scope,
)
from server.sync.reconcile import Proposal, Reconciliation
from server.sync.target import (
    WECOM_ROOT,
    RecordingTarget,
    WeComTarget,
    ensure_target,
    read_members,
    read_target,
)

_LOG = logging.getLogger(__name__)
_NOT_EMPTY = "department-not-empty"


class Engine:
    """Makes runs on one journal. `config` returns the settings in force when a run starts."""

    def __init__(
        self,
        journal: Journal,
        config: Callable[[], Config],
        client_pool: ClientPool | None = None,
        clock_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._journal = journal
        self._config = config
        self._clock_ms = clock_ms
        self.client_pool = client_pool or ClientPool()
        self._outside: set[str] = set()
        self._seen_target: tuple[str, str] | None = None

    def close(self) -> None:
        """Close idle connections."""
        self.client_pool.close()

    def run(
        self,
        cause: RunCause = RunCause.ASKED,
        *,
        preview: bool = False,
        allow: str | None = None,
        stop: StopSignal | None = None,
        is_resumed: bool = True,
    ) -> RunResult:
        """Make a full run; `allow` approves exactly what is held under that digest.

        Failures are in the result. Raises `JournalError` if nothing can be stored, and
        `CallCancelledError` if `stop` is set during the run: the journal then shows no end, and the
        next start resumes it. Without `is_resumed` it ends as failed instead.
        """
        cause = RunCause.PREVIEW if preview else cause
        run_id = self._begin(cause, is_full=True)
        try:
            result = self._full(run_id, cause, allow, stop or Event(), preview=preview)
        except DingBridgeError as error:
            if isinstance(error, CallCancelledError) and is_resumed:
                raise
            result = _failure(error)
        except Exception:  # noqa: BLE001 - logged; a run without an end would seem to continue
            _LOG.exception("A full run hit an internal error")
            result = RunResult(RunStatus.FAILED, error=FAULT)
        result = replace(result, run_id=run_id)
        self._finish(result, tells_held=not preview and result.knows_what_is_held)
        _LOG.info("Full run %d (%s): %s", run_id, cause, result.status)
        return result

    def follow(
        self, people: Collection[str], departments: Collection[str], stop: StopSignal | None = None
    ) -> EventOutcome:
        """Read these people and subtrees again and update WeCom; raises as `run` does."""
        try:
            return self._follow(people, departments, stop or Event())
        except CallCancelledError:
            raise
        except DingBridgeError as error:
            return EventOutcome(
                error=cause_of(error), blocked=stops_all(error), wait_s=passes_after_s(error)
            )

    def is_approved(self) -> bool:
        """Whether events may be followed: the present scope is the approved one."""
        rules = rules_of(self._config().settings)
        approved = self._journal.read(stored.approved_scope)
        return not rules.approve_first_run or bool(approved and rules.scope.is_same(approved))

    # --- full runs

    def _full(
        self, run_id: int, cause: RunCause, allow: str | None, stop: StopSignal, *, preview: bool
    ) -> RunResult:
        config = self._config()
        lacking = missing(config)
        if lacking:
            return RunResult(RunStatus.FAILED, error=not_set_up(lacking), blocked=True)
        rules = rules_of(config.settings)
        clients = self.client_pool.clients(config, stop)
        known = load_ledger(self._journal, rules.scope.corp_id, is_preview=preview)
        run_ledger = RunLedger(self._journal, known, run_id, is_preview=preview)
        run = self._reconciliation(clients, config, run_ledger, stop, preview=preview)
        is_asked = cause in (RunCause.ASKED, RunCause.PREVIEW)
        may_ask = is_asked or self._journal.read(sync_state.load).held is None
        proposal = self._propose(clients, run, may_ask=may_ask and allow is None)
        approval = run.judge(proposal, run_ledger.ledger, allow)
        retries = cause in (RunCause.ASKED, RunCause.DAILY)
        again = run.carry_out(proposal, approval, retries_conflicts=retries)
        if again:
            self._retry_conflicts(clients, proposal, again, run)
        return run.result(proposal, approval, is_preview=preview)

    def _propose(self, clients: Clients, run: Reconciliation, *, may_ask: bool) -> Proposal:
        """Read both sides and plan; WeCom first, since its refusals (60020) cost one call.

        A walk proves nobody's absence: everybody who seems gone is asked for before the real plan.
        """
        scope, live = run.rules.scope, self._read_live(clients, run.rules)
        snapshot = read_scope(clients.reader, run.rules)
        known = self._known_here(snapshot, run)
        proposal = run.foresee(snapshot, known, live, may_ask=may_ask, supposes_absence=True)
        presence = proposal.desired.presence
        is_new_corp = known.approved_scope and known.approved_scope.corp_id != scope.corp_id
        last_look_ms = None if is_new_corp else self._journal.read(runs.last_written_ms)
        linked = known.people.keys() & presence.present
        is_somebody_lost = len(presence.present) < len(snapshot.people)
        deep = changed_people(proposal.plan.changes, snapshot)
        deep |= due_for_details(linked, last_look_ms, self._clock_ms())
        if deep or presence.gone or proposal.desired.gone_departments or is_somebody_lost:
            missing = missing_from(proposal.plan.changes, known, presence)
            snapshot = prove(clients.reader, snapshot, known, run.rules, missing, deep)
            proposal = run.plan(snapshot, known, live)
        memberships = [each for one in snapshot.people.values() for each in one.memberships]
        self._outside = {each.department_id for each in memberships} - snapshot.departments.keys()
        return proposal

    def _known_here(self, snapshot: Snapshot, run: Reconciliation) -> Ledger:
        """Return the ledger under the userids of the company that was read."""
        ledger = run.run_ledger.ledger
        known = ledger_for_company(run.rules.scope.app_key, ledger, snapshot)
        if known is not ledger:
            run.run_ledger.rename(known)
        return known

    def _retry_conflicts(
        self, clients: Clients, proposal: Proposal, again: frozenset[Key], run: Reconciliation
    ) -> None:
        """Retry conflicts, since somebody may have solved them in the WeCom console."""
        known, snapshot = run.run_ledger.ledger, proposal.snapshot
        without = tuple(one for one in known.conflicts if (one.kind, one.dingtalk_id) not in again)
        reassigned = waiting_for(proposal.plan.changes, known, proposal.desired.presence)
        known = without_mobiles(replace(known, conflicts=without), reassigned.values())
        try:
            live = read_target(clients.wecom)
        except CallCancelledError:
            raise
        except VendorError as error:
            run.leave(proposal, again, error)
            return
        fresh = run.plan(snapshot, known, live)
        shallow = changed_people(fresh.plan.changes, snapshot)
        shallow -= changed_people(proposal.plan.changes, snapshot)
        if shallow:
            fresh = run.plan(read_details(clients.reader, snapshot, shallow), known, live)
        run.carry_out_rest(fresh, known, again)
        run.note_reassigned(reassigned)

    # --- events

    def _follow(
        self, people: Collection[str], departments: Collection[str], stop: StopSignal
    ) -> EventOutcome:
        config = self._config()
        lacking = missing(config)
        if lacking:
            return EventOutcome(error=not_set_up(lacking), blocked=True)
        rules = rules_of(config.settings)
        if not set(departments).isdisjoint({"1", *rules.scope.source_department_ids}):
            return EventOutcome(needs_full=True)
        clients = self.client_pool.clients(config, stop)
        known = load_ledger(self._journal, rules.scope.corp_id)
        if known.approved_scope and known.approved_scope.app_key != rules.scope.app_key:
            return EventOutcome(
                needs_full=True
            )  # perhaps another company: only its people can tell
        reader = EventReader(clients.reader, known, rules, self._outside)
        partial = reader.read(people, departments)
        if partial.needs_full or not _holds_anything(partial):
            return EventOutcome(partial.failed, partial.needs_full, seen=partial.seen)
        run_ledger = RunLedger(self._journal, known, 0)
        run = self._reconciliation(clients, config, run_ledger, stop, preview=False)
        return self._update_wecom(clients, partial, known, run)

    def _update_wecom(
        self, clients: Clients, partial: PartialSnapshot, known: Ledger, run: Reconciliation
    ) -> EventOutcome:
        snapshot, live = partial.snapshot, None
        has_departments = bool(snapshot.departments or snapshot.gone_departments)
        if has_departments or not self._knows_target(run.rules):
            live = self._read_live(clients, run.rules)
        elif snapshot.people.keys() - known.people.keys():
            live = read_members(clients.wecom, known)
        proposal = run.foresee(snapshot, known, live, may_ask=True)
        shallow = changed_people(proposal.plan.changes, snapshot) - partial.deep
        if shallow:
            proposal = run.plan(read_details(clients.reader, snapshot, shallow), known, live)
        holding = merge_held(run, proposal, known, live, self._journal.read(load_open_list))
        if proposal.plan.changes or holding.is_news:
            run.run_ledger.run_id = self._begin(RunCause.EVENTS, is_full=False)
        run.carry_out(proposal, holding.approval, retries_conflicts=False)
        result = run.result(proposal, holding.approval, is_preview=False)
        if run.run_ledger.run_id:
            self._finish(replace(result, run_id=run.run_ledger.run_id), tells_held=holding.is_news)
        is_unclear = bool(proposal.plan.unplaced or proposal.snapshot.disputed)
        needs_full = is_unclear or holding.needs_full or _is_kept(result)
        failed = {**partial.failed, **_unfinished(result)}
        return EventOutcome(
            failed,
            needs_full,
            result.error,
            result.blocked,
            result.wait_s,
            frozenset(run.refused - partial.failed.keys()),
            partial.seen,
        )

    # --- WeCom

    def _read_live(self, clients: Clients, rules: Rules) -> TargetSnapshot:
        """Read WeCom's structure; raises `TargetMissingError` before anything is written."""
        live, self._seen_target = read_target(clients.wecom), None
        ensure_target(live, rules.scope)
        self._seen_target = (rules.scope.corp_id, rules.scope.target_department_id)
        return live

    def _knows_target(self, rules: Rules) -> bool:
        """Whether the target department was seen before; an event's person is not worth a read."""
        target = rules.scope.target_department_id
        return target == WECOM_ROOT or self._seen_target == (rules.scope.corp_id, target)

    # --- the journal

    def _reconciliation(
        self,
        clients: Clients,
        config: Config,
        run_ledger: RunLedger,
        stop: StopSignal,
        *,
        preview: bool,
    ) -> Reconciliation:
        rules, now_ms = rules_of(config.settings), self._clock_ms()
        lookup = HolderLookup(self._journal, clients.wecom, rules.scope.corp_id, now_ms)
        real = WeComTarget(clients.wecom, lookup, may_invite=config.settings.sync.invite)
        target = RecordingTarget() if preview else real
        return Reconciliation(
            run_ledger, rules, target, lookup, now_ms, stop, self.client_pool.vendor_clock
        )

    def _begin(self, cause: RunCause, *, is_full: bool) -> int:
        at_ms = self._clock_ms()
        ticket = self._journal.run(lambda conn: runs.begin(conn, cause, at_ms, is_full=is_full))
        return ticket.result(WAIT_S)

    def _finish(self, result: RunResult, *, tells_held: bool) -> None:
        """Store how a run ended and, with `tells_held`, what awaits the admin now."""
        at_ms = self._clock_ms()
        ending = Ending(
            result.status,
            result.digest,
            result.snapshot_complete,
            result.incomplete_reason,
            result.error,
            RunCounts.of(result.changes, result.people, result.departments),
            result.warnings,
        )
        held = None
        if result.digest is not None:
            held = sync_state.Held(result.digest, result.run_id, at_ms, result.holds)

        def store(conn: Connection) -> None:
            runs.finish(conn, result.run_id, ending, at_ms)
            if not self.client_pool.vendor_clock.is_wrong():
                stored.age_removals(conn, at_ms / 1000, 2 * WINDOW_S)
            if tells_held:
                sync_state.set_held(conn, held)
            if result.status is RunStatus.PREVIEW:
                sync_state.set_previewed(conn, held)

        self._journal.run(store).result(WAIT_S)


def _failure(error: DingBridgeError) -> RunResult:
    return RunResult(
        RunStatus.FAILED,
        error=end_of(error),
        blocked=stops_all(error),
        wait_s=passes_after_s(error),
        retryable=will_pass(error),
    )


def _holds_anything(partial: PartialSnapshot) -> bool:
    snapshot = partial.snapshot
    return bool(
        snapshot.people or snapshot.departments or snapshot.gone_people or snapshot.gone_departments
    )


def _is_kept(result: RunResult) -> bool:
    """Whether a department that is gone has to stay for now; its members may still be moving."""
    causes = [change.error for change in result.changes if change.result is Result.SKIPPED]
    return any(cause and cause.code == _NOT_EMPTY for cause in causes)


def _unfinished(result: RunResult) -> dict[Key, Cause]:
    """Return what has to be retried: failures, and people who wait for somebody else's event."""
    return {
        (change.kind, change.dingtalk_id): change.error
        for change in result.changes
        if change.error
        and (
            change.result is Result.FAILED
            or (change.result is Result.SKIPPED and change.error.code == UNDECIDED)
        )
    }


def run_once(
    config: Config,
    journal: Journal,
    *,
    preview: bool = False,
    allow: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Make one full run for a command while no service runs, and return its id.

    If `stop` returns True during the run, it ends as failed; raises `JournalError`.
    """
    engine = Engine(journal, lambda: config)
    try:
        made = engine.run(preview=preview, allow=allow, stop=PolledStop(stop), is_resumed=False)
        return made.run_id
    finally:
        engine.close()
