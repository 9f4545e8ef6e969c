"""Checks the machine's proxy and certificate variables before `requests` uses them.

Other programs leave stale values there: a deleted certificate bundle, a tunnel's SOCKS proxy, an
address with a typo. `requests` fails on each in its own way and names none of them. Users and
passwords in these values are never repeated.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import certifi
from requests.utils import get_environ_proxies, select_proxy

from server.errors.message import N_, Message

# In the order in which `requests` reads them; OpenSSL itself reads the other two.
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_OPENSSL = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Proxy:
    """The proxy for an address, without user and password."""

    shown: str
    # The variable that names it; "" if the system's settings do.
    variable: str


def certificates(environ: Mapping[str, str]) -> str:
    """Return the bundle to trust besides the system's: the environment's, or else ours."""
    usable = (environ[name] for name in _BUNDLES if environ.get(name))
    return next((path for path in usable if _is_bundle(path)), certifi.where())


def ignored(environ: Mapping[str, str]) -> tuple[Message, ...]:
    """Return a message for each variable whose certificates are missing or unreadable."""
    named = [(name, environ[name]) for name in (*_BUNDLES, *_OPENSSL) if environ.get(name)]
    text = N_(
        "This computer's environment variable {name} points to {path}, which cannot be used; "
        "it is ignored."
    )
    return tuple(
        Message(text, {"name": name, "path": path})
        for name, path in named
        if not _holds(name, path)
    )


def _holds(name: str, path: str) -> bool:
    """Whether the variable leads to certificates; in a list of folders, one suffices."""
    if name == "SSL_CERT_DIR":
        return any(_is_folder(each) for each in path.split(os.pathsep))
    return _is_bundle(path)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except ValueError:  # a NUL in it
        return False


def _is_bundle(path: str) -> bool:
    if _is_folder(path):
        return True
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):
        return False
    return True


def proxy_for(address: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that `requests` would use for `address`; None for none."""
    try:
        found = select_proxy(address, get_environ_proxies(address, no_proxy=None))
    except ValueError:  # not a valid address
        return None
    if not found:
        return None
    return Proxy(_shown(found), _variable(address, found, environ))


def _shown(proxy: str) -> str:
    scheme, separator, rest = proxy.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"[:_SHOWN_CHARACTERS]


def _variable(address: str, proxy: str, environ: Mapping[str, str]) -> str:
    """Return the variable that names the proxy; on Windows it may be the registry instead."""
    wanted = {f"{urlsplit(address).scheme}_proxy", "all_proxy"}
    named = (name for name, value in environ.items() if value == proxy)
    return next((name for name in named if name.lower() in wanted), "")
