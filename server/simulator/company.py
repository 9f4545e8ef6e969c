"""What happens in a simulated DingTalk company, and the events that DingTalk pushes for it.

Every operation returns the event payloads as plain dicts, in the documented camelCase form, in the
order DingTalk sends them; encrypting and sending them is another module's work.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from random import Random
from types import MappingProxyType
from typing import Any

from server.simulator.roster import ROOT_ID, Department, Person, Roster

Payload = dict[str, Any]
Payloads = tuple[Payload, ...]

# The only fields that `diffInfo` speaks of: no department, mobile or title (EV-0086).
_DIFF_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "name": "name",
        "email": "email",
        "job_number": "jobNumber",
        "work_place": "workPlace",
        "remark": "remark",
        "telephone": "telephone",
        "manager_userid": "managerUserid",
        "hired_date_ms": "hiredDate",
    }
)


class CompanyError(Exception):
    """DingTalk's console would refuse this operation."""


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class Company:
    """A DingTalk company that people join, change and leave. Thread-safe.

    Everything random in it (ids, orders) comes from `seed`. With `diff_as_array` the `diffInfo` of
    an event is a list of one, as two programs in the field expect it.
    """

    def __init__(
        self,
        name: str = "钉桥演示公司",
        *,
        seed: int = 1,
        corp_id: str = "ding00000000000000000000000000000001",
        clock_ms: Callable[[], int] = _wall_clock_ms,
        diff_as_array: bool = False,
    ) -> None:
        self.corp_id = corp_id
        self.roster = Roster(name)
        self.left: dict[str, Person] = {}
        self._random = Random(seed)
        self._clock_ms = clock_ms
        self._diff_as_array = diff_as_array

    def draft(self, name: str, dept_ids: Iterable[int], **details: Any) -> Person:
        """Return a person who is not hired yet, with made-up ids and orders.

        `details` are further fields of Person.
        """
        with self.roster.lock:
            details.setdefault("userid", f"{self._random.randrange(10**15, 10**16):017d}")
            details.setdefault("unionid", self._random.randbytes(12).hex())
            return Person(name=name, dept_orders=self._orders(dept_ids), **details)

    def hire(self, person: Person) -> Payloads:
        """Let a person join: `user_add_org`, then a `user_modify_org` (observed in the field)."""
        with self.roster.lock:
            if person.userid in self.roster.people:
                raise CompanyError(f"{person.userid} is in the company already")
            self._admit(person)
            return (
                self._event("user_add_org", userId=[person.userid]),
                self._event("user_modify_org", userId=[person.userid]),
            )

    def rehire(self, userid: str, dept_ids: Iterable[int]) -> Payloads:
        """Let somebody who left join again, with the same mobile and a new userid."""
        with self.roster.lock:
            if userid not in self.left:
                raise CompanyError(f"{userid} never left")
            former = self.left[userid]
            fresh = self.draft(former.name, dept_ids)
            person = replace(
                former, userid=fresh.userid, dept_orders=fresh.dept_orders, leads=frozenset()
            )
            return self.hire(replace(person, manager_userid=""))

    def leave(self, userid: str) -> Payloads:
        """Let a person leave; who reported to them has no manager afterwards, without an event."""
        with self.roster.lock:
            self.left[userid] = self._person(userid)
            self.roster.drop_person(userid)
            for person in list(self.roster.people.values()):
                if person.manager_userid == userid:
                    self.roster.put_person(replace(person, manager_userid=""))
            return (self._event("user_leave_org", userId=[userid]),)

    def activate(self, userid: str) -> Payloads:
        """Let a person activate the account: `user_active_org`, which has no timeStamp."""
        with self.roster.lock:
            self.roster.put_person(replace(self._person(userid), active=True))
            event = self._event("user_active_org", userId=[userid])
            del event["timeStamp"]
            return (event,)

    def change(self, userid: str, **fields: Any) -> Payloads:
        """Change fields of a person (name, mobile, title, manager_userid, …): `user_modify_org`."""
        with self.roster.lock:
            before = self._person(userid)
            after = replace(before, **fields)
            self._admit(after)
            diff = self._diff(before, after)
            return (self._event("user_modify_org", userId=[userid], **diff),)

    def move(self, userid: str, dept_ids: Iterable[int], leads: Iterable[int] = ()) -> Payloads:
        """Put a person into other departments: only a `user_modify_org`, without any diff."""
        with self.roster.lock:
            person = self._person(userid)
            orders = self._orders(dept_ids, dict(person.dept_orders))
            self._admit(replace(person, dept_orders=orders, leads=frozenset(leads)))
            return (self._event("user_modify_org", userId=[userid]),)

    def create_department(self, name: str, parent_id: int = ROOT_ID) -> Payloads:
        """Add a department as the last of its siblings, which may bear the same name.

        The new id is in the payload: `org_dept_create`.
        """
        with self.roster.lock:
            self._department(parent_id)
            order = 1 + max((one.order for one in self.roster.children(parent_id)), default=0)
            dept_id = self._new_dept_id()
            self.roster.put_department(Department(dept_id, name, parent_id, order))
            return (self._event("org_dept_create", deptId=[dept_id]),)

    def change_department(self, dept_id: int, **fields: Any) -> Payloads:
        """Rename (`name`), move (`parent_id`) or reorder (`order`): one `org_dept_modify` for it.

        What lies below it gets no event of its own.
        """
        with self.roster.lock:
            department = replace(self._department(dept_id), **fields)
            if dept_id == ROOT_ID:
                raise CompanyError("the root is changed by renaming the company")
            if department.parent_id in self.roster.subtree(dept_id):
                raise CompanyError("a department cannot lie below itself")
            self._department(department.parent_id)
            self.roster.put_department(department)
            return (self._event("org_dept_modify", deptId=[dept_id]),)

    def remove_department(self, dept_id: int) -> Payloads:
        """Remove a department with all below it: one `org_dept_remove` that names all of them.

        Raises CompanyError while any of them has members.
        """
        with self.roster.lock:
            self._department(dept_id)
            gone = self.roster.subtree(dept_id)
            if dept_id == ROOT_ID or any(self.roster.members(one) for one in gone):
                raise CompanyError("the department has members")
            for one in reversed(gone):
                self.roster.drop_department(one)
            return (self._event("org_dept_remove", deptId=gone),)

    def rename_company(self, name: str) -> Payloads:
        """Rename the company: `org_change`, then `org_dept_modify` for the root."""
        with self.roster.lock:
            root = self.roster.departments[ROOT_ID]
            self.roster.put_department(replace(root, name=name))
            return (self._event("org_change"), self._event("org_dept_modify", deptId=[ROOT_ID]))

    def _admit(self, person: Person) -> None:
        for dept_id in person.dept_ids:
            self._department(dept_id)
        if not person.dept_ids or not person.leads <= set(person.dept_ids):
            raise CompanyError("everybody is in a department, and leads only their own")
        holder = self.roster.holder(person.state_code, person.mobile)
        if person.mobile and holder not in {None, person.userid}:
            raise CompanyError(f"{holder} holds this mobile")
        self.roster.put_person(person)

    def _person(self, userid: str) -> Person:
        if userid not in self.roster.people:
            raise CompanyError(f"there is nobody with the userid {userid}")
        return self.roster.people[userid]

    def _department(self, dept_id: int | None) -> Department:
        if dept_id is None or dept_id not in self.roster.departments:
            raise CompanyError(f"there is no department {dept_id}")
        return self.roster.departments[dept_id]

    def _orders(
        self, dept_ids: Iterable[int], known: Mapping[int, int] = MappingProxyType({})
    ) -> tuple[tuple[int, int], ...]:
        return tuple(
            (dept_id, known.get(dept_id) or self._random.randrange(176 * 10**15, 180 * 10**15))
            for dept_id in dict.fromkeys(dept_ids)
        )

    def _new_dept_id(self) -> int:
        while True:
            # Real ids are nine or ten digits; one in eight here does not fit into 32 bits.
            top = 2**40 if self._random.random() < 1 / 8 else 10**9
            dept_id = self._random.randrange(10**8, top)
            if dept_id not in self.roster.departments:
                return dept_id

    def _diff(self, before: Person, after: Person) -> Payload:
        old, new = asdict(before), asdict(after)
        changed = [name for name in _DIFF_NAMES if old[name] != new[name]]
        if not changed:
            return {}
        diff = {
            "prev": {_DIFF_NAMES[name]: old[name] for name in changed},
            "curr": {_DIFF_NAMES[name]: new[name] for name in changed},
            "userid": after.userid,
        }
        return {"diffInfo": [diff] if self._diff_as_array else diff}

    def _event(self, event_type: str, **fields: Any) -> Payload:
        now_ms = self._clock_ms()
        return {
            "EventType": event_type,
            "EventTime": now_ms,
            "CorpId": self.corp_id,
            "BizId": str(now_ms),
            "eventId": self._random.randbytes(16).hex(),
            "timeStamp": str(now_ms),
            **fields,
        }
