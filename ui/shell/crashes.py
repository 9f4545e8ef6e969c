"""Mistakes of ours: logged, and shown in a dialog, one at a time."""

import logging
from time import monotonic
from traceback import walk_tb
from types import TracebackType

from ui.state.session import Session
from ui.widgets.dialogs import CrashDialog, report_of

_log = logging.getLogger(__name__)

# What a page looks at every second may meet the same mistake every second.
_SAME_FOR_S = 60.0


class Crashes:
    """Belongs to the tk thread; takes what nobody else caught."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dialog: CrashDialog | None = None
        self._last: tuple[object, ...] = ()
        self._last_at_s = 0.0
        session.root.report_callback_exception = self._callback_failed

    def show(self, mistake: BaseException) -> None:
        """Log a mistake and show it, unless another one is shown already.

        The same one soon afterwards is told in a line, so that its dialog can be closed.
        """
        session = self._session
        if self._is_same(mistake):
            _log.error("The same mistake in the windows again: %s", type(mistake).__name__)
            session.windows.tell(session.texts("DingBridge ran into an internal error."))
            return
        _log.error("A mistake in the windows", exc_info=mistake)
        if self._dialog is not None and self._dialog.winfo_exists():
            return
        self._dialog = CrashDialog(
            session.root,
            report_of(session.app, mistake),
            session.texts,
            session.theme,
            lambda: session.open_path(session.app.folder.logs),
        )

    def _is_same(self, mistake: BaseException) -> bool:
        place = [(frame.f_code, line) for frame, line in walk_tb(mistake.__traceback__)]
        last, last_at_s = self._last, self._last_at_s
        self._last, self._last_at_s = (type(mistake), place), monotonic()
        return last == self._last and self._last_at_s - last_at_s < _SAME_FOR_S

    def _callback_failed(
        self, kind: type[BaseException], mistake: BaseException, trace: TracebackType | None
    ) -> None:
        del kind, trace
        self.show(mistake)
