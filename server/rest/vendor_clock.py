"""How far this computer's clock differs from the vendors', by the Date header of their answers.

A wrong clock must not make things look old: what is pruned or deleted then is gone for good. The
vendor's time is carried forward by the monotonic clock, so that setting the clock shows at once.
"""

import time
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime

HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS


def wall_ms() -> int:
    """Return the system's time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class VendorClock:
    """The time of each vendor's last answer. Thread-safe."""

    def __init__(
        self,
        clock_ms: Callable[[], int] = wall_ms,
        steady_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock_ms = clock_ms
        self._steady_s = steady_s
        self._vendor_minus_steady_ms: dict[str, int] = {}

    def hear(self, vendor: str, header: str | None) -> None:
        """Note the Date header of an answer; ignore one that cannot be read."""
        vendor_ms = _parsed_ms(header)
        if vendor_ms is not None:
            self._vendor_minus_steady_ms[vendor] = vendor_ms - self._steady_ms()

    def note(self, source: str, difference_ms: int) -> None:
        """Note how far ahead of ours another source just found the vendor's clock."""
        vendor_ms = self._clock_ms() + difference_ms
        self._vendor_minus_steady_ms[source] = vendor_ms - self._steady_ms()

    def difference_ms(self) -> int | None:
        """Return the largest difference, positive if a vendor is ahead; None if unknown."""
        ahead_ms = self._steady_ms() - self._clock_ms()
        found = [vendor_ms + ahead_ms for vendor_ms in tuple(self._vendor_minus_steady_ms.values())]
        return max(found, key=abs, default=None)

    def is_right(self) -> bool:
        """Whether the vendors' time is known and ours is within an hour of it."""
        difference_ms = self.difference_ms()
        return difference_ms is not None and abs(difference_ms) <= HOUR_MS

    def is_wrong(self, tolerance_ms: int = HOUR_MS) -> bool:
        """Whether the vendors' time is known and ours is farther off; False while it is unknown."""
        difference_ms = self.difference_ms()
        return difference_ms is not None and abs(difference_ms) > tolerance_ms

    def _steady_ms(self) -> int:
        return round(self._steady_s() * 1000)


def _parsed_ms(header: str | None) -> int | None:
    try:
        moment = parsedate_to_datetime(header or "")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return round(moment.timestamp() * 1000)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
