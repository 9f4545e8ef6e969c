from types import SimpleNamespace
from typing import cast

import pytest

from server.api.status import ChangeView
from server.errors.base import JournalBusyError
from tests.ui.at_once import SessionAtOnce
from ui.feeds.change_feed import ChangeFeed, Extract
from ui.state.session import Session

CHANGE = ChangeView("create", "person", "u1", "", "李", {}, "planned")


@pytest.mark.parametrize(
    "trouble", [JournalBusyError(path="made-up.db"), RuntimeError("a mistake of ours")], ids=str
)
def test_changes_that_could_not_be_loaded_are_loaded_with_the_next_look(
    trouble: Exception,
) -> None:
    troubles = [trouble]

    def changes(run_id: int, limit: int, after: int) -> tuple[ChangeView, ...]:
        del run_id, limit, after
        if troubles:
            raise troubles.pop()
        return (CHANGE,)

    session = SessionAtOnce(SimpleNamespace(mirror=SimpleNamespace(changes=changes)))
    feed = ChangeFeed(cast("Session", session), lambda: None)
    feed.show(Extract(1))
    assert (feed.rows, feed.is_complete) == ([], False)
    assert [*session.refusals, *session.mistakes] == [trouble]

    feed.more()
    assert [row.who for row in feed.rows] == ["李"]
    assert feed.is_complete
