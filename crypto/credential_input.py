"""Cleans and judges the credentials that people type, and finds them in a pasted block of text.

Never judges an aes_key by decoding and re-encoding it: most real keys would fail, because the low
bits of their last character are not zero.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from crypto.credentials import CredentialField
from crypto.envelope import AES_KEY_CHARACTERS

# The console takes 3 to 32 letters and digits, register_call_back 6 to 63 characters of any kind.
# We accept whatever either of them accepts.
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
    """Why a value cannot be used."""

    field: CredentialField
    fault: ValueFault
    # Of the cleaned value, in characters, and the limit that it misses.
    length: int = 0
    wanted: int = 0
    # A character that is not allowed, and where it stands, counted from 1.
    character: str = ""
    position: int = 0


def clean(field: CredentialField, text: str) -> str:
    """Remove what pasting adds to `text`: blanks, line breaks, quotes, full-width forms.

    An aes_key also loses the `=` that base64 would have as its 44th character.
    """
    plain = unicodedata.normalize("NFKC", text)
    kept = (c for c in plain if not c.isspace() and c not in _INVISIBLE and c not in _QUOTES)
    value = "".join(kept).strip(",;")
    return value.rstrip("=") if field is CredentialField.AES_KEY else value


def judge(field: CredentialField, value: str) -> ValueProblem | None:
    """Return what is wrong with a cleaned value, None if it can be used."""
    if not value:
        return ValueProblem(field, ValueFault.EMPTY)
    alphabet = _LETTERS_AND_DIGITS if field is CredentialField.AES_KEY else _VISIBLE_ASCII
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


def _judge_length(field: CredentialField, length: int) -> ValueProblem | None:
    if field is CredentialField.AES_KEY:
        if length == AES_KEY_CHARACTERS:
            return None
        return ValueProblem(field, ValueFault.WRONG_LENGTH, length, AES_KEY_CHARACTERS)
    shortest, longest = (
        (TOKEN_MIN_CHARACTERS, TOKEN_MAX_CHARACTERS)
        if field is CredentialField.TOKEN
        else (KEY_MIN_CHARACTERS, KEY_MAX_CHARACTERS)
    )
    if length < shortest:
        return ValueProblem(field, ValueFault.TOO_SHORT, length, shortest)
    if length > longest:
        return ValueProblem(field, ValueFault.TOO_LONG, length, longest)
    return None


# How the console, the documents and other programs label the values. None: a label that we know
# but do not want; what follows it must not be taken for one of our values. The first match counts.
_LABELS: tuple[tuple[str, CredentialField | None], ...] = (
    (r"secret(?:[ _-]?key)?", None),
    (r"(?:access|refresh)[ _-]?token", None),
    (r"agent[ _-]?id", None),
    (r"aes[ _-]?key", CredentialField.AES_KEY),
    # Of several keys in a block, the first one in this list wins. A console subscription puts the
    # AppKey at the end of the plaintext, not the CorpId.
    (r"app[ _-]?key", CredentialField.KEY),
    (r"client[ _-]?id", CredentialField.KEY),
    (r"suite[ _-]?key", CredentialField.KEY),
    (r"owner[ _-]?key", CredentialField.KEY),
    (r"key", CredentialField.KEY),
    (r"corp[ _-]?id", CredentialField.KEY),
    (r"token", CredentialField.TOKEN),
)
_CHINESE_LABELS: tuple[tuple[str, CredentialField | None], ...] = (
    ("密钥", CredentialField.AES_KEY),
    ("令牌", CredentialField.TOKEN),
)
# A label ends a word (`DINGTALK_AES_KEY`, `encodingAesKey`) and may have a remark behind it:
# "Client ID (formerly AppKey)". Every repetition is bounded, because people paste whole files.
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
# What may stand between a label and its value: colons, quotes, arrows, line breaks, Chinese, and
# the console's buttons and small words, but nothing that ends an entry.
_GAP = re.compile(
    r"(?:[^A-Za-z0-9,;&{}、]{0,40}(?:copy|edit|reset|show|generate|is|value)(?![A-Za-z0-9_-]))?"
    r"[^A-Za-z0-9,;&{}、]{0,40}",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# A labelled value may contain these characters if more of it follows: half a token would pass for
# a whole one. Characters that separate entries or mark up text are never part of it.
_VALUE = re.compile(_WORD.pattern + r"(?:[.!@#$%^+~?]+[A-Za-z0-9_-]+)*")
_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_UNLABELLED_AES_KEY = re.compile(r"[A-Za-z0-9]{43}")
_UNLABELLED_KEY = re.compile(r"(?:ding|suite)(?=[a-z]*[0-9])[a-z0-9]{8,40}")
_LONGEST_APP_KEY_CHARACTERS = 24  # ding and 16; a CorpId is ding and 32


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A word that may be the value of `field`; the lowest rank wins."""

    field: CredentialField
    value: str
    rank: int


def split_pasted(block: str) -> dict[CredentialField, str]:
    """Find token, aes_key and key in a block of pasted text; return them cleaned.

    Understands a label and its value on one line or on two, several pairs on one line, JSON,
    tables, and unlabelled values whose shape is unmistakable. Leaves out what it does not find.
    """
    text = _URL.sub(" ", unicodedata.normalize("NFKC", block))
    text = "".join(character for character in text if character not in _INVISIBLE)
    labelled, remainder = _by_label(text)
    words = _WORD.findall(remainder)
    found = _chosen(filter(None, map(_by_shape, words))) | _chosen(labelled)
    strangers = [word for word in words if _by_shape(word) is None]
    if remainder == text and CredentialField.AES_KEY in found and len(strangers) == 1:
        found |= _chosen([_Candidate(CredentialField.TOKEN, strangers[0], 0)])
    return found


def _chosen(candidates: Iterable[_Candidate]) -> dict[CredentialField, str]:
    """Return the best usable value of each field."""
    found: dict[CredentialField, str] = {}
    for candidate in sorted(candidates, key=lambda one: one.rank):
        value = clean(candidate.field, candidate.value)
        if judge(candidate.field, value) is None:
            found.setdefault(candidate.field, value)
    return found


def _by_label(text: str) -> tuple[list[_Candidate], str]:
    """Return the labelled values, and the text without them and their labels."""
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
    """Return a label's value (empty if it has none) and the position after it."""
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
    """Check whether a word that looks like a label, with `gap` before it, is really a value."""
    return "\n" not in gap and _is_assigned(gap) and not _is_assigned(after)


def _is_assigned(after: str) -> bool:
    return _ASSIGNMENT.match(after.lstrip("\"' ")) is not None


def _by_shape(word: str) -> _Candidate | None:
    """Recognise an unlabelled value by its unmistakable shape."""
    if _UNLABELLED_AES_KEY.fullmatch(word):
        return _Candidate(CredentialField.AES_KEY, word, 0)
    if _UNLABELLED_KEY.fullmatch(word):
        return _Candidate(CredentialField.KEY, word, int(len(word) > _LONGEST_APP_KEY_CHARACTERS))
    return None
