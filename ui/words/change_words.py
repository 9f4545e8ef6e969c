"""The sync's changes in words: what is done, to whom, which fields from what to what. Pure."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from server.api.status import ChangeView
from server.errors.message import N_
from ui.words.text import Texts

# The groups that changes are shown by, in the order in which an admin asks for them.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "leaving": N_("Leavers"),
        "new": N_("New people"),
        "changed": N_("Changed people"),
        "departments": N_("Departments"),
        "conflicts": N_("Conflicts"),
        "problems": N_("Skipped or failed"),
    }
)
_ACTIONS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("create", "person"): N_("New member"),
        ("adopt", "person"): N_("Member taken over"),
        ("update", "person"): N_("Member changed"),
        ("enable", "person"): N_("Member enabled"),
        ("disable", "person"): N_("Member disabled"),
        ("delete", "person"): N_("Member deleted"),
        ("conflict", "person"): N_("Needs your decision"),
        ("create", "department"): N_("New department"),
        ("adopt", "department"): N_("Department taken over"),
        ("update", "department"): N_("Department changed"),
        ("delete", "department"): N_("Department deleted"),
        ("conflict", "department"): N_("Needs your decision"),
    }
)
RESULTS: Mapping[str, str] = MappingProxyType(
    {
        "planned": N_("Would be done"),
        "held": N_("Waiting for approval"),
        "done": N_("Done"),
        "skipped": N_("Skipped"),
        "failed": N_("Failed"),
    }
)
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "name": N_("Department name"),
        "mobile": N_("Mobile"),
        "email": N_("Email"),
        "position": N_("Job title"),
        "telephone": N_("Telephone"),
        "department": N_("Departments"),
        "main_department": N_("Main department"),
        "is_leader_in_dept": N_("Head of department"),
        "direct_leader": N_("Manager"),
        "order": N_("Sort order"),
        "parentid": N_("Parent department"),
        "enable": N_("Status"),
    }
)
_ATTRIBUTE = "extattr."
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "department": "department",
        "main_department": "department",
        "parentid": "department",
        "direct_leader": "person",
    }
)
_ROOT_ID = "1"
# What the cell of a table tells of somebody; the rest stands in the details.
_BRIEF_FIELDS = ("name", "mobile", "email", "position", "department", "direct_leader", "parentid")
_NOTHING = "–"
_NEW = frozenset({"create", "adopt"})


class FieldWords(NamedTuple):
    """A field and its two values in words; `old` is None where all of it is new."""

    name: str
    old: str | None
    new: str


def group_of(change: ChangeView) -> str:
    """Return the group that a change is shown in."""
    if change.action == "conflict":
        return "conflicts"
    if change.result in {"skipped", "failed"}:
        return "problems"
    if change.kind == "department":
        return "departments"
    if change.action in {"disable", "delete"}:
        return "leaving"
    return "new" if change.action == "create" else "changed"


def action_words(change: ChangeView, texts: Texts) -> str:
    """Return what is done, in words."""
    words = _ACTIONS.get((change.action, change.kind))
    return f"{change.action} {change.kind}" if words is None else texts(words)


def result_words(result: str, texts: Texts) -> str:
    """Return what became of a change, in words."""
    words = RESULTS.get(result)
    return result if words is None else texts(words)


def who(change: ChangeView) -> str:
    """Return the name of whom a change is about, the id where no name is known."""
    told = change.error.title.values.get("name") if change.error else None
    return change.name or str(told or change.dingtalk_id)


def brief(change: ChangeView, texts: Texts) -> str:
    """Return what a line of a table tells of a change: why it was not made, or what it changes."""
    if change.error is not None:
        return texts.of(change.error.title)
    if change.action in {"disable", "delete"}:
        return texts("No longer in DingTalk")
    chosen = [name for name in _BRIEF_FIELDS if name in change.fields]
    if change.action in _NEW:
        parts = [_value(change, name, change.fields[name][1], texts) for name in chosen[1:]]
        if change.action == "adopt" and change.kind == "person":
            parts.insert(0, texts("← {wecom_id} in WeCom", wecom_id=change.wecom_id))
        return "  ".join(part for part in parts if part != _NOTHING)
    if not chosen and "enable" not in change.fields:
        chosen = list(change.fields)
    return texts("; ").join(arrow(words, texts) for words in _in_words(change, chosen, texts))


def field_lines(change: ChangeView, texts: Texts) -> Iterator[FieldWords]:
    """Yield every field that changes; the place in a list is no news about somebody new."""
    is_new = change.action in _NEW
    names = [name for name in change.fields if not (is_new and name == "order")]
    yield from _in_words(change, names, texts)


def _in_words(change: ChangeView, names: list[str], texts: Texts) -> Iterator[FieldWords]:
    for name in names:
        old, new = change.fields[name]
        yield FieldWords(
            field_words(change.kind, name, texts),
            None if change.action in _NEW else _value(change, name, old, texts),
            _value(change, name, new, texts),
        )


def arrow(words: FieldWords, texts: Texts) -> str:
    """Return a field and its two values as one line; of a new one only the value it gets."""
    if words.old is None:
        return texts("{field}: {value}", field=words.name, value=words.new)
    return texts("{field}: {old} → {new}", field=words.name, old=words.old, new=words.new)


def field_words(kind: str, name: str, texts: Texts) -> str:
    """Return a field's name in words; an attribute of the admin's own keeps its name."""
    if (kind, name) == ("person", "name"):
        return texts("Name")
    if name.startswith(_ATTRIBUTE):
        return name.removeprefix(_ATTRIBUTE)
    words = _FIELDS.get(name)
    return name if words is None else texts(words)


def _value(change: ChangeView, name: str, value: object, texts: Texts) -> str:
    if isinstance(value, (tuple, list)):
        if name == "is_leader_in_dept":
            return texts("Yes") if any(value) else texts("No")
        return texts(", ").join(_value(change, name, one, texts) for one in value) or _NOTHING
    if value is None or value == "":
        return _NOTHING
    if name == "enable":
        return texts("Enabled") if value else texts("Disabled")
    if isinstance(value, bool):
        return texts("Yes") if value else texts("No")
    kind = _KINDS.get(name)
    return str(value) if kind is None else _named(change, kind, str(value), texts)


def _named(change: ChangeView, kind: str, wecom_id: str, texts: Texts) -> str:
    found = change.names.get((kind, wecom_id))
    if found is None and kind == "department" and wecom_id == _ROOT_ID:
        return texts("top department")
    return wecom_id if found is None else found
