"""Asks again where that helps, and only there. Time, chance and waiting come in as arguments."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError

_ALL_IN_FLIGHT_S = 0.05


class RateLimiter:
    """At most `calls` calls of one path in any `window_s` seconds, as the vendor counts them.

    A path has `calls` slots. A call takes a slot and gives it back when its reply is there; the
    slot can be taken again `window_s` later. The vendor received the call somewhere in between, so
    two calls of one slot reach it at least `window_s` apart, however the network delays them. A
    bucket that counts departures only promises that for a network without jitter.

    `wait(seconds)` returns True when a stop was requested. Safe to use from several threads.
    """

    def __init__(
        self,
        calls: int,
        *,
        window_s: float = 1.0,
        clock: Callable[[], float],
        wait: Callable[[float], bool],
    ) -> None:
        self._calls = calls
        self._window_s = window_s
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        # The times at which the idle slots of a path can be taken; slots in flight are not in it.
        self._idle: dict[str, list[float]] = {}

    @contextmanager
    def slot(self, path: str) -> Iterator[bool]:
        """Hold a slot of `path` during a call; gives False if a stop was requested meanwhile."""
        while (delay_s := self._take(path)) > 0:
            if self._wait(delay_s):
                yield False
                return
        try:
            yield True
        finally:
            self._give_back(path)

    def _take(self, path: str) -> float:
        """Take a slot and return 0, or return the seconds after which to look again."""
        with self._lock:
            idle = self._idle.setdefault(path, [float("-inf")] * self._calls)
            if not idle:
                return _ALL_IN_FLIGHT_S
            earliest = min(idle)
            delay_s = earliest - self._clock()
            if delay_s <= 0:
                idle.remove(earliest)
                return 0.0
            return delay_s

    def _give_back(self, path: str) -> None:
        with self._lock:
            self._idle[path].append(self._clock() + self._window_s)


_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for a vendor: `longest_wait_s` is the longest single wait.

    A vendor that wants more than that is asked again by a later run, not by this one. `jitter` is
    the share of a wait that is added at random, so that programs that failed together do not come
    back together. `patience` scales the back-off of the error tables (0 in tests).
    """

    longest_wait_s: float = 90.0
    jitter: float = 0.25
    patience: float = 1.0


class Retrier:
    """Repeats a call whose error says so, after the waits that the error's table gives.

    `wait(seconds)` returns True at once when a stop is requested, which ends everything with
    `CallCancelledError`. `random()` gives numbers in [0, 1).
    """

    def __init__(
        self, policy: RetryPolicy, *, wait: Callable[[float], bool], random: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._wait = wait
        self._random = random

    def run(self, attempt: Callable[[], _T]) -> _T:
        """Return what `attempt` returns; raise the last `VendorError` when patience ends."""
        tried = 0
        while True:
            tried += 1
            try:
                return attempt()
            except VendorError as error:
                error.attempts = tried
                delay_s = self._delay_s(error)
                if delay_s is None:
                    raise
                failed = error
            _LOG.info("%s: asking again in %.1f s (attempt %d)", failed.code, delay_s, tried)
            if self._wait(delay_s):
                raise CallCancelledError(failed.values) from failed

    def _delay_s(self, error: VendorError) -> float | None:
        """Return the wait before the next attempt; None where there should be none."""
        if error.policy is not ErrorPolicy.RETRY or error.attempts > len(error.backoff_s):
            return None
        backoff_s = error.backoff_s[error.attempts - 1] * self._policy.patience
        delay_s = max(backoff_s, error.wait_s or 0.0)
        if delay_s > self._policy.longest_wait_s:
            return None
        return delay_s * (1.0 + self._policy.jitter * self._random())
