"""The sync's runs behind a table, the newest first; loaded further down as somebody scrolls.

Belongs to the tk thread; what it asks runs on workers.
"""

from collections.abc import Callable
from typing import NamedTuple

from server.api.status import RunSummary
from ui.state.session import Session

_PAGE = 100
_AHEAD = 50


class RunRow(NamedTuple):
    """A run as the table shows it."""

    key: int
    run: RunSummary


class RunFeed:
    """Holds the rows; `changed` is called when there are others."""

    def __init__(self, session: Session, changed: Callable[[], object]) -> None:
        self.rows: list[RunRow] = []
        self.is_loaded = False
        self._session = session
        self._changed = changed
        self._is_complete = False
        self._is_loading = False
        self._is_stale = False

    def refresh(self) -> None:
        """Look for new runs, and at how those ended that were under way."""
        if self._is_loading:
            self._is_stale = True
            return
        self._ask(None)

    def want(self, last: int) -> None:
        """Say that the row with this number is in sight, so that those behind it are loaded."""
        is_near = last + _AHEAD >= len(self.rows)
        if self.rows and is_near and not self._is_loading and not self._is_complete:
            self._ask(self.rows[-1].key)

    def _ask(self, before_id: int | None) -> None:
        self._is_loading = True
        mirror = self._session.app.mirror
        self._session.ask(
            lambda: mirror.runs(_PAGE, before_id),
            lambda found: self._loaded(before_id, found),
            lambda _: None,  # the status tells why the journal cannot be read
            self._ended,
        )

    def _loaded(self, before_id: int | None, found: tuple[RunSummary, ...]) -> None:
        rows = [RunRow(run.id, run) for run in found]
        is_short = len(found) < _PAGE
        if before_id is not None:
            self.rows += rows
            self._is_complete = is_short
        else:
            oldest = rows[-1].key if rows else 0
            self.rows = rows + [row for row in self.rows if row.key < oldest and not is_short]
            self._is_complete = self._is_complete or is_short
        self.is_loaded = True
        self._changed()

    def _ended(self) -> None:
        self._is_loading = False
        if self._is_stale:
            self._is_stale = False
            self.refresh()
