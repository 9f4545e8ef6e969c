"""The Bottle routes: what an address answers to whom. Everything unknown is 404 or 405."""

import ipaddress
import logging
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, request, response

from crypto.callback import CallbackRejectedError, SealedReply
from server.errors import JournalError
from server.web.desk import Arrival, Desk, NotACallbackError
from server.web.limits import BODY_LIMIT_BYTES

_log = logging.getLogger(__name__)

_PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
_JSON = {"Content-Type": "application/json"}
_PAGE = """<!doctype html>
<meta charset="utf-8"><title>DingBridge</title>
<p>DingBridge 正在运行。这是钉钉的回调地址，请填入钉钉开放平台的“事件订阅”。</p>
<p>DingBridge is running. This is the callback address for DingTalk; enter it in the console.</p>
"""


def build_app(desk: Desk, path: str) -> Bottle:
    """Return the WSGI application that answers callbacks at `path` (starts with a slash)."""
    app = Bottle()
    app.default_error_handler = _error_page

    def receive() -> HTTPResponse:
        # Everything of the request is read before the first wait: while this greenlet waits for
        # the disk, Bottle's global `request` belongs to others.
        environ = request.environ
        remote = _remote(environ)
        arrival = Arrival(environ.get("QUERY_STRING", ""), _body(environ), remote)
        try:
            return HTTPResponse(_reply(desk.receive(arrival)), 200, _JSON)
        except NotACallbackError:
            desk.note_stranger(remote)
            return HTTPResponse("not a callback\n", 400, _PLAIN)
        except CallbackRejectedError:
            return HTTPResponse("rejected\n", 403, _PLAIN)
        except JournalError:
            return HTTPResponse("try again\n", 503, _PLAIN | {"Retry-After": "10"})

    def explain() -> HTTPResponse:
        return HTTPResponse(_PAGE, 200, {"Content-Type": "text/html; charset=utf-8"})

    def health() -> HTTPResponse:
        return HTTPResponse('{"status":"ok"}', 200, _JSON)

    bare = path.rstrip("/")
    for address in {bare or "/", f"{bare}/"}:
        app.route(address, "POST", receive)
        app.route(address, "GET", explain)
    app.route("/healthz", "GET", health)
    return app


def _body(environ: dict[str, Any]) -> bytes:
    # waitress has read and bounded the body before a request gets here.
    body: bytes = environ["wsgi.input"].read(BODY_LIMIT_BYTES + 1)
    return body


def _reply(sealed: SealedReply) -> str:
    # Digits, hexadecimal digits and base64 need no quoting; this is a third of json's time.
    return (
        f'{{"msg_signature":"{sealed.msg_signature}","timeStamp":"{sealed.timestamp}",'
        f'"nonce":"{sealed.nonce}","encrypt":"{sealed.encrypt}"}}'
    )


def _remote(environ: dict[str, Any]) -> str:
    """Return the caller's address; behind a proxy on this network, the one the proxy names.

    It is shown to the admin and decides nothing, so a forged header does no harm.
    """
    remote = _plain(environ.get("REMOTE_ADDR", ""))
    forwarded = environ.get("HTTP_X_FORWARDED_FOR")
    if not forwarded or not _is_private(remote):
        return remote
    named = forwarded.rpartition(",")[2].strip()
    return _plain(named) if _is_address(named) else remote


def _plain(address: str) -> str:
    """Return an IPv4 address as such, which a socket for both kinds gives as `::ffff:192.0.2.1`."""
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
    """Answer errors in one plain line; the details of an exception stay in the log."""
    if error.exception is not None:
        _log.error("A request failed", exc_info=error.exception)
    response.content_type = "text/plain; charset=utf-8"
    return f"{error.status_line}\n"
