"""What an event says: the payloads of the contact events and of some others.

There are two generations of pushes. The documents show camelCase names and an `eventId`
(`EventMaker`); captured real ones of 2018 to 2022 have PascalCase names and none (`as_captured`).
Which of the two is sent today is not known. Repeatable by seed.
Sources: DingTalk's documents of the single events (open.dingtalk.com); captures published in
github.com/zhaoyunxing92/dingtalk and github.com/WallaceMao/dingtalk-isv-access-v2.
"""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Payload = dict[str, Any]
_Id = TypeVar("_Id", str, int)

USER_EVENTS = (
    "user_add_org",
    "user_modify_org",
    "user_active_org",
    "user_leave_org",
    "org_admin_add",
    "org_admin_remove",
)
DEPARTMENT_EVENTS = ("org_dept_create", "org_dept_modify", "org_dept_remove")
COMPANY_EVENTS = ("org_change", "org_remove")
LABEL_EVENTS = ("label_user_change", "label_conf_add", "label_conf_modify", "label_conf_del")
CONTACT_EVENTS = USER_EVENTS + DEPARTMENT_EVENTS + COMPANY_EVENTS + LABEL_EVENTS
OTHER_EVENTS = (
    "bpms_instance_change",
    "bpms_task_change",
    "check_in",
    "attendance_check_record",
    "attendance_schedule_change",
)

# Names hold all that real ones hold: a surname of two characters, a minority's long name with its
# dot, characters beyond the basic plane, Latin letters, an emoji.
_SURNAMES = ("王", "李", "张", "刘", "陈", "杨", "黄", "赵", "欧阳", "司马", "㛃", "𠮷")
_GIVEN_NAMES = ("伟", "芳", "秀英", "娜", "敏", "静", "丽", "强", "磊", "洋", "子涵", "𬱖", "喆")
_UNUSUAL = ("阿依古丽·买买提", "Ærø O'Brien", "小明😀", "👨‍👩‍👧 家属联系人", 'A"B\\C', "测试01")
_SHARE_UNUSUAL = 0.15

_PASCAL_NAMES = {
    "userId": "UserId",
    "deptId": "DeptId",
    "optStaffId": "OptStaffId",
    "userIdList": "UserIdList",
    "labelIdList": "LabelIdList",
    "postLabelList": "PostLabelList",
    "preLabelList": "PreLabelList",
    "staffId": "StaffId",
    "dataList": "DataList",
}
_DOCUMENTED_ENVELOPE = frozenset({"EventTime", "BizId", "eventId", "timeStamp"})


def check_url() -> Payload:
    """Return what is sent when an address is saved in the console."""
    return {"EventType": "check_url"}


def check_create_suite_url(rng: random.Random, suite_key: str) -> Payload:
    """Return what a third-party app's address is first checked with."""
    return {
        "EventType": "check_create_suite_url",
        "Random": _letters(rng, 8),
        "TestSuiteKey": suite_key,
    }


def check_update_suite_url(rng: random.Random, suite_key: str) -> Payload:
    """Return what a changed address of a third-party app is checked with."""
    return {**check_create_suite_url(rng, suite_key), "EventType": "check_update_suite_url"}


def as_captured(event: Mapping[str, Any]) -> Payload:
    """Return an event as real pushes of 2018 to 2022 had it: PascalCase, no eventId.

    `action` and `scope` stayed in lower case there, and a `diffInfo` came as an array. An event
    that is of this generation already is returned as it is.
    """
    if "eventId" not in event:
        return dict(event)
    own = {
        _PASCAL_NAMES.get(name, name): value
        for name, value in event.items()
        if name not in _DOCUMENTED_ENVELOPE
    }
    if isinstance(own.get("diffInfo"), Mapping):
        own["diffInfo"] = [own["diffInfo"]]
    return {**own, "TimeStamp": str(event.get("timeStamp", event["EventTime"]))}


def new_userid(rng: random.Random) -> str:
    """Return a DingTalk userid of one of the forms that real ones have."""
    if rng.random() < 0.2:
        return f"manager{rng.randrange(1000, 10000)}"
    return f"0{rng.randrange(10**16, 10**17)}"


def new_department_id(rng: random.Random) -> int:
    """Return a department id of the size real ones have."""
    return rng.randrange(10**8, 10**9)


class EventMaker:
    """Makes the events of one company as the documents show them. Not thread-safe."""

    def __init__(self, rng: random.Random, corp_id: str, now_ms: Callable[[], int]) -> None:
        self._rng = rng
        self._corp_id = corp_id
        self._now_ms = now_ms

    def of_users(self, event_type: str, userids: Sequence[str]) -> Payload:
        """Return one of `USER_EVENTS` about one or several people; `user_modify_org` undetailed."""
        event = self._envelope(event_type)
        if event_type != "user_active_org":
            event["timeStamp"] = str(event["EventTime"] + self._rng.randrange(1000))
        return {**event, "userId": list(userids)}

    def of_changed_user(
        self, userid: str, prev: Mapping[str, str], curr: Mapping[str, str], *, is_array: bool
    ) -> Payload:
        """Return a `user_modify_org` with its `diffInfo`, as an object or as an array of one.

        The documents show an object; two independent programs read an array.
        """
        diff = {"prev": dict(prev), "curr": dict(curr), "userid": userid}
        event = self.of_users("user_modify_org", [userid])
        return {**event, "diffInfo": [diff] if is_array else diff}

    def of_departments(self, event_type: str, department_ids: Sequence[int]) -> Payload:
        """Return one of `DEPARTMENT_EVENTS`; a removal lists the sub-departments too."""
        return {**self._envelope(event_type), "deptId": list(department_ids)}

    def of_company(self, event_type: str) -> Payload:
        """Return one of `COMPANY_EVENTS`, which say nothing but their type."""
        return self._envelope(event_type)

    def of_labelled_users(
        self, userids: Sequence[str], label_ids: Sequence[int], action: str
    ) -> Payload:
        """Return a `label_user_change`: roles given to people (`add`) or taken (`remove`)."""
        ids = {"userIdList": list(userids), "action": action, "labelIdList": list(label_ids)}
        return {**self._envelope("label_user_change"), **ids}

    def of_label(self, event_type: str, label_id: int) -> Payload:
        """Return a `label_conf_add`, `label_conf_del` or `label_conf_modify`."""
        event = {**self._envelope(event_type), "labelIdList": [label_id]}
        if event_type != "label_conf_del":
            event["scope"] = "1"
        if event_type == "label_conf_modify":
            event["postLabelList"] = [_label(label_id, "主管 ⭐")]
            event["preLabelList"] = [_label(label_id, "主管")]
        return event

    def of_approval(self, event_type: str, staff_id: str, title: str) -> Payload:
        """Return a `bpms_instance_change` or `bpms_task_change` of an approval that was agreed."""
        event = self._envelope(event_type)
        event |= {
            "type": "finish",
            "result": "agree",
            "title": title,
            "staffId": staff_id,
            "processCode": f"PROC-{self._hex(32).upper()}",
            "processInstanceId": self._hex(32),
            "createTime": event["EventTime"] - 20_000,
            "finishTime": event["EventTime"],
        }
        if event_type == "bpms_task_change":
            event |= {"taskId": self._rng.randrange(10**6), "remark": "同意 👍"}
        return event

    def of_check_in(self, staff_id: str) -> Payload:
        """Return a `check_in`, whose `timeStamp` is a number and no string."""
        event = self._envelope("check_in")
        return {**event, "timeStamp": event["EventTime"], "staffId": staff_id}

    def of_attendance(self, userid: str) -> Payload:
        """Return an `attendance_check_record`."""
        event = self._envelope("attendance_check_record")
        record = {
            "address": "杭州市余杭区文一西路",
            "corpId": self._corp_id,
            "checkTime": event["EventTime"],
            "locationResult": "Normal",
            "groupId": self._hex(32).upper(),
            "latitude": 30.28,
            "longitude": 120.01,
            "bizId": self._hex(32).upper(),
            "locationMethod": "MAP",
            "userId": userid,
            "checkByUser": True,
        }
        return {**event, "dataList": [record]}

    def of_schedule(self, userids: Sequence[str]) -> Payload:
        """Return an `attendance_schedule_change`, which comes without any envelope."""
        day = self._now_ms()
        change = {
            "workDateBegin": day,
            "workDateEnd": day,
            "corpId": self._corp_id,
            "userIds": list(userids),
            "type": "modify",
        }
        return {"DataList": [change], "EventType": "attendance_schedule_change"}

    def any_of(self, event_type: str) -> Payload:
        """Return an event of a type in `CONTACT_EVENTS` or `OTHER_EVENTS`, about made-up people."""
        return _MAKERS[event_type](self, self._rng, event_type)

    def mixed(self, count: int) -> list[Payload]:
        """Return so many contact events of all types, both generations among them."""
        types = self._rng.choices(CONTACT_EVENTS, k=count)
        events = map(self.any_of, types)
        return [as_captured(one) if self._rng.random() < 0.5 else one for one in events]

    def _envelope(self, event_type: str) -> Payload:
        now_ms = self._now_ms()
        return {
            "EventType": event_type,
            "EventTime": now_ms,
            "CorpId": self._corp_id,
            "BizId": str(self._rng.randrange(10**12, 10**13)),
            "eventId": self._hex(32),
        }

    def _hex(self, digits: int) -> str:
        return f"{self._rng.getrandbits(4 * digits):0{digits}x}"


def _label(label_id: int, name: str) -> str:
    """Return a role as label events carry it: JSON in a string."""
    label = {"hidden": False, "name": name, "id": label_id, "extraInfo": {}}
    return json.dumps(label, ensure_ascii=False, separators=(",", ":"))


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", k=count))


def _some(rng: random.Random, new_id: Callable[[random.Random], _Id]) -> list[_Id]:
    """Return one to three new ids."""
    return [new_id(rng) for _ in range(rng.randint(1, 3))]


def _renaming(maker: EventMaker, rng: random.Random) -> Payload:
    """Return a change of somebody's name, its details in either form."""
    name = random_name(rng)
    renamed = {"name": f"{name}（新）", "workPlace": "北京"}
    is_array = rng.random() < 0.5
    return maker.of_changed_user(new_userid(rng), {"name": name}, renamed, is_array=is_array)


def _approval(maker: EventMaker, rng: random.Random, event_type: str) -> Payload:
    return maker.of_approval(event_type, new_userid(rng), f"{random_name(rng)}提交的请假")


_Maker = Callable[[EventMaker, random.Random, str], Payload]

_MAKERS: dict[str, _Maker] = {
    **dict.fromkeys(
        USER_EVENTS, lambda maker, rng, kind: maker.of_users(kind, _some(rng, new_userid))
    ),
    "user_modify_org": lambda maker, rng, _: _renaming(maker, rng),
    **dict.fromkeys(
        DEPARTMENT_EVENTS,
        lambda maker, rng, kind: maker.of_departments(kind, _some(rng, new_department_id)),
    ),
    **dict.fromkeys(COMPANY_EVENTS, lambda maker, _, kind: maker.of_company(kind)),
    **dict.fromkeys(
        LABEL_EVENTS, lambda maker, rng, kind: maker.of_label(kind, new_department_id(rng))
    ),
    "label_user_change": lambda maker, rng, _: maker.of_labelled_users(
        _some(rng, new_userid), [new_department_id(rng)], rng.choice(("add", "remove"))
    ),
    "bpms_instance_change": _approval,
    "bpms_task_change": _approval,
    "check_in": lambda maker, rng, _: maker.of_check_in(new_userid(rng)),
    "attendance_check_record": lambda maker, rng, _: maker.of_attendance(new_userid(rng)),
    "attendance_schedule_change": lambda maker, rng, _: maker.of_schedule(_some(rng, new_userid)),
}


def random_name(rng: random.Random) -> str:
    """Return a person's name; about one in seven is an unusual one."""
    if rng.random() < _SHARE_UNUSUAL:
        return rng.choice(_UNUSUAL)
    return rng.choice(_SURNAMES) + rng.choice(_GIVEN_NAMES)
