"""When DingTalk is asked for its record. Pure: every time is an argument, of a clock nobody sets.

At start, daily, after changed settings, and after a rejected call. Anybody can cause rejected
calls, and what is asked may count against the company's monthly quota: as long as asking tells
nothing new, each further question waits twice as long, up to a day.
"""

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
QUIET_MS = 10 * MINUTE_MS
_RETRY_MS = (5 * MINUTE_MS, 15 * MINUTE_MS, 60 * MINUTE_MS, 4 * 60 * MINUTE_MS)


class Timing:
    """What is due next."""

    def __init__(self) -> None:
        self._regular_at_ms = 0  # at once
        self._rejected_at_ms: int | None = None
        self._quiet_ms = QUIET_MS
        self._quiet_until_ms = 0
        self._failures = 0

    def due_in_ms(self, now_ms: int) -> int:
        """Return how long to wait; at most a day."""
        at_ms = self._regular_at_ms
        if self._rejected_at_ms is not None:
            at_ms = min(at_ms, self._rejected_at_ms)
        return min(max(0, at_ms - now_ms), DAY_MS)

    def is_regular(self, now_ms: int) -> bool:
        """Whether asking is due by itself, and not only because of a rejected call.

        Only then a secret that DingTalk refused is worth another try: strangers can cause the rest.
        """
        return self._regular_at_ms <= now_ms

    def changed(self, now_ms: int) -> None:
        """Ask now, because settings are other ones."""
        self._regular_at_ms = now_ms
        self._quiet_ms, self._failures = QUIET_MS, 0

    def rejected(self, now_ms: int) -> None:
        """Ask soon, because a call was rejected."""
        if self._rejected_at_ms is None:
            self._rejected_at_ms = max(now_ms, min(self._quiet_until_ms, now_ms + DAY_MS))

    def asked(self, now_ms: int, *, is_news: bool, is_retryable: bool = False) -> None:
        """Note that DingTalk was asked, and whether that told something new."""
        self._quiet_ms = QUIET_MS if is_news else min(self._quiet_ms * 2, DAY_MS)
        self._quiet_until_ms = now_ms + self._quiet_ms
        self._rejected_at_ms = None
        wait_ms = DAY_MS
        if is_retryable:
            wait_ms = _RETRY_MS[min(self._failures, len(_RETRY_MS) - 1)]
        if self.is_regular(now_ms):
            self._failures = self._failures + 1 if is_retryable else 0
            self._regular_at_ms = now_ms + wait_ms
        self._regular_at_ms = min(self._regular_at_ms, now_ms + wait_ms)
