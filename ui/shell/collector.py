"""Garbage is collected on the tk thread only, while the windows live.

Python collects on whatever thread happens to allocate. What a closed window leaves behind are
circles of widgets, variables and pictures, and the last two call tk when they go: on a worker that
waits for the tk thread, or tells tk from the wrong one. So Python's own collecting is off, and a
timer of tk's does it in small steps.
"""

import gc
import tkinter as tk

_EVERY_MS = 200
# Every so many steps one goes further back: the young are few, and a look at all objects is dear.
_MIDDLE_EVERY = 10
_ALL_EVERY = 150


class Collector:
    """Belongs to the tk thread. Between `start` and `stop` no other thread collects."""

    def __init__(self, root: tk.Misc) -> None:
        self._root = root
        self._timer = ""
        self._steps = 0
        self._was_enabled = False

    def start(self) -> None:
        """Take over. What lives already stays for good, and need not be looked at each time."""
        self._was_enabled = gc.isenabled()
        gc.disable()
        gc.collect()
        gc.freeze()
        self._wait()

    def stop(self) -> None:
        """Collect the last windows here, and leave the rest to Python again."""
        if self._timer:
            self._root.after_cancel(self._timer)
            self._timer = ""
        gc.unfreeze()
        gc.collect()
        if self._was_enabled:
            gc.enable()

    def _wait(self) -> None:
        self._timer = self._root.after(_EVERY_MS, self._step)

    def _step(self) -> None:
        self._wait()
        self._steps += 1
        if self._steps % _ALL_EVERY == 0:
            gc.collect(2)
        elif self._steps % _MIDDLE_EVERY == 0:
            gc.collect(1)
        else:
            gc.collect(0)
