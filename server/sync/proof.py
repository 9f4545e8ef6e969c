"""Asks DingTalk one by one for everybody and everything missing from a walk (`prove`).

`server.directory.absence` decides what to ask for and what follows from the answers.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TypeVar

from server.dingtalk.reader import Found, Outcome, Reader
from server.directory.absence import (
    Answers,
    Denial,
    Missing,
    conclude,
    people_without_department,
    place_of,
)
from server.directory.mapping import is_of_another, scope_of, userid_of
from server.directory.model import Department, Ledger, Person, Rules, Snapshot
from server.errors.vendor import ErrorPolicy, VendorError
from server.sync.reading import (
    CHUNK,
    department_of,
    is_refused_for_all,
    person_of,
    read_details,
    with_details,
)

_T = TypeVar("_T")
_DENIALS = {Outcome.GONE: Denial.GONE, Outcome.OUT_OF_SCOPE: Denial.OUT_OF_SCOPE}

_LOG = logging.getLogger(__name__)


def prove(
    reader: Reader,
    snapshot: Snapshot,
    ledger: Ledger,
    rules: Rules,
    missing: Missing,
    deep: Collection[str],
) -> Snapshot:
    """Read the people in `deep` and all that is missing one by one, and conclude who is gone.

    An incomplete snapshot removes nobody, so the missing are not asked for then.
    """
    snapshot = read_details(reader, snapshot, deep)
    scope = scope_of(snapshot, ledger, rules)
    if not snapshot.is_complete:
        return conclude(snapshot, ledger, rules, scope, Missing(), Answers())
    listed = frozenset(snapshot.people)
    answers = Answers(departments=_departments_asked_for(reader, missing.departments))
    wanted = (missing.people | people_without_department(snapshot, scope)) - frozenset(deep)
    strangers = {key for key in wanted if is_of_another(key)}
    unlisted = {userid_of(key) for key in strangers} - listed
    found = _people_asked_for(reader, (wanted - strangers) | unlisted)
    own = {key: answer for key, answer in found.items() if key in wanted}
    # The app before showed them. Whose userid this one lists is found by mobile and name.
    answers.people = own | {key: found.get(userid_of(key), Denial.GONE) for key in strangers}
    snapshot = with_details(
        snapshot,
        [answer for answer in own.values() if isinstance(answer, Person)],
        [key for key, answer in own.items() if answer is Denial.GONE],
    )
    lost = people_without_department(snapshot, scope)
    placed = listed - lost  # the list was wrong: read singly, they are in scope
    missing = replace(missing, people=missing.people - placed, without_department=lost)
    while unread := _unread(snapshot, rules, scope, missing, answers):
        answers.departments |= _departments_asked_for(reader, unread)
    return conclude(snapshot, ledger, rules, scope, missing, answers)


def _unread(
    snapshot: Snapshot,
    rules: Rules,
    scope: Collection[str],
    missing: Missing,
    answers: Answers,
) -> set[str]:
    """Return the departments to ask for next, to learn where the missing lie."""
    people = [snapshot.people[key] for key in missing.without_department]
    wanted = {membership.department_id for person in people for membership in person.memberships}
    places = [
        place_of(key, scope, rules, answers.departments) for key in wanted | missing.departments
    ]
    return {place for place in places if isinstance(place, str)}


def _people_asked_for(reader: Reader, userids: Collection[str]) -> dict[str, Person | Denial]:
    found = _asked_for(reader.read_people, userids)
    return {
        key: answer if isinstance(answer, Denial) else person_of(answer)
        for key, answer in found.items()
    }


def _departments_asked_for(
    reader: Reader, department_ids: Collection[str]
) -> dict[str, Department | Denial]:
    found = _asked_for(reader.read_departments, department_ids)
    return {
        key: answer if isinstance(answer, Denial) else department_of(answer)
        for key, answer in found.items()
    }


def _asked_for(
    read: Callable[[Collection[str]], tuple[Found[_T], ...]], ids: Collection[str]
) -> dict[str, _T | Denial]:
    """Ask until asking on is useless; whatever could not be read is `NO_ANSWER`."""
    answers: dict[str, _T | Denial] = dict.fromkeys(sorted(ids), Denial.NO_ANSWER)
    wanted = list(answers)
    for start in range(0, len(wanted), CHUNK):
        try:
            found = read(wanted[start : start + CHUNK])
        except VendorError as error:
            if error.policy is not ErrorPolicy.RETRY:
                raise
            _LOG.warning(
                "DingTalk could not be asked about missing people or departments: %s", error
            )
            break
        for each in found:
            denial = _DENIALS.get(each.outcome, Denial.NO_ANSWER)
            answers[each.dingtalk_id] = denial if each.value is None else each.value
        if any(is_refused_for_all(each.error) for each in found):
            break
    return answers
