"""What a DingTalk event says about the mirror: a hint what to read again, and nothing more.

An event is a hint, never data: it can be late, doubled, reordered or lost. Reads every shape that
DingTalk has sent (facts, DingTalk 3.1, 3.2 and 4): camelCase, PascalCase, and the entries of the
failed list. Pure: text in, hint out.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from server.message import N_, Message
from server.rest import fields

_PERSON_KEYS = ("userid", "useridlist", "userids")
_DEPARTMENT_KEYS = ("deptid", "deptidlist", "deptids", "dept_id")
# Where an entry of the failed list hides the ids, besides the key that is named like its type.
_NESTED_KEYS = ("callbackdata", "call_back_data", "diffinfo")
_DEEPEST = 4
_PERSON_PREFIX = "user_"
_DEPARTMENT_PREFIX = "org_dept_"
_COMPANY_PREFIX = "org_"
# Roles, who is an administrator: nothing of it is mirrored.
_NOT_MIRRORED = frozenset({"org_admin_add", "org_admin_remove"})
NEEDED_EVENTS = (
    "user_add_org",
    "user_modify_org",
    "user_leave_org",
    "org_dept_create",
    "org_dept_modify",
    "org_dept_remove",
)
"""What an app must subscribe to: without one of these the mirror follows at the daily run only."""


class FullRunReason(Enum):
    """Why an event cannot be narrowed to some people or departments."""

    COMPANY_CHANGED = "company-changed"
    NAMES_NOBODY = "names-nobody"
    UNKNOWN_CONTACT_EVENT = "unknown-contact-event"


_REASONS = {
    FullRunReason.COMPANY_CHANGED: N_("DingTalk says that the company changed ({event})."),
    FullRunReason.NAMES_NOBODY: N_("An event of DingTalk does not say whom it is about ({event})."),
    FullRunReason.UNKNOWN_CONTACT_EVENT: N_(
        "DingTalk sent a contact event that this version does not know ({event})."
    ),
}


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """These people may have changed, come or gone."""

    userids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DepartmentsChanged:
    """These departments and all below them may have changed, come or gone."""

    department_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FullRunNeeded:
    """Everything has to be compared."""

    reason: FullRunReason
    event_type: str

    @property
    def message(self) -> Message:
        """Why, in a sentence."""
        return Message(_REASONS[self.reason], {"event": self.event_type})


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The event is not about anything that is mirrored."""


Hint = PersonChanged | DepartmentsChanged | FullRunNeeded | NothingToDo


@dataclass(frozen=True, slots=True)
class FailedEntry:
    """What an entry of the list of undelivered events says of itself; None where it is silent."""

    event_type: str | None
    corp_id: str | None


def read_failed_entry(payload: str) -> FailedEntry:
    """Read an entry as the client wrote it down; its ids are `read_hint`'s business."""
    entry = json.loads(payload)
    if not isinstance(entry, Mapping):
        return FailedEntry(None, None)
    tag = fields.identifier(entry.get("call_back_tag"))
    inner = entry.get(tag) if tag else None
    corp_id = inner.get("corpid") if isinstance(inner, Mapping) else None
    return FailedEntry(tag, fields.identifier(corp_id))


def read_hint(payload: str) -> Hint:
    """Return what a decrypted payload, or an entry of the failed list, asks for. Never raises."""
    event = _parse_object(payload)
    event_type = fields.identifier(event.get("eventtype") or event.get("call_back_tag"))
    if event_type is None or event_type in _NOT_MIRRORED:
        return NothingToDo()
    if event_type.startswith(_PERSON_PREFIX):
        return _person_hint(event, event_type)
    if event_type.startswith(_DEPARTMENT_PREFIX):
        return _department_hint(event, event_type)
    if event_type in {"org_change", "org_remove"}:
        return FullRunNeeded(FullRunReason.COMPANY_CHANGED, event_type)
    if event_type.startswith(_COMPANY_PREFIX):
        return FullRunNeeded(FullRunReason.UNKNOWN_CONTACT_EVENT, event_type)
    return NothingToDo()


def _person_hint(event: Mapping[str, object], event_type: str) -> Hint:
    userids = _collect(event, event_type, _PERSON_KEYS)
    if not userids:
        return FullRunNeeded(FullRunReason.NAMES_NOBODY, event_type)
    return PersonChanged(userids)


def _department_hint(event: Mapping[str, object], event_type: str) -> Hint:
    named = _collect(event, event_type, _DEPARTMENT_KEYS)
    department_ids = tuple(entry for entry in named if entry.isdecimal() and entry.isascii())
    if not department_ids:
        return FullRunNeeded(FullRunReason.NAMES_NOBODY, event_type)
    return DepartmentsChanged(department_ids)


def _collect(
    event: Mapping[str, object], event_type: str, keys: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the ids under any of `keys`, in their order, without repeats."""
    found: dict[str, None] = {}
    for level in _levels(event, event_type, _DEEPEST):
        for key in keys:
            found.update(dict.fromkeys(fields.identifiers(level.get(key)) or ()))
    return tuple(found)


def _levels(
    level: Mapping[str, object], event_type: str, depth: int
) -> Iterator[Mapping[str, object]]:
    """Walk the event and the objects inside that can name ids, some of them JSON in a string."""
    yield level
    if depth == 0:
        return
    for key in (event_type.lower(), *_NESTED_KEYS):
        for entry in fields.objects(level.get(key)) or ():
            yield from _levels(_lower_keys(entry), event_type, depth - 1)


def _parse_object(payload: str) -> Mapping[str, object]:
    try:
        event = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return _lower_keys(event) if isinstance(event, dict) else {}


def _lower_keys(event: Mapping[str, object]) -> Mapping[str, object]:
    """Return the event with lower-case keys; the casing differs between generations of DingTalk."""
    return {key.lower(): value for key, value in event.items()}
