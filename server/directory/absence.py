"""Proof of absence: people missing from a complete walk are gone only if DingTalk says so.

People and departments move while a walk runs, so a list without them proves nothing. Decides whom
to ask for (`missing_from`), where a department lies (`place_of`) and what follows (`conclude`).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from server.directory import causes
from server.directory.change import Action, Change
from server.directory.desired import Presence
from server.directory.mapping import is_of_another, is_same
from server.directory.model import (
    DINGTALK_ROOT,
    Department,
    Kind,
    Ledger,
    Person,
    Rules,
    Snapshot,
)
from server.directory.reassigned_mobiles import waiting_for
from server.errors.message import Message

_REMOVALS = (Action.DISABLE, Action.DELETE)
_MOST_LEVELS = 50
_MOST_NAMES = 10


class Denial(Enum):
    """The answer in place of the person or department that was asked for."""

    GONE = auto()  # DingTalk says it does not exist
    OUT_OF_SCOPE = auto()  # the app may not see it
    NO_ANSWER = auto()  # anything else, which proves nothing


class Place(Enum):
    """Where a department lies."""

    INSIDE = auto()  # below a source: mirrored
    OUTSIDE = auto()  # our own settings mirror nothing there
    NOWHERE = auto()  # below something that does not exist
    UNKNOWN = auto()  # its parents could not be read


@dataclass(frozen=True, slots=True)
class Missing:
    """Linked people and departments that a walk did not show."""

    # Those whom the plan would remove or replace for it.
    people: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    # Proven gone and disabled before; nothing is about to happen to them.
    already_disabled: frozenset[str] = frozenset()
    # People who were read, but are in no department that is mirrored.
    without_department: frozenset[str] = frozenset()


@dataclass(slots=True)
class Answers:
    """DingTalk's answers by the id that was asked for."""

    people: dict[str, Person | Denial] = field(default_factory=dict)
    departments: dict[str, Department | Denial] = field(default_factory=dict)


def missing_from(changes: Iterable[Change], ledger: Ledger, presence: Presence) -> Missing:
    """Return whom a plan takes for gone and would change.

    The plan must assume that everybody missing is gone. People who were disabled for it before are
    asked for again only if something is about to happen to them.
    """
    changes = tuple(changes)
    people = {each.replaces for each in changes if each.replaces}
    people |= {key for key in presence.gone if ledger.people[key].accepted is None}
    people |= {
        link.dingtalk_userid
        for link in waiting_for(changes, ledger, presence).values()
        if link.is_enabled
    }
    departments = set[str]()
    for change in changes:
        if change.action in _REMOVALS:
            (people if change.kind is Kind.PERSON else departments).add(change.dingtalk_id)
    already_disabled = {key for key in presence.gone - people if not ledger.people[key].is_enabled}
    return Missing(frozenset(people), frozenset(departments), frozenset(already_disabled))


def people_without_department(snapshot: Snapshot, scope: Collection[str]) -> frozenset[str]:
    """Return the people of a snapshot who are in no department that is mirrored."""
    return frozenset(
        key
        for key, person in snapshot.people.items()
        if not any(membership.department_id in scope for membership in person.memberships)
    )


def place_of(
    department_id: str,
    scope: Collection[str],
    rules: Rules,
    read: Mapping[str, Department | Denial],
) -> Place | str:
    """Return where a department lies, or the id of the department to ask for first."""
    above: set[str] = set()
    while department_id not in scope:
        if _is_outside(department_id, rules):
            return Place.OUTSIDE
        answer = read.get(department_id)
        if answer is None:
            return department_id
        if isinstance(answer, Denial):
            return Place.NOWHERE if answer is Denial.GONE else Place.UNKNOWN
        above.add(department_id)
        department_id = answer.parent_id or DINGTALK_ROOT
        if department_id in above or len(above) > _MOST_LEVELS:
            return Place.UNKNOWN
    return Place.INSIDE


def _is_outside(department_id: str, rules: Rules) -> bool:
    """Whether nothing is mirrored here; a root that is a source is in scope and never gets here."""
    return department_id in {*rules.scope.excluded_department_ids, DINGTALK_ROOT}


def conclude(
    snapshot: Snapshot,
    ledger: Ledger,
    rules: Rules,
    scope: Collection[str],
    missing: Missing,
    answers: Answers,
) -> Snapshot:
    """Conclude from the answers who is gone; keep and report everybody else by name."""
    conclusion = _Conclusion(snapshot, ledger, rules, scope, answers)
    for key in missing.departments:
        conclusion.judge_department(key)
    for key in missing.people:
        conclusion.judge_person(key, is_asked=True)
    for key in missing.without_department - missing.people:
        conclusion.judge_person(key, is_asked=False)
    conclusion.add_disputed()
    inside = {
        key: answer
        for key, answer in answers.departments.items()
        if isinstance(answer, Department) and conclusion.place(key) is Place.INSIDE
    }
    return replace(
        snapshot,
        departments={**snapshot.departments, **inside},
        gone_people=frozenset(conclusion.gone_people | missing.already_disabled),
        gone_departments=frozenset(conclusion.gone_departments),
        is_settled=not conclusion.kept,
        has_moved=causes.MOVED in conclusion.kept,
        reasons=(*snapshot.reasons, *_messages(conclusion.kept)),
        notes=(*snapshot.notes, *_messages(conclusion.noted)),
    )


_REASONS: Mapping[Denial | Place, str] = {
    Denial.OUT_OF_SCOPE: causes.OUT_OF_SIGHT,
    Denial.NO_ANSWER: causes.UNANSWERED,
    Place.INSIDE: causes.MOVED,
    Place.OUTSIDE: causes.MOVED,
    Place.NOWHERE: causes.NOWHERE,
    Place.UNKNOWN: causes.UNANSWERED,
}
"""Why a missing person or department is kept."""


class _Conclusion:
    """Sorts the missing into gone and kept.

    `kept` and `noted` hold names by the text that reports them; `noted` are people of whom nothing
    is mirrored yet, so nothing could be removed.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        ledger: Ledger,
        rules: Rules,
        scope: Collection[str],
        answers: Answers,
    ) -> None:
        self._snapshot = snapshot
        self._ledger = ledger
        self._rules = rules
        self._scope = scope
        self._answers = answers
        self.gone_people: set[str] = set()
        self.gone_departments: set[str] = set()
        self.kept: dict[str, set[str]] = {}
        self.noted: dict[str, set[str]] = {}

    def place(self, department_id: str) -> Place:
        place = place_of(department_id, self._scope, self._rules, self._answers.departments)
        return place if isinstance(place, Place) else Place.UNKNOWN

    def judge_department(self, key: str) -> None:
        answer = self._answers.departments.get(key, Denial.NO_ANSWER)
        verdict = answer if isinstance(answer, Denial) else self.place(key)
        if verdict in (Denial.GONE, Place.OUTSIDE):
            self.gone_departments.add(key)
            return
        accepted = self._ledger.departments[key].accepted
        self._add(self.kept, verdict, accepted.name if accepted else key)

    def judge_person(self, key: str, *, is_asked: bool) -> None:
        if key in self._snapshot.disputed:
            return
        verdict = self._verdict_on(key)
        is_linked = key in self._ledger.people
        if verdict is Denial.GONE or (verdict is Place.OUTSIDE and is_asked):
            self.gone_people.add(key)
        elif is_linked or verdict is not Place.OUTSIDE:
            is_unchanged = is_linked or verdict is Place.INSIDE
            self._add(self.kept if is_unchanged else self.noted, verdict, self._name(key))

    def _verdict_on(self, key: str) -> Denial | Place:
        if is_of_another(key):
            return self._verdict_on_stranger(key)
        answer, person = self._answers.people.get(key), self._snapshot.people.get(key)
        if isinstance(answer, Denial):
            return answer
        if person is None:
            return Denial.NO_ANSWER
        places = {self.place(membership.department_id) for membership in person.memberships}
        for place in (Place.INSIDE, Place.UNKNOWN, Place.NOWHERE, Place.OUTSIDE):
            if place in places:
                return place
        return Place.NOWHERE

    def _verdict_on_stranger(self, key: str) -> Denial | Place:
        """Judge somebody whom another app showed, perhaps another app of the same company.

        Companies give the same userid to different people, so the person who has it here may be
        somebody else.
        """
        answer = self._answers.people.get(key, Denial.NO_ANSWER)
        if isinstance(answer, Denial):
            return answer
        accepted = self._ledger.people[key].accepted
        return Place.INSIDE if accepted and is_same(accepted, answer) else Denial.GONE

    def add_disputed(self) -> None:
        for key, name in self._snapshot.disputed.items():
            names_by_text = self.kept if key in self._ledger.people else self.noted
            names_by_text.setdefault(causes.DISPUTED, set()).add(name or key)

    def _add(self, names_by_text: dict[str, set[str]], verdict: Denial | Place, name: str) -> None:
        names_by_text.setdefault(_REASONS[verdict], set()).add(name)

    def _name(self, key: str) -> str:
        person, link = self._snapshot.people.get(key), self._ledger.people.get(key)
        known = link.accepted.name if link and link.accepted else ""
        return (person.name if person else "") or known or key


def _messages(names: Mapping[str, Collection[str]]) -> Iterator[Message]:
    """Return one message per text, with few enough names to be read."""
    for text in sorted(names):
        found = sorted(names[text])
        more = [f"… (+{len(found) - _MOST_NAMES})"] if len(found) > _MOST_NAMES else []
        yield causes.warning(text, names=", ".join([*found[:_MOST_NAMES], *more]))
