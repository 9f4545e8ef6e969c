"""Ends a command in good order on Ctrl+C or SIGTERM, and puts back who listened before."""

import signal
import sys
from collections.abc import Mapping
from threading import Event
from types import FrameType


def stop_on_signals(stop: Event) -> "_Restore":
    """Set `stop` on a signal, until what is returned is called. On the main thread only."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform == "win32":
        numbers.append(signal.SIGBREAK)

    def request_stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stop.set()

    return _Restore({number: signal.signal(number, request_stop) for number in numbers})


class _Restore:
    """Puts the signal handlers back that were there before."""

    def __init__(self, handlers: Mapping[signal.Signals, object]) -> None:
        self._handlers = handlers

    def __call__(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)  # type: ignore[arg-type] # what signal() returned
