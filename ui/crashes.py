"""Mistakes of ours: logged, and shown in a dialog, one at a time."""

import logging
from types import TracebackType

from ui.dialogs import CrashDialog, report_of
from ui.session import Session

_log = logging.getLogger(__name__)


class Crashes:
    """Belongs to the tk thread; takes what nobody else caught."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._dialog: CrashDialog | None = None
        session.root.report_callback_exception = self._callback_failed

    def show(self, mistake: BaseException) -> None:
        """Log a mistake and show it, unless another one is shown already."""
        _log.error("A mistake in the windows", exc_info=mistake)
        if self._dialog is not None and self._dialog.winfo_exists():
            return
        session = self._session
        self._dialog = CrashDialog(
            session.root,
            report_of(session.app, mistake),
            session.texts,
            session.theme,
            lambda: session.open_path(session.app.folder.logs),
        )

    def _callback_failed(
        self, kind: type[BaseException], mistake: BaseException, trace: TracebackType | None
    ) -> None:
        del kind, trace
        self.show(mistake)
