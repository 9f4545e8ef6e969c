"""The list of rejected calls for the admin, and the queue of those to be diagnosed.

Both are bounded however many calls are rejected, and hold no content of the calls.
"""

import threading
from collections import deque
from dataclasses import dataclass, replace

from crypto.callback import CallbackVerifier, SealedCallback
from crypto.doctor import Verdict
from server.journal.rejections import Rejection

KEPT = 200
# Similar calls within this time share one line with a count, so a flood cannot push out others.
ALIKE_WITHIN_MS = 60_000
# More new lines than this within that time are a crowd. Addresses are easily made up, behind a
# proxy or in an IPv6 network, and must flood neither this list nor the log.
NEW_LINES = 20
# Stands for all addresses of a crowd.
EVERYBODY = "*"
# Limits of the diagnosis queue: calls per address, addresses, and the size of each call.
WAITING_OF_ONE = 8
WAITING_ADDRESSES = 16
_LONGEST_CHARACTERS = 64 * 1024


class RejectionLog:
    """A bounded list of rejected calls, newest last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._list: list[Rejection] = []
        self._new_at_ms: deque[int] = deque(maxlen=NEW_LINES)
        self._is_changed = False

    def restore(self, rejections: list[Rejection]) -> None:
        """Insert what an earlier run stored, oldest first, before the present lines."""
        with self._lock:
            self._list = [*rejections, *self._list][-KEPT:]

    def add(self, rejection: Rejection) -> Rejection | None:
        """Add a rejected call. Return its line if that is new, None if it was only counted.

        The addresses of a crowd are not kept: it has one line per verdict, under `EVERYBODY`.
        """
        with self._lock:
            self._is_changed = True
            if self._is_counted(rejection):
                return None
            if self._is_crowded(rejection.at_ms):
                rejection = replace(rejection, remote=EVERYBODY)
                if self._is_counted(rejection):
                    return None
            self._make_room()
            self._list.append(rejection)
            self._new_at_ms.append(rejection.at_ms)
            return rejection

    def _is_crowded(self, now_ms: int) -> bool:
        is_full = len(self._new_at_ms) == NEW_LINES
        # A time in the future is from before the clock was set back; ignore it.
        return is_full and 0 <= now_ms - self._new_at_ms[0] < ALIKE_WITHIN_MS

    def _is_counted(self, rejection: Rejection) -> bool:
        """Add the call to the recent line it belongs to; return whether there is one."""
        earlier = self._taken_alike(rejection)
        if earlier is None:
            return False
        count = earlier.count + rejection.count
        self._list.append(replace(earlier, at_ms=rejection.at_ms, count=count))
        return True

    def _make_room(self) -> None:
        """Drop the oldest line, strangers' lines first: they must not hide DingTalk's calls."""
        if len(self._list) < KEPT:
            return
        strangers = (index for index, one in enumerate(self._list) if _is_of_stranger(one))
        del self._list[next(strangers, 0)]

    def _taken_alike(self, rejection: Rejection) -> Rejection | None:
        """Remove and return the recent line that `rejection` belongs to, if any."""
        for index in range(len(self._list) - 1, -1, -1):
            earlier = self._list[index]
            if earlier.at_ms < rejection.at_ms - ALIKE_WITHIN_MS:
                return None
            if _are_alike(earlier, rejection):
                del self._list[index]
                return earlier
        return None

    def snapshot(self) -> list[Rejection]:
        """Return the list, oldest first."""
        with self._lock:
            return list(self._list)

    def taken_if_changed(self) -> list[Rejection] | None:
        """Return the list if it changed since the last call, else None."""
        with self._lock:
            if not self._is_changed:
                return None
            self._is_changed = False
            return list(self._list)


@dataclass(frozen=True, slots=True)
class RejectedCall:
    """A call that was answered with 403, and the sets it did not fit; `count` similar ones."""

    callback: SealedCallback
    remote: str
    at_ms: int
    verifier: CallbackVerifier
    count: int = 1


class DiagnosisQueue:
    """Rejected calls that wait for the key doctor. Thread-safe.

    Bounded per address and in addresses, so a flood from one address displaces no other calls.
    Excess calls are counted with the last one of their address; an address that does not fit is
    dropped with its calls.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, list[RejectedCall]] = {}

    def add(self, call: RejectedCall) -> None:
        """Queue a call, unless it is too large or there are too many."""
        if len(call.callback.encrypt) > _LONGEST_CHARACTERS:
            call = replace(call, callback=call.callback._replace(encrypt=""))
        with self._lock:
            waiting = self._calls.setdefault(call.remote, [])
            if len(waiting) < WAITING_OF_ONE:
                waiting.append(call)
            else:
                count = waiting[-1].count + call.count
                waiting[-1] = replace(waiting[-1], at_ms=call.at_ms, count=count)
            if len(self._calls) > WAITING_ADDRESSES:
                del self._calls[next(iter(self._calls))]

    def take(self) -> list[RejectedCall]:
        """Empty the queue; return its calls in the order of arrival."""
        with self._lock:
            calls, self._calls = self._calls, {}
        return sorted(
            (call for of_one in calls.values() for call in of_one), key=lambda call: call.at_ms
        )


def _is_of_stranger(rejection: Rejection) -> bool:
    return rejection.verdict in {None, Verdict.UNKNOWN_SENDER}


def _are_alike(one: Rejection, other: Rejection) -> bool:
    return (one.remote, one.cause, one.verdict, one.offered_key) == (
        other.remote,
        other.cause,
        other.verdict,
        other.offered_key,
    )
