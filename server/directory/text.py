"""Converts values to the form WeCom accepts, within the limits of its create calls.

String in, string out; None if nothing usable is left. Also decides who gets a value that several
people want, and chooses free ids.
"""

import hashlib
import re
from collections.abc import Container, Mapping
from typing import Final

from server.directory.model import id_key

MEMBER_NAME_MAX: Final = 64
DEPARTMENT_NAME_MAX: Final = 32  # documented as 64; the API refused 33 in a real test (60001)
POSITION_MAX: Final = 128
ATTRIBUTE_MAX: Final = 64
USERID_MAX_BYTES: Final = 64
DEPARTMENT_ID_MAX: Final = 2**31 - 1  # whether ids are signed is not stated; stay below

_TWINS = str.maketrans('\\:*?"<>|', "＼：＊？＂＜＞｜")
_MOBILE = re.compile(r"\+?[0-9][0-9-]{3,30}", re.ASCII)
_TELEPHONE = re.compile(r"[0-9+,-]{1,32}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_USERID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*", re.ASCII)
_BLANKS = re.compile(r"[\s\u200b\u202a-\u202e\u2066-\u2069]+")


def department_name(name: str) -> str:
    """Replace the characters WeCom refuses (60009) by their full-width twins."""
    return name.strip().translate(_TWINS)


def numbered(name: str, number: int) -> str:
    """Return a department's name with its number among equals; 1 is the name itself."""
    suffix = f"({number})" if number > 1 else ""
    return name[: DEPARTMENT_NAME_MAX - len(suffix)] + suffix


def number_of(name: str, accepted: str) -> int | None:
    """Return the number that `accepted` gives to `name`; None if it is another name."""
    if accepted == numbered(name, 1):
        return 1
    found = re.search(r"\(([0-9]{1,6})\)$", accepted, re.ASCII)
    number = int(found[1]) if found else 0
    return number if number > 1 and accepted == numbered(name, number) else None


def mobile(number: str, state_code: str) -> str | None:
    """Join number and country code; mainland China (86 or none) is left out, others get `+`."""
    if state_code in ("", "86") and number.isascii() and number.isdecimal():
        return number if _MOBILE.fullmatch(number) else None  # nearly all, at a third of the time
    number = _BLANKS.sub("", number)
    code = _BLANKS.sub("", state_code).lstrip("+")
    if not number.startswith("+") and code not in ("", "86"):
        number = f"+{code}{number}"
    number = re.sub(r"^\+86-?", "", number)
    return number if _MOBILE.fullmatch(number) else None


def telephone(number: str) -> str | None:
    """Remove blanks and brackets from a telephone number (301013: digits, `-`, `+`, `,`)."""
    number = re.sub(r"[\s()（）]+", "", number)
    return number if _TELEPHONE.fullmatch(number) else None


def email(address: str) -> str | None:
    """Return an address of 6 to 64 bytes that looks like one."""
    address = address.strip()
    fits = 6 <= len(address.encode()) <= 64
    return address if fits and _EMAIL.fullmatch(address) else None


def is_userid(text: str) -> bool:
    """Whether WeCom accepts `text` as a userid."""
    return len(text) <= USERID_MAX_BYTES and _USERID.fullmatch(text) is not None


def free_userid(dingtalk_userid: str, taken: Container[str]) -> str:
    """Choose a userid: DingTalk's own if allowed and free, else one derived from it.

    The same arguments give the same userid. `taken` holds folded userids.
    """
    if is_userid(dingtalk_userid) and dingtalk_userid.lower() not in taken:
        return dingtalk_userid
    stem = re.sub(r"[^A-Za-z0-9_.@-]", "", dingtalk_userid).lstrip("_.@-")[:40] or "u"
    attempt = 0
    while True:
        source = dingtalk_userid if attempt == 0 else f"{dingtalk_userid}/{attempt}"
        candidate = f"{stem}-{hashlib.sha256(source.encode()).hexdigest()[:10]}"
        if candidate.lower() not in taken:
            return candidate
        attempt += 1


def free_department_id(department_id: str, taken: Container[str]) -> str:
    """Choose a WeCom department id: DingTalk's own if it fits and is free, else a derived one.

    We choose the id ourselves, so that a department can be recognised after a lost reply.
    """
    if department_id.isdecimal() and 1 < int(department_id) <= DEPARTMENT_ID_MAX:
        own = str(int(department_id))
        if own not in taken:
            return own
    digest = hashlib.sha256(department_id.encode()).digest()
    # The upper half of the range: the console's own ids grow from below.
    number = int.from_bytes(digest[:4]) % 2**30
    while str(2**30 + number) in taken:
        number = (number + 1) % 2**30
    return str(2**30 + number)


def unique_owners(wanted: Mapping[str, str], held: Mapping[str, str]) -> dict[str, str]:
    """Assign each value to one person: to its present holder, else to the first by id.

    wanted, held: person -> value, "" for none. Returns value -> person.
    """
    owners: dict[str, str] = {}
    for key, value in wanted.items():
        if value and (value not in owners or _goes_before(key, owners[value], value, held)):
            owners[value] = key
    return owners


def _goes_before(key: str, other: str, value: str, held: Mapping[str, str]) -> bool:
    def rank(one: str) -> tuple[bool, tuple[int, str]]:
        return held.get(one) != value, id_key(one)

    return rank(key) < rank(other)
