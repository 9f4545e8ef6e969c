"""The thread `dingbridge-housekeeper` does what must not delay an answer, and retries what fails.

Each duty is retried independently until it succeeds, so one failure never blocks the others. As
long as a duty fails, `troubles` lists it.
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
# News of the handler are published at once, so that `status` shows them right after the answer;
# this pause keeps a flood of calls from becoming a flood of writes.
_PAUSE_S = 0.1
_FAULT_TITLE = N_(
    "DingBridge ran into an internal error ({kind}) during housekeeping and will retry."
)
_FAULT_HINT = N_("Send the log file to your administrator.")


class Duty(Protocol):
    """Something to do regularly, or until it has succeeded once."""

    @property
    def name(self) -> str:
        """What it does, for the log; a verb phrase: `save …`."""

    def due(self) -> bool:
        """Whether to run it now. Must be quick; may raise what `run` raises."""

    def run(self) -> None:
        """Do it. Whatever it raises, the next tick runs it again."""


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Routine:
    """A duty made of functions."""

    name: str
    action: Callable[[], object]
    when: Callable[[], bool] = _always

    def due(self) -> bool:
        """Whether to do it now."""
        return self.when()

    def run(self) -> None:
        """Do it."""
        self.action()


@dataclass(slots=True)
class Once:
    """A step of the start, done when it has succeeded once."""

    name: str
    action: Callable[[], object]
    when: Callable[[], bool] = _always
    is_done: bool = field(default=False, init=False)

    def due(self) -> bool:
        """Whether it is still to be done, and can be."""
        return not self.is_done and self.when()

    def run(self) -> None:
        """Do it."""
        self.action()
        self.is_done = True


class Housekeeper:
    """Runs all duties, in order, with every tick. One thread ticks; others may `attempt`."""

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
        """What fails now and is retried, in the order of the duties, without repetitions."""
        standing = dict(self._standing)
        found = [standing[duty.name] for duty in self._duties if duty.name in standing]
        return tuple(one for index, one in enumerate(found) if one not in found[:index])

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Tick now instead of within a second. Any thread may call this."""
        self._wake.set()

    def request_stop(self) -> None:
        """End soon, after one more tick."""
        self._stopping.set()
        self._wake.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end, at most `timeout_s`; return whether the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def tick(self) -> None:
        """Run every duty that is due. A failure is logged once and retried on the next tick."""
        for duty in self._duties:
            self.attempt(duty)

    def attempt(self, duty: Duty) -> Exception | None:
        """Run one duty if it is due or failed the last time; return why it failed. Any thread.

        A failure is logged once, however often the duty is retried.
        """
        with self._one_at_a_time:
            before = self._standing.get(duty.name)
            try:
                if before is not None or duty.due():
                    duty.run()
            except DingBridgeError as failure:
                trouble = Trouble.of(failure)
                if trouble != before:
                    _log.error("Could not %s, will retry: %s", duty.name, failure)
                self._standing[duty.name] = trouble
                return failure
            except Exception as fault:  # noqa: BLE001 - logged; the other duties must still run
                trouble = Trouble(_FAULT_TITLE, _FAULT_HINT, {"kind": type(fault).__name__})
                if trouble != before:
                    _log.exception("Internal error: could not %s, will retry", duty.name)
                self._standing[duty.name] = trouble
                return fault
            if self._standing.pop(duty.name, None) is not None:
                _log.info("Recovered: could %s", duty.name)
            return None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            self.tick()
            self._stopping.wait(_PAUSE_S)
        self.tick()
