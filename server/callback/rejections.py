"""The calls that were turned away, for the admin: few, bounded, and without their content."""

import threading
from collections import deque
from dataclasses import dataclass, replace

from crypto.callback import CallbackVerifier, SealedCallback
from crypto.doctor import Verdict
from server.journal.rejections import Rejection

KEPT = 200
# Calls alike within this time are one line with a count, so a flood cannot push out the rest.
ALIKE_WITHIN_MS = 60_000
# More new lines than this within that time are a crowd. A caller's address costs nothing to make
# up, behind a proxy or with a network of IPv6, and must fill neither this list nor the log.
NEW_LINES = 20
# Stands for the addresses of a crowd.
EVERYBODY = "*"
# What waits for the doctor: so many calls of each address, of so many addresses, each so long.
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
        """Put what an earlier run left, oldest first, before what there is."""
        with self._lock:
            self._list = [*rejections, *self._list][-KEPT:]

    def add(self, rejection: Rejection) -> Rejection | None:
        """Note a rejected call; returns its line where that is new, None where it was counted.

        Of a crowd the addresses are not kept: its lines are `EVERYBODY`'s, one for each verdict.
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
        # A time ahead of now is one from before the clock was set back, and says nothing.
        return is_full and 0 <= now_ms - self._new_at_ms[0] < ALIKE_WITHIN_MS

    def _is_counted(self, rejection: Rejection) -> bool:
        """Count the call with the recent line that it belongs to, where there is one."""
        earlier = self._taken_alike(rejection)
        if earlier is None:
            return False
        count = earlier.count + rejection.count
        self._list.append(replace(earlier, at_ms=rejection.at_ms, count=count))
        return True

    def _make_room(self) -> None:
        """Drop the oldest line; of strangers first, so that they cannot hide DingTalk's trouble."""
        if len(self._list) < KEPT:
            return
        strangers = (index for index, one in enumerate(self._list) if _is_of_stranger(one))
        del self._list[next(strangers, 0)]

    def _taken_alike(self, rejection: Rejection) -> Rejection | None:
        """Take out the recent line that `rejection` belongs to, None where there is none."""
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
        """Return the list where it changed since the last call, else None."""
        with self._lock:
            if not self._is_changed:
                return None
            self._is_changed = False
            return list(self._list)


@dataclass(frozen=True, slots=True)
class RejectedCall:
    """A call that was answered with 403, and the sets that it did not fit; `count` alike."""

    callback: SealedCallback
    remote: str
    at_ms: int
    verifier: CallbackVerifier
    count: int = 1


class DiagnosisQueue:
    """Rejected calls that wait for the doctor: few of each address, of few addresses. Thread-safe.

    A flood from one address takes the place of nobody else's calls. What does not fit is counted
    with the last call of its address, or, where the address has to go, not at all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, list[RejectedCall]] = {}

    def add(self, call: RejectedCall) -> None:
        """Keep a call for later; bounded in number and in size."""
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
        """Return all that waits, in the order in which it came, and keep nothing."""
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
