"""Translates WeCom's error codes into ours, by the table in `meanings`.

Errors are never told apart by the text of `errmsg`. Two texts carry a value found nowhere else:
60020 names our public address, 60104 the member who holds the mobile.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.errors.message import N_, GapValue, Message
from server.errors.vendor import (
    AddressNotTrustedError,
    CredentialsRejectedError,
    ErrorPolicy,
    MobileTakenError,
    VendorRefusedError,
    VendorReplyError,
)
from server.rest import fields
from server.rest.session import Call, Purpose, quotable
from server.wecom import meanings

VENDOR = "WeCom"
_HOLDER = re.compile(r"mobile existed:\s*([0-9A-Za-z][\w@.\-]{0,63})", re.ASCII)
_FORMAT_WARNING = re.compile(r"(?i)warning: wrong json format")

# What says "does not exist" of the very thing to be removed is what the removal wanted. A member is
# not gone because some department is, nor the other way round.
_GONE_WHEN_DELETING: Mapping[str, frozenset[int]] = {
    "cgi-bin/user/delete": frozenset({60111}),
    "cgi-bin/department/delete": frozenset({60003, 60123}),
}
_MOBILE_TAKEN = 60104
_SECRET_UNSAFE = 45031
_IP_NOT_TRUSTED = 60020


def raise_for_error(answer: Mapping[str, Any], call: Call) -> None:
    """Return for a success, even one without errcode; raise the table's error otherwise."""
    errcode = answer.get("errcode", 0)
    number = fields.number(errcode)
    if number == 0:
        return
    if number is None:
        raise VendorReplyError(call.gaps(VENDOR), meaning=meanings.BAD_ERRCODE, maybe_done=True)
    errmsg = fields.text(answer.get("errmsg")) or ""
    raise _error(number, quotable(errmsg, call), call)


def format_warning(answer: Mapping[str, Any], call: Call) -> Message | None:
    """Return a warning if WeCom accepted a change but dropped one of its values."""
    errmsg = fields.text(answer.get("errmsg")) or ""
    if not _FORMAT_WARNING.search(errmsg):
        return None
    return Message(
        N_("WeCom accepted {call}, but reports that a value in it has the wrong format."),
        call.gaps(VENDOR),
    )


def _error(number: int, detail: str, call: Call) -> VendorRefusedError:
    values = {**call.gaps(VENDOR), "detail": detail}
    if number == _IP_NOT_TRUSTED:
        return _address_error(number, values, detail)
    if number == _MOBILE_TAKEN and call.purpose is Purpose.WRITE:
        return _mobile_error(number, values, detail)
    meaning = meanings.MEANINGS.get(number, meanings.UNKNOWN)
    if number in _GONE_WHEN_DELETING.get(call.path, ()):
        meaning = replace(meaning, policy=ErrorPolicy.GONE, fix=None)
    elif meaning.fix and call.purpose is not Purpose.WRITE:
        meaning = meanings.UNKNOWN  # nothing was sent that could be corrected, as its hint promises
    if meaning is meanings.TOKEN_REFUSED and call.purpose is Purpose.TOKEN:
        meaning = meanings.CREDENTIALS
    is_rejected = meaning is meanings.CREDENTIALS or number == _SECRET_UNSAFE
    kind = CredentialsRejectedError if is_rejected else VendorRefusedError
    return kind(number, values, meaning=meaning)


def _address_error(
    number: int, values: Mapping[str, GapValue], detail: str
) -> AddressNotTrustedError:
    ip = fields.named_address(detail)
    if ip is None:
        return AddressNotTrustedError(number, values, meaning=meanings.IP_UNNAMED)
    return AddressNotTrustedError(number, {**values, "ip": ip}, meaning=meanings.IP_NAMED)


def _mobile_error(number: int, values: Mapping[str, GapValue], detail: str) -> MobileTakenError:
    found = _HOLDER.search(detail)
    if found is None:
        return MobileTakenError(number, values, meaning=meanings.MOBILE_TAKEN_UNNAMED)
    return MobileTakenError(
        number, {**values, "holder": found[1]}, meaning=meanings.MOBILE_TAKEN_BY
    )
