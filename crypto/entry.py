"""What people type and paste: cleaned, judged, and taken apart where it is a whole block.

Never judges an aes_key by decoding and encoding it again: most real keys would fail that, since
the low bits of their last character are not zero.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from crypto.credentials import Field
from crypto.envelope import AES_KEY_CHARACTERS

# Console: 3 to 32 letters and digits; register_call_back: 6 to 63 characters. What either of
# them accepts is accepted here.
TOKEN_MIN_CHARACTERS = 3
TOKEN_MAX_CHARACTERS = 63
KEY_MIN_CHARACTERS = 4
KEY_MAX_CHARACTERS = 64

_INVISIBLE = frozenset("\u200b\u200c\u200d\u2060\ufeff\u00ad")
_QUOTES = frozenset("\"'`“”‘’「」『』«»")
_LETTERS_AND_DIGITS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
# Keys are letters and digits on the platform. The samples of third parties also use these two.
_KEY_ALPHABET = _LETTERS_AND_DIGITS | frozenset("-_")


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
    alphabet = _KEY_ALPHABET if field is Field.KEY else _LETTERS_AND_DIGITS
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


# How the console, the documents and other programs label the values; the most telling first.
# A label is compared without blanks, dashes, underscores and case. None: known, but not ours.
_LABELS: tuple[tuple[str, Field | None], ...] = (
    ("secret", None),
    ("accesstoken", None),
    ("url", None),
    ("agentid", None),
    ("aeskey", Field.AES_KEY),
    ("密钥", Field.AES_KEY),
    ("appkey", Field.KEY),
    ("clientid", Field.KEY),
    ("suitekey", Field.KEY),
    ("corpid", Field.KEY),
    ("ownerkey", Field.KEY),
    ("token", Field.TOKEN),
    ("令牌", Field.TOKEN),
)
# A console subscription puts the AppKey at the end of the plaintext, not the CorpId.
_KEYS_BY_RANK = ("appkey", "clientid", "suitekey", "ownerkey", "key", "corpid")
_PAIR = re.compile(r"^\s*(?P<label>[^:=]{1,60}?)\s*[:=]\s*(?P<value>\S.*)?$")
_SPACED_PAIR = re.compile(r"^\s*(?P<label>\D{1,60}?)\s+(?P<value>\S+)\s*$")
_UNLABELLED_AES_KEY = re.compile(r"^[A-Za-z0-9]{43}$")
_UNLABELLED_KEY = re.compile(r"^(?:ding|suite|dingoa)[a-z0-9]{8,40}$")


@dataclass(frozen=True, slots=True)
class _Labelled:
    label: str
    field: Field | None


def take_apart(block: str) -> dict[Field, str]:
    """Find token, aes_key and key in a block of text copied from somewhere; cleaned values.

    Understands lines of `label: value` or `label=value`, a label with the value on the next
    line, JSON, and unlabelled values that can be nothing else. What is not found is left out.
    """
    found: dict[Field, str] = {}
    key_rank = len(_KEYS_BY_RANK)
    for labelled, text in _labelled_values(block):
        if labelled.field is None:
            continue
        value = clean(labelled.field, text)
        if judge(labelled.field, value) is not None:
            continue
        if labelled.field is Field.KEY:
            rank = _rank_of_key(labelled.label)
            if rank < key_rank:
                found[Field.KEY], key_rank = value, rank
        else:
            found.setdefault(labelled.field, value)
    return found or _bare_values(block)


def _bare_values(block: str) -> dict[Field, str]:
    """Tell apart values that stand without labels, by their shapes; the token is what remains."""
    found: dict[Field, str] = {}
    rest: list[str] = []
    for word in unicodedata.normalize("NFKC", block).split():
        labelled = _unlabelled(word)
        if labelled is not None and labelled.field is not None:
            found.setdefault(labelled.field, clean(labelled.field, word))
        else:
            rest.append(clean(Field.TOKEN, word))
    if found and len(rest) == 1 and judge(Field.TOKEN, rest[0]) is None:
        found[Field.TOKEN] = rest[0]
    return found


def _rank_of_key(label: str) -> int:
    for rank, name in enumerate(_KEYS_BY_RANK):
        if name in label:
            return rank
    return len(_KEYS_BY_RANK) - 1


def _labelled_values(block: str) -> list[tuple[_Labelled, str]]:
    plain = unicodedata.normalize("NFKC", block)
    pairs: list[tuple[_Labelled, str]] = []
    waiting: _Labelled | None = None
    for line in filter(str.strip, re.split(r"[\r\n,;{}]+", plain)):
        labelled, value = _split(line)
        if labelled is None and waiting is not None:
            labelled, value = waiting, line
        if labelled is None:
            labelled, value = _unlabelled(line), line
        waiting = labelled if labelled and not value.strip() else None
        if labelled and value.strip():
            pairs.append((labelled, value))
    return pairs


def _split(line: str) -> tuple[_Labelled | None, str]:
    """Return the label that `line` starts with, and the rest; no label: None."""
    whole = _label_of(line)
    if whole is not None and not re.search(r"[:=]", line.strip(" :=")):
        spaced = _SPACED_PAIR.match(line)
        if spaced is None or _label_of(spaced["value"]) is not None:
            return whole, ""
    for pattern in (_PAIR, _SPACED_PAIR):
        match = pattern.match(line)
        labelled = _label_of(match["label"]) if match else None
        if match and labelled:
            return labelled, match["value"] or ""
    return None, ""


def _label_of(text: str) -> _Labelled | None:
    label = re.sub(r"[\s_\-:=\"'`“”()*.]", "", text).lower()
    if label == "key":
        return _Labelled(label, Field.KEY)
    for name, field in _LABELS:
        if name in label:
            return _Labelled(label, field)
    return None


def _unlabelled(line: str) -> _Labelled | None:
    value = clean(Field.KEY, line)
    if _UNLABELLED_AES_KEY.match(clean(Field.AES_KEY, line)):
        return _Labelled("aeskey", Field.AES_KEY)
    if _UNLABELLED_KEY.match(value):
        # ding and 32 hexadecimal digits is a CorpId, ding and 16 characters an AppKey.
        return _Labelled("corpid" if len(value) > len("ding") + 20 else "appkey", Field.KEY)
    return None
