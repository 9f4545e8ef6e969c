from dataclasses import replace

import pytest

from server.api.status import (
    ErrorView,
    HeldView,
    QuarantineView,
    RunSummary,
    RunTotals,
    SyncState,
    SyncView,
)
from server.config.settings import Language
from server.errors.message import Message
from tests.ui.views import DAY_MS, NOW_MS
from ui.pages.sync.proposal import Proposal, proposal_of
from ui.words.health import Health
from ui.words.run_words import (
    count_words,
    ending_lines,
    health_of,
    state_words,
    status_words,
    time_words,
)
from ui.words.text import Texts

ENGLISH = Texts(Language.ENGLISH)
RUN = RunSummary(
    4, Message("asked"), is_full=True, started_at_ms=1, finished_at_ms=2, status="held"
)
HELD = HeldView("d1", 4, 100, (Message("Too many."),))
OFF = SyncView(is_enabled=False)


@pytest.mark.parametrize("state", list(SyncState))
def test_every_state_has_words_and_a_colour(state: SyncState) -> None:
    sync = replace(OFF, state=state)
    assert state_words(sync, ENGLISH)
    assert health_of(sync) in Health


def test_a_sync_that_is_off_and_never_ran_is_said_to_be_off() -> None:
    assert state_words(OFF, ENGLISH) == "Automatic sync is off."
    assert state_words(replace(OFF, is_enabled=True), ENGLISH) == "No sync yet."


def test_what_was_rejected_needs_nobody_any_more() -> None:
    sync = replace(OFF, state=SyncState.HELD, held=replace(HELD, is_rejected=True))
    assert health_of(sync) is Health.WORKING
    assert "rejected" in state_words(sync, ENGLISH)


def test_rejecting_a_list_hides_nothing_else_that_could_not_be_done() -> None:
    sync = replace(OFF, state=SyncState.HELD, held=replace(HELD, is_rejected=True))
    for totals in (RunTotals(held=1, skipped=1), RunTotals(held=1, failed=1)):
        troubled = replace(sync, last_full_run=replace(RUN, totals=totals))
        assert health_of(troubled) is Health.ATTENTION
        assert "everything else was done" not in state_words(troubled, ENGLISH)
    fine = replace(sync, last_full_run=replace(RUN, totals=RunTotals(held=1, done=9)))
    assert health_of(fine) is Health.WORKING


def test_a_sync_in_quarantine_tells_when_it_tries_again() -> None:
    error = ErrorView("e", Message("It broke."), Message("Mend it."))
    paused = SyncView(
        is_enabled=True,
        state=SyncState.QUARANTINED,
        next_full_run_at_ms=NOW_MS + DAY_MS,
        quarantine=QuarantineView(NOW_MS, NOW_MS + 1000, error),
    )
    assert time_words(paused, ENGLISH).endswith(f"Next try: {ENGLISH.moment(NOW_MS + 1000)}.")


def test_while_it_is_off_no_next_sync_is_promised() -> None:
    due = replace(OFF, next_full_run_at_ms=NOW_MS)
    assert "Next" not in time_words(due, ENGLISH)
    assert ENGLISH.moment(NOW_MS) in time_words(replace(due, is_enabled=True), ENGLISH)


def test_a_run_is_counted_by_what_became_of_its_changes() -> None:
    run = replace(RUN, totals=RunTotals(done=1200, failed=2))
    assert count_words(run, ENGLISH) == "1,200 done, 2 failed"
    assert count_words(RUN, ENGLISH) == "Nothing to change"
    assert count_words(replace(RUN, status=None), ENGLISH) == "–"


def test_a_run_under_way_has_no_ending_yet() -> None:
    assert status_words(replace(RUN, status=None), ENGLISH) == "Running"


def test_a_failed_run_tells_its_cause_and_remedy() -> None:
    error = ErrorView("e", Message("It broke."), Message("Mend it."))
    run = replace(RUN, error=error, warnings=(Message("Nobody has a mobile."),))
    assert list(ending_lines(run, ENGLISH)) == ["It broke.", "Mend it.", "Nobody has a mobile."]


class TestProposal:
    def test_what_is_held_can_be_rejected(self) -> None:
        sync = replace(OFF, held=HELD, last_full_run=RUN)
        expected = Proposal(4, False, 100, "d1", (Message("Too many."),), True, False)  # noqa: FBT003 - the fields in their order
        assert proposal_of(sync, [RUN]) == expected

    def test_a_newer_preview_takes_its_place(self) -> None:
        preview = replace(RUN, id=5, status="preview", digest="d2")
        found = proposal_of(replace(OFF, held=HELD, last_full_run=RUN), [preview, RUN])
        assert found == Proposal(5, True, 2, "d2")  # noqa: FBT003 - the fields in their order

    def test_a_preview_says_why_what_it_found_would_be_held(self) -> None:
        preview = replace(RUN, id=5, status="preview", digest="d1")
        found = proposal_of(replace(OFF, previewed=HELD, last_full_run=RUN), [preview, RUN])
        assert found is not None
        assert (found.is_held, found.reasons) == (False, HELD.reasons)

    def test_a_preview_of_the_same_list_keeps_its_reasons_and_its_rejection(self) -> None:
        preview = replace(RUN, id=5, status="preview", digest="d1")
        held = replace(HELD, is_rejected=True)
        found = proposal_of(replace(OFF, held=held, last_full_run=RUN), [preview, RUN])
        assert found is not None
        assert (found.is_held, found.is_rejected, found.reasons) == (True, True, held.reasons)

    def test_what_a_list_cannot_foresee_is_told_with_it(self) -> None:
        told = (Message("Perhaps {count}.", {"count": 2}),)
        preview = replace(RUN, id=5, status="preview", digest="d1", unforeseen=told)
        found = proposal_of(replace(OFF, last_full_run=RUN), [preview, RUN])
        assert found is not None
        assert found.unforeseen == told
        held = replace(HELD, unforeseen=told)
        found = proposal_of(replace(OFF, held=held, last_full_run=RUN), [RUN])
        assert found is not None
        assert found.unforeseen == told

    def test_a_preview_older_than_the_last_full_run_is_of_no_use(self) -> None:
        preview = replace(RUN, id=3, status="preview")
        assert proposal_of(replace(OFF, last_full_run=RUN), [RUN, preview]) is None
