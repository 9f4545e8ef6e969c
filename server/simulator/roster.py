"""The people and departments of a simulated DingTalk company, with the indexes to look them up.

Holds what is, not what may happen: the rules and events of changes are in `company`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import RLock

ROOT_ID = 1


@dataclass(frozen=True, slots=True)
class Department:
    """A DingTalk department; ids are int64, smaller `order` comes first, the root has no parent."""

    dept_id: int
    name: str
    parent_id: int | None
    order: int = 0


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the company, with the fields that DingTalk's contact API knows.

    `dept_orders` pairs each department with the person's order in it (about 1.8e17), in DingTalk's
    sequence; `leads` are those of them that the person leads. An empty string means empty.
    """

    userid: str
    unionid: str
    name: str
    dept_orders: tuple[tuple[int, int], ...]
    mobile: str = ""
    state_code: str = "86"
    email: str = ""
    org_email: str = ""
    title: str = ""
    telephone: str = ""
    job_number: str = ""
    work_place: str = ""
    remark: str = ""
    hired_date_ms: int = 0
    leads: frozenset[int] = frozenset()
    manager_userid: str = ""
    active: bool = True
    exclusive_account: bool = False
    hide_mobile: bool = False
    admin: bool = False

    @property
    def dept_ids(self) -> tuple[int, ...]:
        """The departments in DingTalk's sequence."""
        return tuple(dept_id for dept_id, _ in self.dept_orders)


class Roster:
    """Departments and people by id. Hold `lock` over several reads that must fit together."""

    def __init__(self, company_name: str) -> None:
        self.lock = RLock()
        self.people: dict[str, Person] = {}
        self.departments: dict[int, Department] = {ROOT_ID: Department(ROOT_ID, company_name, None)}
        self._members: dict[int, set[str]] = {ROOT_ID: set()}
        self._children: dict[int, set[int]] = {ROOT_ID: set()}
        self._mobiles: dict[tuple[str, str], str] = {}

    def put_person(self, person: Person) -> None:
        """Add a person or replace the one with the same userid."""
        with self.lock:
            self.drop_person(person.userid)
            self.people[person.userid] = person
            for dept_id in person.dept_ids:
                self._members[dept_id].add(person.userid)
            if person.mobile:
                self._mobiles[person.state_code, person.mobile] = person.userid

    def drop_person(self, userid: str) -> None:
        """Remove a person where there is one."""
        with self.lock:
            person = self.people.pop(userid, None)
            if person is None:
                return
            for dept_id in person.dept_ids:
                self._members[dept_id].discard(userid)
            self._mobiles.pop((person.state_code, person.mobile), None)

    def put_department(self, department: Department) -> None:
        """Add a department or replace the one with the same id."""
        with self.lock:
            self.drop_department(department.dept_id)
            self.departments[department.dept_id] = department
            self._members.setdefault(department.dept_id, set())
            self._children.setdefault(department.dept_id, set())
            if department.parent_id is not None:
                self._children[department.parent_id].add(department.dept_id)

    def drop_department(self, dept_id: int) -> None:
        """Remove a department where there is one; its members are not looked at."""
        with self.lock:
            department = self.departments.pop(dept_id, None)
            if department is not None and department.parent_id is not None:
                self._children[department.parent_id].discard(dept_id)

    def members(self, dept_id: int) -> list[Person]:
        """Return the direct members, larger order first as DingTalk lists them."""
        with self.lock:
            people = [self.people[userid] for userid in self._members.get(dept_id, ())]
        return sorted(
            people, key=lambda person: (-dict(person.dept_orders)[dept_id], person.userid)
        )

    def children(self, dept_id: int) -> list[Department]:
        """Return the departments right below, by id: DingTalk promises no sequence here."""
        with self.lock:
            return [self.departments[child] for child in sorted(self._children.get(dept_id, ()))]

    def subtree(self, dept_id: int) -> list[int]:
        """Return the department and all below it, parents first."""
        with self.lock:
            found = [dept_id]
            for parent_id in found:  # grows while it is walked: breadth first
                found.extend(sorted(self._children[parent_id]))
            return found

    def chain(self, dept_id: int) -> list[int]:
        """Return the department, its parent, and so on up to the root."""
        with self.lock:
            return list(self._upwards(dept_id))

    def holder(self, state_code: str, mobile: str) -> str | None:
        """Return the userid that holds a mobile number."""
        with self.lock:
            return self._mobiles.get((state_code, mobile))

    def _upwards(self, dept_id: int) -> Iterator[int]:
        step: int | None = dept_id
        while step is not None:
            yield step
            step = self.departments[step].parent_id
