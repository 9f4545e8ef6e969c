"""Tests the accounts of DingTalk and WeCom, as stored or as just typed.

A token alone proves little, because trusted addresses, permissions and scopes are only checked by
other calls. So the test makes the first calls of the mirror as well, and writes nothing.
"""

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from enum import StrEnum
from threading import Event
from time import monotonic

from server.api.checks import FaultError, SelfTestReport, Step, StepState, attempt
from server.config.settings import Settings
from server.config.store import Config, ConfigStore
from server.dingtalk import client as dingtalk
from server.dingtalk.client import DingTalkClient
from server.dingtalk.errors import is_out_of_scope
from server.dingtalk.walk import offer
from server.dingtalk.wire import DingTalkUser
from server.errors.message import N_, Message
from server.errors.vendor import CredentialsRejectedError, VendorRefusedError
from server.rest.environment import ignored
from server.rest.gateway import Surroundings
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.rest.tokens import Account
from server.sync.clients import missing
from server.wecom import client as wecom
from server.wecom.client import WeComClient

# WeCom blocks an address for an hour after many wrong secrets, and a button is quickly pressed.
_REFUSAL_HOLDS_S = 60.0
_DEPARTMENTS_LOOKED_INTO = 20
_POLICY = RetryPolicy(longest_wait_s=5.0)  # somebody is waiting at the screen
_LIMITS = Limits(total_s=20.0)
_FIELDS = N_(
    "Open the app in the DingTalk console, Permissions (权限管理), and enable 企业员工手机号信息, "
    "and 邮箱等个人信息 if you need email addresses. WeCom requires a mobile or an email for each "
    "person."
)


class Vendor(StrEnum):
    """Whose account is tested."""

    DINGTALK = "dingtalk"
    WECOM = "wecom"


class Connections:
    """Tests of the accounts of one data folder. Methods may be called from any thread."""

    def __init__(
        self,
        store: ConfigStore,
        clock: Callable[[], float] = monotonic,
        policy: RetryPolicy = _POLICY,
        limits: Limits = _LIMITS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy
        self._limits = limits
        self._refused: dict[Account, tuple[float, CredentialsRejectedError]] = {}

    def test(
        self,
        vendor: str,
        changes: Mapping[str, object],
        stop: Event,
        on_step: Callable[[Step], object],
    ) -> SelfTestReport:
        """Test an account with `changes` merged into the stored settings; save nothing.

        Calls `on_step` with each step as it ends. After `stop` is set, makes no further call.
        Raises StoreError, and SettingsError for values that cannot be used.
        """
        config = self._store.tried(changes)
        probe = {Vendor.DINGTALK: self._dingtalk, Vendor.WECOM: self._wecom}[Vendor(vendor)]
        steps: list[Step] = []
        with closing(probe(config, stop)) as attempts:
            for step in attempts:
                if stop.is_set():
                    break  # the step under way was aborted; it did not fail
                steps.append(step)
                on_step(step)
                if step.state is StepState.FAILED or stop.is_set():
                    break
        return SelfTestReport(tuple(steps))

    def _dingtalk(self, config: Config, stop: Event) -> Generator[Step, None, None]:
        settings, secret = config.settings.dingtalk, config.secrets.app_secret
        yield attempt(
            "dingtalk.values",
            N_("Client ID and Client Secret have been entered."),
            lambda: _ensure_entered(config, "dingtalk"),
        )
        yield from _remarks("dingtalk")
        client = dingtalk.connect(
            settings.app_key, secret, settings.api_base, self._surroundings(stop)
        )
        account = Account(settings.api_base, settings.app_key, secret)
        with closing(client):
            yield attempt(
                "dingtalk.token",
                N_("DingTalk accepts the Client ID and the Client Secret."),
                lambda: self._log_in(account, client.log_in),
            )
            yield from _read_dingtalk(client, config.settings, stop)

    def _wecom(self, config: Config, stop: Event) -> Generator[Step, None, None]:
        settings, secret = config.settings.wecom, config.secrets.contact_secret
        yield attempt(
            "wecom.values",
            N_("The company id and the Contacts Sync secret have been entered."),
            lambda: _ensure_entered(config, "wecom"),
        )
        yield from _remarks("wecom")
        client = wecom.connect(
            settings.corp_id, secret, settings.api_base, self._surroundings(stop)
        )
        account = Account(settings.api_base, settings.corp_id, secret)
        with closing(client):
            yield attempt(
                "wecom.token",
                N_("WeCom accepts the company id and the secret."),
                lambda: self._log_in(account, client.log_in),
            )
            yield from _read_wecom(client, config.settings)

    def _surroundings(self, stop: Event) -> Surroundings:
        """Return fresh ones: a cached token would not prove that the secret is right."""
        return Surroundings(
            clock=self._clock, wait=stop.wait, limits=self._limits, policy=self._policy
        )

    def _log_in(self, account: Account, log_in: Callable[[], None]) -> None:
        """Log in, but repeat the refusal if the same values were refused a moment ago."""
        now_s = self._clock()
        at_s, refusal = self._refused.get(account, (0.0, None))
        if refusal is not None and now_s - at_s < _REFUSAL_HOLDS_S:
            raise refusal.with_traceback(None)
        try:
            log_in()
        except CredentialsRejectedError as error:
            self._refused = {account: (now_s, error)}
            raise


def _remarks(section: str) -> Generator[Step, None, None]:
    """Note which environment variables of this computer are ignored."""
    for remark in ignored(os.environ):
        yield Step(f"{section}.environment", StepState.NOTE, remark)


def _ensure_entered(config: Config, section: str) -> None:
    names = [name for name in missing(config) if name.startswith(section)]
    if names:
        raise FaultError(
            Message(N_("Still missing: {names}"), {"names": ", ".join(names)}),
            Message(N_("Copy them from the console, then test again.")),
        )


def _read_dingtalk(
    client: DingTalkClient, settings: Settings, stop: Event
) -> Generator[Step, None, None]:
    roots = tuple(map(str, settings.sync.source_department_ids))
    yield attempt(
        "dingtalk.departments",
        N_("The departments can be read."),
        lambda: _read_roots(client, roots),
    )
    people: list[DingTalkUser] = []
    yield attempt(
        "dingtalk.people",
        N_("People can be read."),
        lambda: people.extend(_first_people(client, roots, stop)),
    )
    if not people:
        yield Step(
            "dingtalk.nobody",
            StepState.NOTE,
            Message(N_("The first departments are empty, so no person was read.")),
        )
        return
    yield attempt(
        "dingtalk.person",
        N_("A person can be read, including the manager."),
        lambda: _read_person(client, people[0]),
    )
    yield _sight(people)


def _read_roots(client: DingTalkClient, roots: Sequence[str]) -> Message:
    try:
        names = [client.get_department(root).name for root in roots]
        client.list_subdepartments(roots[0])
    except VendorRefusedError as refusal:
        readable = client.readable_departments() if is_out_of_scope(refusal) else ()
        if not readable:
            raise
        raise FaultError(refusal.title, offer(readable)) from refusal
    return Message(N_("The departments can be read: {names}"), {"names": ", ".join(names)})


def _first_people(
    client: DingTalkClient, roots: Sequence[str], stop: Event
) -> tuple[DingTalkUser, ...]:
    """Return the first people found from the root; () if the first departments are empty."""
    waiting = list(roots)
    for _ in range(_DEPARTMENTS_LOOKED_INTO):
        if not waiting or stop.is_set():
            break
        department_id = waiting.pop(0)
        if users := client.list_users(department_id).users:
            return users
        below = client.list_subdepartments(department_id)
        waiting += [one.department_id for one in below]
    return ()


def _read_person(client: DingTalkClient, person: DingTalkUser) -> None:
    client.get_user(person.userid)


def _sight(people: Sequence[DingTalkUser]) -> Step:
    """Report which fields of people are visible: DingTalk omits those without permission."""
    values = {"count": len(people)}
    mobiles = sum(bool(person.mobile) for person in people)
    if mobiles:
        text = N_("Mobiles can be read. People with a mobile: {mobiles} of {count}.")
        return Step(
            "dingtalk.fields", StepState.PASSED, Message(text, {"mobiles": mobiles, **values})
        )
    if any(person.email for person in people):
        text = N_("Emails can be read. People with a mobile: 0 of {count}.")
        return Step("dingtalk.fields", StepState.NOTE, Message(text, values), Message(_FIELDS))
    text = N_("People with a mobile or an email: 0 of {count}.")
    return Step("dingtalk.fields", StepState.FAILED, Message(text, values), Message(_FIELDS))


def _read_wecom(client: WeComClient, settings: Settings) -> Generator[Step, None, None]:
    department_ids: set[str] = set()
    yield attempt(
        "wecom.departments",
        N_("WeCom accepts requests from this network."),
        lambda: _read_departments(client, department_ids),
    )
    target = str(settings.sync.target_department_id)
    yield attempt(
        "wecom.target",
        N_("The target department exists."),
        lambda: _ensure_target(target, department_ids),
    )
    yield attempt("wecom.members", N_("The members can be listed."), lambda: _list_members(client))
    yield Step(
        "wecom.writing",
        StepState.NOTE,
        Message(N_("Whether this secret may change contacts only shows with the first change.")),
        Message(
            N_(
                "Contacts Sync must be set to API编辑通讯录 (edit contacts through the API) in the "
                "WeCom console; the default is read-only."
            )
        ),
    )


def _read_departments(client: WeComClient, found: set[str]) -> Message:
    found.update(one.department_id for one in client.list_departments())
    text = N_("WeCom accepts requests from this network. Departments visible: {count}.")
    return Message(text, {"count": len(found)})


def _list_members(client: WeComClient) -> Message:
    count = len(client.list_members())
    text = N_("This is the Contacts Sync secret. Members that can be listed: {count}.")
    return Message(text, {"count": count})


def _ensure_target(target: str, department_ids: set[str]) -> Message:
    values = {"department": target}
    if target not in department_ids:
        raise FaultError(
            Message(N_("WeCom has no department {department}."), values),
            Message(
                N_(
                    "Set the target department (sync.target_department_id) to one that exists; 1 "
                    "is the whole company."
                )
            ),
        )
    return Message(N_("The target department {department} exists."), values)
