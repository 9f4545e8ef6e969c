"""Texts as the windows say them: a setting is called there by the label it has on its page.

The command line keeps the names that `configure` takes.
"""

import re

from server.config.settings import Language
from server.errors.message import Message
from ui.words.setting_words import LABELS
from ui.words.text import Texts

# Not in the middle of an address: a host may be called callback.host, too.
_NAME = rf"(?<![\w./-])({'|'.join(map(re.escape, LABELS))})(?![\w/-])"
_SETTING = re.compile(_NAME)
# Chinese has blanks around Latin letters, and none around quotation marks.
_CHINESE_SETTING = re.compile(f" ?{_NAME} ?")


class WindowTexts(Texts):
    """Names no setting that the windows show as a file has it."""

    def of(self, message: Message) -> str:
        """Return a message in the reader's language; what fills its gaps stays as it is."""
        setting = _CHINESE_SETTING if self.language is Language.CHINESE else _SETTING
        sentence = setting.sub(self._label, self._catalogue.gettext(message.text))
        return sentence.format_map(message.values)

    def _label(self, found: re.Match[str]) -> str:
        return f"“{self(LABELS[found[1]])}”"
