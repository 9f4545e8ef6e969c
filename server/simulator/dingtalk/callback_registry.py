"""DingTalk's record of an app's callback: what was registered by API, and what could not be sent.

How the address is tried is not known here: the function that does it is handed in.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Lock
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from server.simulator.gate import Json, RefusedError

_MOST_A_CALL = 200
_TAGS = frozenset(
    {
        *("user_add_org", "user_modify_org", "user_leave_org", "user_active_org"),
        *("org_dept_create", "org_dept_modify", "org_dept_remove", "org_change", "org_remove"),
        *("org_admin_add", "org_admin_remove", "label_user_change"),
        *("label_conf_add", "label_conf_del", "label_conf_modify"),
        *("bpms_instance_change", "bpms_task_change", "check_in"),
        *("attendance_check_record", "attendance_schedule_change"),
    }
)
# The push says userId and deptId; the list of failures has lower-case names (API-0015).
_LIST_NAMES: Mapping[str, str] = MappingProxyType({"userId": "userid", "deptId": "deptid"})


@dataclass(frozen=True, slots=True)
class Subscription:
    """A callback as registered: the events wanted, both secrets, and the address."""

    tags: tuple[str, ...]
    url: str
    token: str = field(repr=False)
    aes_key: str = field(repr=False)


class CheckOutcome(StrEnum):
    """What became of the encrypted `check_url` that was posted to the address."""

    SUCCESS = "success"
    UNREACHABLE = "unreachable"
    NOT_SUCCESS = "not success"


UrlCheck = Callable[[Subscription], CheckOutcome]
"""Posts an encrypted `check_url` to the subscription's address and judges the answer."""


class CallbackRegistry:
    """The one callback of an app, and the events that could not be delivered. Thread-safe."""

    def __init__(self, corp_id: str, url_check: UrlCheck) -> None:
        self.url_check = url_check
        self.subscription: Subscription | None = None
        self._corp_id = corp_id
        self._lock = Lock()
        self._failed: deque[Json] = deque()

    def register(self, parameters: Json) -> Json:
        """Store a callback once its address answered; 71006 where there is one already."""
        if self.subscription is not None:
            raise RefusedError(71006, "回调地址已经存在")
        return self._store(parameters)

    def update(self, parameters: Json) -> Json:
        """Replace the callback once the new address answered; 71007 where there is none."""
        self._existing()
        return self._store(parameters)

    def get(self, _parameters: Json) -> Json:
        """Return the callback, secrets in clear as the platform does; 71007 where there is none."""
        found = self._existing()
        return {
            "call_back_tag": list(found.tags),
            "token": found.token,
            "aes_key": found.aes_key,
            "url": found.url,
        }

    def delete(self, _parameters: Json) -> Json:
        """Forget the callback; 71007 where there is none."""
        self._existing()
        self.subscription = None
        return {}

    def failed_result(self, _parameters: Json) -> Json:
        """Return up to 200 undelivered events. They are never returned again."""
        with self._lock:
            batch = [self._failed.popleft() for _ in range(min(_MOST_A_CALL, len(self._failed)))]
            return {"failed_list": batch, "has_more": bool(self._failed)}

    def record_failure(self, payload: Mapping[str, Any], *, names_nobody: bool = False) -> None:
        """Keep an event whose delivery failed for good, in the shape of the list.

        With `names_nobody` the entry holds only the corp id, as some real ones do.
        """
        tag = payload["EventType"]
        ids = {_LIST_NAMES[name]: payload[name] for name in _LIST_NAMES if name in payload}
        inner = {} if names_nobody else ids
        entry: Json = {
            tag: {**inner, "corpid": self._corp_id},
            "call_back_tag": tag,
            "event_time": payload["EventTime"],
        }
        with self._lock:
            self._failed.append(entry)

    def _existing(self) -> Subscription:
        if self.subscription is None:
            raise RefusedError(71007, "回调地址已不存在")
        return self.subscription

    def _store(self, parameters: Json) -> Json:
        subscription = _subscription(parameters)
        outcome = self.url_check(subscription)
        if outcome is CheckOutcome.UNREACHABLE:
            curl = f"curl -X POST -d '{{\"encrypt\":\"\"}}' '{subscription.url}'"
            raise RefusedError(71012, f"url地址访问异常,错误原因为:timedout,{curl}")
        if outcome is CheckOutcome.NOT_SUCCESS:
            raise RefusedError(71009, "返回文本非success")
        self.subscription = subscription
        return {}


def _subscription(parameters: Json) -> Subscription:
    tags, url = parameters.get("call_back_tag"), parameters.get("url")
    token, aes_key = parameters.get("token"), parameters.get("aes_key")
    if not isinstance(tags, list) or not isinstance(url, str):
        raise RefusedError(71010, "缺少参数或参数类型不正确")
    if not isinstance(token, str) or not isinstance(aes_key, str):
        raise RefusedError(71010, "缺少参数或参数类型不正确")
    if not 6 <= len(token) <= 63 or len(aes_key) != 43 or not aes_key.isalnum():
        raise RefusedError(71010, "token或aes_key不正确")
    if not set(tags) <= _TAGS:
        raise RefusedError(71008, "不允许注册的事件")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).netloc:
        raise RefusedError(71011, "url格式不正确")
    return Subscription(tuple(tags), url, token, aes_key)
