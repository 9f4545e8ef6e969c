"""What both platforms ask of a caller before they look at the call: a token, and a modest pace.

Also the record of the calls that were let in or refused. Time comes in as a clock, so that tests
need not wait for a token to expire or a limit to pass.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from threading import Lock
from types import MappingProxyType
from typing import Any

Clock = Callable[[], float]
"""Seconds that never go back, such as `time.monotonic`."""

Json = dict[str, Any]


class RefusedError(Exception):
    """The platform refuses a call: its error code and the text that goes with it."""

    def __init__(self, errcode: int, errmsg: str = "") -> None:
        super().__init__(errcode, errmsg)
        self.errcode = errcode
        self.errmsg = errmsg


class TokenDesk:
    """Hands out one access token at a time and judges those that come back. Thread-safe.

    Asking again while the token is valid returns the same one; with `renews` its life starts anew
    (DingTalk). `expired_code` is how the platform refuses a token it once gave out.
    """

    def __init__(
        self, clock: Clock, *, seed: int, lifetime_s: int = 7200, renews: bool, expired_code: int
    ) -> None:
        self.lifetime_s = lifetime_s
        self._clock = clock
        self._random = Random(seed)
        self._renews = renews
        self._expired_code = expired_code
        self._lock = Lock()
        self._token = ""
        self._valid_until = 0.0
        self._retired: set[str] = set()

    def issue(self) -> tuple[str, int]:
        """Return the token in force, or a new one, and the seconds it is promised to live."""
        with self._lock:
            now = self._clock()
            is_new = not self._token or now >= self._valid_until
            if is_new:
                self._retire()
                self._token = self._random.randbytes(24).hex()
            if is_new or self._renews:
                self._valid_until = now + self.lifetime_s
            return self._token, max(1, round(self._valid_until - now))

    def revoke(self) -> None:
        """End the token's life before its time, as both platforms sometimes do."""
        with self._lock:
            self._retire()

    def check(self, token: str | None) -> None:
        """Raise RefusedError 41001 for no token, 40014 for an unknown one, else as configured."""
        with self._lock:
            if not token:
                raise RefusedError(41001)
            if token in self._retired or (token == self._token and self._is_over()):
                raise RefusedError(self._expired_code)
            if token != self._token:
                raise RefusedError(40014)

    def _is_over(self) -> bool:
        return self._clock() >= self._valid_until

    def _retire(self) -> None:
        if self._token:
            self._retired.add(self._token)
        self._token = ""


class Pace:
    """At most `calls` in any `window_s` seconds, for each key apart. Thread-safe.

    A key that is over the limit stays blocked for another `block_s`; refused calls do not count.
    """

    def __init__(self, clock: Clock, calls: int, window_s: float, block_s: float = 0.0) -> None:
        self._clock = clock
        self._calls = calls
        self._window_s = window_s
        self._block_s = block_s
        self._lock = Lock()
        self._times: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}

    def is_within(self, key: str) -> bool:
        """Count a call and return whether it may pass."""
        with self._lock:
            now = self._clock()
            if now < self._blocked_until.get(key, now):
                return False
            times = self._times.setdefault(key, deque(maxlen=self._calls))
            if len(times) == self._calls and now - times[0] < self._window_s:
                self._blocked_until[key] = now + self._block_s
                return False
            times.append(now)
            return True


@dataclass(frozen=True, slots=True)
class Call:
    """One call that reached the platform: what it carried (never its token) and its error code."""

    method: str
    path: str
    parameters: Mapping[str, Any]
    errcode: int


class CallLog:
    """Every call in the order the platform finished it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: list[Call] = []

    def append(self, method: str, path: str, parameters: Json, errcode: int) -> None:
        """Record a call."""
        call = Call(method, path, MappingProxyType(parameters), errcode)
        with self._lock:
            self._calls.append(call)

    def calls(self, path: str = "") -> tuple[Call, ...]:
        """Return the calls whose path ends in `path`, oldest first."""
        with self._lock:
            return tuple(call for call in self._calls if call.path.endswith(path))

    def counts(self) -> Counter[str]:
        """Return how often each path was called."""
        with self._lock:
            return Counter(call.path for call in self._calls)

    def clear(self) -> None:
        """Forget everything so far."""
        with self._lock:
            self._calls.clear()
