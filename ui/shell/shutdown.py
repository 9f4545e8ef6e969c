"""The end of the program: every part stopped in order, and said where something hangs."""

import tkinter as tk
from tkinter import messagebox

from ui.shell.single import SingleInstance
from ui.shell.tray import Tray
from ui.state.session import Session

_STOP_SERVICE_S = 3.5
_GIVE_UP_MS = 5000


class Shutdown:
    """Stops the service, the tray and the lock on a worker, then ends tk's loop. tk thread only.

    Windows are the program's to close before.
    """

    def __init__(self, session: Session, tray: Tray, single: SingleInstance) -> None:
        self.has_begun = False
        self.has_ended = False
        self.hanging: tuple[str, ...] = ()
        self._session = session
        self._tray = tray
        self._single = single
        self._give_up_timer = ""

    @property
    def _root(self) -> tk.Tk:
        return self._session.root

    def begin(self) -> None:
        """Stop everything; five seconds later the program ends, whatever hangs."""
        self.has_begun = True
        tray = self._session.texts("tray icon")
        self._give_up_timer = self._root.after(_GIVE_UP_MS, lambda: self._ended((tray,)))
        self._session.ask(self._stop_parts, self._ended)

    def _stop_parts(self) -> tuple[str, ...]:
        hanging = self._session.app.stop(_STOP_SERVICE_S)
        self._tray.stop()
        self._single.release()
        return hanging

    def _ended(self, hanging: tuple[str, ...]) -> None:
        if self.has_ended:
            return
        self.has_ended = True
        self.hanging = hanging
        self._root.after_cancel(self._give_up_timer)
        if hanging:
            text = self._session.texts(
                "DingBridge is quitting, but these parts did not stop in time: {names}. No "
                "acknowledged event is lost.",
                names=", ".join(hanging),
            )
            messagebox.showwarning("DingBridge", text)
        self._root.quit()
