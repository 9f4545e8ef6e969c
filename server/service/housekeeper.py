"""The thread `dingbridge-housekeeper`: what must not delay an answer, and what has to be retried.

Each duty is tried by itself and again until it succeeds, so that a failure of one keeps none of
the others from being done; as long as it fails, `troubles` says so.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from server.errors.base import DingBridgeError, Trouble
from server.errors.message import N_

_log = logging.getLogger(__name__)

_TICK_S = 1.0
# What the desk learns is written down at once, so that `status` shows it right after the answer;
# but a flood of calls must not become a flood of writes.
_PAUSE_S = 0.1
_FAULT_TITLE = N_(
    "DingBridge ran into an internal error ({kind}) during housekeeping and will retry."
)
_FAULT_HINT = N_("Send the log file to your administrator.")


class Duty(Protocol):
    """Something to be done again and again, or until it is done."""

    @property
    def name(self) -> str:
        """What it does, for the log: `save …`."""

    def due(self) -> bool:
        """Tell whether it is to be run now; quick. May raise as `run`."""

    def run(self) -> None:
        """Do it. Whatever it raises, it is run again with the next tick."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Routine:
    """A duty made of functions."""

    name: str
    action: Callable[[], object]
    when: Callable[[], bool] = _always

    def due(self) -> bool:
        """Tell whether it is to be done now."""
        return self.when()

    def run(self) -> None:
        """Do it."""
        self.action()


@dataclass(slots=True)
class Once:
    """A step of the start: it is done when it succeeded once."""

    name: str
    action: Callable[[], object]
    when: Callable[[], bool] = _always
    is_done: bool = field(default=False, init=False)

    def due(self) -> bool:
        """Tell whether it is still to be done, and can be."""
        return not self.is_done and self.when()

    def run(self) -> None:
        """Do it."""
        self.action()
        self.is_done = True


class Housekeeper:
    """Does duties, in their order, with every tick. One thread ticks; others may `attempt`."""

    def __init__(self, duties: Sequence[Duty]) -> None:
        self._duties = duties
        self._standing: dict[str, Trouble] = {}
        self._one_at_a_time = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="dingbridge-housekeeper", daemon=True
        )

    @property
    def name(self) -> str:
        """The thread's name."""
        return self._thread.name

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What fails now and is tried again, in the order of the duties; each once."""
        standing = dict(self._standing)
        found = [standing[duty.name] for duty in self._duties if duty.name in standing]
        return tuple(one for index, one in enumerate(found) if one not in found[:index])

    def start(self) -> None:
        """Begin to tick by itself."""
        self._thread.start()

    def wake(self) -> None:
        """Tick now rather than with the next second. Any thread."""
        self._wake.set()

    def request_stop(self) -> None:
        """End soon; all duties are done once more before."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def tick(self) -> None:
        """Do all that is due."""
        for duty in self._duties:
            self.attempt(duty)

    def attempt(self, duty: Duty) -> Exception | None:
        """Do one duty where it is due, or failed the last time; returns why it failed. Any thread.

        A failure is told once in the log, however often the duty is tried.
        """
        with self._one_at_a_time:
            before = self._standing.get(duty.name)
            try:
                if before is not None or duty.due():
                    duty.run()
            except DingBridgeError as failure:
                trouble = Trouble.of(failure)
                if trouble != before:
                    _log.error("Could not %s, and tries again: %s", duty.name, failure)
                self._standing[duty.name] = trouble
                return failure
            except Exception as fault:  # noqa: BLE001 - the others have to be done; told in full
                trouble = Trouble(_FAULT_TITLE, _FAULT_HINT, {"kind": type(fault).__name__})
                if trouble != before:
                    _log.exception("A fault of its own: could not %s, and tries again", duty.name)
                self._standing[duty.name] = trouble
                return fault
            if self._standing.pop(duty.name, None) is not None:
                _log.info("Could %s after all", duty.name)
            return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            self.tick()
            self._stopping.wait(_PAUSE_S)
        self.tick()
