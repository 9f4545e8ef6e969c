"""A WeCom on a real socket, and a client of it that hides nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from server.simulator.httpd import LoopbackServer
from server.simulator.wecom.console import WeComConsole
from server.simulator.wecom.contacts import WeComContacts
from server.simulator.wecom.directory import Member
from tests.server.clocks import SteadyClock

ZHANG = {"userid": "zhangsan", "name": "张三", "mobile": "13800000001", "department": [1]}
LI = {"userid": "lisi", "name": "李四", "mobile": "13800000002", "department": [1]}


@dataclass
class RawWeCom:
    api: WeComContacts
    console: WeComConsole
    clock: SteadyClock
    address: str
    session: requests.Session

    def token(self) -> str:
        rules = self.api.rules
        return str(
            self.raw("gettoken", corpid=rules.corp_id, corpsecret=rules.contact_secret)[
                "access_token"
            ]
        )

    def raw(self, call: str, **query: str) -> Any:
        address = f"{self.address}/cgi-bin/{call}"
        return self.session.get(address, params=query, timeout=10).json()

    def get(self, call: str, **query: object) -> Any:
        return self.raw(call, access_token=self.token(), **{k: str(v) for k, v in query.items()})

    def post(self, call: str, **body: Any) -> Any:
        reply = self.session.post(
            f"{self.address}/cgi-bin/{call}",
            params={"access_token": self.token()},
            data=json.dumps(body, ensure_ascii=False).encode(),
            timeout=10,
        )
        return reply.json()

    def code(self, call: str, **body: Any) -> int:
        return int(self.post(call, **body)["errcode"])

    def department(self, name: str = "研发部", parent_id: int = 1, **more: Any) -> int:
        return int(self.post("department/create", name=name, parentid=parent_id, **more)["id"])

    def member(self, userid: str = "zhangsan") -> Member:
        return self.api.directory.snapshot().members[userid]


def serve(api: WeComContacts, clock: SteadyClock) -> Iterator[RawWeCom]:
    with LoopbackServer(api.handle) as server, requests.Session() as session:
        yield RawWeCom(api, WeComConsole(api.directory), clock, server.address, session)
