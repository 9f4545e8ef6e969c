"""Repeats failed calls where that helps, and keeps to the vendors' rate limits.

Knows neither HTTP nor vendors; time, randomness and waiting come in as arguments.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_ALL_IN_FLIGHT_S = 0.05


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait between attempts."""

    # The longest single wait; a vendor that demands more is left to a later run.
    longest_wait_s: float = 90.0
    # The random share added to a wait, so that programs that failed together spread out.
    jitter: float = 0.25
    # Scales the back-off of the error tables; 0 in tests.
    patience: float = 1.0


class Retrier:
    """Repeats a call after the waits that its error's table gives.

    `wait(seconds)` returns True at once when a stop is requested, which raises
    `CallCancelledError`. `random()` returns numbers in [0, 1).
    """

    def __init__(
        self, policy: RetryPolicy, *, wait: Callable[[float], bool], random: Callable[[], float]
    ) -> None:
        self._policy = policy
        self._wait = wait
        self._random = random

    def run(self, attempt: Callable[[], _T]) -> _T:
        """Return what `attempt` returns; raises the last `VendorError` when retries run out."""
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
            _LOG.info("%s: retrying in %.1f s (attempt %d)", failed.code, delay_s, tried)
            if self._wait(delay_s):
                raise CallCancelledError(failed.values) from failed

    def _delay_s(self, error: VendorError) -> float | None:
        """Return the wait before the next attempt; None if there should be none."""
        if error.policy is not ErrorPolicy.RETRY or error.attempts > len(error.backoff_s):
            return None
        backoff_s = error.backoff_s[error.attempts - 1] * self._policy.patience
        delay_s = max(backoff_s, error.wait_s or 0.0)
        if delay_s > self._policy.longest_wait_s:
            return None
        return delay_s * (1.0 + self._policy.jitter * self._random())


class RateLimiter:
    """Allows `calls` calls of one path in any `window_s` seconds, as the vendor counts them.

    A path has `calls` slots. A call holds a slot until its reply arrives; `window_s` later the slot
    is free again. The vendor receives the call somewhere in between, so two calls of one slot reach
    it at least `window_s` apart, however the network delays them. A token bucket counts departures
    and guarantees that only without jitter.

    `wait(seconds)` returns True when a stop is requested. Thread-safe.
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
        # By path, the times from which its idle slots are free; slots in use are not listed.
        self._idle: dict[str, list[float]] = {}

    @contextmanager
    def slot(self, path: str) -> Iterator[bool]:
        """Hold a slot of `path` during a call; yields False if a stop was requested first."""
        while (delay_s := self._take(path)) > 0:
            if self._wait(delay_s):
                yield False
                return
        try:
            yield True
        finally:
            self._release(path)

    def _take(self, path: str) -> float:
        """Take a slot and return 0, or return the seconds until the next try."""
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

    def _release(self, path: str) -> None:
        with self._lock:
            self._idle[path].append(self._clock() + self._window_s)
