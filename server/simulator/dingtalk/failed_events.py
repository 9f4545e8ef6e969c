"""The events whose deliveries all failed, as `get_call_back_failed_result` hands them out.

Source: DingTalk's document of that call (open.dingtalk.com): the inner key is the event's type,
inner names are lower case unlike those of a push, an answer holds 200 events at most, and reading
one clears it. Not documented: the name `deptid`, and what stands below the outer names of
approvals and labels.
"""

import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

MAX_EVENTS_AN_ANSWER = 200

_ENVELOPE = frozenset({"eventtype", "eventtime", "corpid", "bizid", "eventid", "timestamp"})


class FailedEvents:
    """A list that many threads add to and one reader empties."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[dict[str, Any]] = deque()

    def add(self, event: Mapping[str, Any]) -> None:
        """Add an event in the form it was pushed in."""
        with self._lock:
            self._entries.append(_entry(event))

    def answer(self) -> dict[str, Any]:
        """Return the oldest events in the call's documented shape, and forget them."""
        with self._lock:
            count = min(len(self._entries), MAX_EVENTS_AN_ANSWER)
            listed = [self._entries.popleft() for _ in range(count)]
            has_more = bool(self._entries)
        return {"errcode": 0, "errmsg": "ok", "failed_list": listed, "has_more": has_more}

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


def _entry(event: Mapping[str, Any]) -> dict[str, Any]:
    fields = {name.lower(): value for name, value in event.items()}
    tag = fields["eventtype"]
    inner = {**_inner(tag, event, fields), "corpid": fields.get("corpid", "")}
    event_time = int(fields.get("eventtime") or fields.get("timestamp") or 0)
    return {tag: inner, "call_back_tag": tag, "event_time": event_time}


def _inner(tag: str, event: Mapping[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    if tag.startswith(("user_", "org_admin_")):
        return {"userid": fields.get("userid", [])}
    if tag.startswith("org_dept_"):
        return {"deptid": fields.get("deptid", [])}
    own = {name: value for name, value in event.items() if name.lower() not in _ENVELOPE}
    if tag.startswith("bpms_"):
        return {"bpmsCallBackData": own}
    if tag.startswith("label_"):
        return {"roleLabelChange": own}
    return {"callbackData": own} if own else {}
