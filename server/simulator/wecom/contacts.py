"""WeCom's contact API (`qyapi.weixin.qq.com`), writing to a simulated directory.

Answers as the real one does: always HTTP 200, texts with hint and caller's address, a warning even
on success, reads closed to the sync secret (48009), one write at a time.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock
from types import MappingProxyType

from server.simulator.gate import Call, CallLog, Clock, Json, Pace, RefusedError, TokenDesk
from server.simulator.httpd import Reply, Request
from server.simulator.wecom.departments import DepartmentCalls
from server.simulator.wecom.directory import WeComDirectory
from server.simulator.wecom.fields import Fields
from server.simulator.wecom.members import MemberCalls, MemberRules

_PREFIX = "/cgi-bin/"
_HOUR_S = 3600.0
_MINUTE_S = 60.0
_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")
_WARNING = "Warning: wrong json format. "
_TEXTS: Mapping[int, str] = MappingProxyType(
    {
        40001: "invalid credential",
        40003: "invalid userid",
        40013: "invalid corpid",
        40014: "invalid access_token",
        40033: "invalid charset. please check your request, if include \\uxxxx will create fail!",
        40058: "invalid Request Parameter",
        41001: "access_token missing",
        41002: "corpid missing",
        41004: "corpsecret missing",
        42001: "access_token expired",
        45009: "api freq out of limit",
        45033: "api concurrent out of limit",
        48002: "api forbidden",
        48009: "api forbidden for contact assistant",
        60020: "not allow to access from your ip",
        6000: "data version conflict",
    }
)


@dataclass(slots=True)
class WeComRules:
    """What the secret may do and how the platform behaves; may be changed while it runs.

    `may_read` opens what 48009 closes to the sync secret; `may_write` False is a sync helper with
    read permission only. `write_takes_s` stretches each write, so that overlapping ones meet
    (6000). Fixed at the start: `wrong_secrets_an_hour`, after which the address is blocked for an
    hour, and the object `members`, whose fields may change.
    """

    corp_id: str = "ww00000000000000aa"
    contact_secret: str = field(default="made-up-contact-secret", repr=False)
    caller_ip: str = "203.0.113.7"
    is_ip_trusted: bool = True
    may_read: bool = False
    may_write: bool = True
    has_hints: bool = True
    wrong_secrets_an_hour: int = 2000
    concurrent_calls: int | None = None
    write_takes_s: float = 0.0
    members: MemberRules = field(default_factory=MemberRules)

    def settings(self, address: str) -> dict[str, object]:
        """Return what DingBridge's settings `wecom` say where `address` plays WeCom."""
        secret = self.contact_secret
        return {"corp_id": self.corp_id, "contact_secret": secret, "api_base": address}


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    answer: Callable[[Fields], Json]
    is_write: bool = False
    is_closed: bool = False
    """Closed to the sync secret (48009)."""
    empty: str = ""
    """The list that an error answer carries, empty."""


class WeComContacts:
    """The API; give `handle` to a LoopbackServer. Thread-safe.

    `calls_per_minute` and `calls_per_hour` are per API; None lifts a limit. A minute's limit
    blocks for a minute, an hour's for an hour.
    """

    def __init__(
        self,
        directory: WeComDirectory | None = None,
        rules: WeComRules | None = None,
        *,
        clock: Clock = time.monotonic,
        calls_per_minute: int | None = 10_000,
        calls_per_hour: int | None = 150_000,
    ) -> None:
        self.directory = directory or WeComDirectory()
        self.rules = rules or WeComRules()
        self.log = CallLog()
        self.tokens = TokenDesk(clock, seed=2, renews=False, expired_code=42001)
        limits = ((calls_per_minute, _MINUTE_S), (calls_per_hour, _HOUR_S))
        self._paces = [Pace(clock, calls, span_s, span_s) for calls, span_s in limits if calls]
        self._wrong_secrets = Pace(clock, self.rules.wrong_secrets_an_hour, _HOUR_S, _HOUR_S)
        self._random = Random(2)
        self._writing = Lock()
        self._counting = Lock()
        self._in_flight = 0
        self._pause = Event()  # never set: waiting on it is how a write takes its time
        self._routes = self._member_routes() | self._department_routes()

    def handle(self, request: Request) -> Reply:
        """Answer one request, and record it."""
        route = self._routes.get(request.path)
        if route is None and request.path != f"{_PREFIX}gettoken":
            return Reply.of_html(404)
        fields = Fields({})
        try:
            fields = _fields(request)
            answer = self._token(request) if route is None else self._call(request, route, fields)
        except RefusedError as refusal:
            answer = self._refused(refusal, route, fields)
        shown = {k: v for k, v in fields.values.items() if k not in {"access_token", "corpsecret"}}
        self.log.append(request.method, request.path, shown, answer["errcode"])
        return Reply.of_json(answer)

    def writes(self) -> tuple[Call, ...]:
        """Return the writes that took effect, oldest first."""
        return tuple(
            call
            for call in self.log.calls()
            if call.errcode == 0 and call.path in self._routes and self._routes[call.path].is_write
        )

    def _member_routes(self) -> dict[str, _Route]:
        calls = MemberCalls(self.directory, self.rules.members)
        path = f"{_PREFIX}user/"
        return {
            f"{path}create": _Route("POST", calls.create, is_write=True),
            f"{path}update": _Route("POST", calls.update, is_write=True),
            f"{path}delete": _Route("GET", calls.delete, is_write=True),
            f"{path}batchdelete": _Route("POST", calls.batchdelete, is_write=True),
            f"{path}get": _Route("GET", calls.get, is_closed=True),
            f"{path}list": _Route("GET", calls.list_members, is_closed=True, empty="userlist"),
            f"{path}simplelist": _Route("GET", calls.simplelist, is_closed=True, empty="userlist"),
            f"{path}getuserid": _Route("POST", calls.getuserid),
            f"{path}list_id": _Route("POST", calls.list_id, empty="dept_user"),
        }

    def _department_routes(self) -> dict[str, _Route]:
        calls = DepartmentCalls(self.directory)
        path = f"{_PREFIX}department/"
        return {
            f"{path}create": _Route("POST", calls.create, is_write=True),
            f"{path}update": _Route("POST", calls.update, is_write=True),
            f"{path}delete": _Route("GET", calls.delete, is_write=True),
            f"{path}simplelist": _Route("GET", calls.simplelist, empty="department_id"),
            f"{path}list": _Route("GET", calls.list_all, is_closed=True, empty="department"),
            f"{path}get": _Route("GET", calls.get, is_closed=True),
        }

    def _call(self, request: Request, route: _Route, fields: Fields) -> Json:
        with self._counting:
            self._in_flight += 1
            in_flight = self._in_flight
        try:
            self._admit(request, route, in_flight)
            answer: Json = {"errcode": 0, "errmsg": "ok"} | self._answer(route, fields)
        finally:
            with self._counting:
                self._in_flight -= 1
        if fields.has_warning:
            answer["errmsg"] += f". {_WARNING}"
        return answer

    def _admit(self, request: Request, route: _Route, in_flight: int) -> None:
        rules = self.rules
        self.tokens.check(request.query.get("access_token"))
        if not rules.is_ip_trusted:
            raise RefusedError(60020)
        if rules.concurrent_calls is not None and in_flight > rules.concurrent_calls:
            raise RefusedError(45033)
        if not all(pace.is_within(request.path) for pace in self._paces):
            raise RefusedError(45009)
        if route.is_closed and not rules.may_read:
            raise RefusedError(48009)
        if route.is_write and not rules.may_write:
            raise RefusedError(48002)
        if route.method == "POST" and request.method != "POST":
            raise RefusedError(40003 if "/user/" in request.path else 40058)

    def _answer(self, route: _Route, fields: Fields) -> Json:
        if not route.is_write:
            with self.directory.lock:
                return route.answer(fields)
        if not self._writing.acquire(blocking=False):
            raise RefusedError(6000)
        try:
            if self.rules.write_takes_s:
                self._pause.wait(self.rules.write_takes_s)
            with self.directory.lock:
                return route.answer(fields)
        finally:
            self._writing.release()

    def _refused(self, refusal: RefusedError, route: _Route | None, fields: Fields) -> Json:
        code = refusal.errcode
        text = (_WARNING if fields.has_warning else "") + (refusal.errmsg or _TEXTS[code])
        if self.rules.has_hints:
            hint = f"{self._random.randrange(10**21, 10**22)}"
            text += (
                f", hint: [{hint}], from ip: {self.rules.caller_ip}, "
                f"more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
            )
        empty: Json = {route.empty: []} if route is not None and route.empty else {}
        return {"errcode": code, "errmsg": text} | empty

    def _token(self, request: Request) -> Json:
        corp_id, secret = request.query.get("corpid"), request.query.get("corpsecret")
        if not corp_id:
            raise RefusedError(41002)
        if not secret:
            raise RefusedError(41004)
        if corp_id != self.rules.corp_id:
            raise RefusedError(40013)
        if secret != self.rules.contact_secret:
            is_tolerated = self._wrong_secrets.is_within("gettoken")
            raise RefusedError(40001 if is_tolerated else 45009)
        token, expires_in = self.tokens.issue()
        return {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": expires_in}


def _fields(request: Request) -> Fields:
    if request.method == "GET":
        return Fields(dict(request.query))
    if _ESCAPE.search(request.body):
        raise RefusedError(40033)
    try:
        values = json.loads(request.body)
    except ValueError:
        values = None
    # What is no JSON object, a form for instance, counts as an empty one.
    return Fields(values) if isinstance(values, dict) else Fields({}, has_warning=True)
