"""API clients for both vendors, kept between runs so that rate limits and connections survive.

Also what a run takes from the settings (`rules_of`, `missing`) and the signal that stops it. Knows
no single call: those are in `server.dingtalk` and `server.wecom`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from time import monotonic
from typing import Protocol

from crypto.secret import Secret
from server.config.settings import Settings
from server.config.store import Config
from server.dingtalk import client as dingtalk
from server.dingtalk.reader import Reader
from server.directory.model import Leavers, Rules, Scope
from server.rest.gateway import Surroundings
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.rest.tokens import TokenCache
from server.rest.vendor_clock import VendorClock
from server.wecom import client as wecom

_POLL_S = 0.2


def rules_of(settings: Settings) -> Rules:
    """Return the rules that the settings describe; ids become strings."""
    sync = settings.sync
    return Rules(
        scope=Scope(
            tuple(map(str, sync.source_department_ids)),
            frozenset(map(str, sync.excluded_department_ids)),
            str(sync.target_department_id),
            settings.dingtalk.app_key,
            settings.wecom.corp_id,
        ),
        protected_wecom_userids=frozenset(sync.protected_wecom_userids),
        leavers=Leavers(str(sync.leavers)),
        delete_after_days=sync.delete_after_days,
        max_removals=sync.max_removals,
        max_removal_percent=sync.max_removal_percent,
        approve_first_run=sync.approve_first_run,
        department_links={str(key): str(value) for key, value in sync.department_links.items()},
        employee_number_attribute=sync.employee_number_attribute,
    )


def missing(config: Config) -> tuple[str, ...]:
    """Name the empty settings without which no call can be made."""
    needed = {
        "dingtalk.app_key": bool(config.settings.dingtalk.app_key),
        "dingtalk.app_secret": bool(config.secrets.app_secret),
        "wecom.corp_id": bool(config.settings.wecom.corp_id),
        "wecom.contact_secret": bool(config.secrets.contact_secret),
    }
    return tuple(name for name, is_there in needed.items() if not is_there)


class StopSignal(Protocol):
    """The part of `threading.Event` that a run needs."""

    def is_set(self) -> bool:
        """Whether to stop now."""

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait until a stop is requested or `timeout` is over; return whether it was requested."""


class PolledStop:
    """A stop signal that has to be polled, such as a command's Ctrl+C."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self.is_set = is_wanted
        self._never = Event()

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait in short steps and poll between them."""
        until = None if timeout is None else monotonic() + timeout
        while not self.is_set():
            left_s = _POLL_S if until is None else until - monotonic()
            if left_s <= 0:
                return False
            self._never.wait(min(left_s, _POLL_S))
        return True


@dataclass(frozen=True, slots=True)
class VendorAccounts:
    """Our accounts with both vendors; when they change, new clients are needed."""

    dingtalk_base: str
    app_key: str
    app_secret: Secret
    wecom_base: str
    corp_id: str
    contact_secret: Secret

    @classmethod
    def of(cls, config: Config) -> "VendorAccounts":
        """Take the accounts from settings and secrets."""
        return cls(
            config.settings.dingtalk.api_base,
            config.settings.dingtalk.app_key,
            config.secrets.app_secret,
            config.settings.wecom.api_base,
            config.settings.wecom.corp_id,
            config.secrets.contact_secret,
        )


@dataclass(frozen=True, slots=True)
class Throttle:
    """Time limits, retries and speed of calls. The defaults are the vendors' rules."""

    limits: Limits = field(default_factory=Limits)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    speed: float = 1.0
    """How much faster time runs for waits and rates, for trials with simulated vendors."""

    @classmethod
    def hurried(cls, speed: float) -> "Throttle":
        """Return the vendors' rules with time running `speed` times faster."""
        limits = Limits()
        return cls(replace(limits, total_s=limits.total_s * speed), speed=speed)

    def clock(self) -> float:
        """Return seconds that never go back."""
        return monotonic() * self.speed

    def surroundings(self, wait: Callable[[float], bool], tokens: TokenCache) -> Surroundings:
        """Return what calls need at this speed; `wait` takes seconds of this computer's clock."""
        return Surroundings(
            clock=self.clock,
            wait=lambda seconds: wait(seconds / self.speed),
            tokens=tokens,
            limits=self.limits,
            policy=self.policy,
        )


@dataclass(frozen=True, slots=True)
class Clients:
    """Both vendors as a run needs them."""

    dingtalk: dingtalk.DingTalkClient
    reader: Reader
    wecom: wecom.WeComClient


class ClientPool:
    """API clients for both vendors, cached for the current accounts. Not for concurrent runs."""

    def __init__(
        self, throttle: Throttle | None = None, vendor_clock: VendorClock | None = None
    ) -> None:
        self._throttle = throttle or Throttle()
        self.vendor_clock = vendor_clock or VendorClock()
        self._tokens = TokenCache(self._throttle.clock)
        self._stop: StopSignal = Event()
        self._accounts: VendorAccounts | None = None
        self._clients: Clients | None = None

    def clients(self, config: Config, stop: StopSignal) -> Clients:
        """Return the clients for the accounts in `config`; their waits end when `stop` is set."""
        self._stop = stop
        accounts = VendorAccounts.of(config)
        if self._clients is None or accounts != self._accounts:
            self.close()
            self._accounts, self._clients = accounts, self._connect(accounts)
        return self._clients

    def retry_rejected_credentials(self) -> None:
        """Allow one more try with credentials that a vendor rejected."""
        self._tokens.forget_refusals()

    def abort(self) -> None:
        """Abort calls in flight (thread-safe). The pool cannot be used afterwards."""
        clients = self._clients
        if clients is not None:
            clients.dingtalk.abort()
            clients.wecom.abort()

    def close(self) -> None:
        """Close idle connections."""
        if self._clients is not None:
            self._clients.dingtalk.close()
            self._clients.wecom.close()
            self._clients = None

    def _connect(self, accounts: VendorAccounts) -> Clients:
        around = self._throttle.surroundings(self._wait, self._tokens)
        around = replace(around, hear_date=self.vendor_clock.hear)
        source = dingtalk.connect(
            accounts.app_key, accounts.app_secret, accounts.dingtalk_base, around
        )
        target = wecom.connect(
            accounts.corp_id,
            accounts.contact_secret,
            accounts.wecom_base,
            around,
        )
        return Clients(source, Reader(source), target)

    def _wait(self, seconds: float) -> bool:
        """Wait on the stop signal of the current run, since clients outlive a run."""
        return self._stop.wait(seconds)
