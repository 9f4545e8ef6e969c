from dataclasses import dataclass
from typing import cast

import pytest

from server.api.status import EventPage, EventView
from server.errors.base import JournalBusyError
from tests.ui.at_once import SessionAtOnce
from ui.feeds.event_feed import EventFeed
from ui.state.session import Session

TROUBLES = [JournalBusyError(path="made-up.db"), RuntimeError("a mistake of ours")]


@dataclass
class Facade:
    """Tells events, unless it has a trouble."""

    events_there: list[int]
    trouble: Exception | None = None

    def events(self, limit: int, before_id: int | None, *_: object) -> EventPage:
        if self.trouble is not None:
            raise self.trouble
        below = [one for one in self.events_there if before_id is None or one < before_id]
        return EventPage(tuple(map(_event, below[:limit])), None)


def _event(event_id: int) -> EventView:
    return EventView(event_id, 1, "user_add_org", None, None, "done", None, {}, 0)


def _feed(facade: Facade) -> EventFeed:
    return EventFeed(cast("Session", SessionAtOnce(facade)), lambda _: None)


def _keys(feed: EventFeed) -> list[int]:
    return [row.key for row in feed.rows]


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_a_list_that_could_not_be_loaded_is_loaded_with_the_next_look(trouble: Exception) -> None:
    facade = Facade([2, 1], trouble)
    feed = _feed(facade)
    feed.resume()
    feed.look(0, 10)
    assert _keys(feed) == []
    facade.trouble = None
    feed.look(0, 10)
    assert _keys(feed) == [2, 1]


@pytest.mark.parametrize("trouble", TROUBLES, ids=str)
def test_what_could_not_be_looked_at_is_looked_at_again(trouble: Exception) -> None:
    facade = Facade([2, 1])
    feed = _feed(facade)
    feed.resume()
    facade.trouble = trouble
    feed.look(0, 10)
    facade.trouble = None
    facade.events_there.insert(0, 3)
    feed.look(0, 10)
    assert _keys(feed) == [3, 2, 1]
