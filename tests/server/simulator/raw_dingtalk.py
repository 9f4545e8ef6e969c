"""A company and its DingTalk on a real socket, and a client of it that hides nothing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from server.simulator.company import Company
from server.simulator.dingtalk.callback_registry import CheckOutcome, Subscription
from server.simulator.dingtalk.contacts import DingTalkContacts
from server.simulator.httpd import LoopbackServer
from server.simulator.roster import ROOT_ID
from tests.server.clocks import SteadyClock
from tests.server.simulator.companies import found_department, hire

CALLBACK = {
    "call_back_tag": ["user_add_org", "org_dept_modify"],
    "token": "made-up-token",
    "aes_key": "a" * 43,
    "url": "https://bridge.example.com/api/callback",
}


@dataclass
class RawDingTalk:
    company: Company
    api: DingTalkContacts
    clock: SteadyClock
    address: str
    session: requests.Session
    outcome: CheckOutcome = CheckOutcome.SUCCESS
    checked: Subscription | None = None

    def check(self, subscription: Subscription) -> CheckOutcome:
        self.checked = subscription
        return self.outcome

    def token(self) -> str:
        rules = self.api.rules
        secrets = {"appkey": rules.app_key, "appsecret": rules.app_secret}
        return str(self.get("/gettoken", **secrets)["access_token"])

    def get(self, path: str, **query: str) -> Any:
        return self.session.get(f"{self.address}{path}", params=query, timeout=10).json()

    def read(self, path: str) -> Any:
        return self.get(path, access_token=self.token())

    def post(self, path: str, **body: Any) -> Any:
        query = {"access_token": self.token()}
        address = f"{self.address}{path}"
        return self.session.post(address, params=query, json=body, timeout=10).json()

    def code(self, path: str, **body: Any) -> int:
        return int(self.post(path, **body)["errcode"])

    def department(self, name: str = "研发部", parent_id: int = ROOT_ID) -> int:
        return found_department(self.company, name, parent_id)

    def person(self, *dept_ids: int, name: str = "王伟", **details: Any) -> str:
        return hire(self.company, name, *dept_ids, **details).userid


def serve(api: DingTalkContacts, clock: SteadyClock) -> Iterator[RawDingTalk]:
    """Yield a client of an API, once; the address check answers as the client is told."""
    with LoopbackServer(api.handle) as server, requests.Session() as session:
        dingtalk = RawDingTalk(api.company, api, clock, server.address, session)
        api.callbacks.url_check = dingtalk.check
        yield dingtalk
