"""What can be chosen in the tray's menu, carried out; and what is ticked there."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from server.config.settings import Language
from ui.shell import autostart
from ui.shell.tray import Command, Switches
from ui.state.session import Session
from ui.state.window_api import PageName

_LANGUAGES: Mapping[Command, Language] = MappingProxyType(
    {
        Command.LANGUAGE_AUTO: Language.AUTO,
        Command.LANGUAGE_CHINESE: Language.CHINESE,
        Command.LANGUAGE_ENGLISH: Language.ENGLISH,
    }
)
_PAGES: Mapping[Command, PageName] = MappingProxyType(
    {
        Command.CREDENTIALS: PageName.CREDENTIALS,
        Command.SELF_TEST: PageName.SELF_TEST,
        Command.EVENTS: PageName.EVENTS,
        Command.ABOUT: PageName.ABOUT,
    }
)


class TrayCommands:
    """Belongs to the tk thread. `language` and `is_autostart` are as they were read at the start.

    `is_autostart` is None where this system has no such thing.
    """

    def __init__(
        self,
        session: Session,
        autostart_command: str,
        show_window: Callable[[], object],
        quit_program: Callable[[], object],
    ) -> None:
        self.language = Language.AUTO
        self.is_autostart: bool | None = None
        self._session = session
        self._autostart_command = autostart_command
        self._acts: Mapping[Command, Callable[[], object]] = {
            Command.OPEN: show_window,
            Command.COPY_URL: self._copy_url,
            Command.OPEN_LOGS: lambda: session.open_path(session.app.folder.logs),
            Command.TOGGLE_AUTOSTART: self._toggle_autostart,
            Command.TOGGLE_SYNC: self._toggle_sync,
            Command.PREVIEW_SYNC: self._preview_sync,
            Command.QUIT: quit_program,
        }

    def switches(self) -> Switches:
        """Return what is ticked."""
        snapshot = self._session.snapshot
        is_synced = self._session.sync_switch.is_on(snapshot) if snapshot else None
        return Switches(self.language, sync=is_synced, autostart=self.is_autostart)

    def obey(self, command: Command) -> None:
        """Do what was chosen."""
        if command in _PAGES:
            self._session.windows.open_page(_PAGES[command])
        elif command in _LANGUAGES:
            self._session.windows.use_language(_LANGUAGES[command])
        else:
            self._acts[command]()

    def _copy_url(self) -> None:
        self._session.copy_and_repeat(self._session.callback_url())

    def _toggle_sync(self) -> None:
        switch, snapshot = self._session.sync_switch, self._session.snapshot
        switch.turn(is_on=snapshot is None or not switch.is_on(snapshot))

    def _preview_sync(self) -> None:
        """Show the page, and have the preview made there where everything is set up."""
        session = self._session
        session.windows.open_page(PageName.SYNC)

        def found(missing: tuple[str, ...]) -> None:
            if not missing:
                session.sync_commands.preview()

        session.ask(session.app.mirror.missing, found)

    def _toggle_autostart(self) -> None:
        is_wanted = not self.is_autostart

        def switch() -> None:
            if is_wanted:
                autostart.enable(self._autostart_command)
            else:
                autostart.disable()

        def switched(_: None) -> None:
            self.is_autostart = is_wanted
            self._session.windows.refresh()

        self._session.ask(switch, switched)
