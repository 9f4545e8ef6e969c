"""Reads from a DingTalk event what has to be read again, and nothing more.

An event is a hint, never data: it can be late, doubled, reordered or lost. Understands every shape
DingTalk has sent: camelCase, PascalCase, and entries of the failed list. Pure: text in, hint out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from server.dingtalk.payload import read_json
from server.errors.message import N_, Message
from server.rest import fields

_PERSON_KEYS = ("userid", "useridlist", "userids")
_DEPARTMENT_KEYS = ("deptid", "deptidlist", "deptids", "dept_id")
# Where an entry of the failed list nests the ids, besides the key named like its type.
_NESTED_KEYS = ("callbackdata", "call_back_data", "diffinfo")
_DEEPEST = 4
MOST_IDS = 200
"""An event that names more becomes a full run: reading that many one by one takes longer."""
_LONGEST_DEPARTMENT_ID = 19  # digits of a 64-bit number
_PERSON_PREFIX = "user_"
_DEPARTMENT_PREFIX = "org_dept_"
_COMPANY_PREFIX = "org_"
# Who is an administrator is not mirrored.
_NOT_MIRRORED = frozenset({"org_admin_add", "org_admin_remove"})
# Whether the objects of an event exist; other types (modified, activated) do not say.
_SAYS_THERE = {
    "user_add_org": True,
    "user_leave_org": False,
    "org_dept_create": True,
    "org_dept_remove": False,
}
NEEDED_EVENTS = (
    "user_add_org",
    "user_modify_org",
    "user_leave_org",
    "org_dept_create",
    "org_dept_modify",
    "org_dept_remove",
)
"""What an app must subscribe to: changes without an event wait for the daily run."""


class FullRunReason(Enum):
    """Why an event cannot be narrowed to some people or departments."""

    COMPANY_CHANGED = "company-changed"
    NAMES_NOBODY = "names-nobody"
    NAMES_MANY = "names-many"
    UNKNOWN_CONTACT_EVENT = "unknown-contact-event"


_REASONS = {
    FullRunReason.COMPANY_CHANGED: N_("DingTalk reports that the company changed ({event})."),
    FullRunReason.NAMES_NOBODY: N_("A DingTalk event does not say whom it is about ({event})."),
    FullRunReason.NAMES_MANY: N_(
        "A DingTalk event lists so many people or departments that a full sync is made instead "
        "({event})."
    ),
    FullRunReason.UNKNOWN_CONTACT_EVENT: N_(
        "DingTalk sent a contact event unknown to this version ({event})."
    ),
}


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """These people may have changed, joined or left; `is_there`: what the event says of that."""

    userids: tuple[str, ...]
    is_there: bool | None = None


@dataclass(frozen=True, slots=True)
class DepartmentsChanged:
    """These subtrees may have changed; `is_there` as in `PersonChanged`."""

    department_ids: tuple[str, ...]
    is_there: bool | None = None


@dataclass(frozen=True, slots=True)
class FullRunNeeded:
    """Everything has to be compared."""

    reason: FullRunReason
    event_type: str

    @property
    def message(self) -> Message:
        """The reason as a sentence."""
        return Message(_REASONS[self.reason], {"event": self.event_type})


@dataclass(frozen=True, slots=True)
class NothingToDo:
    """The event concerns nothing that is mirrored."""


Hint = PersonChanged | DepartmentsChanged | FullRunNeeded | NothingToDo


@dataclass(frozen=True, slots=True)
class FailedEntry:
    """What an entry of the failed list says about itself; None for what it does not say."""

    event_type: str | None
    corp_id: str | None


def read_failed_entry(payload: str) -> FailedEntry:
    """Read type and company of an entry of the failed list; `read_hint` reads its ids.

    Never raises: DingTalk does not send the list again.
    """
    entry = _parse_object(payload)
    tag = fields.identifier(entry.get("call_back_tag"))
    inner = entry.get(tag) if tag else None
    corp_id = inner.get("corpid") if isinstance(inner, Mapping) else None
    return FailedEntry(tag, fields.identifier(corp_id))


def read_hint(payload: str) -> Hint:
    """Return what a decrypted payload or an entry of the failed list asks for. Never raises."""
    event = _lower_keys(_parse_object(payload))
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
    if not 0 < len(userids) <= MOST_IDS:
        return _too_few_or_many(userids, event_type)
    return PersonChanged(userids, _SAYS_THERE.get(event_type))


def _department_hint(event: Mapping[str, object], event_type: str) -> Hint:
    named = _collect(event, event_type, _DEPARTMENT_KEYS)
    department_ids = tuple(entry for entry in named if _is_department_id(entry))
    if not 0 < len(department_ids) <= MOST_IDS:
        return _too_few_or_many(department_ids, event_type)
    return DepartmentsChanged(department_ids, _SAYS_THERE.get(event_type))


def _too_few_or_many(ids: tuple[str, ...], event_type: str) -> FullRunNeeded:
    reason = FullRunReason.NAMES_MANY if ids else FullRunReason.NAMES_NOBODY
    return FullRunNeeded(reason, event_type)


def _is_department_id(text: str) -> bool:
    return text.isdecimal() and text.isascii() and len(text) <= _LONGEST_DEPARTMENT_ID


def _collect(
    event: Mapping[str, object], event_type: str, keys: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the ids under any of `keys`, in order, without repeats."""
    found: dict[str, None] = {}
    for level in _levels(event, event_type, _DEEPEST):
        for key in keys:
            found.update(dict.fromkeys(fields.identifiers(level.get(key)) or ()))
    return tuple(found)


def _levels(
    level: Mapping[str, object], event_type: str, depth: int
) -> Iterator[Mapping[str, object]]:
    """Yield the event and its nested objects that can name ids; some are JSON in a string."""
    yield level
    if depth == 0:
        return
    for key in (event_type.lower(), *_NESTED_KEYS):
        for entry in fields.objects(level.get(key)) or ():
            yield from _levels(_lower_keys(entry), event_type, depth - 1)


def _parse_object(payload: str) -> Mapping[str, object]:
    try:
        event = read_json(payload)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _lower_keys(event: Mapping[str, object]) -> Mapping[str, object]:
    """Return the event with lower-case keys; the casing differs between generations of DingTalk."""
    return {key.lower(): value for key, value in event.items()}
