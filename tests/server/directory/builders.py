"""Small companies, and plans in brief."""

from collections.abc import Iterable
from dataclasses import replace

from server.directory.change import Change
from server.directory.model import (
    Department,
    Membership,
    Person,
    Rules,
    Snapshot,
)
from tests.server.directory.mirror import Mirror

OPEN = Rules(approve_first_run=False)
DAY_S = 86_400.0


def brief(changes: tuple[Change, ...]) -> list[tuple[str, str, str | None]]:
    return [
        (each.action.value, each.dingtalk_id, each.cause.code if each.cause else None)
        for each in changes
    ]


def texts(change: Change) -> str:
    return " ".join(str(warning) for warning in change.warnings)


def mirrored(company: Snapshot, **rules: object) -> Mirror:
    mirror = Mirror(rules=replace(OPEN, **rules))  # type: ignore[arg-type]  # by name
    mirror.run(company)
    assert mirror.refusals == []
    return mirror


def person(key: str, *departments: str | Membership, **values: object) -> Person:
    """A person with a name and a mobile of their own; departments may be `id` or `Membership`."""
    memberships = tuple(
        each if isinstance(each, Membership) else Membership(each, 0, is_leader=False)
        for each in departments or ("1",)
    )
    number = sum(ord(char) * 31**place for place, char in enumerate(key)) % 10**10
    defaults: dict[str, object] = {
        "name": f"Name {key}",
        "mobile": f"1{number:010d}",
        "state_code": "86",
        "email": "",
        "title": "",
        "telephone": "",
        "job_number": "",
        "manager_userid": "",
    }
    return Person(key, memberships=memberships, **{**defaults, **values})  # type: ignore[arg-type]  # by name


def department(key: str, parent: str = "1", name: str = "", order: int = 0) -> Department:
    return Department(key, name or f"Dept {key}", parent, order)


def snapshot(
    people: Iterable[Person] = (), departments: Iterable[Department] = (), **values: object
) -> Snapshot:
    return Snapshot(
        {each.dingtalk_userid: each for each in people},
        {each.department_id: each for each in departments},
        **values,  # type: ignore[arg-type]  # by name
    )


def event(
    people: Iterable[Person] = (), departments: Iterable[Department] = (), **values: object
) -> Snapshot:
    return snapshot(people, departments, is_full=False, **values)
