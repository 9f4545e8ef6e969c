"""A sync that somebody here asked for: ordered on a worker, waited for, given up.

Belongs to the tk thread. One at a time; it outlives the page that shows it, since another language
builds the pages anew.
"""

import threading
from collections.abc import Callable

from server.api.app import App
from server.api.status import RunSummary
from ui.state.window_api import WindowApi
from ui.state.workers import Ask
from ui.words.run_words import count_words, status_words
from ui.words.text import Texts


class SyncCommands:
    """Orders runs from the facade; the service makes them, also while the mirror is off."""

    def __init__(self, app: App, ask: Ask, windows: WindowApi, texts: Callable[[], Texts]) -> None:
        self.is_waiting = False
        self.is_preview = False
        self.answered = 0  # how many were answered: whoever shows runs looks again when it grows
        self._app = app
        self._ask = ask
        self._windows = windows
        self._texts = texts  # asked for each time: the language may have changed meanwhile
        self._stop = threading.Event()

    def preview(self) -> None:
        """Have it found out what a sync would change; nothing is written."""
        self._order(is_preview=True)

    def sync(self) -> None:
        """Have a full run made."""
        self._order()

    def allow(self, digest: str) -> None:
        """Have a full run made that does what awaits approval under this digest."""
        self._order(digest)

    def give_up(self) -> None:
        """Wait no longer; a run that has begun goes on in the service."""
        self._stop.set()

    def _order(self, digest: str | None = None, *, is_preview: bool = False) -> None:
        if self.is_waiting:
            return
        self.is_waiting, self.is_preview = True, is_preview
        self._stop = stop = threading.Event()
        mirror = self._app.mirror
        self._ask(
            lambda: mirror.order(preview=is_preview, allow=digest, stop=stop),
            self._done,
            ended=self._answered,
        )
        self._windows.refresh()

    def _done(self, run: RunSummary) -> None:
        texts = self._texts()
        if run.error is not None:
            told = texts.of(run.error.title)
        elif run.status == "refused":
            told = texts(
                "The list has changed in the meantime, so nothing was done. Check it again."
            )
        elif run.status == "preview":
            told = texts("The preview is ready; nothing was written.")
        else:
            status, counts = status_words(run, texts), count_words(run, texts)
            told = texts("The sync has finished: {status}. {counts}", status=status, counts=counts)
        self._windows.tell(told)

    def _answered(self) -> None:
        self.is_waiting = False
        self.answered += 1
        self._windows.refresh()
