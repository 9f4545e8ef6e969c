"""What people type and paste: cleaned, judged, and taken apart where it is a whole block.

Never judges an aes_key by decoding and encoding it again: most real keys would fail that, since
the low bits of their last character are not zero.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from crypto.credentials import Field
from crypto.envelope import AES_KEY_CHARACTERS

# Console: 3 to 32 letters and digits; register_call_back: 6 to 63 characters of any kind. What
# either of them accepts is accepted here.
TOKEN_MIN_CHARACTERS = 3
TOKEN_MAX_CHARACTERS = 63
KEY_MIN_CHARACTERS = 4
KEY_MAX_CHARACTERS = 128

_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")
_QUOTES = frozenset("\"'`“”‘’「」『』«»")
_LETTERS_AND_DIGITS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
# A token is any text that both sides know; only the console keeps to letters and digits.
_VISIBLE_ASCII = frozenset(map(chr, range(0x21, 0x7F))) - _QUOTES


class ValueFault(StrEnum):
    """What is wrong with an entered value."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    WRONG_LENGTH = "wrong_length"
    FORBIDDEN_CHARACTER = "forbidden_character"


@dataclass(frozen=True, slots=True)
class ValueProblem:
    """Why a value cannot be used.

    `length` is the cleaned value's, `wanted` the bound it misses, both in characters;
    `character` and `position` (counted from 1) name a character that may not be there.
    """

    field: Field
    fault: ValueFault
    length: int = 0
    wanted: int = 0
    character: str = ""
    position: int = 0


def clean(field: Field, text: str) -> str:
    """Return `text` without what pasting adds: blanks, line breaks, quotes, full-width forms.

    An aes_key also loses the `=` that base64 would want as its 44th character.
    """
    plain = unicodedata.normalize("NFKC", text)
    kept = (c for c in plain if not c.isspace() and c not in _INVISIBLE and c not in _QUOTES)
    value = "".join(kept).strip(",;")
    return value.rstrip("=") if field is Field.AES_KEY else value


def judge(field: Field, value: str) -> ValueProblem | None:
    """Return what is wrong with a cleaned value, or None where it can be used."""
    if not value:
        return ValueProblem(field, ValueFault.EMPTY)
    alphabet = _LETTERS_AND_DIGITS if field is Field.AES_KEY else _VISIBLE_ASCII
    for position, character in enumerate(value, 1):
        if character not in alphabet:
            return ValueProblem(
                field,
                ValueFault.FORBIDDEN_CHARACTER,
                length=len(value),
                character=character,
                position=position,
            )
    return _judge_length(field, len(value))


def _judge_length(field: Field, length: int) -> ValueProblem | None:
    if field is Field.AES_KEY:
        if length == AES_KEY_CHARACTERS:
            return None
        return ValueProblem(field, ValueFault.WRONG_LENGTH, length, AES_KEY_CHARACTERS)
    shortest, longest = (
        (TOKEN_MIN_CHARACTERS, TOKEN_MAX_CHARACTERS)
        if field is Field.TOKEN
        else (KEY_MIN_CHARACTERS, KEY_MAX_CHARACTERS)
    )
    if length < shortest:
        return ValueProblem(field, ValueFault.TOO_SHORT, length, shortest)
    if length > longest:
        return ValueProblem(field, ValueFault.TOO_LONG, length, longest)
    return None


# How the console, the documents and other programs label the values; None: known, but not ours,
# so that what follows is not taken for a value of ours. Where two fit, the first one counts.
_LABELS: tuple[tuple[str, Field | None], ...] = (
    (r"secret(?:[ _-]?key)?", None),
    (r"(?:access|refresh)[ _-]?token", None),
    (r"agent[ _-]?id", None),
    (r"aes[ _-]?key", Field.AES_KEY),
    # A console subscription puts the AppKey at the end of the plaintext, not the CorpId: of
    # several keys the one named first here is taken.
    (r"app[ _-]?key", Field.KEY),
    (r"client[ _-]?id", Field.KEY),
    (r"suite[ _-]?key", Field.KEY),
    (r"owner[ _-]?key", Field.KEY),
    (r"key", Field.KEY),
    (r"corp[ _-]?id", Field.KEY),
    (r"token", Field.TOKEN),
)
_CHINESE_LABELS: tuple[tuple[str, Field | None], ...] = (
    ("密钥", Field.AES_KEY),
    ("令牌", Field.TOKEN),
)
# A label stands at a word's end (`DINGTALK_AES_KEY`, `encodingAesKey`), maybe with a remark behind
# it: "Client ID (formerly AppKey)". Every repetition is bounded: people paste whole files.
_LABEL = re.compile(
    r"(?:(?<![a-z0-9])[a-z]{0,20}?(?:"
    + "|".join(f"({pattern})" for pattern, _ in _LABELS)
    + r")(?![a-z0-9])|"
    + "|".join(f"({pattern})" for pattern, _ in _CHINESE_LABELS)
    + r")(?: ?\([^()\d\n]{0,80}\))?",
    re.IGNORECASE,
)
_FIELDS = tuple(field for _, field in _LABELS + _CHINESE_LABELS)
_ASSIGNMENT = re.compile(r"\s*[:=]")
# What may stand between a label and its value: colons, quotes, arrows, line breaks, Chinese, but
# nothing that ends an entry; and the buttons and small words beside it.
_GAP = re.compile(
    r"(?:[^A-Za-z0-9,;&{}、]{0,40}(?:copy|edit|reset|show|generate|is|value)(?![A-Za-z0-9_-]))?"
    r"[^A-Za-z0-9,;&{}、]{0,40}",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# Of a labelled value more signs are taken for a part of it, where more of it follows them: half a
# token would pass for a whole one. Never those that separate entries or mark up a text.
_VALUE = re.compile(_WORD.pattern + r"(?:[.!@#$%^+~?]+[A-Za-z0-9_-]+)*")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_UNLABELLED_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")
_UNLABELLED_KEY = re.compile(r"(?:ding|suite)(?=[a-z]*[0-9])[a-z0-9]{8,40}")
_LONGEST_APP_KEY_CHARACTERS = 24  # ding and 16; a CorpId is ding and 32


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A word that may be the value of `field`; of several the one of the lowest rank is taken."""

    field: Field
    value: str
    rank: int


def take_apart(block: str) -> dict[Field, str]:
    """Find token, aes_key and key in a block of text copied from somewhere; cleaned values.

    Understands a label and its value on one line or on two, several pairs on one line, JSON,
    tables, and unlabelled values that can be nothing else. What is not found is left out.
    """
    text = _URL.sub(" ", unicodedata.normalize("NFKC", block))
    text = "".join(character for character in text if character not in _INVISIBLE)
    labelled, remainder = _by_label(text)
    words = _WORD.findall(remainder)
    found = _chosen(filter(None, map(_by_shape, words))) | _chosen(labelled)
    strangers = [word for word in words if _by_shape(word) is None]
    if remainder == text and Field.AES_KEY in found and len(strangers) == 1:
        found |= _chosen([_Candidate(Field.TOKEN, strangers[0], 0)])
    return found


def _chosen(candidates: Iterable[_Candidate]) -> dict[Field, str]:
    """Return the best usable value for each field."""
    found: dict[Field, str] = {}
    for candidate in sorted(candidates, key=lambda one: one.rank):
        value = clean(candidate.field, candidate.value)
        if judge(candidate.field, value) is None:
            found.setdefault(candidate.field, value)
    return found


def _by_label(text: str) -> tuple[list[_Candidate], str]:
    """Return the labelled values, and the text without these and their labels."""
    candidates: list[_Candidate] = []
    rest: list[str] = []
    at = 0
    while label := _LABEL.search(text, at):
        rest.append(text[at : label.start()])
        value, at = _value_after(label)
        rank = (label.lastindex or 0) - 1
        field = _FIELDS[rank]
        if field is not None and value:
            candidates.append(_Candidate(field, value, rank))
    rest.append(text[at:])
    return candidates, "\n".join(rest)


def _value_after(label: re.Match[str]) -> tuple[str, int]:
    """Return the value of a label, empty where it has none, and where the text goes on."""
    text, at = label.string, label.end()
    gap = _GAP.match(text, at)
    word = _VALUE.match(text, gap.end()) if gap else None
    if gap is None or word is None:
        return "", at
    other = _LABEL.match(text, word.start())
    if other is not None and not _is_value(gap[0], text[other.end() : other.end() + 9]):
        return "", at
    return word[0], word.end()


def _is_value(gap: str, after: str) -> bool:
    """Tell whether a word that looks like a label, with `gap` before it, is a value after all."""
    return "\n" not in gap and _is_assigned(gap) and not _is_assigned(after)


def _is_assigned(after: str) -> bool:
    return _ASSIGNMENT.match(after.lstrip("\"' ")) is not None


def _by_shape(word: str) -> _Candidate | None:
    """Recognise a value that can be nothing else."""
    if _UNLABELLED_AES_KEY.fullmatch(word):
        return _Candidate(Field.AES_KEY, word, 0)
    if _UNLABELLED_KEY.fullmatch(word):
        return _Candidate(Field.KEY, word, int(len(word) > _LONGEST_APP_KEY_CHARACTERS))
    return None
