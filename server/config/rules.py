"""The rules for single settings: what a JSON value must be, and how it becomes our type.

A rule's error never quotes the value, which may be a secret entered in the wrong place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from types import MappingProxyType
from typing import cast
from urllib.parse import urlsplit

from server.errors.message import N_, Message

DINGTALK_ID_MAX = 2**63 - 1
"""DingTalk's department ids are 64-bit integers."""
WECOM_ID_MAX = 2**32 - 1
"""WeCom's department ids are 32-bit integers."""

_HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"(?!\d+$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
)
_PATH = re.compile(r"(?!.*//)/[A-Za-z0-9._~/-]{0,199}")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DECIMAL = re.compile(r"[0-9]{1,20}")
_BELOW_1 = re.compile(r"0|-[1-9][0-9]{0,17}")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]*")
_WECOM_USERID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")


class UnfitError(Exception):
    """A value cannot be used; says what is expected instead."""

    def __init__(self, message: Message) -> None:
        super().__init__(str(message))
        self.message = message


@dataclass(frozen=True, slots=True)
class Rule:
    """A setting's kind, in a word for tables, and the function that parses its JSON value.

    `parse` raises UnfitError. Parsing what `to_json` returned gives the same value again.
    """

    kind: str
    parse: Callable[[object], object]


def to_json(value: object) -> object:
    """Return a setting's value as JSON."""
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    return value


def _unfit(text: str, **values: str | int) -> UnfitError:
    return UnfitError(Message(text, values))


def _text(value: object) -> str:
    """Parse text, without the blanks that pasting adds around it."""
    if not isinstance(value, str):
        raise _unfit(N_('text in quotes is expected, like "abc"'))
    text = value.strip()
    if not text.isprintable():
        raise _unfit(N_("it contains invisible characters; type it again"))
    return text


def plain_text(longest: int) -> Rule:
    """Accept text of at most `longest` characters, in any script; may be empty."""

    def parse(value: object) -> str:
        text = _text(value)
        if len(text) > longest:
            raise _unfit(N_("at most {longest} characters are allowed"), longest=longest)
        return text

    return Rule(N_("text"), parse)


def identifier(longest: int) -> Rule:
    """Accept an identifier copied from a console: visible ASCII without blanks; may be empty."""

    def parse(value: object) -> str:
        text = _text(value)
        if not _VISIBLE_ASCII.fullmatch(text):
            raise _unfit(
                N_("only Latin letters, digits and punctuation are allowed, without spaces")
            )
        if len(text) > longest:
            raise _unfit(N_("at most {longest} characters are allowed"), longest=longest)
        return text

    return Rule(N_("text"), parse)


def flag() -> Rule:
    """Accept true or false, and nothing that merely looks like them."""

    def parse(value: object) -> bool:
        if not isinstance(value, bool):
            raise _unfit(N_("true or false is expected, without quotes"))
        return value

    return Rule(N_("true or false"), parse)


def integer(least: int, most: int) -> Rule:
    """Accept an integer from `least` to `most`, but not true or false."""

    def parse(value: object) -> int:
        if type(value) is not int:
            raise _unfit(N_("an integer is expected, without quotes"))
        return _within(value, least, most)

    return Rule(N_("integer"), parse)


def _within(number: int, least: int, most: int) -> int:
    if not least <= number <= most:
        # As text, so that large ids are shown without thousands separators.
        raise _unfit(
            N_("a number from {least} to {most} is expected"), least=str(least), most=str(most)
        )
    return number


def _department_id(value: object, most: int) -> int:
    if isinstance(value, str) and _DECIMAL.fullmatch(value.strip()):
        return _within(int(value), 1, most)
    if type(value) is not int:
        raise _unfit(N_("a department id is expected: an integer, or its digits in quotes"))
    return _within(value, 1, most)


def department_id(most: int) -> Rule:
    """Accept a department's id: an integer from 1, or its digits as text."""
    return Rule(N_("department id"), lambda value: _department_id(value, most))


def department_ids() -> Rule:
    """Accept a list of one or more DingTalk department ids; repeated ones count once."""

    def parse(value: object) -> tuple[int, ...]:
        ids = tuple(dict.fromkeys(_department_id(item, DINGTALK_ID_MAX) for item in _list(value)))
        if not ids:
            raise _unfit(N_("at least one department id is expected"))
        return ids

    return Rule(N_("list of department ids"), parse)


def listed_department_ids() -> Rule:
    """Accept any ids that DingTalk lists as departments, also those below 1.

    A department can only be excluded, when it prevents the rest from being read, if it is
    accepted here.
    """

    def parse(value: object) -> tuple[int, ...]:
        return tuple(dict.fromkeys(_listed_id(item) for item in _list(value)))

    return Rule(N_("list of department ids"), parse)


def _listed_id(value: object) -> int:
    text = str(value).strip() if isinstance(value, str | int) else ""
    is_below_1 = type(value) is not bool and _BELOW_1.fullmatch(text) is not None
    return int(text) if is_below_1 else _department_id(value, DINGTALK_ID_MAX)


def wecom_userids() -> Rule:
    """Accept a list of WeCom userids; repeated ones count once, regardless of case."""

    def parse(value: object) -> tuple[str, ...]:
        userids: dict[str, str] = {}
        for userid in map(_wecom_userid, _list(value)):
            userids.setdefault(userid.casefold(), userid)
        return tuple(userids.values())

    return Rule(N_("list of userids"), parse)


def _wecom_userid(value: object) -> str:
    userid = _text(value)
    if not _WECOM_USERID.fullmatch(userid):
        raise _unfit(N_('a list of WeCom userids is expected, like ["zhangsan", "lisi"]'))
    return userid


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise _unfit(N_("a list is expected, like [1, 2]"))
    return cast("list[object]", value)


def department_links() -> Rule:
    """Accept an object that maps DingTalk to WeCom department ids, one to one."""

    def parse(value: object) -> Mapping[int, int]:
        if not isinstance(value, dict):
            raise _unfit(
                N_(
                    "an object that maps DingTalk to WeCom department ids is expected, like "
                    "{example}"
                ),
                example='{"2": 15}',
            )
        links = {
            _department_id(key, DINGTALK_ID_MAX): _department_id(item, WECOM_ID_MAX)
            for key, item in value.items()
        }
        if len(set(links.values())) < len(value):
            raise _unfit(N_("two departments are linked to the same one"))
        return MappingProxyType(links)

    return Rule(N_("object of department ids"), parse)


def host() -> Rule:
    """Accept an IP address or a host name, without a port."""

    def parse(value: object) -> str:
        text = _text(value)
        if not (_is_address(text) or _HOST_NAME.fullmatch(text)):
            raise _unfit(N_("an IP address or a host name is expected, without port"))
        return text

    return Rule(N_("address"), parse)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def callback_path() -> Rule:
    """Accept the path of the callback address, except `/healthz`."""

    def parse(value: object) -> str:
        text = _text(value)
        if not text.startswith("/"):
            raise _unfit(N_('a path that starts with "/" is expected, like "/api/callback"'))
        if not _PATH.fullmatch(text) or {".", ".."} & set(text.split("/")):
            raise _unfit(N_("only letters, digits and - . _ ~ / are allowed in the path"))
        if text.rstrip("/").casefold() == "/healthz":
            raise _unfit(N_("/healthz is reserved for the health check; choose another path"))
        return text

    return Rule(N_("path"), parse)


def web_address() -> Rule:
    """Accept a base address that secrets are sent to; stored without the "/" at its end.

    It may be http on this machine only: elsewhere the secrets would travel in clear.
    """

    def parse(value: object) -> str:
        text = _web_address(value)
        if not text.lower().startswith("https:") and not is_loopback(text):
            raise _unfit(N_("https:// is expected: over http:// the secrets could be intercepted"))
        return text

    return Rule(N_("web address"), parse)


def optional_web_address() -> Rule:
    """Accept an http or https address, or empty text for none; nothing is sent to it."""
    return Rule(N_("web address"), lambda value: "" if value == "" else _web_address(value))


def _web_address(value: object) -> str:
    text = _text(value)
    if not _VISIBLE_ASCII.fullmatch(text) or not _is_base_address(text):
        raise _unfit(N_('a web address is expected, like "https://oapi.dingtalk.com"'))
    return text.rstrip("/")


def is_loopback(address: str) -> bool:
    """Whether a web address leads to this machine."""
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _is_base_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_valid_port = parts.port != 0
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and has_valid_port
        and bool(parts.hostname)
        and not any(sign in text for sign in "@?#\\")
        and (_is_address(parts.hostname or "") or bool(_HOST_NAME.fullmatch(parts.hostname or "")))
    )


def time_of_day() -> Rule:
    """Accept a time of day in this computer's zone, HH:MM."""

    def parse(value: object) -> str:
        text = _text(value)
        if not _TIME.fullmatch(text):
            raise _unfit(N_('a time from "00:00" to "23:59" is expected, like "03:00"'))
        return text

    return Rule(N_("time of day"), parse)


def choice(of: type[StrEnum], spellings: Mapping[str, StrEnum] = MappingProxyType({})) -> Rule:
    """Accept one of the values of `of`, or of other `spellings` (in lower case) of them."""
    known = {member.value.casefold(): member for member in of} | dict(spellings)

    def parse(value: object) -> StrEnum:
        member = known.get(_text(value).casefold())
        if member is None:
            raise _unfit(N_("one of these is expected: {choices}"), choices=", ".join(of))
        return member

    return Rule(N_("choice"), parse)
