"""The command line's pages about the mirror: a line a change, then how the run ended."""

from collections.abc import Iterator

from server.api.status import (
    ChangeView,
    ErrorView,
    HeldView,
    RunSummary,
    RunView,
    SyncState,
    SyncView,
)
from server.errors.message import N_
from ui.words.text import Texts

_STATES = {
    SyncState.NEVER: N_("Last sync: none yet"),
    SyncState.SUCCESS: N_("Last sync: succeeded"),
    SyncState.PARTIAL: N_("Last sync: done, with problems"),
    SyncState.HELD: N_("Last sync: waiting for your approval"),
    SyncState.FAILED: N_("Last sync: failed"),
    SyncState.QUARANTINED: N_("Last sync: failed; your action is needed"),
}


def sync_lines(sync: SyncView, texts: Texts) -> Iterator[str]:
    """Yield the lines of `status` about the mirror."""
    yield texts("Automatic sync: on") if sync.is_enabled else texts("Automatic sync: off")
    yield from (f"  {line}" for line in _state_lines(sync, texts))


def _state_lines(sync: SyncView, texts: Texts) -> Iterator[str]:
    yield texts(_STATES[sync.state])
    if sync.current_run is not None:
        since = texts.moment(sync.current_run.started_at_ms)
        yield texts("A sync has been running since {since}", since=since)
    if sync.held is not None and sync.held.is_rejected:
        yield texts("Rejected by you: {digest}", digest=sync.held.digest)
    if sync.last_success_at_ms is not None:
        moment = texts.moment(sync.last_success_at_ms)
        yield texts("Last successful sync: {moment}", moment=moment)
    if sync.is_enabled and sync.next_full_run_at_ms is not None:
        moment = texts.moment(sync.next_full_run_at_ms)
        yield texts("Next full sync: {moment}", moment=moment)


def run_page(run: RunView, texts: Texts) -> Iterator[str]:
    """Yield the lines of `sync`: each change with its fields and problems, then the ending."""
    for change in run.changes:
        yield from _change_lines(change, texts)
    summary = run.summary
    for told in (*summary.warnings, *summary.incomplete_reason):
        yield f"! {texts.of(told)}"
    if summary.incomplete_reason:
        yield texts("DingTalk was not read completely, so nobody was removed.")
    yield from _ending_lines(summary, texts)
    yield from map(texts.of, run.hold_reasons)
    if summary.digest is not None:
        yield texts("To approve exactly this list: sync --allow {digest}", digest=summary.digest)


def decision_page(held: HeldView | None, texts: Texts, *, is_rejected: bool) -> Iterator[str]:
    """Yield the lines of `sync --reject`: what was decided, or what could have been."""
    if is_rejected and held is not None:
        yield texts("Rejected: the people and departments on this list stay as they are.")
        yield texts(
            "You are not asked again unless the list changes. To approve it after all: sync "
            "--allow {digest}",
            digest=held.digest,
        )
        return
    yield texts(
        "Refused: this is not the digest of the list awaiting approval. Nothing was decided."
    )
    if held is not None:
        yield texts("List awaiting approval now: {digest}", digest=held.digest)


_MARKS = {
    "done": "ok  ",
    "planned": "plan",
    "held": "held",
    "skipped": "--  ",
    "failed": "FAIL",
}

_ACTIONS = {
    ("create", "person"): N_("create the member {who}"),
    ("adopt", "person"): N_("take over the member {who}"),
    ("update", "person"): N_("change the member {who}"),
    ("enable", "person"): N_("enable the member {who}"),
    ("disable", "person"): N_("disable the member {who}"),
    ("delete", "person"): N_("delete the member {who}"),
    ("conflict", "person"): N_("needs your decision: {who}"),
    ("create", "department"): N_("create the department {who}"),
    ("adopt", "department"): N_("take over the department {who}"),
    ("update", "department"): N_("change the department {who}"),
    ("delete", "department"): N_("delete the department {who}"),
    ("conflict", "department"): N_("needs your decision: department {who}"),
}


def _change_lines(change: ChangeView, texts: Texts) -> Iterator[str]:
    who = f"{change.name} ({change.dingtalk_id} → {change.wecom_id or '–'})".lstrip()
    text = _ACTIONS.get((change.action, change.kind))
    told = f"{change.action} {change.kind} {who}" if text is None else texts(text, who=who)
    yield f"{_MARKS.get(change.result, change.result)}  {told}"
    for name, (old, new) in change.fields.items():
        yield f"        {name}: {_value(old)} → {_value(new)}"
    for warning in change.warnings:
        yield f"      ! {texts.of(warning)}"
    yield from _error_lines(change.error, texts, "      ")


def _value(value: object) -> str:
    """Show a field's value; a dash stands for empty and for unknown."""
    if isinstance(value, tuple):
        return ", ".join(map(_value, value)) or "–"
    if isinstance(value, bool):
        return str(int(value))
    return "–" if value is None or value == "" else str(value)


def _error_lines(error: ErrorView | None, texts: Texts, indent: str) -> Iterator[str]:
    if error is not None:
        yield f"{indent}{texts.of(error.title)}"
        yield f"{indent}{texts.of(error.hint)}"


def _ending_lines(run: RunSummary, texts: Texts) -> Iterator[str]:
    totals = run.totals
    if run.status == "success" and not totals.done:
        yield texts("Nothing to change: WeCom matches DingTalk.")
    elif run.status == "success":
        yield texts("The sync succeeded. Changes made: {done}.", done=totals.done)
    elif run.status == "preview":
        yield texts(
            "Preview only; nothing was written. Changes that would be made: {planned}.",
            planned=totals.planned + totals.held,
        )
    elif run.status == "refused":
        yield texts(
            "Refused: this is not the digest of the list awaiting approval. Nothing was written."
        )
    elif run.status == "held":
        yield texts(
            "Changes waiting for your approval: {held}. Other changes made: {done}.",
            held=totals.held,
            done=totals.done,
        )
    elif run.status == "partial":
        yield texts(
            "Done, with problems. Changes made: {done}; failed: {failed}; skipped: {skipped}, of "
            "which need your decision: {conflicts}.",
            done=totals.done,
            failed=totals.failed,
            skipped=totals.skipped,
            conflicts=totals.conflicts,
        )
    else:
        yield texts("The sync failed. Changes made before: {done}.", done=totals.done)
    yield from _error_lines(run.error, texts, "")
