"""Makes a vendor's calls: token, rate limit, exchange, error table and retry, in one place.

`Gateway` knows no single call; `Client` is the base of the vendors' classes that do.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any, Protocol, TypeVar

from server.errors.message import N_
from server.errors.vendor import (
    CallCancelledError,
    ErrorInfo,
    ErrorPolicy,
    OutcomeUnknownError,
    VendorError,
    VendorRefusedError,
    VendorReplyError,
)
from server.rest.retry import RateLimiter, Retrier, RetryPolicy
from server.rest.session import Call, Channel, Limits, Purpose
from server.rest.tokens import Account, Token, TokenCache, parse_token

_T = TypeVar("_T")

_UNREADABLE = ErrorInfo(
    ErrorPolicy.SKIP,
    N_("{vendor}'s response to {call} lacks what it should contain: {field}."),
    N_("If it happens again, send the log file to your administrator."),
    suspicious=True,
)
_FRESH_TOKEN_REFUSED = ErrorInfo(
    ErrorPolicy.STOP,
    N_("{vendor} rejects even a new access token (error {number})."),
    N_(
        "Make sure that id and secret in the settings belong to the same app, and that no other "
        "program keeps requesting tokens with them. Then start a sync."
    ),
)


def _never_stops(seconds: float) -> bool:
    """Wait where nobody can request a stop."""
    return threading.Event().wait(seconds)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What calls need from outside: time, waiting, randomness, and tokens kept between runs."""

    clock: Callable[[], float] = monotonic
    # Returns True at once when a stop is requested.
    wait: Callable[[float], bool] = _never_stops
    random: Callable[[], float] = random.random
    # Should outlive the clients that use it, since it remembers rejected secrets.
    tokens: TokenCache = field(default_factory=lambda: TokenCache(monotonic))
    limits: Limits = field(default_factory=Limits)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    # Receives the vendor's name and the Date header of each answer.
    hear_date: Callable[[str, str | None], None] | None = None


class ErrorTable(Protocol):
    """A vendor's error codes: raises for an answer that carries one."""

    def __call__(self, answer: Mapping[str, Any], call: Call) -> None:
        """Return for a success; raise `VendorRefusedError` or `VendorReplyError` otherwise."""


class Gateway:
    """Calls one vendor for one account. Safe to use from several threads."""

    def __init__(
        self,
        vendor: str,
        account: Account,
        *,
        login: Call,
        raise_for_error: ErrorTable,
        calls_per_s: int,
        surroundings: Surroundings,
    ) -> None:
        self._account = account
        self._login = login
        self._raise_for_error = raise_for_error
        self._tokens = surroundings.tokens
        self._channel = Channel(
            vendor,
            account.base,
            clock=surroundings.clock,
            limits=surroundings.limits,
            hear_date=surroundings.hear_date,
        )
        self._limiter = RateLimiter(calls_per_s, clock=surroundings.clock, wait=surroundings.wait)
        self._retrier = Retrier(
            surroundings.policy, wait=surroundings.wait, random=surroundings.random
        )

    def close(self) -> None:
        """Close idle connections."""
        self._channel.close()

    def abort(self) -> None:
        """Abort: calls in flight and all later ones raise `CallCancelledError`."""
        self._channel.abort()

    def ask(self, call: Call) -> dict[str, Any]:
        """Make a call with a token and return its answer; raises `VendorError`.

        Retries as the error tables say and renews a refused token once. A lost reply to a call
        that is not repeatable raises `OutcomeUnknownError`.
        """
        # A vendor has no reason to quote our secret; if it ever does, the quote is masked.
        call = replace(call, masked=(*call.masked, self._account.secret))
        renewals = [self._account]
        return self._retrier.run(lambda: self._attempt(call, renewals))

    def log_in(self) -> None:
        """Get a token; raises `VendorError`. Proves only that id and secret are right."""
        self._retrier.run(lambda: self._tokens.get(self._account, self._fetch_token))

    def required(self, value: _T | None, call: Call, field_name: str) -> _T:
        """Return a value read from the answer to `call`; raises if it is missing."""
        if value is None:
            raise self.unreadable(call, field_name)
        return value

    def unreadable(self, call: Call, field_name: str) -> VendorError:
        """Return the error for an answer to `call` that lacks a required field."""
        values = {**self._channel.values(call), "field": field_name}
        policy = ErrorPolicy.STOP if call.purpose is Purpose.TOKEN else ErrorPolicy.SKIP
        error = VendorReplyError(
            values, meaning=replace(_UNREADABLE, policy=policy), maybe_done=True
        )
        return error if call.is_repeatable else OutcomeUnknownError(error)

    def _attempt(self, call: Call, renewals: list[Account]) -> dict[str, Any]:
        """Try once; a non-empty `renewals` allows one renewal of the token, which empties it."""
        token = self._tokens.get(self._account, self._fetch_token)
        try:
            return self._exchange(call.with_secret("access_token", token))
        except VendorRefusedError as refused:
            if refused.policy is not ErrorPolicy.REFRESH_TOKEN:
                raise
            if not renewals:
                raise VendorRefusedError(
                    refused.number, refused.values, meaning=_FRESH_TOKEN_REFUSED
                ) from refused
        renewals.clear()
        self._tokens.discard(self._account, token)
        return self._attempt(call, renewals)

    def _fetch_token(self) -> Token:
        token = parse_token(self._exchange(self._login))
        return self.required(token, self._login, "access_token")

    def _exchange(self, call: Call) -> dict[str, Any]:
        with self._limiter.slot(call.path) as is_granted:
            if not is_granted:
                raise CallCancelledError(self._channel.values(call))
            try:
                answer = self._channel.send(call)
                self._raise_for_error(answer, call)
            except VendorError as error:
                if error.maybe_done and not call.is_repeatable:
                    raise OutcomeUnknownError(error) from error
                raise
        return answer


class Client:
    """A vendor's calls, made through one gateway. Safe to use from several threads."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def close(self) -> None:
        """Close idle connections."""
        self._gateway.close()

    def abort(self) -> None:
        """Abort: calls in flight and all later ones raise `CallCancelledError`."""
        self._gateway.abort()

    def log_in(self) -> None:
        """Get a token; proves only that id and secret are right."""
        self._gateway.log_in()
