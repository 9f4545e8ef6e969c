"""Access tokens: fetched once, shared by all threads, renewed before they expire.

A wrong secret is tried only once, since WeCom blocks an address for an hour that keeps using one.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crypto.secret import Secret
from server.errors.vendor import CredentialsRejectedError
from server.rest import fields

_DOCUMENTED_LIFE_S = 7200
_LONGEST_LIFE_S = 24 * 3600  # a longer promise is not trusted
_MARGIN_S = 300.0
_MARGIN_SHARE = 0.1  # of the life of a short-lived token


@dataclass(frozen=True, slots=True)
class Account:
    """The owner of a token: base address, id (app key or corp id) and secret."""

    base: str
    account_id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its life in seconds, counted from the request."""

    secret: Secret
    life_s: float


def parse_token(answer: Mapping[str, Any]) -> Token | None:
    """Parse `access_token` and `expires_in` from a gettoken answer; None without a token."""
    token = fields.identifier(answer.get("access_token"))
    if token is None:
        return None
    life_s = fields.number(answer.get("expires_in"))
    if life_s is None or not 0 < life_s <= _LONGEST_LIFE_S:
        life_s = _DOCUMENTED_LIFE_S
    return Token(Secret(token), life_s)


class _Entry:
    """What is known of one account; while one thread holds its lock and asks, the others wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.account_secret: Secret | None = None
        self.token: Secret | None = None
        self.good_until = 0.0
        self.refusal: CredentialsRejectedError | None = None


class TokenCache:
    """Tokens by base address and id. Thread-safe."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: dict[tuple[str, str], _Entry] = {}

    def get(self, account: Account, fetch: Callable[[], Token]) -> Secret:
        """Return a valid token; only one thread at a time calls `fetch` for a new one.

        Raises what `fetch` raises. A `CredentialsRejectedError` is raised again, without asking,
        until the secret changes or `forget_refusals` is called.
        """
        entry = self._entry(account)
        with entry.lock:
            if entry.account_secret != account.secret:
                entry.account_secret, entry.token, entry.refusal = account.secret, None, None
            if entry.refusal is not None:
                raise entry.refusal.with_traceback(None)
            if entry.token is not None and self._clock() < entry.good_until:
                return entry.token
            return self._renew(entry, fetch)

    def discard(self, account: Account, token: Secret) -> None:
        """Forget a token that the vendor refused, unless another thread has already renewed it.

        `token` must be the object that `get` returned: a vendor may issue the same text again, so
        equality does not tell an old token from a new one.
        """
        entry = self._entry(account)
        with entry.lock:
            if entry.token is token:
                entry.token = None

    def forget_refusals(self) -> None:
        """Allow one more try with rejected credentials, because the admin asked for it."""
        with self._lock:
            entries = tuple(self._entries.values())
        for entry in entries:
            with entry.lock:
                entry.refusal = None

    def _entry(self, account: Account) -> _Entry:
        with self._lock:
            return self._entries.setdefault((account.base, account.account_id), _Entry())

    def _renew(self, entry: _Entry, fetch: Callable[[], Token]) -> Secret:
        entry.token = None
        asked_at = self._clock()
        try:
            token = fetch()
        except CredentialsRejectedError as refusal:
            entry.refusal = refusal
            raise
        margin_s = min(_MARGIN_S, token.life_s * _MARGIN_SHARE)
        entry.token = fresh = Secret(token.secret.reveal())  # a distinct object, for `discard`
        entry.good_until = asked_at + token.life_s - margin_s
        return fresh
