"""What pages, dialogs and orders may ask of the windows around them, and which pages there are."""

from enum import StrEnum
from typing import Protocol

from server.config.settings import Language
from server.errors.base import DingBridgeError


class PageName(StrEnum):
    """The pages of the main window, in the order of its list."""

    OVERVIEW = "overview"
    CREDENTIALS = "credentials"
    EVENTS = "events"
    REJECTED = "rejected"
    SELF_TEST = "self-test"
    SYNC = "sync"
    SETTINGS = "settings"
    ABOUT = "about"


class WindowApi(Protocol):
    """What a page may ask of the program around it."""

    def open_page(self, page: PageName, part: str = "") -> None:
        """Show the main window with this page, and of it the part that the page knows."""

    def open_guide(self) -> None:
        """Show the guided set-up."""

    def open_help(self) -> None:
        """Show the handbook's page about what is shown."""

    def restart_service(self) -> None:
        """Stop the service and start it with the settings as they are now."""

    def use_language(self, language: Language) -> None:
        """Show everything in another language, and keep it."""

    def tell(self, text: str) -> None:
        """Show a line at the bottom of the main window for a few seconds."""

    def show_error(self, failure: DingBridgeError) -> None:
        """Show what went wrong and what to do."""

    def refresh(self) -> None:
        """Ask for the status now rather than with the next second."""
