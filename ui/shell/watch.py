"""Looks after the status: asks for it, tells the pages and the tray, notifies once a cause."""

from collections.abc import Callable
from functools import partial
from time import monotonic, time_ns

from server.api.status import Level, Status
from server.errors.base import DingBridgeError
from server.errors.message import N_, Message
from ui.shell.tray import Switches, Tray, TrayState, tray_state_of
from ui.state.session import Session
from ui.words.health import Health, StatusSnapshot, Verdict, judge

_EVERY_MS = 1000
_EVERY_HIDDEN_MS = 3000
# A question that is never answered, by a worker that hangs in the system, must not end the looking.
_PATIENCE_S = 20.0
_STARTING = Message(N_("DingBridge is starting."))
# Told by the guide or by the windows while somebody is there; no reason to call anybody.
_NOT_WORTH_A_CALL = frozenset({"not-set-up", "no-contact"})


class Watch:
    """Belongs to the tk thread; `is_seen` tells whether a window is open just now."""

    def __init__(
        self,
        session: Session,
        tray: Tray,
        switches: Callable[[], Switches],
        is_seen: Callable[[], bool],
    ) -> None:
        self.failure: DingBridgeError | None = None
        self._session = session
        self._tray = tray
        self._switches = switches
        self._is_seen = is_seen
        self._timer = ""
        self._asked_at_s: float | None = None
        self._is_asked_anew = False
        self._told: frozenset[str] = frozenset()

    def look(self) -> None:
        """Ask for the status now, and go on doing so."""
        self.stop()
        root = self._session.root
        self._timer = root.after(_EVERY_MS if self._is_seen() else _EVERY_HIDDEN_MS, self.look)
        now_s = monotonic()
        if self._asked_at_s is not None and now_s - self._asked_at_s < _PATIENCE_S:
            self._is_asked_anew = True  # the answer under way may be older than what is asked about
            return
        self._asked_at_s = now_s
        self._session.ask(
            self._session.app.status,
            lambda status: self._take(status, now_s),
            self._refused,
            self._answered,
        )

    def stop(self) -> None:
        """Stop asking."""
        if self._timer:
            self._session.root.after_cancel(self._timer)
            self._timer = ""

    def tray_state(self) -> TrayState:
        """Return what the tray is to show now."""
        snapshot = self._session.snapshot
        verdict = judge(snapshot) if snapshot else Verdict(Health.NOT_SET_UP, _STARTING, ())
        return tray_state_of(verdict, self._switches(), self._session.texts)

    def _take(self, status: Status, asked_at_s: float) -> None:
        if self._session.app.is_serving:
            self.failure = None
        self._session.take(StatusSnapshot(status, time_ns() // 1_000_000, self.failure, asked_at_s))
        state = self.tray_state()
        self._session.ask(lambda: self._tray.show(state), lambda _: None)
        self._notify()

    def _refused(self, failure: DingBridgeError) -> None:
        """Show with the next status why there was none."""
        self.failure = failure

    def _answered(self) -> None:
        self._asked_at_s = None
        if self._is_asked_anew and self._timer:
            self._is_asked_anew = False
            self.look()

    def _notify(self) -> None:
        """Tell what is new and needs a person, where nobody looks; once for each cause."""
        if self._session.snapshot is None:
            return
        causes = {
            notice.code: notice
            for notice in judge(self._session.snapshot).attention
            if notice.level is not Level.INFO and notice.code not in _NOT_WORTH_A_CALL
        }
        new = causes.keys() - self._told
        self._told = frozenset(causes)
        if self._is_seen():
            return
        for notice in (causes[code] for code in causes if code in new):  # the gravest first
            title, text = self._session.say(notice.title), self._session.say(notice.hint)
            self._session.ask(partial(self._tray.notify, title, text), lambda _: None)
