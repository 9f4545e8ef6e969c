"""What a sync would change as far as it is known: the newest preview, or what is held. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.api.status import HeldView, RunSummary, SyncView
from server.errors.message import Message


@dataclass(frozen=True, slots=True)
class Proposal:
    """Changes that were found and not made, listed by the run `run_id`.

    digest: what awaits approval, None where nothing does. is_held: it was a sync that stopped
    there, and not only a preview; then it can be rejected. unforeseen: what may be done otherwise
    than it is listed.
    """

    run_id: int
    is_preview: bool
    at_ms: int
    digest: str | None = None
    reasons: tuple[Message, ...] = ()
    is_held: bool = False
    is_rejected: bool = False
    unforeseen: tuple[Message, ...] = ()


def proposal_of(sync: SyncView, runs: Sequence[RunSummary]) -> Proposal | None:
    """Return what there is to show; a preview counts until the next full run. `runs`: newest first.

    None where nothing is held and everything since the last full run is done.
    """
    last_full_id = sync.last_full_run.id if sync.last_full_run else 0
    preview = next((run for run in runs if run.status == "preview"), None)
    held = sync.held
    if preview is not None and preview.id > last_full_id:
        return _of_preview(preview, held, sync.previewed)
    if held is None:
        return None
    return Proposal(
        held.run_id,
        is_preview=False,
        at_ms=held.since_ms,
        digest=held.digest,
        reasons=held.reasons,
        is_held=True,
        is_rejected=held.is_rejected,
        unforeseen=held.unforeseen,
    )


def _of_preview(preview: RunSummary, held: HeldView | None, previewed: HeldView | None) -> Proposal:
    same = held if held is not None and held.digest == preview.digest else None
    told = same or (previewed if previewed and previewed.digest == preview.digest else None)
    return Proposal(
        preview.id,
        is_preview=True,
        at_ms=preview.finished_at_ms or preview.started_at_ms,
        digest=preview.digest,
        reasons=told.reasons if told else (),
        is_held=same is not None,
        is_rejected=same is not None and same.is_rejected,
        unforeseen=preview.unforeseen,
    )
