"""WeCom's calls, one method each, with the Contacts Sync secret; every method raises `VendorError`.

Reads only what that secret may read: ids and structure. Decides no change.
"""

from collections.abc import Mapping
from typing import Any

from crypto.secret import Secret
from server.errors.vendor import ErrorPolicy, VendorRefusedError
from server.rest import fields
from server.rest.gateway import Client, Gateway, Surroundings
from server.rest.session import Call, Purpose
from server.rest.tokens import Account
from server.wecom.errors import VENDOR, format_warning, raise_for_error
from server.wecom.wire import (
    Accepted,
    Department,
    Member,
    PlacedDepartment,
    parse_created_departments,
    parse_placed_department,
)

# Under the oldest documented limit, 1,000 a minute for a company and API; today's is 10,000.
_CALLS_PER_S = 15
_LARGEST_PAGE = 10_000  # of user/list_id
_MOST_PAGES = 1_000  # ten million memberships; without a bound an endless list would hang the run
_NO_SUCH_MOBILE = 46004


def connect(
    corp_id: str,
    contact_secret: Secret,
    base: str,
    surroundings: Surroundings,
    *,
    calls_per_s: int = _CALLS_PER_S,
) -> "WeComClient":
    """Return a client for a company; nothing is called yet."""
    login = Call(
        "cgi-bin/gettoken",
        Purpose.TOKEN,
        query={"corpid": corp_id},
        secrets={"corpsecret": contact_secret},
    )
    gateway = Gateway(
        VENDOR,
        Account(base, corp_id, contact_secret),
        login=login,
        raise_for_error=raise_for_error,
        calls_per_s=calls_per_s,
        surroundings=surroundings,
    )
    return WeComClient(gateway)


class WeComClient(Client):
    """WeCom's calls. Ids go in and come out as strings.

    Logging in says nothing about trusted addresses: 60020 comes with the first real call.
    """

    def list_departments(self) -> tuple[PlacedDepartment, ...]:
        """Return all departments: id, parent, order, and no names (department/simplelist)."""
        call = Call("cgi-bin/department/simplelist")
        rows = fields.only_objects(self._gateway.ask(call).get("department_id"))
        rows = self._gateway.required(rows, call, "department_id")
        return tuple(self._placed(call, row) for row in rows)

    def list_members(self) -> dict[str, tuple[str, ...]]:
        """Return the department ids of every member by userid (user/list_id, all pages)."""
        members: dict[str, list[str]] = {}
        seen: set[str] = set()
        cursor: str | None = ""
        while cursor is not None:
            seen.add(cursor)
            cursor = self._read_members(cursor, members)
            if cursor is not None and (cursor in seen or len(seen) >= _MOST_PAGES):
                raise self._gateway.unreadable(_member_page(cursor), "next_cursor")
        return {userid: tuple(dict.fromkeys(ids)) for userid, ids in members.items()}

    def find_userid(self, mobile: str) -> str | None:
        """Return the member who has `mobile`, or None (user/getuserid).

        Use it rarely: after wrong numbers for 20 % of the company WeCom closes the call for a day.
        """
        call = Call("cgi-bin/user/getuserid", body={"mobile": mobile})
        try:
            answer = self._gateway.ask(call)
        except VendorRefusedError as error:
            if error.number == _NO_SUCH_MOBILE:
                return None
            raise
        return self._gateway.required(fields.identifier(answer.get("userid")), call, "userid")

    def create_member(self, member: Member, *, invite: bool) -> Accepted:
        """Create a member. `invite` is always sent, since WeCom invites people by default."""
        body = {**member.to_json(), "to_invite": invite}
        call = Call("cgi-bin/user/create", Purpose.WRITE, body=body, is_repeatable=False)
        return _accepted(self._gateway.ask(call), call)

    def update_member(self, member: Member) -> Accepted:
        """Change the fields of a member that are given."""
        call = Call("cgi-bin/user/update", Purpose.WRITE, body=member.to_json())
        return _accepted(self._gateway.ask(call), call)

    def delete_member(self, userid: str) -> Accepted:
        """Delete a member with their corporate mailbox; succeeds if there is no such member."""
        return self._delete(Call("cgi-bin/user/delete", Purpose.DELETE, query={"userid": userid}))

    def create_department(self, department: Department) -> Accepted:
        """Create a department; the result carries its id."""
        call = Call(
            "cgi-bin/department/create",
            Purpose.WRITE,
            body=department.to_json(),
            is_repeatable=False,
        )
        answer = self._gateway.ask(call)
        department_id = self._gateway.required(fields.whole_number(answer.get("id")), call, "id")
        return _accepted(answer, call, department_id)

    def update_department(self, department: Department) -> Accepted:
        """Change the fields of a department that are given."""
        call = Call("cgi-bin/department/update", Purpose.WRITE, body=department.to_json())
        return _accepted(self._gateway.ask(call), call)

    def delete_department(self, department_id: str) -> Accepted:
        """Delete an empty department; succeeds if there is no such department."""
        return self._delete(
            Call("cgi-bin/department/delete", Purpose.DELETE, query={"id": department_id})
        )

    def _delete(self, call: Call) -> Accepted:
        try:
            return _accepted(self._gateway.ask(call), call)
        except VendorRefusedError as error:
            if error.policy is ErrorPolicy.GONE:
                return Accepted(was_gone=True)
            raise

    def _placed(self, call: Call, row: Mapping[str, Any]) -> PlacedDepartment:
        return self._gateway.required(parse_placed_department(row), call, "id, parentid")

    def _read_members(self, cursor: str, members: dict[str, list[str]]) -> str | None:
        """Add a page to `members` and return the next cursor, None after the last page."""
        call = _member_page(cursor)
        answer = self._gateway.ask(call)
        rows = fields.only_objects(answer.get("dept_user"))
        for row in self._gateway.required(rows, call, "dept_user"):
            userid = fields.identifier(row.get("userid"))
            department_id = fields.whole_number(row.get("department"))
            if userid is None or department_id is None:
                raise self._gateway.unreadable(call, "userid, department")
            members.setdefault(userid, []).append(department_id)
        following = answer.get("next_cursor")
        if following is not None and fields.text(following) is None:
            raise self._gateway.unreadable(call, "next_cursor")
        return fields.identifier(following)


def _member_page(cursor: str) -> Call:
    return Call("cgi-bin/user/list_id", body={"cursor": cursor, "limit": _LARGEST_PAGE})


def _accepted(answer: Mapping[str, Any], call: Call, department_id: str | None = None) -> Accepted:
    return Accepted(
        department_id=department_id,
        warning=format_warning(answer, call),
        created_departments=parse_created_departments(answer),
    )
