"""The sync's state and its runs in words. Pure."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from server.api.status import RunSummary, SyncState, SyncView
from server.errors.message import N_
from ui.words.health import Health
from ui.words.text import Texts

STATES: Mapping[SyncState, str] = MappingProxyType(
    {
        SyncState.NEVER: N_("No sync yet."),
        SyncState.SUCCESS: N_("WeCom matches DingTalk."),
        SyncState.PARTIAL: N_("Synced, but some changes could not be made."),
        SyncState.HELD: N_("Changes are waiting for your approval."),
        SyncState.FAILED: N_("The last sync did not finish."),
        SyncState.QUARANTINED: N_("The sync is paused: your action is needed."),
    }
)
_REJECTED = N_("You rejected the last list; everything else was done.")
_REJECTED_PARTIAL = N_("You rejected the last list; some other changes could not be made.")
_HEALTH: Mapping[SyncState, Health] = MappingProxyType(
    {
        SyncState.NEVER: Health.NOT_SET_UP,
        SyncState.SUCCESS: Health.WORKING,
        SyncState.PARTIAL: Health.ATTENTION,
        SyncState.HELD: Health.ATTENTION,
        SyncState.FAILED: Health.BROKEN,
        SyncState.QUARANTINED: Health.BROKEN,
    }
)
STATUSES: Mapping[str, str] = MappingProxyType(
    {
        "success": N_("Succeeded"),
        "partial": N_("Done, with problems"),
        "held": N_("Waiting for approval"),
        "refused": N_("Refused"),
        "failed": N_("Failed"),
        "preview": N_("Preview"),
        "interrupted": N_("Interrupted"),
    }
)
_COUNTS = (
    ("planned", N_("{count} would be done")),
    ("held", N_("{count} waiting for approval")),
    ("done", N_("{count} done")),
    ("failed", N_("{count} failed")),
    ("skipped", N_("{count} skipped")),
)


def state_words(sync: SyncView, texts: Texts) -> str:
    """Return how the mirror stands, in a sentence."""
    if sync.state is SyncState.NEVER and not sync.is_enabled:
        return texts("Automatic sync is off.")
    if _is_rejected(sync):
        return texts(_REJECTED_PARTIAL if _has_problems(sync) else _REJECTED)
    return texts(STATES[sync.state])


def time_words(sync: SyncView, texts: Texts) -> str:
    """Return when it last succeeded, and when WeCom may be changed next."""
    last_ms, next_ms = sync.last_success_at_ms, sync.next_full_run_at_ms
    last = texts.moment(last_ms) if last_ms else texts("never")
    if not sync.is_enabled:
        return texts(
            "Last successful sync: {last}. While automatic sync is off, WeCom changes only when "
            "you press Sync now or approve a list.",
            last=last,
        )
    if sync.quarantine is not None:
        due = texts.moment(sync.quarantine.until_ms)
        return texts("Last successful sync: {last}. Next try: {due}.", last=last, due=due)
    due = texts.moment(next_ms) if next_ms else texts("soon")
    return texts("Last successful sync: {last}. Next full sync: {due}.", last=last, due=due)


def health_of(sync: SyncView) -> Health:
    """Return the colour that goes with the state; grey where the mirror is off and never ran."""
    if _is_rejected(sync) and not _has_problems(sync):
        return Health.WORKING
    return _HEALTH[sync.state]


def _is_rejected(sync: SyncView) -> bool:
    return sync.state is SyncState.HELD and sync.held is not None and sync.held.is_rejected


def _has_problems(sync: SyncView) -> bool:
    run = sync.last_full_run
    return run is not None and bool(run.totals.failed or run.totals.skipped)


def status_words(run: RunSummary, texts: Texts) -> str:
    """Return how a run ended, in words."""
    if run.status is None:
        return texts("Running")
    words = STATUSES.get(run.status)
    return run.status if words is None else texts(words)


def count_words(run: RunSummary, texts: Texts) -> str:
    """Return how many changes ended how; a run that found nothing to do says so."""
    counts = {name: getattr(run.totals, name) for name, _ in _COUNTS}
    told = [texts(words, count=f"{counts[name]:,}") for name, words in _COUNTS if counts[name]]
    if told or run.status in {None, "failed", "interrupted"}:
        return texts(", ").join(told) or "–"
    return texts("Nothing to change")


def ending_lines(run: RunSummary, texts: Texts) -> Iterator[str]:
    """Yield what a run told besides its changes: its failure, what was not read, warnings."""
    if run.error is not None:
        yield texts.of(run.error.title)
        yield texts.of(run.error.hint)
    for reason in run.incomplete_reason:
        yield texts.of(reason)
    if run.incomplete_reason:
        yield texts("DingTalk was not read completely, so nobody was removed.")
    yield from map(texts.of, run.warnings)
