"""Asks DingTalk for its record of the subscription, and says what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from server.config.store import Config
from server.dingtalk.client import DingTalkClient, connect
from server.directory.causes import Cause
from server.errors.base import Problem, SettingsError
from server.errors.message import N_, Message
from server.errors.vendor import CallCancelledError, Fate, VendorError
from server.journal.subscription import Finding, Standing
from server.rest.tokens import TokenCache
from server.subscription.comparison import Ours, compare
from server.sync.parties import Pace


def missing(config: Config) -> tuple[str, ...]:
    """Name the settings that are empty although DingTalk cannot be asked without them."""
    needed = {
        "dingtalk.app_key": bool(config.settings.dingtalk.app_key),
        "dingtalk.app_secret": bool(config.secrets.app_secret),
    }
    return tuple(name for name, is_there in needed.items() if not is_there)


def ensure_askable(config: Config) -> None:
    """Raise SettingsError naming what DingTalk cannot be asked without."""
    problem = Message(N_("is not entered yet, and DingTalk cannot be asked without it"))
    problems = [Problem(name, problem) for name in missing(config)]
    if problems:
        raise SettingsError(problems)


@contextmanager
def line(
    config: Config, pace: Pace, tokens: TokenCache, stop: Event | None = None
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


def look(client: DingTalkClient, ours: Ours, now_ms: int) -> Finding:
    """Ask and compare; that DingTalk could not be asked is a finding, too.

    Raises CallCancelledError where a stop was requested.
    """
    try:
        record = client.get_callback()
    except CallCancelledError:
        raise
    except VendorError as error:
        cause = Cause(error.code, error.title, error.hint)
        will_pass = error.retryable and error.fate is not Fate.STOP
        return Finding(now_ms, ours.subject, Standing.FAILED, cause=cause, will_pass=will_pass)
    return compare(record, ours, now_ms)
