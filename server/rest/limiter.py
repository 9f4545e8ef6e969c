"""Keeps the calls to each API path under the vendor's limit, for all threads together."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
