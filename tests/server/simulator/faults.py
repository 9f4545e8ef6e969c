"""Faults that stand between a client and a simulated platform, by a seeded plan.

A rule says which fault meets which calls: with a probability, at the n-th matching call, for one
path, at most so many times. The same seed and the same order of calls give the same faults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from random import Random
from threading import Event, Lock
from types import MappingProxyType

from server.simulator.httpd import Handler, Reply, Request


class Fault(Enum):
    """What can go wrong on the way. *Late* ones strike after the call took effect."""

    SERVER_ERROR = "HTTP 500 with a page"
    BAD_GATEWAY = "HTTP 502 with a page"
    LATE_BAD_GATEWAY = "HTTP 502 with a page, after the call took effect"
    DROPPED = "the connection closes before the call takes effect"
    LATE_DROPPED = "the connection closes after the call took effect: the reply is lost"
    SLOW = "the answer comes late"
    BUSY = "errcode -1"
    LATE_BUSY = "errcode -1, after the call took effect"
    THROTTLED = "the platform's code for too many calls"
    TOKEN_ENDED = "the token ends before its time"
    ANSWERED = "the answer that the rule gives, any errcode for instance"
    PAGE = "HTTP 200 with a page instead of JSON"
    IP_BANNED = "a body without an errcode: the caller's address is shut out for minutes"


_LATE = frozenset({Fault.LATE_BAD_GATEWAY, Fault.LATE_DROPPED, Fault.LATE_BUSY})

_PAGES: Mapping[Fault, Reply | None] = MappingProxyType(
    {
        Fault.SERVER_ERROR: Reply.of_html(500),
        Fault.BAD_GATEWAY: Reply.of_html(502),
        Fault.LATE_BAD_GATEWAY: Reply.of_html(502),
        Fault.DROPPED: None,
        Fault.LATE_DROPPED: None,
        Fault.PAGE: Reply.of_html(200),
        Fault.IP_BANNED: Reply.of_json(
            {"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "0a1b2c3d"}
        ),
    }
)

DINGTALK_ANSWERS: Mapping[Fault, Reply] = MappingProxyType(
    {
        Fault.BUSY: Reply.of_json({"errcode": -1, "errmsg": "系统繁忙"}),
        Fault.LATE_BUSY: Reply.of_json({"errcode": -1, "errmsg": "系统繁忙"}),
        Fault.THROTTLED: Reply.of_json(
            {
                "errcode": 90018,
                "errmsg": "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了",
            }
        ),
    }
)
"""How DingTalk words the faults that are answers of the API."""

WECOM_ANSWERS: Mapping[Fault, Reply] = MappingProxyType(
    {
        Fault.BUSY: Reply.of_json({"errcode": -1, "errmsg": "system busy"}),
        Fault.LATE_BUSY: Reply.of_json({"errcode": -1, "errmsg": "system busy"}),
        Fault.THROTTLED: Reply.of_json({"errcode": 45009, "errmsg": "api freq out of limit"}),
    }
)
"""How WeCom words the faults that are answers of the API."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Which calls a fault meets: paths that end in `path`, with `probability`.

    `containing` must stand in the body or in a value of the query, such as one person's userid.
    `nth` names one matching call (the first is 1); `times` ends the rule after so many faults;
    `delay_s` is for SLOW, `answer` for ANSWERED; `alter` changes the
    platform's own answer instead.
    """

    fault: Fault
    path: str = ""
    containing: str = ""
    probability: float = 1.0
    nth: int | None = None
    times: int | None = None
    delay_s: float = 0.2
    answer: Reply | None = None
    alter: Callable[[Reply], Reply] | None = None

    def is_about(self, request: Request) -> bool:
        """Return whether a request is one of those the rule is for."""
        if not request.path.endswith(self.path):
            return False
        return self.containing.encode() in request.body or any(
            self.containing in value for value in request.query.values()
        )


@dataclass(slots=True)
class _Armed:
    """A rule in force, with the calls it was about and the faults it made."""

    rule: Rule
    calls: int = 0
    strikes: int = 0

    def is_due(self, random: Random) -> bool:
        """Count a call that the rule is about, and return whether the fault strikes."""
        self.calls += 1
        if self.rule.nth is not None and self.calls != self.rule.nth:
            return False
        if self.rule.times is not None and self.strikes >= self.rule.times:
            return False
        if random.random() >= self.rule.probability:
            return False
        self.strikes += 1
        return True


class FaultPlan:
    """Wraps a platform's handler in faults until it is switched off. Thread-safe.

    `answers` words the API-like faults; `end_token` is called for TOKEN_ENDED, after which the
    platform itself refuses the call. `injected` lists what was done, oldest first.
    """

    def __init__(
        self,
        seed: int,
        answers: Mapping[Fault, Reply],
        end_token: Callable[[], None],
        rules: tuple[Rule, ...] = (),
    ) -> None:
        self.injected: list[tuple[Fault, str]] = []
        self._random = Random(seed)
        self._answers = answers
        self._end_token = end_token
        self._lock = Lock()
        self._released = Event()
        self._armed = [_Armed(rule) for rule in rules]

    def add(self, *rules: Rule) -> None:
        """Add rules; the first rule that strikes decides."""
        with self._lock:
            self._armed.extend(_Armed(rule) for rule in rules)
            self._released.clear()

    def switch_off(self) -> None:
        """End all faults: forget the rules and let slow answers go."""
        with self._lock:
            self._armed.clear()
            self._released.set()

    def wrap(self, handler: Handler) -> Handler:
        """Return `handler` with the faults of this plan before and after it."""

        def faulty(request: Request) -> Reply | None:
            rule = self._strike(request)
            if rule is None:
                return handler(request)
            return self._suffer(rule, request, handler)

        return faulty

    def _strike(self, request: Request) -> Rule | None:
        with self._lock:
            for armed in self._armed:
                if armed.rule.is_about(request) and armed.is_due(self._random):
                    self.injected.append((armed.rule.fault, request.path))
                    return armed.rule
        return None

    def _suffer(self, rule: Rule, request: Request, handler: Handler) -> Reply | None:
        if rule.fault is Fault.SLOW:
            self._released.wait(rule.delay_s)
            return handler(request)
        if rule.fault is Fault.TOKEN_ENDED:
            self._end_token()
            return handler(request)
        if rule.alter is not None:
            reply = handler(request)
            return reply if reply is None else rule.alter(reply)
        if rule.fault in _LATE:
            handler(request)
        if rule.fault is Fault.ANSWERED:
            return rule.answer
        return self._answers[rule.fault] if rule.fault in self._answers else _PAGES[rule.fault]
