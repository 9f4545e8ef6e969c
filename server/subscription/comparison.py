"""Reads DingTalk's record of the subscription and compares it with ours.

`compare` and what it calls is pure; `dingtalk_client` and `look` below it make the call. `key` is
not compared, because DingTalk's record does not hold it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from threading import Event
from urllib.parse import urlsplit

from crypto.credential_input import clean, judge
from crypto.credentials import CredentialField, Credentials, Keyring, Role
from crypto.secret import Secret
from server.config.store import Config
from server.dingtalk.client import DingTalkClient, connect
from server.dingtalk.events import NEEDED_EVENTS
from server.dingtalk.wire import CallbackRecord
from server.directory.causes import Cause
from server.errors.base import Problem, SettingsError
from server.errors.message import N_, Message
from server.errors.vendor import CallCancelledError, ErrorPolicy, VendorError
from server.journal.subscription import Finding, ShownRecord, Standing
from server.rest.tokens import TokenCache
from server.sync.clients import Throttle

URL = "url"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class LocalSubscription:
    """Our side: the sets of credentials, the public address, and the app."""

    keyring: Keyring
    url: str
    app: str

    @classmethod
    def of(cls, config: Config) -> "LocalSubscription":
        """Read it from settings and secrets."""
        dingtalk = config.settings.dingtalk
        return cls(
            config.secrets.keyring,
            config.settings.callback.public_url,
            f"{dingtalk.app_key}@{dingtalk.api_base}",
        )

    @property
    def newest(self) -> Credentials | None:
        """The set that the admin entered last."""
        return self.keyring.pending or self.keyring.active

    @property
    def subject(self) -> str:
        """A hash that changes with any compared value and reveals none of them."""
        sets = (self.keyring.active, self.keyring.pending)
        names = [one.fingerprint if one else "" for one in sets]
        return sha256("\0".join([*names, self.url, self.app]).encode()).hexdigest()[:16]


def compare(record: CallbackRecord | None, ours: LocalSubscription, now_ms: int) -> Finding:
    """Compare DingTalk's record (None if it has none) with ours."""
    if record is None:
        return Finding(now_ms, ours.subject, Standing.NO_RECORD)
    fits = _fitting(record, ours.keyring, now_ms)
    differences = (
        *_other_values(record, ours),
        *((URL,) if ours.url and not is_same_address(record.url, ours.url) else ()),
    )
    return Finding(
        now_ms,
        ours.subject,
        Standing.DIFFERS if differences else Standing.EQUAL,
        record=ShownRecord(
            record.url, record.token.masked(), record.aes_key.masked(), record.event_types
        ),
        fits=fits,
        differences=differences,
        unusable=tuple(map(str, unusable_values(record))),
        missing_events=missing_events(record),
    )


def _fitting(record: CallbackRecord, keyring: Keyring, now_ms: int) -> Role | None:
    """Return the role of the set whose token and aes_key DingTalk uses, if any."""
    for role, one in keyring.sets(now_ms):
        if (one.token, one.aes_key) == (record.token, record.aes_key):
            return role
    return None


def _other_values(record: CallbackRecord, ours: LocalSubscription) -> tuple[str, ...]:
    """Name the values that differ from the nearest of our sets, the active one first.

    The previous set does not count, because it soon expires.
    """
    sets = [one for one in (ours.keyring.active, ours.keyring.pending) if one is not None]
    differing = [
        tuple(
            str(field)
            for field, mine, theirs in (
                (CredentialField.TOKEN, one.token, record.token),
                (CredentialField.AES_KEY, one.aes_key, record.aes_key),
            )
            if mine != theirs
        )
        for one in sets
    ]
    return min(
        differing, key=len, default=(str(CredentialField.TOKEN), str(CredentialField.AES_KEY))
    )


def is_same_address(one: str, other: str) -> bool:
    """Whether two addresses are the same; DingTalk's may lack the scheme."""
    left, right = _address(one), _address(other)
    if left is None or right is None:
        return one.strip() == other.strip()
    if "" in {left[0], right[0]}:
        left, right = ("", *left[1:]), ("", *right[1:])
    return left == right


def _address(text: str) -> tuple[str, str, int | None, str, str] | None:
    """Return the parts of an address that matter; a slash at the end does not."""
    stripped = text.strip()
    has_scheme = "://" in stripped
    try:
        parts = urlsplit(stripped if has_scheme else f"//{stripped}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if port == _DEFAULT_PORTS.get(scheme):
        port = None
    return scheme, host, port, parts.path.rstrip("/"), parts.query


def missing_events(record: CallbackRecord) -> tuple[str, ...]:
    """Name the events that the mirror needs and DingTalk's record lacks."""
    subscribed = {event_type.strip().lower() for event_type in record.event_types}
    return tuple(event_type for event_type in NEEDED_EVENTS if event_type not in subscribed)


def unusable_values(record: CallbackRecord) -> tuple[CredentialField, ...]:
    """Name the values of DingTalk's record that we cannot use."""
    values = ((CredentialField.TOKEN, record.token), (CredentialField.AES_KEY, record.aes_key))
    return tuple(field for field, value in values if not _is_usable(field, value))


def _is_usable(field: CredentialField, value: Secret) -> bool:
    plain = value.reveal()
    return clean(field, plain) == plain and judge(field, plain) is None


def missing_settings(config: Config) -> tuple[str, ...]:
    """Name the settings still to be entered before we can call DingTalk."""
    needed = {
        "dingtalk.app_key": bool(config.settings.dingtalk.app_key),
        "dingtalk.app_secret": bool(config.secrets.app_secret),
    }
    return tuple(name for name, is_there in needed.items() if not is_there)


def ensure_askable(config: Config) -> None:
    """Raise SettingsError if a setting is missing that a call to DingTalk needs."""
    problem = Message(N_("has not been entered yet; DingTalk cannot be asked without it"))
    problems = [Problem(name, problem) for name in missing_settings(config)]
    if problems:
        raise SettingsError(problems)


@contextmanager
def dingtalk_client(
    config: Config, pace: Throttle, tokens: TokenCache, stop: Event | None = None
) -> Iterator[DingTalkClient]:
    """Provide a client for the app in `config`; its waits end when `stop` is set.

    `tokens` remembers a rejected secret, so that it is not tried again and again.
    """
    around = pace.surroundings((stop or Event()).wait, tokens)
    dingtalk = config.settings.dingtalk
    client = connect(dingtalk.app_key, config.secrets.app_secret, dingtalk.api_base, around)
    try:
        yield client
    finally:
        client.close()


def look(client: DingTalkClient, ours: LocalSubscription, now_ms: int) -> Finding:
    """Read DingTalk's record and compare it. A failed call is a finding, too.

    Raises CallCancelledError after a stop was requested.
    """
    try:
        record = client.get_callback()
    except CallCancelledError:
        raise
    except VendorError as error:
        cause = Cause(error.code, error.title, error.hint)
        will_pass = error.retryable and error.policy is not ErrorPolicy.STOP
        return Finding(now_ms, ours.subject, Standing.FAILED, cause=cause, will_pass=will_pass)
    return compare(record, ours, now_ms)
