"""Sentences for people, independent of the language in which they are shown.

The server writes every sentence once, in English, with named gaps. The windows and the command
line translate it by the catalogue under `ui/locale` and fill the gaps. Never build a sentence from
pieces: word order differs between languages.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

GapValue = str | int


def N_(text: str) -> str:  # noqa: N802 - the name gettext's extractors look for
    """Mark `text` for the catalogue and return it unchanged."""
    return text


@dataclass(frozen=True, slots=True)
class Message:
    """An English sentence with named gaps (`{port}`) and the values that fill them."""

    text: str
    values: Mapping[str, GapValue] = field(default_factory=dict)

    def __str__(self) -> str:
        """Fill the gaps of the English sentence."""
        return self.text.format_map(self.values)
