"""Opens the page of the handbook that belongs to a window, in the browser.

The pages are opened where they lie: beside the sources, or in the program. The one-file program
unpacks itself into a folder that is gone after it ends; a page that is open then stays on the
screen, its links lead nowhere. A copy in the data folder would outlive the program, but also the
version that it describes, and needs a folder that this account may write to.
"""

import os
import sys
import webbrowser
from enum import StrEnum
from pathlib import Path

from server.config.settings import Language
from server.errors.base import DingBridgeError
from server.errors.message import N_

_FOLDERS = {Language.ENGLISH: "en", Language.CHINESE: "zh_CN"}


class Topic(StrEnum):
    """What windows have a page for, by the name of its file."""

    ADDRESS = "address"
    CONFLICTS = "conflicts"
    CONSOLE = "console"
    CREDENTIALS = "credentials"
    EVENTS = "events"
    HTTP = "http"
    INDEX = "index"
    MIRROR = "mirror"
    MOVING = "moving"
    OVERVIEW = "overview"
    REJECTED = "rejected"
    SELF_TEST = "self-test"
    SETTINGS = "settings"
    TROUBLESHOOTING = "troubleshooting"
    VALUES = "values"


class HelpNotShownError(DingBridgeError):
    """No browser took the page. Gaps: path."""

    code = "help-not-shown"
    title_text = N_("Help could not be opened in a browser.")
    hint_text = N_("Open this file yourself: {path}")


def page_of(topic: Topic, language: Language) -> Path:
    """Return where the page about a topic lies; `language` is not AUTO."""
    return Path(__file__).with_name("html") / _FOLDERS[language] / f"{topic}.html"


def show(topic: Topic, language: Language) -> None:
    """Open the page about a topic; raises HelpNotShownError."""
    path = page_of(topic, language)
    try:
        is_shown = _open(path)
    except OSError as failure:
        raise HelpNotShownError(path=str(path)) from failure
    if not is_shown:
        raise HelpNotShownError(path=str(path))


def _open(path: Path) -> bool:
    if not path.is_file():
        return False
    if sys.platform == "win32":
        # A path, not a file:// address: some versions of Windows misread Chinese names in those.
        os.startfile(path)  # noqa: S606 - a page of ours
        return True
    return webbrowser.open(path.as_uri())
