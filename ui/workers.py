"""A few threads that ask the facade, so that the tk thread never waits for disk or network."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from time import monotonic
from typing import Generic, TypeVar

from server.errors import DingBridgeError
from ui.mailbox import Mailbox

T = TypeVar("T")
_THREADS = 3


@dataclass(frozen=True, slots=True)
class _Task(Generic[T]):
    """A question, and what the tk thread does with its answer, its refusal, or our mistake."""

    job: Callable[[], T]
    done: Callable[[T], object]
    failed: Callable[[DingBridgeError], object]
    crashed: Callable[[Exception], object]

    def run(self, mailbox: Mailbox) -> None:
        try:
            answer = self.job()
        except DingBridgeError as failure:
            refusal = failure
            mailbox.post(lambda: self.failed(refusal))
        except Exception as exc:  # noqa: BLE001 - a mistake of ours; the tk thread logs and shows it
            mistake = exc
            mailbox.post(lambda: self.crashed(mistake))
        else:
            mailbox.post(lambda: self.done(answer))


class Workers:
    """Runs jobs off the tk thread and posts their outcome to the mailbox.

    The threads are daemons: one that hangs in the system must not keep the program from ending.
    """

    def __init__(self, mailbox: Mailbox, crashed: Callable[[Exception], object]) -> None:
        self._mailbox = mailbox
        self._crashed = crashed
        self._tasks: SimpleQueue[_Task[object] | None] = SimpleQueue()
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
    ) -> None:
        """Run `job` on a worker, then `done` or `failed` on the tk thread."""
        self._tasks.put(_Task(job, done, failed, self._crashed))  # type: ignore[arg-type] # T is the task's own

    def stop(self, timeout_s: float) -> tuple[str, ...]:
        """Let what is queued be finished; returns the names of threads that hang."""
        until_s = monotonic() + timeout_s
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(max(0.0, until_s - monotonic()))
        return tuple(thread.name for thread in self._threads if thread.is_alive())

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task.run(self._mailbox)
