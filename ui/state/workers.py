"""A few threads that ask the facade, so that the tk thread never waits for disk or network."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from time import monotonic
from typing import Generic, Protocol, TypeVar

from server.errors.base import DingBridgeError
from ui.state.mailbox import Mailbox

T = TypeVar("T")
_THREADS = 3


@dataclass(frozen=True, slots=True)
class _Task(Generic[T]):
    """A question, and what the tk thread does with its answer, its refusal, or our mistake."""

    job: Callable[[], T]
    done: Callable[[T], object]
    failed: Callable[[DingBridgeError], object]
    crashed: Callable[[Exception], object]
    ended: Callable[[], object] | None

    def run(self) -> Callable[[], object]:
        """Do the job; returns what is to be called on the tk thread."""
        try:
            outcome = partial(self.done, self.job())
        except DingBridgeError as failure:
            outcome = partial(self.failed, failure)
        except Exception as mistake:  # noqa: BLE001 - of ours; the tk thread logs and shows it
            outcome = partial(self.crashed, mistake)
        return partial(self._tell, outcome)

    def _tell(self, outcome: Callable[[], object]) -> None:
        # A dialog about what failed keeps this call waiting until it is closed, and what waits for
        # the job must not wait for that.
        try:
            if self.ended is not None:
                self.ended()
        finally:
            outcome()


class Ask(Protocol):
    """Runs `job` off the tk thread, then calls what goes with its outcome; see `Session.ask`."""

    def __call__(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[DingBridgeError], object] | None = None,
        ended: Callable[[], object] | None = None,
    ) -> None:
        """Where there is no `failed`, a refusal is shown in a dialog."""


class _Job:
    """A task on its way to a worker and back, with the outcome.

    What a task calls are often methods of a window, so it may hold the last trace of one that was
    closed meanwhile, and that has to go on the tk thread. A worker keeps the job, not the task.
    """

    def __init__(self, task: _Task[object]) -> None:
        self._task: _Task[object] | None = task
        self._outcome: Callable[[], object] | None = None

    def fill(self) -> None:
        """Do the job; on a worker."""
        if self._task is not None:
            self._outcome = self._task.run()

    def open(self) -> None:
        """Tell the outcome, and let go of the task; on the tk thread."""
        outcome, self._outcome, self._task = self._outcome, None, None
        if outcome is not None:
            outcome()


class Workers:
    """Runs jobs off the tk thread and posts their outcome to the mailbox.

    The threads are daemons: one that hangs in the system must not keep the program from ending.
    """

    def __init__(self, mailbox: Mailbox, crashed: Callable[[Exception], object]) -> None:
        self._mailbox = mailbox
        self._crashed = crashed
        self._tasks: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"dingbridge-ui-{number}", daemon=True)
            for number in range(1, _THREADS + 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def ask(
        self,
        job: Callable[[], T],
        done: Callable[[T], object],
        failed: Callable[[DingBridgeError], object],
        ended: Callable[[], object] | None = None,
    ) -> None:
        """Run `job` on a worker, then `done` or `failed` on the tk thread.

        `ended` is called before either, and also where the job met a mistake of ours: whatever
        shows that something is under way has to be put back there.
        """
        task = _Task(job, done, failed, self._crashed, ended)
        self._tasks.put(_Job(task))  # type: ignore[arg-type] # T is the task's own

    def stop(self, timeout_s: float) -> tuple[str, ...]:
        """Let what is queued be finished; returns the names of threads that hang."""
        until_s = monotonic() + timeout_s
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until_s - monotonic()))
        return tuple(thread.name for thread in self._threads if thread.is_alive())

    def _work(self) -> None:
        while (job := self._tasks.get()) is not None:
            job.fill()
            self._mailbox.post(job.open)
