"""Translates DingTalk's error codes into ours, by a table.

Code 88 is only an envelope: its meaning is in `sub_code`. The same code can mean different things
for a token and for a read, so the kind of call counts as well.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from server.errors.message import N_, GapValue
from server.errors.vendor import (
    AddressNotTrustedError,
    Correction,
    CredentialsRejectedError,
    ErrorInfo,
    ErrorPolicy,
    VendorError,
    VendorRefusedError,
    VendorReplyError,
)
from server.rest import fields
from server.rest.session import Call, Purpose, quotable

VENDOR = "DingTalk"
_ENVELOPE = 88
_IP_NOT_LISTED = 60020

_BY_ITSELF = N_("Nothing to do: DingBridge retries automatically.")
_REPORT = N_("If it happens again, send the log file to your administrator.")
_CHECK_CREDENTIALS = N_(
    "Copy the Client ID (formerly AppKey) and the Client Secret (formerly AppSecret) again from "
    "the app's page in the DingTalk console. Until they change, DingBridge retries only rarely."
)
_ADD_PERMISSION = N_(
    "Open the app in the DingTalk console, Permissions (权限管理), and add the contact permissions "
    "qyapi_get_member, qyapi_get_department_member and qyapi_get_department_list. Then start a "
    "sync."
)
_WIDEN_SCOPE = N_(
    "To sync it, add it to the app's contact scope in the DingTalk console "
    "(权限管理, 通讯录权限范围)."
)
_CHECK_CALLBACK = N_(
    "Run the self-test, and make sure that the address is reachable from the internet and leads to "
    "this computer."
)

_BUSY = ErrorInfo(ErrorPolicy.RETRY, N_("DingTalk is busy (error {number})."), _BY_ITSELF)
_THROTTLED = ErrorInfo(
    ErrorPolicy.RETRY,
    N_("DingTalk is throttling requests (error {number})."),
    _BY_ITSELF,
)
_TOKEN_REFUSED = ErrorInfo(
    ErrorPolicy.REFRESH_TOKEN,
    N_("DingTalk rejected the access token (error {number})."),
    _BY_ITSELF,
)
_CREDENTIALS = ErrorInfo(
    ErrorPolicy.STOP,
    N_("DingTalk rejected the Client ID or the Client Secret (error {number})."),
    _CHECK_CREDENTIALS,
)
_NOBODY = ErrorInfo(
    ErrorPolicy.GONE,
    N_("This person is no longer in DingTalk (error {number})."),
    N_("Nothing to do: the next sync picks it up."),
)
_NO_DEPARTMENT = ErrorInfo(
    ErrorPolicy.GONE,
    N_("This department is no longer in DingTalk (error {number})."),
    N_(
        "Nothing to do, unless it is one of the departments to sync (sync.source_department_ids): "
        "then remove it there."
    ),
)
_BAD_REQUEST = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("DingTalk rejected the API call {call} (error {number}: {detail})."),
    _REPORT,
    suspicious=True,
)
_NO_PERMISSION = ErrorInfo(
    ErrorPolicy.STOP,
    N_("The DingTalk app is not allowed to call {call} (error {number})."),
    _ADD_PERMISSION,
)
_CALLBACK_CRYPTO = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("DingTalk could not decrypt our response to its test request (error {number})."),
    N_("Make sure that token and aes_key are the same on both sides, then run the self-test."),
)
_UNKNOWN = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("DingTalk answered {call} with error {number}: {detail}"),
    _REPORT,
    suspicious=True,
)
_NO_ERRCODE = ErrorInfo(
    ErrorPolicy.RETRY, N_("DingTalk's response to {call} has no result code."), _BY_ITSELF
)

MEANINGS: Mapping[int, ErrorInfo] = MappingProxyType(
    {
        -1: _BUSY,
        22: _BAD_REQUEST,
        33001: _CREDENTIALS,
        33012: _NOBODY,
        40001: _TOKEN_REFUSED,
        40014: _TOKEN_REFUSED,
        40035: _BAD_REQUEST,
        40068: _BAD_REQUEST,
        40069: _BAD_REQUEST,
        40089: _CREDENTIALS,
        41001: ErrorInfo(
            ErrorPolicy.STOP, N_("DingTalk found no access token in {call}."), _REPORT
        ),
        42001: _TOKEN_REFUSED,
        43007: _NO_PERMISSION,
        45009: ErrorInfo(
            ErrorPolicy.RETRY,
            N_("The DingTalk rate limit for {call} has been reached (error {number})."),
            _BY_ITSELF,
            backoff_s=(60.0,),
        ),
        50002: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("This person is outside the app's contact scope (error {number})."),
            _WIDEN_SCOPE,
        ),
        50003: ErrorInfo(
            ErrorPolicy.STOP,
            N_("The app is disabled in DingTalk (error {number})."),
            N_("Enable it in the DingTalk console. Then start a sync."),
        ),
        50004: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("This department is outside the app's contact scope (error {number})."),
            _WIDEN_SCOPE,
        ),
        50005: ErrorInfo(
            ErrorPolicy.STOP,
            N_("DingTalk has disabled the company (error {number})."),
            N_("Contact DingTalk support. Until then, DingBridge changes nothing."),
        ),
        60003: _NO_DEPARTMENT,
        60011: _NO_PERMISSION,
        60019: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("The app is not allowed to read the members of this department (error {number})."),
            _WIDEN_SCOPE,
        ),
        60111: _NOBODY,
        60121: _NOBODY,
        71006: ErrorInfo(
            ErrorPolicy.FIX,
            N_(
                "A callback address is already registered with DingTalk for this app (error "
                "{number})."
            ),
            N_("Replace it, or use the values registered with DingTalk."),
            fix=Correction.UPDATE_INSTEAD,
        ),
        71007: ErrorInfo(
            ErrorPolicy.GONE,
            N_(
                "No callback address has been registered with DingTalk through the API "
                "(error {number})."
            ),
            N_("This is normal if the subscription was set up in the console."),
        ),
        71008: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("DingTalk does not allow one of the events for this app (error {number})."),
            N_("Select the events in the DingTalk console instead."),
        ),
        71009: ErrorInfo(
            ErrorPolicy.SKIP,
            N_('DingTalk did not receive "success" from the callback address (error {number}).'),
            _CHECK_CALLBACK,
        ),
        71010: _BAD_REQUEST,
        71011: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("DingTalk rejected the format of the callback address (error {number})."),
            N_("It must start with http:// or https:// and name a public host."),
        ),
        71012: ErrorInfo(
            ErrorPolicy.SKIP,
            N_("DingTalk cannot reach the callback address (error {number})."),
            _CHECK_CALLBACK,
        ),
        90020: ErrorInfo(
            ErrorPolicy.STOP,
            N_("The company's API calls to DingTalk are used up for this month (error {number})."),
            N_("The quota is renewed on the first of the month; DingTalk also sells more."),
        ),
        **dict.fromkeys(range(90001, 90020), _THROTTLED),
        400002: _BAD_REQUEST,
        **dict.fromkeys(range(900004, 900010), _CALLBACK_CRYPTO),
        900010: ErrorInfo(
            ErrorPolicy.SKIP,
            N_(
                "The key at the end of our response is not the one DingTalk expects (error "
                "{number})."
            ),
            N_(
                "A subscription registered through the API uses the CorpId, one set up in the "
                "console the Client ID (formerly AppKey). Correct callback.key."
            ),
        ),
    }
)
_ENVELOPE_ALONE = ErrorInfo(
    ErrorPolicy.STOP,
    N_("DingTalk rejected the API call {call} (error 88: {detail})."),
    _ADD_PERMISSION,
)
_IP_NAMED = ErrorInfo(
    ErrorPolicy.STOP,
    N_(
        "DingTalk does not accept requests from this network's public address {ip} (error "
        "{number})."
    ),
    N_(
        "Add {ip} to the app's server exit addresses (服务器出口IP) in the DingTalk console. Then "
        "start a sync."
    ),
)
_IP_UNNAMED = ErrorInfo(
    ErrorPolicy.STOP,
    N_("DingTalk does not accept requests from this network's public address (error {number})."),
    N_(
        "Add the public address of this network to the app's server exit addresses (服务器出口IP) "
        "in the DingTalk console. Then start a sync."
    ),
)


def raise_for_error(answer: Mapping[str, Any], call: Call) -> None:
    """Return for errcode 0; raise the table's error for any other answer."""
    number = fields.number(answer.get("errcode"))
    if number == 0:
        return
    if number is None:
        raise VendorReplyError(call.gaps(VENDOR), meaning=_NO_ERRCODE, maybe_done=True)
    if number == _ENVELOPE:
        number = fields.number(answer.get("sub_code")) or number
    text = f"{fields.text(answer.get('sub_msg')) or ''} {fields.text(answer.get('errmsg')) or ''}"
    raise _error(number, quotable(text.strip(), call), call)


def is_out_of_scope(error: VendorError) -> bool:
    """Whether the person or department lies outside the app's contact scope."""
    return isinstance(error, VendorRefusedError) and error.number in {50002, 50004}


def is_person_gone(error: VendorError) -> bool:
    """Whether DingTalk says that the person does not exist."""
    return isinstance(error, VendorRefusedError) and error.number in {33012, 60111, 60121}


def is_department_gone(error: VendorError) -> bool:
    """Whether DingTalk says that the department does not exist."""
    return isinstance(error, VendorRefusedError) and error.number == 60003


def is_permission_missing(error: VendorError) -> bool:
    """Whether the app lacks the permission for a call, so that repeating it is useless."""
    return isinstance(error, VendorRefusedError) and error.number in {60011, 43007, _ENVELOPE}


def _error(number: int, detail: str, call: Call) -> VendorRefusedError:
    values = {**call.gaps(VENDOR), "detail": detail}
    if number == _IP_NOT_LISTED:
        return _address_error(number, values, detail)
    meaning = _ENVELOPE_ALONE if number == _ENVELOPE else MEANINGS.get(number, _UNKNOWN)
    if meaning is _TOKEN_REFUSED and call.purpose is Purpose.TOKEN:
        meaning = _CREDENTIALS
    kind = CredentialsRejectedError if meaning is _CREDENTIALS else VendorRefusedError
    return kind(number, values, meaning=meaning)


def _address_error(
    number: int, values: Mapping[str, GapValue], detail: str
) -> AddressNotTrustedError:
    ip = fields.named_address(detail)
    if ip is None:
        return AddressNotTrustedError(number, values, meaning=_IP_UNNAMED)
    return AddressNotTrustedError(number, {**values, "ip": ip}, meaning=_IP_NAMED)
