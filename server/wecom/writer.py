"""Changes WeCom, one change at a time: concurrent writers get 6000 and 45033 (facts, WeCom 4, 5).

Every method returns what WeCom said to a change it accepted, or raises `VendorError`, whose `fate`
and `fix` say what to do. A creation whose reply was lost is an `OutcomeUnknownError`: look before
creating again. Safe to use from several threads; they take turns.
"""

import threading
from collections.abc import Callable

from server.wecom.client import WeComClient
from server.wecom.wire import Accepted, Department, Member


class Writer:
    """The only writer to a company's contacts in this process."""

    def __init__(self, client: WeComClient) -> None:
        self._client = client
        self._turn = threading.Lock()

    def create_member(self, member: Member, *, invite: bool = False) -> Accepted:
        """Create a member; without `invite` nobody gets a message."""
        return self._one_at_a_time(lambda: self._client.create_member(member, invite=invite))

    def update_member(self, member: Member) -> Accepted:
        """Change the given fields of a member."""
        return self._one_at_a_time(lambda: self._client.update_member(member))

    def enable_member(self, userid: str) -> Accepted:
        """Let a disabled member in again."""
        return self.update_member(Member(userid, is_enabled=True))

    def disable_member(self, userid: str) -> Accepted:
        """Shut a member out and keep everything of theirs."""
        return self.update_member(Member(userid, is_enabled=False))

    def delete_member(self, userid: str) -> Accepted:
        """Delete a member for good."""
        return self._one_at_a_time(lambda: self._client.delete_member(userid))

    def create_department(self, department: Department) -> Accepted:
        """Create a department below a parent that exists."""
        return self._one_at_a_time(lambda: self._client.create_department(department))

    def update_department(self, department: Department) -> Accepted:
        """Rename, move or reorder a department."""
        return self._one_at_a_time(lambda: self._client.update_department(department))

    def delete_department(self, department_id: str) -> Accepted:
        """Delete an empty department."""
        return self._one_at_a_time(lambda: self._client.delete_department(department_id))

    def _one_at_a_time(self, change: Callable[[], Accepted]) -> Accepted:
        with self._turn:
            return change()
