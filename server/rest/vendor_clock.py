"""How far this computer's clock is from the vendors', by the Date header of their answers.

A clock that is off must not make things old: what is pruned or deleted then is gone for good. The
difference is counted on from the last answer, so that a clock that is set is noticed at once.
"""

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class VendorClock:
    """What the answers told last, by vendor. Safe to use from several threads."""

    def __init__(
        self,
        clock_ms: Callable[[], int] = _wall_ms,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock_ms = clock_ms
        self._steady_s = steady_s
        self._vendor_minus_steady_ms: dict[str, int] = {}

    def hear(self, vendor: str, header: str | None) -> None:
        """Take the Date header of an answer; one that cannot be read tells nothing."""
        told_ms = _told_ms(header)
        if told_ms is not None:
            self._vendor_minus_steady_ms[vendor] = told_ms - self._steady_ms()

    def note(self, source: str, difference_ms: int) -> None:
        """Take how far another source has just found the vendor's clock ahead of ours."""
        told_ms = self._clock_ms() + difference_ms
        self._vendor_minus_steady_ms[source] = told_ms - self._steady_ms()

    def difference_ms(self) -> int | None:
        """Say how far a vendor's clock is ahead of ours, the farthest; None before any answer."""
        ahead_ms = self._steady_ms() - self._clock_ms()
        found = [told_ms + ahead_ms for told_ms in tuple(self._vendor_minus_steady_ms.values())]
        return max(found, key=abs, default=None)

    def is_right(self) -> bool:
        """Whether the vendors told a time, and ours is within an hour of it."""
        difference_ms = self.difference_ms()
        return difference_ms is not None and abs(difference_ms) <= HOUR_MS

    def is_wrong(self, tolerance_ms: int = HOUR_MS) -> bool:
        """Whether the vendors told a time, and ours is farther from it; not the same as unsure."""
        difference_ms = self.difference_ms()
        return difference_ms is not None and abs(difference_ms) > tolerance_ms

    def _steady_ms(self) -> int:
        return round(self._steady_s() * 1000)


def _told_ms(header: str | None) -> int | None:
    try:
        moment = parsedate_to_datetime(header or "")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
