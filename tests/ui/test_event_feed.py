from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from server.config.settings import Language
from server.errors import DingBridgeError, JournalBusyError
from server.status import EventPage, EventView
from ui.event_feed import EventFeed
from ui.session import Session
from ui.text import Texts


@dataclass
class Desk:
    """A session and its facade in one: asks at once, and refuses while the journal is busy."""

    events_there: list[int]
    is_busy: bool = False
    texts: Texts = field(default_factory=lambda: Texts(Language.ENGLISH))

    @property
    def app(self) -> "Desk":
        return self

    def events(self, limit: int, before_id: int | None, *_: object) -> EventPage:
        if self.is_busy:
            raise JournalBusyError(path="made-up.db")
        below = [one for one in self.events_there if before_id is None or one < before_id]
        return EventPage(tuple(map(_event, below[:limit])), None)

    def ask(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], object],
        failed: Callable[[DingBridgeError], object],
    ) -> None:
        try:
            found = job()
        except DingBridgeError as failure:
            failed(failure)
        else:
            done(found)


def _event(event_id: int) -> EventView:
    return EventView(event_id, 1, "user_add_org", None, None, "done", None, {}, 0)


def _feed(desk: Desk) -> EventFeed:
    return EventFeed(cast("Session", desk), lambda _: None)


def _keys(feed: EventFeed) -> list[int]:
    return [row.key for row in feed.rows]


def test_a_list_that_could_not_be_loaded_is_loaded_with_the_next_look() -> None:
    desk = Desk([2, 1], is_busy=True)
    feed = _feed(desk)
    feed.resume()
    feed.look(0, 10)
    assert _keys(feed) == []
    desk.is_busy = False
    feed.look(0, 10)
    assert _keys(feed) == [2, 1]


def test_what_could_not_be_looked_at_is_looked_at_again() -> None:
    desk = Desk([2, 1])
    feed = _feed(desk)
    feed.resume()
    desk.is_busy = True
    feed.look(0, 10)
    desk.is_busy = False
    desk.events_there.insert(0, 3)
    feed.look(0, 10)
    assert _keys(feed) == [3, 2, 1]
