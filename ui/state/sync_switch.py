"""The mirror's switch as people see it, in the window and in the tray's menu alike.

Belongs to the tk thread. What was pressed here counts until a status asked for afterwards tells
better: an older one would show the press undone for a moment.
"""

from collections.abc import Callable
from time import monotonic

from server.api.app import App
from server.config.store import Outcome
from server.errors.base import DingBridgeError
from ui.state.window_api import PageName, WindowApi
from ui.state.workers import Ask
from ui.words.health import StatusSnapshot
from ui.words.text import Texts


class SyncSwitch:
    """Has the mirror switched, one order at a time; of presses meanwhile the last one counts."""

    def __init__(self, app: App, ask: Ask, windows: WindowApi, texts: Callable[[], Texts]) -> None:
        self._app = app
        self._ask = ask
        self._windows = windows
        self._texts = texts  # asked for each time: the language may have changed meanwhile
        self._wanted: bool | None = None  # None where the status tells
        self._is_ordered = False
        self._ended_at_s = 0.0

    def is_on(self, snapshot: StatusSnapshot) -> bool:
        """Return what the switch shows at this moment."""
        if self._wanted is None or (
            not self._is_ordered and snapshot.asked_at_s > self._ended_at_s
        ):
            self._wanted = None
            return snapshot.status.sync.is_enabled
        return self._wanted

    def turn(self, *, is_on: bool) -> None:
        """Switch the mirror; where it is not set up, its page says what is missing."""
        self._wanted = is_on
        if not self._is_ordered:
            self._order(is_on=is_on)

    def _order(self, *, is_on: bool) -> None:
        self._is_ordered = True
        app = self._app

        def switch() -> Outcome | None:
            is_possible = not is_on or not app.mirror.missing()
            return app.switch_sync(is_on=is_on) if is_possible else None

        self._ask(switch, lambda outcome: self._switched(outcome, is_on), self._failed, self._end)

    def _switched(self, outcome: Outcome | None, is_on: bool) -> None:  # noqa: FBT001 - as ordered
        if outcome is None:
            self._wanted = None
            self._windows.open_page(PageName.SYNC)
        elif self._wanted is not is_on:
            self._order(is_on=not is_on)
        else:
            self._tell(is_on=is_on)
        self._windows.refresh()

    def _tell(self, *, is_on: bool) -> None:
        texts = self._texts()
        told = (
            texts("Automatic sync is on; a full sync is starting.")
            if is_on
            else texts("Automatic sync is off; events are still received and stored.")
        )
        self._windows.tell(told)

    def _failed(self, failure: DingBridgeError) -> None:
        self._wanted = None
        self._windows.refresh()
        self._windows.show_error(failure)

    def _end(self) -> None:
        self._is_ordered = False
        self._ended_at_s = monotonic()
