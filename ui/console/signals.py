"""What the system sends to end a program: SIGINT, SIGTERM, and Ctrl+Break on Windows."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` for each such signal meanwhile; only on the main thread.

    `act` may interrupt the main thread anywhere, so it only sets or posts something.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)

    def taken(number: int, frame: FrameType | None) -> None:
        del number, frame
        act()

    before = {number: signal.signal(number, taken) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
