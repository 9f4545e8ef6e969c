"""The calls that were turned away, for the admin: few, bounded, and without their content."""

import threading
from dataclasses import replace

from crypto.doctor import Verdict
from server.journal.rejections import Rejection

KEPT = 200
# Calls alike within this time are one line with a count, so a flood cannot push out the rest.
ALIKE_WITHIN_MS = 60_000


class RejectionLog:
    """A bounded list of rejected calls, newest last. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._list: list[Rejection] = []
        self._is_changed = False

    def restore(self, rejections: list[Rejection]) -> None:
        """Put what an earlier run left, oldest first, before what there is."""
        with self._lock:
            self._list = [*rejections, *self._list][-KEPT:]

    def add(self, rejection: Rejection) -> bool:
        """Note a rejected call; tells whether it is a new line rather than one more of the last."""
        with self._lock:
            self._is_changed = True
            earlier = self._taken_alike(rejection)
            if earlier is None:
                self._make_room()
                self._list.append(rejection)
                return True
            count = earlier.count + rejection.count
            self._list.append(replace(earlier, at_ms=rejection.at_ms, count=count))
            return False

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


def _is_of_stranger(rejection: Rejection) -> bool:
    return rejection.verdict in {None, Verdict.UNKNOWN_SENDER}


def _are_alike(one: Rejection, other: Rejection) -> bool:
    return (one.remote, one.cause, one.verdict, one.offered_key) == (
        other.remote,
        other.cause,
        other.verdict,
        other.offered_key,
    )
