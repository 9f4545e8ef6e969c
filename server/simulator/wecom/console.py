"""What people do in the WeCom console and app, beside the API: by hand, unseen by the mirror.

The console keeps the same invariants and raises ConsoleError where it would refuse.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from server.simulator.wecom.directory import Member, Membership, WeComDirectory
from server.simulator.wecom.tree import ROOT_ID, Department


class ConsoleError(Exception):
    """The console refuses what somebody tried."""


class WeComConsole:
    """An admin at the console, and members with the app on their phones. Thread-safe."""

    def __init__(self, directory: WeComDirectory) -> None:
        self._directory = directory
        self._tree = directory.tree

    def add_member(
        self, userid: str, name: str, department_ids: Iterable[int] = (ROOT_ID,), **details: Any
    ) -> None:
        """Add a member by hand; `details` are further fields of Member."""
        memberships = tuple(Membership(one) for one in department_ids)
        main_department = memberships[0].department_id
        with self._directory.lock:
            if self._directory.member(userid) is not None:
                raise ConsoleError(f"{userid} exists")
            self._put(Member(userid, name, memberships, main_department, **details))

    def change_member(self, userid: str, **fields: Any) -> None:
        """Change any field of a member, the mobile too."""
        with self._directory.lock:
            self._put(replace(self._member(userid), **fields))

    def delete_member(self, userid: str) -> None:
        """Remove a member by hand."""
        with self._directory.lock:
            self._directory.drop_member(self._member(userid).userid)

    def activate(self, userid: str) -> None:
        """Let a member log in for the first time: from now on the API cannot change the mobile."""
        self.change_member(userid, is_activated=True)

    def add_department(self, name: str, parent_id: int = ROOT_ID) -> int:
        """Add a department as the last of its siblings and return its id."""
        with self._directory.lock:
            department_id = self._tree.next_id()
            order = self._tree.next_order(parent_id)
            self._put_department(Department(department_id, name, parent_id, order))
            return department_id

    def change_department(self, department_id: int, **fields: Any) -> None:
        """Rename (`name`), move (`parent_id`) or reorder (`order`) a department."""
        with self._directory.lock:
            self._put_department(replace(self._department(department_id), **fields))

    def delete_department(self, department_id: int) -> None:
        """Remove an empty department."""
        with self._directory.lock:
            self._department(department_id)
            if department_id == ROOT_ID or self._directory.node_count(department_id):
                raise ConsoleError("the department is not empty")
            self._tree.drop(department_id)

    def _put(self, member: Member) -> None:
        if not member.memberships or not all(one in self._tree for one in member.department_ids):
            raise ConsoleError("everybody is in a department")
        if member.main_department not in member.department_ids:
            member = replace(member, main_department=member.department_ids[0])
        holders = (
            self._directory.mobile_holder(member.mobile) if member.mobile else None,
            self._directory.email_holder(member.email) if member.email else None,
        )
        for holder in holders:
            if holder is not None and holder.key != member.key:
                raise ConsoleError(f"{holder.userid} holds this mobile or address")
        self._directory.put_member(member)

    def _put_department(self, department: Department) -> None:
        parent_id, department_id = department.parent_id, department.department_id
        if department_id in self._tree and self._tree.is_below(parent_id, department_id):
            raise ConsoleError("a department cannot lie below itself")
        if parent_id and self._tree.has_sibling_named(parent_id, {department.name}, department_id):
            raise ConsoleError("a sibling bears this name")
        self._tree.put(department)

    def _member(self, userid: str) -> Member:
        member = self._directory.member(userid)
        if member is None:
            raise ConsoleError(f"there is no member {userid}")
        return member

    def _department(self, department_id: int) -> Department:
        department = self._tree.get(department_id)
        if department is None:
            raise ConsoleError(f"there is no department {department_id}")
        return department
