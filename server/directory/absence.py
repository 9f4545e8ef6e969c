"""Proof of absence: who is missing from a complete walk is only gone if DingTalk says so.

People and departments move while a walk goes on, so that a list without them proves nothing. Pure:
whom to ask for (`missing_from`), where an answer lies (`place_of`), what follows (`settle`).
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
_HIGHEST_LADDER = 50
_MOST_NAMES = 10


class Denial(Enum):
    """What came instead of the person or department that was asked for."""

    GONE = auto()  # DingTalk says that it does not exist
    OUT_OF_SCOPE = auto()  # the app may not see it
    NO_ANSWER = auto()  # anything else, which says nothing


class Place(Enum):
    """Where a department lies."""

    INSIDE = auto()  # below a source, so that it is mirrored
    OUTSIDE = auto()  # where our own settings mirror nothing
    NOWHERE = auto()  # its way up ends at something that does not exist
    UNKNOWN = auto()  # its way up could not be read


@dataclass(frozen=True, slots=True)
class Missing:
    """Linked people and departments that are missing, and would be removed or replaced for it.

    resting: people missing to whom nothing is about to happen, since they were proven to be gone
    and disabled before. homeless: people who were read and are in no department that is mirrored.
    """

    people: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()
    resting: frozenset[str] = frozenset()
    homeless: frozenset[str] = frozenset()


@dataclass(slots=True)
class Answers:
    """What DingTalk said, by the id that was asked for."""

    people: dict[str, Person | Denial] = field(default_factory=dict)
    departments: dict[str, Department | Denial] = field(default_factory=dict)


def missing_from(changes: Iterable[Change], ledger: Ledger, presence: Presence) -> Missing:
    """Name whom a plan takes for gone and would do something about.

    The plan is one that supposes everybody missing to be gone. Who was disabled for it before is
    asked for again only when something is about to happen to them.
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
    resting = {key for key in presence.gone - people if not ledger.people[key].is_enabled}
    return Missing(frozenset(people), frozenset(departments), frozenset(resting))


def homeless(snapshot: Snapshot, scope: Collection[str]) -> frozenset[str]:
    """Name the people of a snapshot who are in no department that is mirrored."""
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
    """Say where a department lies, or which one has to be asked for first."""
    ladder: set[str] = set()
    while department_id not in scope:
        if _is_outside(department_id, rules):
            return Place.OUTSIDE
        answer = read.get(department_id)
        if answer is None:
            return department_id
        if isinstance(answer, Denial):
            return Place.NOWHERE if answer is Denial.GONE else Place.UNKNOWN
        ladder.add(department_id)
        department_id = answer.parent_id or DINGTALK_ROOT
        if department_id in ladder or len(ladder) > _HIGHEST_LADDER:
            return Place.UNKNOWN
    return Place.INSIDE


def _is_outside(department_id: str, rules: Rules) -> bool:
    """Whether nothing is mirrored here; the root is in scope where it is a source."""
    return department_id in {*rules.scope.excluded_department_ids, DINGTALK_ROOT}


def settle(
    snapshot: Snapshot,
    ledger: Ledger,
    rules: Rules,
    scope: Collection[str],
    missing: Missing,
    answers: Answers,
) -> Snapshot:
    """Conclude from the answers who is gone; who is there, or may be, is kept and told by name."""
    settling = _Settling(snapshot, ledger, rules, scope, answers)
    for key in missing.departments:
        settling.judge_department(key)
    for key in missing.people:
        settling.judge_person(key, is_asked=True)
    for key in missing.homeless - missing.people:
        settling.judge_person(key, is_asked=False)
    settling.tell_disputed()
    inside = {
        key: answer
        for key, answer in answers.departments.items()
        if isinstance(answer, Department) and settling.place(key) is Place.INSIDE
    }
    return replace(
        snapshot,
        departments={**snapshot.departments, **inside},
        gone_people=frozenset(settling.gone_people | missing.resting),
        gone_departments=frozenset(settling.gone_departments),
        is_settled=not settling.kept,
        has_moved=causes.MOVED in settling.kept,
        reasons=(*snapshot.reasons, *_told(settling.kept)),
        notes=(*snapshot.notes, *_told(settling.noted)),
    )


_REASONS: Mapping[Denial | Place, str] = {
    Denial.OUT_OF_SCOPE: causes.OUT_OF_SIGHT,
    Denial.NO_ANSWER: causes.UNANSWERED,
    Place.INSIDE: causes.MOVED,
    Place.OUTSIDE: causes.MOVED,
    Place.NOWHERE: causes.NOWHERE,
    Place.UNKNOWN: causes.UNANSWERED,
}
"""Why somebody or something missing is kept."""


class _Settling:
    """Sorts what is missing; `kept` and `noted` are names by the text that tells of them.

    Of whom we mirror nothing yet (`noted`), nothing can be removed either.
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
        self._tell(self.kept, verdict, accepted.name if accepted else key)

    def judge_person(self, key: str, *, is_asked: bool) -> None:
        if key in self._snapshot.disputed:
            return
        verdict = self._verdict_on(key)
        is_linked = key in self._ledger.people
        if verdict is Denial.GONE or (verdict is Place.OUTSIDE and is_asked):
            self.gone_people.add(key)
        elif is_linked or verdict is not Place.OUTSIDE:
            is_unchanged = is_linked or verdict is Place.INSIDE
            self._tell(self.kept if is_unchanged else self.noted, verdict, self._name(key))

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
        """Judge somebody whom another app showed: it may be another app of the same company.

        Companies give the same userids to different people, so that who answers to one may be
        somebody else.
        """
        answer = self._answers.people.get(key, Denial.NO_ANSWER)
        if isinstance(answer, Denial):
            return answer
        accepted = self._ledger.people[key].accepted
        return Place.INSIDE if accepted and is_same(accepted, answer) else Denial.GONE

    def tell_disputed(self) -> None:
        for key, name in self._snapshot.disputed.items():
            told = self.kept if key in self._ledger.people else self.noted
            told.setdefault(causes.DISPUTED, set()).add(name or key)

    def _tell(self, told: dict[str, set[str]], verdict: Denial | Place, name: str) -> None:
        told.setdefault(_REASONS[verdict], set()).add(name)

    def _name(self, key: str) -> str:
        person, link = self._snapshot.people.get(key), self._ledger.people.get(key)
        known = link.accepted.name if link and link.accepted else ""
        return (person.name if person else "") or known or key


def _told(names: Mapping[str, Collection[str]]) -> Iterator[Message]:
    """Tell every kind once; a text that named hundreds would be read by nobody."""
    for text in sorted(names):
        found = sorted(names[text])
        more = [f"… (+{len(found) - _MOST_NAMES})"] if len(found) > _MOST_NAMES else []
        yield causes.warning(text, names=", ".join([*found[:_MOST_NAMES], *more]))
