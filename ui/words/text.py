"""Every text in the reader's language: the catalogue under `locale`, and which language that is."""

import gettext
import locale
import os
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from server.config.settings import Language
from server.errors.message import Message

_DOMAIN = "dingbridge"
_LOCALES = Path(__file__).parents[1] / "locale"


class Texts:
    """Translates messages and sentences into one language."""

    def __init__(self, language: Language) -> None:
        """`language` may be AUTO: the system's, Chinese or else English."""
        self.language = _system_language() if language is Language.AUTO else language
        self._catalogue: gettext.NullTranslations = gettext.NullTranslations()
        if self.language is Language.CHINESE:
            self._catalogue = gettext.translation(_DOMAIN, _LOCALES, ["zh_CN"])

    def __call__(self, text: str, **values: str | int) -> str:
        """Return an English sentence from the catalogue in the reader's language, gaps filled."""
        return self._catalogue.gettext(text).format_map(values)

    def of(self, message: Message) -> str:
        """Return a message in the reader's language."""
        return self(message.text, **message.values)

    def joined(self, sentences: Iterable[str]) -> str:
        """Return whole sentences as one paragraph; Chinese has no blank between them."""
        return ("" if self.language is Language.CHINESE else " ").join(sentences)

    def moment(self, at_ms: int | None) -> str:
        """Return a time (milliseconds since 1970) as local date and time, or a dash.

        A dash, too, for what no calendar has: a clock was wrong, or a file was tampered with.
        """
        if at_ms is None:
            return "–"
        try:
            return f"{datetime.fromtimestamp(at_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S}"
        except (ValueError, OverflowError, OSError):
            return "–"


def _system_language() -> Language:
    return Language.CHINESE if _system_locale().lower().startswith("zh") else Language.ENGLISH


def _system_locale() -> str:
    if sys.platform == "win32":
        import ctypes  # noqa: PLC0415 - Windows only

        number = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        return locale.windows_locale.get(number, "")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if os.environ.get(name):
            return os.environ[name]
    return ""
