from types import SimpleNamespace
from typing import cast

import pytest

from server.api.status import RunSummary
from server.errors.base import JournalBusyError
from server.errors.message import Message
from tests.ui.at_once import SessionAtOnce
from ui.feeds.run_feed import RunFeed
from ui.state.session import Session


def _run(run_id: int) -> RunSummary:
    return RunSummary(
        run_id, Message("asked"), is_full=True, started_at_ms=1, finished_at_ms=2, status="success"
    )


@pytest.mark.parametrize(
    "trouble", [JournalBusyError(path="made-up.db"), RuntimeError("a mistake of ours")], ids=str
)
def test_runs_that_could_not_be_loaded_are_loaded_with_the_next_look(trouble: Exception) -> None:
    troubles = [trouble]

    def runs(limit: int, before_id: int | None) -> tuple[RunSummary, ...]:
        del limit, before_id
        if troubles:
            raise troubles.pop()
        return (_run(2), _run(1))

    session = SessionAtOnce(SimpleNamespace(mirror=SimpleNamespace(runs=runs)))
    feed = RunFeed(cast("Session", session), lambda: None)
    feed.refresh()
    assert not feed.is_loaded

    feed.refresh()
    assert [row.key for row in feed.rows] == [2, 1]


def test_a_look_during_another_one_is_made_up_for() -> None:
    there = [1]

    def runs(limit: int, before_id: int | None) -> tuple[RunSummary, ...]:
        del limit, before_id
        found = tuple(_run(run_id) for run_id in sorted(there, reverse=True))
        if len(there) == 1:
            there.append(2)
            feed.refresh()  # a run ended meanwhile
        return found

    session = SessionAtOnce(SimpleNamespace(mirror=SimpleNamespace(runs=runs)))
    feed = RunFeed(cast("Session", session), lambda: None)
    feed.refresh()
    assert [row.key for row in feed.rows] == [2, 1]
