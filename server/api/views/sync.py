"""Turns what the journal knows of the mirror into what is shown."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from sqlite3 import Connection

from server.api.status import (
    ChangeView,
    ConflictView,
    ErrorView,
    HeldView,
    Level,
    Notice,
    QuarantineView,
    RunSummary,
    RunTotals,
    RunView,
    SyncState,
    SyncView,
)
from server.directory.causes import UNMATCHED, UNPROVEN, Cause
from server.directory.change import Hold, HoldReason
from server.directory.model import Conflict, Kind
from server.errors.message import N_, Message
from server.journal import ledger, runs, sync_state
from server.journal import ledger as stored_ledger
from server.journal.runs import RecordedChange, Run, RunCause, RunStatus, counts_so_far
from server.journal.sync_state import Held, Quarantine

_CAUSES = {
    RunCause.ASKED: N_("Manual"),
    RunCause.PREVIEW: N_("Manual preview"),
    RunCause.ENABLED: N_("Automatic sync switched on"),
    RunCause.DAILY: N_("Daily full sync"),
    RunCause.START: N_("DingBridge started"),
    RunCause.INTERRUPTED: N_("Previous sync interrupted"),
    RunCause.WAKE: N_("Computer woke from sleep"),
    RunCause.SETTINGS: N_("Settings changed"),
    RunCause.EVENTS: N_("Events from DingTalk"),
    RunCause.UNCLEAR_EVENT: N_("Event that names nobody"),
    RunCause.MISSED_EVENTS: N_("Missed events"),
    RunCause.RETRY: N_("Retry after a failure"),
}

_HOLDS = {
    HoldReason.FIRST_RUN: N_(
        "This is the first sync: nothing is written to WeCom until you approve its preview."
    ),
    HoldReason.SCOPE_CHANGED: N_(
        "The scope or the target of the sync has changed: nothing is written to WeCom until you "
        "approve the preview."
    ),
    HoldReason.MASS_REMOVAL: N_(
        "{wanted} of {linked} synced people would be disabled or deleted at once: nothing is "
        "written to WeCom until you approve it."
    ),
    HoldReason.NOBODY_SHARED: N_(
        "None of the {linked} synced people was found in DingTalk. Check dingtalk.app_key and "
        "sync.source_department_ids before you approve anything."
    ),
}

_PEOPLE_HELD = N_(
    "People who would be disabled or deleted: {wanted}. The limit without your approval is {limit} "
    "within 24 hours, of which already used: {used}."
)
_DEPARTMENTS_HELD = N_(
    "Departments that would be deleted: {wanted}. The limit without your approval is {limit} "
    "within 24 hours, of which already used: {used}."
)

_STATES = {
    RunStatus.SUCCESS: SyncState.SUCCESS,
    RunStatus.PARTIAL: SyncState.PARTIAL,
    RunStatus.HELD: SyncState.HELD,
    RunStatus.FAILED: SyncState.FAILED,
    RunStatus.INTERRUPTED: SyncState.FAILED,
}

_GRAVITY = (SyncState.SUCCESS, SyncState.PARTIAL, SyncState.HELD, SyncState.FAILED)


_UNFORESEEN = frozenset({UNPROVEN, UNMATCHED})


# --- runs and their changes


def run_view(conn: Connection, run_id: int) -> RunView | None:
    """Show a run with all its changes, None where it is not stored."""
    run = runs.find(conn, run_id)
    if run is None:
        return None
    summary, state = run_summary(run), sync_state.load(conn)
    told = [one for one in (state.held, state.previewed) if one and one.digest == summary.digest]
    reasons = held_view(told[0]).reasons if told else ()
    return RunView(summary, change_views(conn, run_id), reasons)


def run_summary(run: Run) -> RunSummary:
    """Show a run without its changes."""
    shown = Message(_CAUSES[run.cause])
    ending = run.ending
    if ending is None:
        return RunSummary(run.id, shown, run.is_full, run.started_at_ms, None, None)
    return RunSummary(
        id=run.id,
        cause=shown,
        is_full=run.is_full,
        started_at_ms=run.started_at_ms,
        finished_at_ms=run.finished_at_ms,
        status=str(ending.status),
        digest=ending.digest,
        snapshot_complete=ending.snapshot_complete,
        incomplete_reason=ending.incomplete_reason,
        error=error_view(ending.error),
        totals=RunTotals(**asdict(ending.counts)),
        warnings=ending.warnings,
        unforeseen=tuple([each for each in ending.warnings if each.text in _UNFORESEEN]),
    )


def failed_run(cause: Cause, at_ms: int) -> RunSummary:
    """Show a run that never began."""
    asked = Message(_CAUSES[RunCause.ASKED])
    failed = str(RunStatus.FAILED)
    return RunSummary(0, asked, True, at_ms, at_ms, failed, error=error_view(cause))  # noqa: FBT003 - the fields in their order


def change_views(
    conn: Connection, run_id: int, limit: int = -1, after: int = 0
) -> tuple[ChangeView, ...]:
    """Show up to `limit` changes of a run (-1: all) after the first `after`."""
    listed = runs.changes(conn, run_id, limit, after)
    names, mentioned = _names(conn, listed), _mentioned(conn, run_id, listed)
    return tuple([_change_view(change, names, mentioned) for change in listed])


_Names = dict[tuple[Kind, str], str]


def _names(conn: Connection, changes: Sequence[RecordedChange]) -> _Names:
    """Find what those are called whose change does not say so itself."""
    wanted: defaultdict[Kind, list[str]] = defaultdict(list)
    for change in changes:
        if not _own_name(change):
            wanted[change.kind].append(change.dingtalk_id)
    return {
        (kind, dingtalk_id): name
        for kind, ids in wanted.items()
        for dingtalk_id, name in ledger.names(conn, kind, ids).items()
    }


# The fields whose values are WeCom ids, and of what.
_IDS = {
    "department": Kind.DEPARTMENT,
    "main_department": Kind.DEPARTMENT,
    "parentid": Kind.DEPARTMENT,
    "direct_leader": Kind.PERSON,
}


def _mentioned(conn: Connection, run_id: int, changes: Iterable[RecordedChange]) -> _Names:
    """Find what those are called whose WeCom ids are values of fields."""
    wanted: defaultdict[Kind, set[str]] = defaultdict(set)
    for change in changes:
        for kind, wecom_id in _ids_in(change):
            wanted[kind].add(wecom_id)
    return {
        (kind, wecom_id): name
        for kind, ids in wanted.items()
        for wecom_id, name in stored_ledger.wecom_names(conn, run_id, kind, ids).items()
    }


def _ids_in(change: RecordedChange) -> Iterator[tuple[Kind, str]]:
    for field_name in _IDS.keys() & change.fields.keys():
        for value in change.fields[field_name]:
            for wecom_id in value if isinstance(value, tuple) else (value,):
                if wecom_id:
                    yield _IDS[field_name], str(wecom_id)


def _own_name(change: RecordedChange) -> str:
    old, new = change.fields.get("name", (None, None))
    return str(new or old or "")


def _change_view(change: RecordedChange, names: _Names, mentioned: _Names) -> ChangeView:
    return ChangeView(
        action=change.action.value,
        kind=change.kind.value,
        dingtalk_id=change.dingtalk_id,
        wecom_id=change.wecom_id,
        name=_own_name(change) or names.get((change.kind, change.dingtalk_id), ""),
        fields=change.fields,
        result=str(change.result),
        error=error_view(change.error),
        warnings=change.warnings,
        names={
            (key[0].value, key[1]): mentioned[key] for key in _ids_in(change) if key in mentioned
        },
    )


def error_view(cause: Cause | None) -> ErrorView | None:
    """Show why something was not done."""
    return None if cause is None else ErrorView(cause.code, cause.title, cause.hint)


# --- the state


def sync_view(conn: Connection, *, is_enabled: bool, is_alive: bool) -> SyncView:
    """Show how the mirror stands. `is_alive`: a process holds the data folder and may be at it."""
    state = sync_state.load(conn)
    latest = runs.latest(conn, 1)
    full, of_events = (runs.last_ended(conn, is_full=is_full) for is_full in (True, False))
    ended = [run for run in (full, of_events) if run is not None]
    under_way = runs.interrupted(conn) if is_alive else []
    return SyncView(
        is_enabled=is_enabled,
        state=_state(state.quarantine, full, of_events) if latest else SyncState.NEVER,
        last_success_at_ms=runs.last_success_ms(conn),
        last_run=run_summary(max(ended, key=lambda run: run.id)) if ended else None,
        current_run=_under_way(conn, under_way[-1]) if under_way else None,
        next_full_run_at_ms=state.next_full_run.at_ms if state.next_full_run else None,
        held=_list_view(conn, state.held),
        previewed=_list_view(conn, state.previewed),
        last_preview=next((run_summary(run) for run in latest if _is_preview(run)), None),
        quarantine=None if state.quarantine is None else _quarantine_view(state.quarantine),
        conflicts=len(ledger.conflicts(conn)),
        last_full_run=run_summary(full) if full else None,
        unfetched=error_view(state.unfetched) if is_enabled else None,
    )


def _is_preview(run: Run) -> bool:
    return run.cause is RunCause.PREVIEW and run.ending is not None


def _under_way(conn: Connection, run: Run) -> RunSummary:
    """Show a run with the results it has so far."""
    counts = counts_so_far(conn, run.id)
    return replace(run_summary(run), totals=RunTotals(**asdict(counts)))


def _state(quarantine: Quarantine | None, full: Run | None, of_events: Run | None) -> SyncState:
    """Judge by the last full run, and by events that came to a worse end since."""
    if quarantine is not None:
        return SyncState.QUARANTINED
    found = [_state_of(full)] if full else []
    if of_events and (full is None or of_events.id > full.id):
        found.append(_state_of(of_events))
    return max(found, key=_GRAVITY.index, default=SyncState.NEVER)


def _state_of(run: Run) -> SyncState:
    return _STATES[run.ending.status] if run.ending else SyncState.FAILED


def _list_view(conn: Connection, held: Held | None) -> HeldView | None:
    """Show what awaits approval, with what the run that lists it could not foresee."""
    if held is None:
        return None
    run = runs.find(conn, held.run_id)
    return replace(held_view(held), unforeseen=run_summary(run).unforeseen if run else ())


def held_view(held: Held) -> HeldView:
    """Show what awaits approval, and why."""
    reasons = tuple(map(_hold_reason, held.holds))
    return HeldView(held.digest, held.run_id, held.since_ms, reasons, held.is_rejected)


def _hold_reason(hold: Hold) -> Message:
    values = {
        "wanted": hold.wanted,
        "used": hold.used,
        "limit": hold.limit,
        "linked": hold.linked,
    }
    if hold.reason is HoldReason.ALLOWANCE:
        return Message(_PEOPLE_HELD if hold.kind is Kind.PERSON else _DEPARTMENTS_HELD, values)
    return Message(_HOLDS[hold.reason], values)


def _quarantine_view(quarantine: Quarantine) -> QuarantineView:
    cause = quarantine.cause
    shown = ErrorView(cause.code, cause.title, cause.hint)
    return QuarantineView(quarantine.since_ms, quarantine.until_ms, shown)


def conflict_views(conn: Connection, conflicts: Iterable[Conflict]) -> tuple[ConflictView, ...]:
    """Show conflicts as the last run explained them."""
    return tuple([_conflict_view(conn, conflict) for conflict in conflicts])


def _conflict_view(conn: Connection, conflict: Conflict) -> ConflictView:
    recorded = runs.last_conflict(conn, conflict.kind, conflict.dingtalk_id)
    return ConflictView(
        conflict.kind.value,
        conflict.dingtalk_id,
        conflict.wecom_id,
        conflict.value,
        error_view(recorded.error if recorded else None),
    )


# --- notices


def sync_notices(sync: SyncView) -> Iterator[Notice]:
    """Yield what somebody should know about the mirror, the gravest first."""
    if sync.quarantine is not None:
        error = sync.quarantine.error
        yield Notice("sync-quarantined", Level.ERROR, error.title, error.hint)
    elif sync.state is SyncState.FAILED:
        errors = [run.error for run in _telling(sync) if run.error]
        yield from [Notice("sync-failed", Level.ERROR, one.title, one.hint) for one in errors[:1]]
    if sync.unfetched is not None and sync.unfetched != (sync.quarantine and sync.quarantine.error):
        title = Message(_UNFETCHED, {"code": sync.unfetched.code})
        yield Notice("missed-events", Level.WARNING, title, sync.unfetched.hint)
    if sync.held is not None and not sync.held.is_rejected:
        yield from _held_notices(sync.held)
    if sync.conflicts:
        title = Message(
            N_("Conflicts between DingTalk and WeCom that need your decision: {count}."),
            {"count": sync.conflicts},
        )
        yield Notice("sync-conflicts", Level.WARNING, title, _CONFLICTS_HINT)
    for run in _telling(sync):
        yield from _left_out_notices(run)
        for reason in run.incomplete_reason:
            yield Notice("sync-incomplete", Level.WARNING, reason, _INCOMPLETE_HINT)
        for warning in run.warnings:
            yield Notice("sync-warning", Level.INFO, warning, _WARNING_HINT)


def _telling(sync: SyncView) -> list[RunSummary]:
    """Name the runs that the state is judged by: the last full one, and of events since.

    What the full one told stays true until the next: a person hired since mends nobody's record.
    """
    found = [sync.last_run] if sync.last_run else []
    if sync.last_full_run and sync.last_full_run not in found:
        found.append(sync.last_full_run)
    return found


def _left_out_notices(run: RunSummary) -> Iterator[Notice]:
    """Tell of single records that failed or were left out; conflicts are told on their own."""
    count = run.totals.failed + run.totals.skipped - run.totals.conflicts
    if run.status in (RunStatus.PARTIAL, RunStatus.HELD) and count > 0:
        title = Message(N_("Changes that the last sync could not make: {count}."), {"count": count})
        yield Notice("sync-left-out", Level.WARNING, title, _LEFT_OUT_HINT)


_UNFETCHED = N_("Undelivered events cannot be fetched from DingTalk ({code}).")
_LEFT_OUT_HINT = Message(
    N_(
        "Each one says why and what to do; everything else was done. See the History tab of "
        "the Sync page."
    )
)
_CONFLICTS_HINT = Message(
    N_("Each one says what to do; nobody else is affected. See the Conflicts tab of the Sync page.")
)
_INCOMPLETE_HINT = Message(
    N_("DingTalk could not be read completely. Until it can be, nobody is removed from WeCom.")
)
_WARNING_HINT = Message(N_("Reported by the last sync. Everything else was synced."))


def _held_notices(held: HeldView) -> Iterator[Notice]:
    hint = Message(
        N_("Check the list, then approve or reject it. Its digest is {digest}."),
        {"digest": held.digest},
    )
    for reason in held.reasons:
        yield Notice("sync-held", Level.WARNING, reason, hint)
