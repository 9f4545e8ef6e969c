"""The table of transport failures, and how to tell them apart.

What matters most is whether the request had been sent (`maybe_done`): a creation whose reply was
lost must not be repeated blindly.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from requests.exceptions import (
    ConnectTimeout,
    InvalidSchema,
    InvalidURL,
    MissingSchema,
    ProxyError,
    ReadTimeout,
)
from urllib3.exceptions import LocationValueError, NameResolutionError, NewConnectionError

from server.errors.message import N_, GapValue
from server.errors.vendor import ErrorInfo, ErrorPolicy, VendorUnreachableError
from server.rest.environment import Proxy

_CHECK_NETWORK = N_(
    "Check this computer's network: cable or Wi-Fi, proxy, firewall. DingBridge retries "
    "automatically."
)
_OFFLINE = ErrorInfo(ErrorPolicy.RETRY, N_("{vendor} cannot be reached."), _CHECK_NETWORK)
_NO_NAME = ErrorInfo(
    ErrorPolicy.RETRY, N_("The name of {vendor}'s server cannot be resolved."), _CHECK_NETWORK
)
_CONNECT_SLOW = ErrorInfo(
    ErrorPolicy.RETRY, N_("{vendor} does not accept the connection."), _CHECK_NETWORK
)
_PROXY = ErrorInfo(
    ErrorPolicy.RETRY,
    N_("The proxy of this network blocks DingBridge from reaching {vendor}."),
    N_("Check the Windows proxy settings, or ask the administrator of the proxy to allow it."),
)
_PROXY_NAMED = ErrorInfo(
    ErrorPolicy.RETRY,
    N_("The proxy {proxy} blocks DingBridge from reaching {vendor}."),
    _PROXY.hint,
)
_PROXY_UNUSABLE = ErrorInfo(
    ErrorPolicy.STOP,
    N_("The proxy {proxy} cannot be used to reach {vendor}."),
    N_(
        "It comes from the system's proxy settings. Enter an HTTP proxy there, like "
        "http://proxy.example:8080, or none: DingBridge does not support SOCKS."
    ),
)
_OF_VARIABLE: Mapping[ErrorInfo, ErrorInfo] = MappingProxyType(
    {
        _PROXY_NAMED: replace(
            _PROXY_NAMED,
            hint=N_(
                "This computer's environment variable {variable} sets this proxy. Correct or "
                "remove it and restart DingBridge, or ask the administrator of the proxy to allow "
                "it."
            ),
        ),
        _PROXY_UNUSABLE: replace(
            _PROXY_UNUSABLE,
            hint=N_(
                "This computer's environment variable {variable} sets it. Enter an HTTP proxy "
                "there, like http://proxy.example:8080, or remove it, and restart DingBridge: it "
                "does not support SOCKS."
            ),
        ),
    }
)
"""The hints for a proxy that a variable names, not the system's settings."""
_CERTIFICATE = ErrorInfo(
    ErrorPolicy.STOP,
    N_("This computer does not trust the certificate of {vendor}'s server."),
    N_(
        "If a firewall or antivirus program inspects encrypted traffic, install its certificate in "
        "Windows, or exempt {vendor} from inspection."
    ),
)
_CERTIFICATE_OVER = ErrorInfo(
    ErrorPolicy.STOP,
    N_(
        "According to this computer's clock, the certificate of {vendor}'s server is not "
        "valid at present."
    ),
    N_("Correct this computer's date and time. Then start a sync."),
)
_CERTIFICATE_OF_ANOTHER = ErrorInfo(
    ErrorPolicy.STOP,
    N_("The server reached at {vendor}'s address presents a certificate for another name."),
    N_(
        "Check the api_base of {vendor} in the settings, and whether this network redirects the "
        "name elsewhere (DNS, the hosts file, a login page). Nothing was sent there."
    ),
)
_SET_UP = ErrorInfo(
    ErrorPolicy.STOP,
    N_("This computer cannot set up encrypted connections to {vendor}: {reason}."),
    N_(
        "Check this computer's environment variables for OpenSSL (OPENSSL_CONF, SSLKEYLOGFILE), "
        "and whether other programs changed its certificates. Then restart DingBridge."
    ),
)
_PLAIN = ErrorInfo(
    ErrorPolicy.STOP,
    N_("The address of {vendor} in the settings is not encrypted, so nothing was sent there."),
    N_("Put https:// in front of the api_base of {vendor} in the settings."),
)
_ADDRESS = ErrorInfo(
    ErrorPolicy.STOP,
    N_("The address of {vendor} in the settings cannot be used."),
    N_("Correct the api_base of {vendor} in the settings, or restore the default."),
)
_REPLY_LATE = ErrorInfo(
    ErrorPolicy.RETRY, N_("{vendor} did not answer {call} in time."), _CHECK_NETWORK
)
_REPLY_LOST = ErrorInfo(
    ErrorPolicy.RETRY,
    N_("The connection to {vendor} broke before {call} was answered."),
    _CHECK_NETWORK,
)

# The first row that fits any exception in the chain wins. True: the request may have been done.
_KINDS: tuple[tuple[tuple[type[BaseException], ...], ErrorInfo, bool], ...] = (
    ((ProxyError,), _PROXY, False),
    ((NameResolutionError,), _NO_NAME, False),
    ((ConnectTimeout,), _CONNECT_SLOW, False),
    ((NewConnectionError,), _OFFLINE, False),
    ((InvalidURL, InvalidSchema, MissingSchema, LocationValueError, UnicodeError), _ADDRESS, False),
    ((TimeoutError, ReadTimeout), _REPLY_LATE, True),
)
# X509_V_ERR_* of OpenSSL's x509_vfy.h.
_CERTIFICATES: Mapping[int, ErrorInfo] = MappingProxyType(
    {
        9: _CERTIFICATE_OVER,  # not yet valid
        10: _CERTIFICATE_OVER,  # expired
        62: _CERTIFICATE_OF_ANOTHER,  # the host's name
        64: _CERTIFICATE_OF_ANOTHER,  # its IP address
    }
)
_BY_PROXY: Mapping[ErrorInfo, ErrorInfo] = MappingProxyType(
    {_PROXY: _PROXY_NAMED, _ADDRESS: _PROXY_UNUSABLE}
)
# As long as WeCom blocks an address; a longer Retry-After is cut to this.
_LONGEST_WAIT_S = 3600.0


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why a reply is not an answer of the API, and whether the request may have been done."""

    meaning: ErrorInfo
    maybe_done: bool
    # How long it lasts, if that is known and the reply does not say.
    wait_s: float | None = None


REDIRECTED = NoAnswer(
    ErrorInfo(
        ErrorPolicy.STOP,
        N_("{vendor}'s address returned a redirect (HTTP {status}) instead of an answer."),
        N_(
            "Check the api_base of {vendor} in the settings (https, the right host), and whether "
            "this network requires a login in the browser first."
        ),
    ),
    maybe_done=False,
)
TOO_LARGE = NoAnswer(
    ErrorInfo(
        ErrorPolicy.STOP,
        N_("{vendor}'s response to {call} is larger than DingBridge accepts."),
        N_(
            "Check the api_base of {vendor} in the settings: the right server does not "
            "answer like this."
        ),
    ),
    maybe_done=True,
)
_WEB_PAGE = NoAnswer(
    ErrorInfo(
        ErrorPolicy.STOP,
        N_("A web page came back instead of {vendor}'s response (HTTP {status})."),
        N_(
            "Either this network requires a login in the browser first, or {vendor} has blocked "
            "this network for a few minutes because of too many calls. DingBridge retries later."
        ),
    ),
    maybe_done=False,
    wait_s=300.0,  # as long as DingTalk blocks an address (API-0012)
)
_NOT_FOUND = NoAnswer(
    ErrorInfo(
        ErrorPolicy.STOP,
        N_("{vendor}'s server does not know the call {call} (HTTP {status})."),
        N_("Check the api_base of {vendor} in the settings, or restore the default."),
    ),
    maybe_done=False,
)
_OVERLOADED = NoAnswer(
    ErrorInfo(
        ErrorPolicy.RETRY,
        N_("{vendor} is too busy to answer {call} (HTTP {status})."),
        N_("Nothing to do: DingBridge retries automatically."),
    ),
    maybe_done=False,
)
_SERVER_FAULT = NoAnswer(
    ErrorInfo(
        ErrorPolicy.RETRY,
        N_("{vendor}'s server failed to answer {call} (HTTP {status})."),
        N_("Nothing to do: DingBridge retries automatically."),
    ),
    maybe_done=True,
)
_GARBLED = NoAnswer(
    ErrorInfo(
        ErrorPolicy.RETRY,
        N_("{vendor}'s response to {call} cannot be read (HTTP {status})."),
        N_("Nothing to do: DingBridge retries automatically."),
    ),
    maybe_done=True,
)


def no_json(status: int, content: bytes) -> NoAnswer:
    """Classify a reply that is not a JSON object of the API."""
    if status == 429:
        return _OVERLOADED
    if status >= 500:
        return _SERVER_FAULT
    if status >= 400:
        return _NOT_FOUND
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _WEB_PAGE
    return _GARBLED


def retry_after_s(header: str | None) -> float | None:
    """Return the seconds of a Retry-After header; None if it is absent or unusable.

    A date is unusable, since our own clock may be wrong.
    """
    digits = (header or "").strip()
    if not (digits.isascii() and digits.isdigit()):
        return None
    return min(float(digits), _LONGEST_WAIT_S)


def explain(
    exc: Exception, values: Mapping[str, GapValue], proxy: Proxy | None
) -> VendorUnreachableError:
    """Translate an exception of `requests` or `urllib3`; none of its text is kept.

    With a `proxy` in between, a bad address is the proxy's: the vendor's was checked on entry.
    """
    meaning, maybe_done = _classify(exc)
    if proxy is not None and meaning in _BY_PROXY:
        meaning = _BY_PROXY[meaning]
        meaning = _OF_VARIABLE[meaning] if proxy.variable else meaning
        values = {**values, "proxy": proxy.shown, "variable": proxy.variable}
    return VendorUnreachableError(values, meaning=meaning, maybe_done=maybe_done)


def not_set_up(exc: Exception, values: Mapping[str, GapValue]) -> VendorUnreachableError:
    """Return the error for a session that could not be set up; nothing was sent."""
    named = f" ({exc.filename})" if isinstance(exc, OSError) and exc.filename else ""
    reason = f"{getattr(exc, 'strerror', None) or type(exc).__name__}{named}"
    return VendorUnreachableError({**values, "reason": reason}, meaning=_SET_UP)


def not_encrypted(values: Mapping[str, GapValue]) -> VendorUnreachableError:
    """Return the error for an address to which secrets would travel unencrypted."""
    return VendorUnreachableError(values, meaning=_PLAIN)


def _classify(exc: Exception) -> tuple[ErrorInfo, bool]:
    causes = tuple(_causes(exc))
    for kinds, meaning, maybe_done in _KINDS:
        if any(isinstance(cause, kinds) for cause in causes):
            return meaning, maybe_done
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _CERTIFICATES.get(cause.verify_code, _CERTIFICATE), False
    return _REPLY_LOST, True


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Yield an exception, its causes and its contexts; urllib3 keeps some in `reason`."""
    seen: set[int] = set()
    waiting: list[object] = [exc]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None)]
        waiting += [cause.__cause__, cause.__context__]
