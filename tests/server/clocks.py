"""Clocks that stand still until they are moved."""


class WallClock:
    """Milliseconds since 1970, as the service counts."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class SteadyClock:
    """Seconds since no particular moment, as tokens and rates count."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s
