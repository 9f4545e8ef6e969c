"""DingTalk's contact API (`oapi.dingtalk.com`), reading a simulated company.

Answers as the real one does: the token in the query only, 20 calls a second an API, scope, field
permissions, missing API permissions as 88 with a sub_code, people who are gone.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from server.simulator.company import Company
from server.simulator.dingtalk.callback_registry import CallbackRegistry, CheckOutcome, UrlCheck
from server.simulator.dingtalk.records import (
    Sight,
    as_documented,
    department_in_full,
    department_in_list,
    person_in_department,
    person_in_full,
)
from server.simulator.gate import CallLog, Clock, Json, Pace, RefusedError, TokenDesk
from server.simulator.httpd import Reply, Request
from server.simulator.roster import ROOT_ID, Person

_LARGEST_PAGE = 100
_THROTTLED = 90018
# The texts are never to be matched on; where the documents give none, they are DingTalk's habit.
_TEXTS: Mapping[int, str] = MappingProxyType(
    {
        22: "不合法的接口名称",
        33012: "无效的USERID",
        40014: "不合法的access_token",
        40035: "不合法的参数",
        40068: "不合法的偏移量",
        40069: "不合法的分页大小",
        40089: "不合法的corpid或corpsecret",
        41001: "缺少access_token参数",
        42001: "access_token超时",
        43001: "需要GET请求",
        43002: "需要POST请求",
        50002: "请求的员工userid不在授权范围内",
        50004: "请求的部门id不在授权范围内",
        60003: "部门不存在",
        60011: "没有调用该接口的权限",
        60020: "访问ip不在白名单之中",
        60121: "找不到该用户",
        _THROTTLED: "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
    }
)


@dataclass(slots=True)
class DingTalkRules:
    """What the app may do and how the platform behaves; may be changed while it runs.

    `missing_permissions` holds names such as "qyapi_get_member". `gone_code` is the answer for
    people who left (33012 or 60121). With `wrapped` a bad token and throttling come as 88 with a
    sub_code. `documented_types` gives the wrong types of the documents' samples.
    """

    app_key: str = "dingsimulatedappkey0"
    app_secret: str = field(default="made-up-app-secret", repr=False)
    scope_departments: frozenset[int] = frozenset({ROOT_ID})
    scope_people: frozenset[str] = frozenset()
    missing_permissions: frozenset[str] = frozenset()
    sight: Sight = field(default_factory=Sight)
    gone_code: int = 33012
    wrapped: bool = False
    documented_types: bool = False
    is_ip_trusted: bool = True

    def settings(self, address: str) -> dict[str, object]:
        """Return what DingBridge's settings `dingtalk` say where `address` plays DingTalk."""
        return {"app_key": self.app_key, "app_secret": self.app_secret, "api_base": address}


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    permission: str
    answer: Callable[[Json], Any]
    is_bare: bool = False
    """A bare answer lies beside errcode; the others lie under `result`."""
    has_documented_types: bool = False


@dataclass(slots=True)
class _Act:
    """Something that is to happen after so many more calls."""

    act: Callable[[], object]
    path: str
    calls_left: int
    asking: Json

    def is_due(self, path: str, parameters: Json) -> bool:
        if path.endswith(self.path) and self.asking.items() <= parameters.items():
            self.calls_left -= 1
        return self.calls_left <= 0


def _nobody_answers(_subscription: object) -> CheckOutcome:
    return CheckOutcome.UNREACHABLE


class DingTalkContacts:
    """The API; give `handle` to a LoopbackServer. Thread-safe.

    `calls_per_second` None lifts the limit. `token_expired_code` may be 40014 or 42001: both have
    been seen for an expired token.
    """

    def __init__(
        self,
        company: Company,
        rules: DingTalkRules | None = None,
        *,
        clock: Clock = time.monotonic,
        calls_per_second: int | None = 20,
        token_expired_code: int = 40014,
        url_check: UrlCheck = _nobody_answers,
    ) -> None:
        self.company = company
        self.rules = rules or DingTalkRules()
        self.log = CallLog()
        self.callbacks = CallbackRegistry(company.corp_id, url_check)
        self.tokens = TokenDesk(clock, seed=1, renews=True, expired_code=token_expired_code)
        self._pace = Pace(clock, calls_per_second, 1.0) if calls_per_second else None
        self.answer_plainly()
        self._acts: list[_Act] = []
        self._acts_lock = Lock()

    def handle(self, request: Request) -> Reply:
        """Answer one request, and record it."""
        parameters: Json = {}
        try:
            parameters = _parameters(request)
            answer = self._answer(request, parameters)
        except RefusedError as refusal:
            answer = self._refused(refusal)
        self.log.append(request.method, request.path, _without_secrets(parameters), _code(answer))
        self._act(request.path, parameters)
        return Reply.of_json(answer)

    def after_call(
        self,
        act: Callable[[], object],
        path: str = "",
        nth: int = 1,
        *,
        asking: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Let something happen once, after the n-th call from now whose path ends in `path`.

        Only calls with the parameters in `asking` count. It happens when the answer is made and
        before it is sent, so that whoever asked cannot go on before it.
        """
        with self._acts_lock:
            self._acts.append(_Act(act, path, nth, dict(asking)))

    def forget_acts(self) -> None:
        """Let nothing happen any more of what `after_call` was told."""
        with self._acts_lock:
            self._acts.clear()

    def answer_by(self, path: str, answer: Callable[[Json, Callable[[Json], Any]], Any]) -> None:
        """Have calls of `path` answered by `answer`, given them and who answered them before."""
        route = self._routes[path]
        self._routes[path] = replace(route, answer=lambda asked: answer(asked, route.answer))

    def answer_plainly(self) -> None:
        """Answer every call as the company is."""
        self._routes = self._contact_routes() | self._callback_routes()

    def _act(self, path: str, parameters: Json) -> None:
        with self._acts_lock:
            due = [each for each in self._acts if each.is_due(path, parameters)]
            self._acts = [each for each in self._acts if each not in due]
        for each in due:
            each.act()

    def _contact_routes(self) -> dict[str, _Route]:
        member, members = "qyapi_get_member", "qyapi_get_department_member"
        departments = "qyapi_get_department_list"
        v2 = "/topapi/v2"
        return {
            "/auth/scopes": _Route("GET", "qyapi_base", self._scopes, is_bare=True),
            f"{v2}/user/get": _Route("POST", member, self._user, has_documented_types=True),
            f"{v2}/user/list": _Route("POST", members, self._users, has_documented_types=True),
            "/topapi/user/listsimple": _Route("POST", members, self._users_simple),
            "/topapi/user/listid": _Route("POST", member, self._user_ids),
            f"{v2}/department/get": _Route("POST", departments, self._department),
            f"{v2}/department/listsub": _Route("POST", departments, self._children),
            f"{v2}/department/listsubid": _Route("POST", departments, self._child_ids),
            f"{v2}/department/listparentbydept": _Route("POST", departments, self._parents),
            f"{v2}/department/listparentbyuser": _Route("POST", departments, self._parents_of_user),
        }

    def _callback_routes(self) -> dict[str, _Route]:
        calls = self.callbacks
        base = "qyapi_base"
        return {
            "/call_back/register_call_back": _Route("POST", base, calls.register, is_bare=True),
            "/call_back/update_call_back": _Route("POST", base, calls.update, is_bare=True),
            "/call_back/get_call_back": _Route("GET", base, calls.get, is_bare=True),
            "/call_back/delete_call_back": _Route("GET", base, calls.delete, is_bare=True),
            "/call_back/get_call_back_failed_result": _Route(
                "GET", base, calls.failed_result, is_bare=True
            ),
        }

    def _answer(self, request: Request, parameters: Json) -> Json:
        if request.path == "/gettoken":
            return self._token(request)
        route = self._routes.get(request.path)
        if route is None:
            raise RefusedError(22)
        self._admit(request, route)
        found = route.answer(parameters)
        answer = {"errcode": 0, "errmsg": "ok"} | (found if route.is_bare else {"result": found})
        if route.has_documented_types and self.rules.documented_types:
            answer = as_documented(answer)
        return answer if route.is_bare else answer | {"request_id": "5imjny7u9xwa"}

    def _admit(self, request: Request, route: _Route) -> None:
        self.tokens.check(request.query.get("access_token"))
        if not self.rules.is_ip_trusted:
            raise RefusedError(60020)
        if request.method != route.method:
            raise RefusedError(43001 if route.method == "GET" else 43002)
        if self._pace is not None and not self._pace.is_within(request.path):
            raise RefusedError(_THROTTLED)
        if route.permission in self.rules.missing_permissions:
            raise RefusedError(60011)

    def _refused(self, refusal: RefusedError) -> Json:
        code = refusal.errcode
        text = refusal.errmsg or _TEXTS[code]
        if code == 60011 or (self.rules.wrapped and code in {40014, 42001, _THROTTLED}):
            return {
                "errcode": 88,
                "sub_code": str(code),
                "sub_msg": text,
                "errmsg": f"ding talk error[subcode={code},submsg={text}]",
                "request_id": "5imjny7u9xwa",
            }
        return {"errcode": str(code) if self.rules.documented_types else code, "errmsg": text}

    def _token(self, request: Request) -> Json:
        given = (request.query.get("appkey"), request.query.get("appsecret"))
        if given != (self.rules.app_key, self.rules.app_secret):
            raise RefusedError(40089)
        token, expires_in = self.tokens.issue()
        return {"errcode": 0, "access_token": token, "errmsg": "ok", "expires_in": expires_in}

    def _scopes(self, _parameters: Json) -> Json:
        fields = ["name", "userid", "position", "jobnumber", "isLeader", "department", "avatar"]
        fields += ["mobile"] if self.rules.sight.mobiles else []
        fields += ["email"] if self.rules.sight.emails else []
        scopes = {
            "authed_dept": sorted(self.rules.scope_departments),
            "authed_user": sorted(self.rules.scope_people),
        }
        return {"auth_user_field": fields, "condition_field": [], "auth_org_scopes": scopes}

    def _user(self, parameters: Json) -> Json:
        with self.company.roster.lock:
            person = self._person(parameters)
            if person.userid not in self.rules.scope_people and not any(
                self._is_in_scope(dept_id) for dept_id in person.dept_ids
            ):
                raise RefusedError(50002)
            return person_in_full(person, self.rules.sight)

    def _users(self, parameters: Json) -> Json:
        sight = self.rules.sight
        return self._page(parameters, lambda one, dept: person_in_department(one, dept, sight))

    def _users_simple(self, parameters: Json) -> Json:
        return self._page(parameters, lambda one, _: {"userid": one.userid, "name": one.name})

    def _page(self, parameters: Json, record: Callable[[Person, int], Json]) -> Json:
        cursor = _number(parameters, "cursor", 40068)
        size = _number(parameters, "size", 40069)
        if not 1 <= size <= _LARGEST_PAGE:
            raise RefusedError(40069)
        if cursor < 0:
            raise RefusedError(40068)
        with self.company.roster.lock:
            dept_id = self._scoped_department(parameters)
            people = self.company.roster.members(dept_id)
            rows = [record(person, dept_id) for person in people[cursor : cursor + size]]
        has_more = len(people) > cursor + size
        more: Json = {"next_cursor": cursor + size} if has_more else {}
        return {"has_more": has_more, "list": rows} | more

    def _user_ids(self, parameters: Json) -> Json:
        people = self.company.roster.members(self._known_department(parameters))
        return {"userid_list": [person.userid for person in people]}

    def _department(self, parameters: Json) -> Json:
        with self.company.roster.lock:
            dept_id = self._scoped_department(parameters)
            members = self.company.roster.members(dept_id)
            leaders = [person.userid for person in members if dept_id in person.leads]
            return department_in_full(self.company.roster.departments[dept_id], leaders)

    def _children(self, parameters: Json) -> list[Json]:
        with self.company.roster.lock:
            dept_id = self._scoped_department({"dept_id": ROOT_ID} | parameters)
            return [department_in_list(child) for child in self.company.roster.children(dept_id)]

    def _child_ids(self, parameters: Json) -> Json:
        children = self.company.roster.children(self._known_department(parameters))
        return {"dept_id_list": [child.dept_id for child in children]}

    def _parents(self, parameters: Json) -> Json:
        with self.company.roster.lock:
            return {"parent_id_list": self.company.roster.chain(self._known_department(parameters))}

    def _parents_of_user(self, parameters: Json) -> Json:
        with self.company.roster.lock:
            chains = [self.company.roster.chain(one) for one in self._person(parameters).dept_ids]
        return {"parent_list": [{"parent_dept_id_list": chain} for chain in chains]}

    def _person(self, parameters: Json) -> Person:
        userid = parameters.get("userid")
        if not isinstance(userid, str) or not userid:
            raise RefusedError(40035)
        person = self.company.roster.people.get(userid)
        if person is None:
            raise RefusedError(self.rules.gone_code)
        return person

    def _known_department(self, parameters: Json) -> int:
        dept_id = _number(parameters, "dept_id", 40035)
        if dept_id not in self.company.roster.departments:
            raise RefusedError(60003)
        return dept_id

    def _scoped_department(self, parameters: Json) -> int:
        dept_id = self._known_department(parameters)
        if not self._is_in_scope(dept_id):
            raise RefusedError(50004)
        return dept_id

    def _is_in_scope(self, dept_id: int) -> bool:
        return not self.rules.scope_departments.isdisjoint(self.company.roster.chain(dept_id))


def _parameters(request: Request) -> Json:
    if request.method == "GET":
        return dict(request.query)
    if "form" in request.headers.get("content-type", ""):
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    try:
        values = json.loads(request.body or b"{}")
    except ValueError as exc:
        raise RefusedError(40035) from exc
    if not isinstance(values, dict):
        raise RefusedError(40035)
    return values


def _number(parameters: Json, name: str, refusal: int) -> int:
    value = parameters.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise RefusedError(refusal)


def _without_secrets(parameters: Json) -> Json:
    secret = {"access_token", "appsecret", "token", "aes_key"}
    return {name: value for name, value in parameters.items() if name not in secret}


def _code(answer: Json) -> int:
    return int(answer["errcode"])
