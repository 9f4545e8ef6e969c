"""Answers requests: callbacks directly, everything else by Bottle.

A callback waits for the disk between verification and answer, and there may be thousands a second.
So the listener calls `verify` and `reply` directly; Bottle serves only the unusual requests.
"""

import ipaddress
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request, response

from crypto.callback import CallbackRejectedError, SealedReply
from server.callback.handler import (
    CallbackHandler,
    CallbackRequest,
    NotACallbackError,
    Outcome,
    Verified,
)
from server.errors.base import JournalError

_log = logging.getLogger(__name__)

# The key in the WSGI environment for the answer to a callback.
ANSWER_KEY = "dingbridge.answer"
_PLAIN = "text/plain; charset=utf-8"
_JSON = "application/json"
_HTML = "text/html; charset=utf-8"
_PAGE = """<!doctype html>
<meta charset="utf-8"><title>DingBridge</title>
<p>DingBridge 正在运行。这是钉钉的回调地址，请填入钉钉开放平台的“事件订阅”。</p>
<p>DingBridge is running. This is the callback address for DingTalk; enter it in the console.</p>
"""


class Answer:
    """Status and body, and the ready-made head for a connection that stays open."""

    __slots__ = ("_head", "body", "headers", "status")

    def __init__(
        self, status: str, body: bytes, kind: str, more: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers = {"Content-Type": kind, **(more or {})}
        fields = "".join(f"\r\n{name}: {value}" for name, value in self.headers.items())
        self._head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}{fields}\r\nDate: ".encode()

    def as_bytes(self, date: bytes) -> bytes:
        """Return the whole answer as HTTP/1.1."""
        return self._head + date + b"\r\n\r\n" + self.body


_NOT_A_CALLBACK = Answer("400 Bad Request", b"not a callback\n", _PLAIN)
_REJECTED = Answer("403 Forbidden", b"rejected\n", _PLAIN)
_FAULT = Answer("500 Internal Server Error", b"500 Internal Server Error\n", _PLAIN)
_UNSTORED = Answer("503 Service Unavailable", b"try again\n", _PLAIN, {"Retry-After": "10"})


class Application:
    """The WSGI application, and the two phases of a callback. For one thread."""

    def __init__(self, handler: CallbackHandler, path: str) -> None:
        """Answer callbacks at `path`, which starts with a slash."""
        bare = path.rstrip("/")
        self._paths = frozenset({bare or "/", f"{bare}/"})
        self._handler = handler
        self._bottle = _build_bottle(self._paths)
        self._date_s = 0
        self._date = b""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., object]
    ) -> Iterable[bytes]:
        """Answer a WSGI request; the answer to a callback is in the environment."""
        answered: Iterable[bytes] = self._bottle(environ, start_response)
        return answered

    def is_callback(self, path: str) -> bool:
        """Whether a POST to `path` (as WSGI has it) is a callback."""
        return _as_bottle_reads(path) in self._paths

    def verify(
        self, query: str, body: bytes, headers: Mapping[str, str], peer: str
    ) -> Verified | Answer:
        """Return a genuine callback to be stored, or the answer to anything else.

        `headers` are named as waitress does it; `peer` is the address of the other end.
        """
        remote = _remote(peer, headers.get("X_FORWARDED_FOR"))
        encoding = headers.get("CONTENT_ENCODING", "")
        try:
            return self._handler.verify(CallbackRequest(query, body, remote, encoding))
        except NotACallbackError:
            self._handler.note_stranger(remote)
            return _NOT_A_CALLBACK
        except CallbackRejectedError:
            return _REJECTED
        except Exception:  # noqa: BLE001 - logged with its traceback; the caller gets an answer
            _log.exception("Request failed")
            return _FAULT

    def reply(self, verified: Verified, outcome: Outcome) -> Answer:
        """Return the answer to a genuine callback after storing succeeded or failed."""
        try:
            return Answer("200 OK", _as_json(self._handler.reply(verified, outcome)), _JSON)
        except JournalError:
            return _UNSTORED
        except Exception:  # noqa: BLE001 - logged with its traceback; the caller gets an answer
            _log.exception("Request failed")
            return _FAULT

    def date(self) -> bytes:
        """Return the time in HTTP's format."""
        now_s = int(time.time())
        if now_s != self._date_s:
            self._date_s, self._date = now_s, formatdate(now_s, usegmt=True).encode()
        return self._date


def build_app(handler: CallbackHandler, path: str) -> Application:
    """Build the application that answers callbacks at `path` (starts with a slash)."""
    return Application(handler, path)


def _build_bottle(addresses: Iterable[str]) -> Bottle:
    app = Bottle()
    app.default_error_handler = _error_page

    def answer() -> HTTPResponse:
        found: Answer = request.environ[ANSWER_KEY]
        return HTTPResponse(found.body, found.status, found.headers)

    def explain() -> HTTPResponse:
        return HTTPResponse(_PAGE, 200, {"Content-Type": _HTML})

    def health() -> HTTPResponse:
        return HTTPResponse('{"status":"ok"}', 200, {"Content-Type": _JSON})

    for address in addresses:
        app.route(address, "POST", answer)
        app.route(address, "GET", explain)
    app.route("/healthz", "GET", health)
    return app


def _as_bottle_reads(path: str) -> str:
    """Read a WSGI path (bytes as Latin-1, one leading slash) as Bottle does."""
    decoded = path if path.isascii() else path.encode("latin-1").decode("utf-8", "ignore")
    return f"/{decoded.lstrip('/')}"


def _as_json(sealed: SealedReply) -> bytes:
    # Digits, hexadecimal digits and base64 need no escaping; this takes a third of json's time.
    return (
        f'{{"msg_signature":"{sealed.msg_signature}","timeStamp":"{sealed.timestamp}",'
        f'"nonce":"{sealed.nonce}","encrypt":"{sealed.encrypt}"}}'
    ).encode()


def _remote(peer: str, forwarded: str | None) -> str:
    """Return the caller's address: behind a proxy in this network, the one that the proxy names.

    It is only shown to the admin, so a forged header does no harm.
    """
    remote = _plain(peer)
    if not forwarded or not _is_private(remote):
        return remote
    named = forwarded.rpartition(",")[2].strip()
    return _plain(named) if _is_address(named) else remote


def _plain(address: str) -> str:
    """Return `::ffff:192.0.2.1`, as a dual-stack socket gives it, as an IPv4 address."""
    if not address.startswith("::"):
        return address
    mapped = ipaddress.IPv6Address(address.partition("%")[0]).ipv4_mapped
    return address if mapped is None else str(mapped)


def _is_private(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address).is_private


def _is_address(text: str) -> bool:
    if "%" in text:  # an IPv6 zone may be any text at all
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _error_page(error: HTTPError) -> str:
    """Answer an error in one plain line; the exception's details stay in the log."""
    if error.exception is not None:
        _log.error("Request failed", exc_info=error.exception)
    response.content_type = _PLAIN
    return f"{error.status_line}\n"
