"""One HTTP exchange with a vendor: a call goes out, a JSON object or one of our errors comes back.

Only this module translates exceptions of `requests` and `urllib3`. They quote the address with its
query, which carries tokens and secrets. So ours are raised outside the `except` block, with nothing
of the foreign exception attached.
"""

import json
import logging
import os
import re
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, quote_plus

import requests
import urllib3
from requests.adapters import HTTPAdapter

from crypto.secret import Secret
from server.config.rules import is_loopback
from server.errors.message import GapValue
from server.errors.vendor import (
    CallCancelledError,
    VendorBlockedError,
    VendorError,
    VendorReplyError,
)
from server.rest import environment, failures, fields
from server.rest.open_connections import OpenConnections

_LOG = logging.getLogger(__name__)
_CHUNK_BYTES = 64 * 1024
_POOL_SIZE = 16  # more than the threads that call one vendor
_DETAIL_CHARACTERS = 300
_MASK = "••••"
# A parameter that carries a secret, wherever a vendor quotes an address in its answer.
_SECRET_PARAMETER = re.compile(
    r"(?i)(?<![a-z])(access_token|corpsecret|appsecret|aes_key|token|secret)"
    r"((?:\\?[\"']|%22)?\s*(?:=|:|%3D|%3A)\s*(?:\\?[\"']|%22)?)[^\s&,;\\\"'<>\]})]+"
)


class Purpose(Enum):
    """What a call is for, since the same error code can mean different things."""

    TOKEN = "token"  # noqa: S105 - the purpose of a call, not a token
    READ = "read"
    WRITE = "write"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    # Without a leading slash.
    path: str
    purpose: Purpose = Purpose.READ
    # Sent as JSON; None makes it a GET.
    body: Mapping[str, object] | None = field(default=None, repr=False)
    query: Mapping[str, str] = field(default_factory=dict)
    # Added to the query, and to nothing else.
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    # Secrets in the body, masked in whatever a vendor quotes of it.
    masked: tuple[Secret, ...] = ()
    # False if doing it twice has an effect: what may have been done is then never repeated.
    is_repeatable: bool = True

    def with_secret(self, name: str, secret: Secret) -> "Call":
        """Return the same call with one more secret in its query."""
        return replace(self, secrets={**self.secrets, name: secret})

    def gaps(self, vendor: str) -> dict[str, GapValue]:
        """Return the values that every error about the call needs."""
        return {"vendor": vendor, "call": self.path}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an exchange may take and how large its answer may be."""

    connect_s: float = 5.0
    read_s: float = 15.0  # between two pieces of the answer
    total_s: float = 60.0  # for the whole answer, against a server that drips
    # Parsed, an answer takes some thirty times its size, in the process that answers callbacks. A
    # page of 10,000 members is under 1 MB.
    size_bytes: int = 8 * 1024 * 1024


class _WatchedAdapter(HTTPAdapter):
    """Tracks its connections in `connections`."""

    def __init__(self, connections: OpenConnections, **options: Any) -> None:
        self._connections = connections
        super().__init__(**options)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._connections.watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        self._connections.watch(manager)
        return manager


class _SystemTrustAdapter(_WatchedAdapter):
    """Trusts the system's certificates besides certifi: offices inspect TLS with their own CA."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=ssl.create_default_context())

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs, ssl_context=ssl.create_default_context())


def _add_no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep `requests` from adding an Authorization header from a .netrc file."""
    return request


def _hide_query(record: logging.LogRecord) -> bool:
    """Drop urllib3's debug lines, which print every address with its query."""
    return record.levelno >= logging.WARNING


def build_session(
    base: str,
    connections: OpenConnections,
) -> requests.Session:
    """Return a session for `base`: TLS verified, no cookies, no retries, no .netrc.

    `connections` limits the time of its exchanges and can abort them. The environment's proxies are
    used, except for loopback. Raises OSError if this machine's TLS set-up is broken.
    """
    for name in ("urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).addFilter(_hide_query)
    session = requests.Session()
    pools = {"pool_connections": 2, "pool_maxsize": _POOL_SIZE, "max_retries": 0}
    # Loading the system's certificates takes a while; loopback needs none.
    if base.lower().startswith("https:"):
        session.mount("https://", _SystemTrustAdapter(connections, **pools))
    else:
        session.mount("http://", _WatchedAdapter(connections, **pools))
    session.auth = _add_no_credentials
    session.trust_env = not is_loopback(base)
    if session.trust_env:
        session.verify = environment.certificates(os.environ)
        for remark in environment.ignored(os.environ):
            _LOG.warning("%s", remark)
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "DingBridge"
    return session


def quotable(text: str, call: Call) -> str:
    """Return a vendor's text about `call` as one short line, with every secret masked."""
    for secret in (*call.secrets.values(), *call.masked):
        if secret:
            plain = secret.reveal()
            for form in {plain, quote(plain, safe=""), quote_plus(plain)}:
                text = text.replace(form, _MASK)
    text = _SECRET_PARAMETER.sub(rf"\1\2{_MASK}", " ".join(text.split()))
    return text[:_DETAIL_CHARACTERS]


class Channel:
    """Exchanges with one vendor at one base address. Thread-safe."""

    def __init__(
        self,
        vendor: str,
        base: str,
        *,
        clock: Callable[[], float],
        limits: Limits | None = None,
        hear_date: Callable[[str, str | None], None] | None = None,
    ) -> None:
        self.vendor = vendor
        self.base = base.rstrip("/")
        self._clock = clock
        self._limits = limits or Limits()
        self._hear_date = hear_date
        self._connections = OpenConnections(clock, self._limits.total_s)
        self._lock = threading.Lock()
        self._session: requests.Session | None = None
        self._is_clear = self.base.lower().startswith("http://") and not is_loopback(self.base)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()

    def abort(self) -> None:
        """Abort: exchanges in flight and all later ones raise `CallCancelledError`."""
        self._connections.abort()

    def values(self, call: Call) -> dict[str, GapValue]:
        """Return the values that every error about `call` needs."""
        return call.gaps(self.vendor)

    def send(self, call: Call) -> dict[str, Any]:
        """Make one exchange and return the JSON object of the answer, whatever its errcode.

        Raises a `VendorError` for anything that is not a JSON object of the API.
        """
        if self._connections.is_aborted():
            raise CallCancelledError(self.values(call))
        started = self._clock()
        outcome = self._exchange(call)
        took_ms = round((self._clock() - started) * 1000)
        if not isinstance(outcome, VendorError):
            _LOG.debug("%s %s answered in %d ms", self.vendor, call.path, took_ms)
            return outcome
        if self._connections.is_aborted():
            outcome = CallCancelledError(self.values(call))
        _LOG.debug("%s %s failed in %d ms: %s", self.vendor, call.path, took_ms, outcome.code)
        raise outcome

    def _exchange(self, call: Call) -> dict[str, Any] | VendorError:
        if self._is_clear:
            return failures.not_encrypted(self.values(call))
        try:
            session = self._opened()
        except (OSError, ValueError) as exc:
            return failures.not_set_up(exc, self.values(call))
        try:
            with self._request(session, call) as response:
                if self._hear_date:
                    self._hear_date(self.vendor, response.headers.get("Date"))
                content = self._read(response)
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as exc:
            way = environment.proxy_for(self.base, os.environ) if session.trust_env else None
            return failures.explain(exc, self.values(call), way)
        if content is None:
            return self._no_answer(call, response, failures.TOO_LARGE)
        return self._understand(call, response, content)

    def _opened(self) -> requests.Session:
        """Return the session; the first call makes it, so that its failure is that call's error."""
        with self._lock:
            if self._session is None:
                self._session = build_session(self.base, self._connections)
            return self._session

    def _request(self, session: requests.Session, call: Call) -> requests.Response:
        body = None
        headers = {"Accept-Encoding": "identity"}  # no decompression, so no zip bomb
        if call.body is not None:
            # Real UTF-8: WeCom refuses \uXXXX in requests with 40033.
            body = json.dumps(call.body, ensure_ascii=False).encode()
            headers["Content-Type"] = "application/json; charset=utf-8"
        revealed = {name: secret.reveal() for name, secret in call.secrets.items()}
        return session.request(
            "GET" if body is None else "POST",
            f"{self.base}/{call.path}",
            params={**call.query, **revealed},
            data=body,
            headers=headers,
            timeout=(self._limits.connect_s, self._limits.read_s),
            allow_redirects=False,
            stream=True,
            verify=session.verify,  # or `requests` takes the environment's value unchecked
        )

    def _read(self, response: requests.Response) -> bytes | None:
        """Return the body; None if it is too large."""
        content = bytearray()
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > self._limits.size_bytes:
                return None
        return bytes(content)

    def _understand(
        self, call: Call, response: requests.Response, content: bytes
    ) -> dict[str, Any] | VendorError:
        if 300 <= response.status_code < 400:
            return self._no_answer(call, response, failures.REDIRECTED)
        answer = _parse_object(content)
        if answer is None:
            return self._no_answer(call, response, failures.no_json(response.status_code, content))
        if "punish" in answer and "errcode" not in answer:
            return self._blocked(call, answer)
        if response.status_code != 200 and "errcode" not in answer:
            return self._no_answer(call, response, failures.no_json(response.status_code, b""))
        return answer

    def _no_answer(
        self, call: Call, response: requests.Response, why: failures.NoAnswer
    ) -> VendorReplyError:
        values = {**self.values(call), "status": response.status_code}
        wait_s = failures.retry_after_s(response.headers.get("Retry-After"))
        wait_s = why.wait_s if wait_s is None else wait_s
        return VendorReplyError(
            values, meaning=why.meaning, wait_s=wait_s, maybe_done=why.maybe_done
        )

    def _blocked(self, call: Call, answer: Mapping[str, Any]) -> VendorBlockedError:
        """Explain `{"status":1111,"wait":5,"punish":"deny"}`: DingTalk's block, in minutes."""
        wait = fields.number(answer.get("wait"))
        minutes = wait if wait is not None and 0 < wait < 24 * 60 else 5
        return VendorBlockedError({**self.values(call), "minutes": minutes}, wait_s=minutes * 60.0)


def _parse_object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):  # nested absurdly deep
        return None
    return answer if isinstance(answer, dict) else None
