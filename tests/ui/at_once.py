"""A session that asks its facade at once, for what works without a window."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from server.config.settings import Language
from server.errors.base import DingBridgeError
from ui.words.text import Texts


@dataclass
class SessionAtOnce:
    """Takes the place of a `Session`; what would be shown is kept."""

    app: Any
    texts: Texts = field(default_factory=lambda: Texts(Language.ENGLISH))
    refusals: list[DingBridgeError] = field(default_factory=list)
    mistakes: list[Exception] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    _asked: list[Callable[[], object]] = field(default_factory=list)

    @property
    def windows(self) -> Any:
        return SimpleNamespace(
            refresh=lambda: None, tell=self.told.append, show_error=self.refusals.append
        )

    def ask(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], object],
        failed: Callable[[DingBridgeError], object] | None = None,
        ended: Callable[[], object] | None = None,
    ) -> None:
        """Do it now; what is asked for meanwhile comes afterwards, as in the queue of workers."""
        self._asked.append(partial(self._do, job, done, failed or self.refusals.append, ended))
        if len(self._asked) == 1:
            while self._asked:
                self._asked[0]()
                del self._asked[0]

    def _do(
        self,
        job: Callable[[], Any],
        done: Callable[[Any], object],
        failed: Callable[[DingBridgeError], object],
        ended: Callable[[], object] | None,
    ) -> None:
        outcome: Callable[[], object]
        try:
            outcome = partial(done, job())
        except DingBridgeError as failure:
            outcome = partial(failed, failure)
        except Exception as mistake:  # noqa: BLE001 - as the workers do
            outcome = partial(self.mistakes.append, mistake)
        if ended is not None:
            ended()
        outcome()
