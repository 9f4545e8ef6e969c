"""Both vendors' clients, kept between runs: their rate limits and connections outlive a run."""

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
from server.wecom.client import Writer


def rules_of(settings: Settings) -> Rules:
    """Turn settings into rules; ids become strings."""
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
    """Name the settings that are empty although no call can be made without them."""
    needed = {
        "dingtalk.app_key": bool(config.settings.dingtalk.app_key),
        "dingtalk.app_secret": bool(config.secrets.app_secret),
        "wecom.corp_id": bool(config.settings.wecom.corp_id),
        "wecom.contact_secret": bool(config.secrets.contact_secret),
    }
    return tuple(name for name, is_there in needed.items() if not is_there)


_ASK_EVERY_S = 0.2


class StopSignal(Protocol):
    """What `threading.Event` has of it."""

    def is_set(self) -> bool:
        """Whether to end now."""

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait, but no longer than until the end is wished; return whether it is."""


class PolledStop:
    """A stop that is known only by asking `is_wanted`, such as a command's Ctrl+C."""

    def __init__(self, is_wanted: Callable[[], bool]) -> None:
        self.is_set = is_wanted
        self._never = Event()

    def wait(self, timeout: float | None = None, /) -> bool:
        """Wait in short steps, asking between them."""
        until = None if timeout is None else monotonic() + timeout
        while not self.is_set():
            left_s = _ASK_EVERY_S if until is None else until - monotonic()
            if left_s <= 0:
                return False
            self._never.wait(min(left_s, _ASK_EVERY_S))
        return True


@dataclass(frozen=True, slots=True)
class Account:
    """Who we are to both vendors; another account means other clients."""

    dingtalk_base: str
    app_key: str
    app_secret: Secret
    wecom_base: str
    corp_id: str
    contact_secret: Secret

    @classmethod
    def of(cls, config: Config) -> "Account":
        """Take the account out of settings and secrets."""
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
    """How calls are made: time limits, retries, speed. The defaults are the vendors' rules.

    speed: how much faster time runs for waits and rates, for trials with simulated vendors.
    """

    limits: Limits = field(default_factory=Limits)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    speed: float = 1.0

    @classmethod
    def hurried(cls, speed: float) -> "Throttle":
        """Return the vendors' rules with time running so much faster."""
        limits = Limits()
        return cls(replace(limits, total_s=limits.total_s * speed), speed=speed)

    def clock(self) -> float:
        """Return seconds that never go back."""
        return monotonic() * self.speed

    def surroundings(self, wait: Callable[[float], bool], tokens: TokenCache) -> Surroundings:
        """Return what calls need at this pace; `wait` takes seconds of this computer's clock."""
        return Surroundings(
            clock=self.clock,
            wait=lambda seconds: wait(seconds / self.speed),
            tokens=tokens,
            limits=self.limits,
            policy=self.policy,
        )


@dataclass(frozen=True, slots=True)
class Clients:
    """Both sides as a run needs them."""

    dingtalk: dingtalk.DingTalkClient
    reader: Reader
    wecom: wecom.WeComClient
    writer: Writer


class ClientPool:
    """The way to both vendors. Used by one run at a time."""

    def __init__(self, pace: Throttle | None = None, clock: VendorClock | None = None) -> None:
        self._pace = pace or Throttle()
        self.clock = clock or VendorClock()
        self._tokens = TokenCache(self._pace.clock)
        self._stop: StopSignal = Event()
        self._account: Account | None = None
        self._parties: Clients | None = None

    def clients(self, config: Config, stop: StopSignal) -> Clients:
        """Return the clients for the account in `config`; their waits end when `stop` is set."""
        self._stop = stop
        account = Account.of(config)
        if self._parties is None or account != self._account:
            self.close()
            self._account, self._parties = account, self._connect(account)
        return self._parties

    def retry_rejected_credentials(self) -> None:
        """Let rejected credentials be tried once more, because somebody asked for it."""
        self._tokens.forget_refusals()

    def cut(self) -> None:
        """Give up the calls under way, from any thread; only a new road leads anywhere then."""
        clients = self._parties
        if clients is not None:
            clients.dingtalk.cut()
            clients.wecom.cut()

    def close(self) -> None:
        """Close idle connections."""
        if self._parties is not None:
            self._parties.dingtalk.close()
            self._parties.wecom.close()
            self._parties = None

    def _connect(self, account: Account) -> Clients:
        around = self._pace.surroundings(self._wait, self._tokens)
        around = replace(around, hear_date=self.clock.hear)
        source = dingtalk.connect(
            account.app_key, account.app_secret, account.dingtalk_base, around
        )
        target = wecom.connect(
            account.corp_id,
            account.contact_secret,
            account.wecom_base,
            around,
        )
        return Clients(source, Reader(source), target, Writer(target))

    def _wait(self, seconds: float) -> bool:
        """Wait on the stop of the run that goes on now; clients outlive it."""
        return self._stop.wait(seconds)
