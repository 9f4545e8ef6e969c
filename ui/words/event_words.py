"""Events in words: their type, whom they are about, their state. Pure."""

import json
from collections.abc import Mapping
from types import MappingProxyType

from server.errors.message import N_
from ui.words.text import Texts

# DingTalk's contact events and a few others an app often subscribes to.
TYPES: Mapping[str, str] = MappingProxyType(
    {
        "user_add_org": N_("Person joined"),
        "user_modify_org": N_("Person changed"),
        "user_leave_org": N_("Person left"),
        "user_active_org": N_("Person activated"),
        "org_admin_add": N_("Made administrator"),
        "org_admin_remove": N_("No longer administrator"),
        "org_dept_create": N_("Department created"),
        "org_dept_modify": N_("Department changed"),
        "org_dept_remove": N_("Department deleted"),
        "org_change": N_("Company changed"),
        "org_remove": N_("Company dissolved"),
        "label_user_change": N_("Roles of people changed"),
        "label_conf_add": N_("Role created"),
        "label_conf_modify": N_("Role changed"),
        "label_conf_del": N_("Role deleted"),
        "bpms_task_change": N_("Approval step changed"),
        "bpms_instance_change": N_("Approval started or finished"),
        "check_in": N_("Check-in"),
        "attendance_check_record": N_("Attendance recorded"),
    }
)
STATES: Mapping[str, str] = MappingProxyType(
    {
        "pending": N_("Waiting"),
        "working": N_("In progress"),
        "done": N_("Done"),
        "ignored": N_("Nothing to do"),
        "failed": N_("Failed"),
    }
)
_SUBJECTS = (
    (N_("Person {ids}"), ("userid", "useridlist", "staffid")),
    (N_("Department {ids}"), ("deptid", "deptidlist")),
    (N_("Role {ids}"), ("labelidlist",)),
)
_SHOWN_IDS = 5


def type_words(event_type: str | None, texts: Texts) -> str:
    """Return an event's type in words, or its own name where there are none for it."""
    if event_type is None:
        return texts("Not JSON")
    words = TYPES.get(event_type)
    return event_type if words is None else texts(words)


def state_words(state: str, texts: Texts) -> str:
    """Return an event's state in words."""
    return texts(STATES[state])


def subject(payload: object, texts: Texts) -> str:
    """Return whom or which department an event is about, "" where it does not say.

    Keys are compared without regard to case: DingTalk sends `UserId` and `userId` alike.
    """
    if not isinstance(payload, dict):
        return ""
    fields = {str(key).lower(): value for key, value in payload.items()}
    found = ((sentence, _ids(fields, names)) for sentence, names in _SUBJECTS)
    return _fit("; ".join(texts(sentence, ids=ids) for sentence, ids in found if ids))


def payload_words(payload: object) -> str:
    """Return what DingTalk sent as text for reading."""
    if isinstance(payload, str):
        return _fit(payload)
    return _fit(json.dumps(payload, ensure_ascii=False, indent=2))


def _fit(text: str) -> str:
    """Write half of a surrogate pair as its escape: JSON can hold one, a window cannot."""
    return text.encode("utf-8", "backslashreplace").decode()


def _ids(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    value = next((fields[name] for name in names if fields.get(name)), [])
    ids = [str(one) for one in (value if isinstance(value, list) else [value])]
    return ", ".join(ids[:_SHOWN_IDS]) + ("…" if len(ids) > _SHOWN_IDS else "")
