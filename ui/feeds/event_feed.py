"""The events behind the table: loaded page by page in the background, kept up to date on top.

Belongs to the tk thread; what it asks runs on workers. Rows are light: payloads are let go once
they have been put into words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from server.api.app import App
from server.api.status import EventPage, EventView
from ui.state.session import Session
from ui.words.event_words import subject, type_words
from ui.words.text import Texts

_PAGE = 1000
_PAUSE_MS = 15
# So many rows are loaded ahead of any scrolling; further ones when the end comes near.
_AHEAD_AT_ONCE = 100_000
_AHEAD = 5000
# A search that finds little looks at so many portions before it tells how far it got.
_PORTIONS = 20
_CATCH_UP_PAGES = 5


class EventRow(NamedTuple):
    """An event as the table shows it."""

    key: int
    at_ms: int
    kind: str
    about: str
    state: str


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show; None means any."""

    event_type: str | None = None
    state: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class _Portion:
    """Rows, newest first, and where the next portion begins, None at the end."""

    rows: list[EventRow]
    before_id: int | None


def row_of(event: EventView, texts: Texts) -> EventRow:
    """Put an event into words."""
    return EventRow(
        event.id,
        event.received_at_ms,
        type_words(event.event_type, texts),
        subject(event.payload, texts),
        event.state,
    )


def page_of(app: App, wanted: EventFilter, limit: int, before_id: int | None = None) -> EventPage:
    """Ask the facade for a page."""
    return app.events(limit, before_id, wanted.event_type, wanted.state, wanted.text)


class EventFeed:
    """Holds the rows, newest first; `changed` is called with how many came on top."""

    def __init__(self, session: Session, changed: Callable[[int], object]) -> None:
        self.rows: list[EventRow] = []
        self.is_complete = False
        self._session = session
        self._changed = changed
        self._filter = EventFilter()
        self._before_id: int | None = None
        self._wanted = _AHEAD_AT_ONCE
        self._round = 0  # answers to what was asked under an older filter are dropped
        self._is_loading = False
        self._is_looking = False
        self._is_active = False

    @property
    def has_enough(self) -> bool:
        """Whether loading rests until somebody scrolls further down."""
        return len(self.rows) >= self._wanted

    def use(self, wanted: EventFilter) -> None:
        """Start anew with another filter."""
        self._filter = wanted
        self._round += 1
        self.rows = []
        self.is_complete = False
        self._before_id = None
        self._wanted = _AHEAD_AT_ONCE
        self._is_loading = self._is_looking = False
        self._changed(0)
        if self._is_active:
            self._load()

    def resume(self) -> None:
        """Load, now that somebody looks."""
        self._is_active = True
        self._load()

    def pause(self) -> None:
        """Load nothing while nobody looks."""
        self._is_active = False

    def want(self, last: int) -> None:
        """Say that the row with this number is in sight, so that those behind it are loaded."""
        self._wanted = max(self._wanted, last + _AHEAD)
        self._load()

    def look(self, first: int, last: int) -> None:
        """Fetch what came on top, and the present state of the rows from `first` to `last`."""
        self._load()  # anew, where it failed
        if self._is_looking or not self._is_active or (not self.rows and not self.is_complete):
            return
        self._is_looking = True
        asked, wanted, app = self._round, self._filter, self._session.app
        texts = self._session.texts
        top = self.rows[0].key if self.rows else 0
        seen = self.rows[first : last + 1]

        def job() -> tuple[list[EventRow], list[EventRow]]:
            newer = _newer(app, wanted, top, texts)
            if not seen:
                return newer, []
            page = page_of(app, wanted, len(seen), seen[0].key + 1)
            return newer, [row_of(event, texts) for event in page.events]

        self._session.ask(
            job,
            lambda found: self._looked(asked, seen, *found),
            lambda _: None,
            lambda: self._ended_looking(asked),
        )

    # --- answers; where there is none the next look asks again, and the status tells why

    def _ended_looking(self, asked: int) -> None:
        if asked == self._round:
            self._is_looking = False

    def _ended_loading(self, asked: int) -> None:
        if asked == self._round:
            self._is_loading = False

    def _looked(
        self, asked: int, seen: list[EventRow], newer: list[EventRow], now: list[EventRow]
    ) -> None:
        if asked != self._round:
            return
        is_changed = self._update(seen, now)
        if newer:
            self.rows = [*newer, *self.rows]
        if newer or is_changed:
            self._changed(len(newer))

    def _update(self, seen: list[EventRow], now: list[EventRow]) -> bool:
        """Put the present rows in the place of those that were seen; some may fit no longer."""
        present = {row.key: row for row in now}
        reached = now[-1].key if now else 0
        stale = {row.key for row in seen if row.key >= reached and present.get(row.key) != row}
        if not stale:
            return False
        gone = {key for key in stale if key not in present}
        self.rows = [present.get(row.key, row) for row in self.rows if row.key not in gone]
        return True

    def _load(self) -> None:
        if self._is_loading or self.is_complete or self.has_enough or not self._is_active:
            return
        self._is_loading = True
        asked, wanted, before_id = self._round, self._filter, self._before_id
        app, texts = self._session.app, self._session.texts
        self._session.ask(
            lambda: _portion(app, wanted, before_id, texts),
            lambda portion: self._loaded(asked, portion),
            lambda _: None,
            lambda: self._ended_loading(asked),
        )

    def _loaded(self, asked: int, portion: _Portion) -> None:
        if asked != self._round:
            return
        self.rows += portion.rows
        self._before_id = portion.before_id
        self.is_complete = portion.before_id is None
        self._changed(0)
        if not self.is_complete:
            self._session.root.after(_PAUSE_MS, self._load)


def _portion(app: App, wanted: EventFilter, before_id: int | None, texts: Texts) -> _Portion:
    for _ in range(_PORTIONS):
        page = page_of(app, wanted, _PAGE, before_id)
        before_id = page.before_id
        if page.events or before_id is None:
            break
    return _Portion([row_of(event, texts) for event in page.events], before_id)


def _newer(app: App, wanted: EventFilter, top: int, texts: Texts) -> list[EventRow]:
    """Return the rows above `top`; where there are very many, the newest of them.

    Then some in between stay out until the list is shown anew, which beats a list that lags.
    """
    newer: list[EventRow] = []
    before_id = None
    for _ in range(_CATCH_UP_PAGES):
        page = page_of(app, wanted, _PAGE if newer else 100, before_id)
        newer += [row_of(event, texts) for event in page.events if event.id > top]
        before_id = page.before_id
        if before_id is None or before_id <= top + 1:
            break
    return newer
