"""A DingTalk that keeps a record of the subscription, and a folder that belongs to its app."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from server.api.app import App
from server.api.subscription import Subscription
from server.config.paths import DataFolder
from server.rest.retry import RetryPolicy
from server.rest.session import Limits
from server.service.service import now_ms
from server.simulator.company import Company
from server.simulator.dingtalk.callback_registry import Subscription as Registered
from server.simulator.dingtalk.callbacks import Patience
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from server.sync.clients import Throttle
from tests.server.simulator.faults import DINGTALK_ANSWERS, FaultPlan
from tests.server.simulator.url_check import LoopbackUrlCheck

TOKEN = "madeUpToken2026"
AES_KEY = "AbCdEf0123456789AbCdEf0123456789AbCdEf01239"
OTHER_TOKEN = "anotherToken2027"
OTHER_AES_KEY = "ZyXwVu9876543210ZyXwVu9876543210ZyXwVu98769"
NEEDED = (
    *("user_add_org", "user_modify_org", "user_leave_org"),
    *("org_dept_create", "org_dept_modify", "org_dept_remove"),
)
URL = "https://ding.example.com/api/callback"
FAST = Throttle(Limits(connect_s=5, read_s=10), RetryPolicy(patience=0.01))
RECORD = Registered(NEEDED, URL, TOKEN, AES_KEY)


@dataclass
class Registry:
    """The platform's side; `check.owner_key` is what its test calls end with."""

    api: DingTalkContacts
    check: LoopbackUrlCheck
    faults: FaultPlan
    address: str

    @property
    def corp_id(self) -> str:
        return self.api.company.corp_id

    @property
    def record(self) -> Registered | None:
        return self.api.callbacks.subscription

    def holds(self, **changes: object) -> None:
        """Let DingTalk have a record, as another program has registered it."""
        self.api.callbacks.subscription = replace(RECORD, **changes)  # type: ignore[arg-type] # handed through as they are

    def asked(self, path: str = "/call_back/get_call_back") -> int:
        return sum(call.path == path for call in self.api.log.calls())


@contextmanager
def open_registry() -> Iterator[Registry]:
    company = Company()
    rng = random.Random(2026)  # noqa: S311 - repeatable, not secret
    check = LoopbackUrlCheck(company.corp_id, rng, Patience(deadline_s=10))
    api = DingTalkContacts(company, calls_per_second=None, url_check=check)
    faults = FaultPlan(1, DINGTALK_ANSWERS, api.tokens.revoke)
    with LoopbackServer(faults.wrap(api.handle)) as server:
        yield Registry(api, check, faults, server.address)


def app_of(registry: Registry, folder: Path, **callback: object) -> App:
    """A facade for the app that the registry knows; its service would use a free port."""
    app = App(DataFolder(folder))
    app.subscription = Subscription(app, now_ms, FAST)
    rules = registry.api.rules
    values = {"token": TOKEN, "aes_key": AES_KEY, "key": registry.corp_id, "public_url": URL}
    app.configure(
        {
            "callback": {"host": "127.0.0.1", "port": 0, **values, **callback},
            "dingtalk": rules.settings(registry.address),
        }
    )
    return app


def serve_publicly(app: App) -> str:
    """Start the service, and let its own address be the public one."""
    address = app.start(pace=FAST)
    app.configure({"callback": {"public_url": address}})
    return address
