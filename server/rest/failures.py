"""What failed exchanges mean: the table of transport failures, and how to tell them apart.

The question that matters most is whether the request had left (`maybe_done`): a creation whose
reply was lost must not be repeated blindly.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from requests.exceptions import (
    ConnectTimeout,
    InvalidSchema,
    InvalidURL,
    MissingSchema,
    ProxyError,
    ReadTimeout,
)
from urllib3.exceptions import NameResolutionError, NewConnectionError

from server.fate import Fate, Meaning
from server.message import N_, GapValue
from server.vendor_errors import VendorUnreachableError

_CHECK_NETWORK = N_(
    "Check the network of this computer: cable or Wi-Fi, proxy, firewall. DingBridge tries again "
    "by itself."
)
_OFFLINE = Meaning(Fate.RETRY, N_("{vendor} cannot be reached."), _CHECK_NETWORK)
_NO_NAME = Meaning(
    Fate.RETRY, N_("The name of {vendor}'s server cannot be looked up."), _CHECK_NETWORK
)
_CONNECT_SLOW = Meaning(Fate.RETRY, N_("{vendor} does not take the connection."), _CHECK_NETWORK)
_PROXY = Meaning(
    Fate.RETRY,
    N_("The proxy of this network does not let DingBridge reach {vendor}."),
    N_("Check the proxy settings of Windows, or ask whoever runs the proxy to allow it."),
)
_CERTIFICATE = Meaning(
    Fate.STOP,
    N_("The certificate that {vendor}'s server shows is not trusted by this computer."),
    N_(
        "Check date and time of this computer. If a firewall reads encrypted traffic, install its "
        "certificate in Windows, or exempt {vendor} from it."
    ),
)
_ADDRESS = Meaning(
    Fate.STOP,
    N_("The address of {vendor} in the settings cannot be used."),
    N_("Correct the api_base of {vendor} in the settings, or put back the original value."),
)
_REPLY_LATE = Meaning(Fate.RETRY, N_("{vendor} did not answer {call} in time."), _CHECK_NETWORK)
_REPLY_LOST = Meaning(
    Fate.RETRY, N_("The connection to {vendor} broke before {call} was answered."), _CHECK_NETWORK
)

# The first row that fits any exception of the chain wins; True: the request may have been done.
_KINDS: tuple[tuple[tuple[type[BaseException], ...], Meaning, bool], ...] = (
    ((ProxyError,), _PROXY, False),
    ((NameResolutionError,), _NO_NAME, False),
    ((ConnectTimeout,), _CONNECT_SLOW, False),
    ((NewConnectionError,), _OFFLINE, False),
    ((ssl.SSLCertVerificationError,), _CERTIFICATE, False),
    ((InvalidURL, InvalidSchema, MissingSchema, UnicodeError), _ADDRESS, False),
    ((TimeoutError, ReadTimeout), _REPLY_LATE, True),
)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Why a reply is no answer of the API, and whether the request may have been carried out.

    `wait_s`: how long that lasts, where it is known and the reply does not say.
    """

    meaning: Meaning
    maybe_done: bool
    wait_s: float | None = None


REDIRECTED = NoAnswer(
    Meaning(
        Fate.STOP,
        N_("{vendor}'s address answers with a redirect (HTTP {status}) instead of an answer."),
        N_(
            "Check the api_base of {vendor} in the settings (https, no other host), and whether "
            "this network wants a login in the browser first."
        ),
    ),
    maybe_done=False,
)
TOO_LARGE = NoAnswer(
    Meaning(
        Fate.STOP,
        N_("The answer of {vendor} to {call} is larger than DingBridge accepts."),
        N_("Check the api_base of {vendor} in the settings: that is not how it answers."),
    ),
    maybe_done=True,
)
_WEB_PAGE = NoAnswer(
    Meaning(
        Fate.STOP,
        N_("A web page came back instead of {vendor}'s answer (HTTP {status})."),
        N_(
            "Either this network wants a login in the browser first, or {vendor} has shut out this "
            "address for some minutes because of too many calls. DingBridge tries again later."
        ),
    ),
    maybe_done=False,
    wait_s=300.0,  # as long as DingTalk shuts out an address (API-0012)
)
_NOT_FOUND = NoAnswer(
    Meaning(
        Fate.STOP,
        N_("{vendor}'s server does not know the call {call} (HTTP {status})."),
        N_("Check the api_base of {vendor} in the settings, or put back the original value."),
    ),
    maybe_done=False,
)
_OVERLOADED = NoAnswer(
    Meaning(
        Fate.RETRY,
        N_("{vendor} is too busy to answer {call} (HTTP {status})."),
        N_("Nothing to do: DingBridge tries again by itself."),
    ),
    maybe_done=False,
)
_SERVER_FAULT = NoAnswer(
    Meaning(
        Fate.RETRY,
        N_("{vendor}'s server failed to answer {call} (HTTP {status})."),
        N_("Nothing to do: DingBridge tries again by itself."),
    ),
    maybe_done=True,
)
_GARBLED = NoAnswer(
    Meaning(
        Fate.RETRY,
        N_("The answer of {vendor} to {call} cannot be read (HTTP {status})."),
        N_("Nothing to do: DingBridge tries again by itself."),
    ),
    maybe_done=True,
)


def no_json(status: int, content: bytes) -> NoAnswer:
    """Tell what a reply is that holds no JSON object of the API."""
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
    """Return the seconds of a Retry-After header; None where there is none that can be used."""
    if header is None or not header.strip().isdigit():
        return None
    return float(header)


def explain(exc: Exception, values: Mapping[str, GapValue]) -> VendorUnreachableError:
    """Translate an exception of `requests` or `urllib3`; nothing of its text is kept."""
    meaning, maybe_done = _classify(exc)
    return VendorUnreachableError(values, meaning=meaning, maybe_done=maybe_done)


def _classify(exc: Exception) -> tuple[Meaning, bool]:
    causes = tuple(_causes(exc))
    for kinds, meaning, maybe_done in _KINDS:
        if any(isinstance(cause, kinds) for cause in causes):
            return meaning, maybe_done
    return _REPLY_LOST, True


def _causes(exc: BaseException) -> Iterator[BaseException]:
    """Walk an exception, what it wraps and what it followed; urllib3 keeps some in `reason`."""
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
