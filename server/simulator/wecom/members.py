"""WeCom's member calls: what each does to the directory, and in which order it refuses."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass, replace

from server.simulator.gate import Json, RefusedError
from server.simulator.wecom import fields as judge
from server.simulator.wecom.directory import Member, Membership, WeComDirectory
from server.simulator.wecom.fields import Fields
from server.simulator.wecom.tree import FIRST_ORDER, ROOT_ID, Department

_LARGEST_PAGE = 10_000
_LARGEST_BATCH = 200
_INT32_END = 2**31
_WAITING_ROOM = "其他（待设置部门）"


@dataclass(slots=True)
class MemberRules:
    """How the platform behaves where its own pages differ from year to year.

    With `creates_unknown_departments` (2025) an unknown department id makes a department; without
    it such a call is refused (40066). `lists_disabled`: whether `list_id` has disabled members.
    `ends_with_empty_cursor`: whether the last page of it has an empty `next_cursor` or none.
    `wrong_mobiles`: after so many that nobody has `getuserid` is closed, as WeCom closes it for a
    day once they reach a fifth of the member limit; None lifts that.
    """

    creates_unknown_departments: bool = True
    lists_disabled: bool = True
    ends_with_empty_cursor: bool = True
    wrong_mobiles: int | None = None


class MemberCalls:
    """The calls under `user/`. The caller holds the directory's lock."""

    def __init__(self, directory: WeComDirectory, rules: MemberRules) -> None:
        self._directory = directory
        self._rules = rules
        self._wrong_mobiles = 0

    def create(self, fields: Fields) -> Json:
        """Add a member. A mobile that is held (60104) is found before a userid that is (60102)."""
        userid = judge.new_userid(fields)
        draft = Member(userid, judge.member_name(fields), (), 0)
        draft, unknown = self._edited(draft, fields)
        self._ensure_free(draft)
        self._ensure_room(draft.department_ids)
        limit = self._directory.limits.accounts
        if limit is not None and self._directory.member_count() >= limit:
            raise RefusedError(45024, "account count exceed limit")
        answer = {"errmsg": "created"} | self._store(draft, unknown)
        if fields.flag("to_invite") is not False:
            self._directory.invited.append(userid)
        return answer

    def update(self, fields: Fields) -> Json:
        """Change the fields that are given. The mobile of an activated member silently stays."""
        former = self._named(fields)
        if "new_userid" in fields.values:
            raise RefusedError(301036, "userid can not be changed")
        draft = former
        if "name" in fields.values:
            draft = replace(draft, name=judge.member_name(fields))
        draft, unknown = self._edited(draft, fields)
        self._ensure_free(draft, former)
        self._ensure_room(set(draft.department_ids) - set(former.department_ids))
        return {"errmsg": "updated"} | self._store(draft, unknown)

    def delete(self, fields: Fields) -> Json:
        """Remove a member."""
        self._drop(self._named(fields))
        return {"errmsg": "deleted"}

    def batchdelete(self, fields: Fields) -> Json:
        """Remove up to 200 members; nobody where one of them is unknown."""
        userids = fields.strings("useridlist")
        if userids is not None and len(userids) > _LARGEST_BATCH:
            raise RefusedError(40032, "invalid userid list length")
        members = [self._directory.member(userid) for userid in userids or ()]
        if not members or None in members:
            raise RefusedError(40031, "invalid userid list")
        for member in dict.fromkeys(one.userid for one in members if one is not None):
            self._drop(self._known(member))
        return {"errmsg": "deleted"}

    def get(self, fields: Fields) -> Json:
        """Return one member in full."""
        return _record(self._named(fields))

    def list_members(self, fields: Fields) -> Json:
        """Return the direct members of a department in full."""
        return {"userlist": [_record(member) for member in self._of_department(fields)]}

    def simplelist(self, fields: Fields) -> Json:
        """Return userid, name and departments of the direct members of a department."""
        names = ("userid", "name", "department")
        records = [_record(member) for member in self._of_department(fields)]
        return {"userlist": [{name: record[name] for name in names} for record in records]}

    def getuserid(self, fields: Fields) -> Json:
        """Return who holds a mobile; 46004 where nobody does, which may be asked only so often."""
        most = self._rules.wrong_mobiles
        if most is not None and self._wrong_mobiles >= most:
            raise RefusedError(45009)
        holder = self._directory.mobile_holder(fields.text("mobile") or "")
        if holder is None:
            self._wrong_mobiles += 1
            raise RefusedError(46004, "user no exist")
        return {"userid": holder.userid}

    def list_id(self, fields: Fields) -> Json:
        """Return a page of (userid, department) rows, one for each membership."""
        limit = fields.values.get("limit", _LARGEST_PAGE)
        if not isinstance(limit, int) or not 1 <= limit <= _LARGEST_PAGE:
            raise RefusedError(40058, "invalid limit. invalid Request Parameter")
        rows = [row for row in self._directory.rows() if self._is_listed(row[0])]
        keys = [(userid.lower(), department_id) for userid, department_id in rows]
        start = bisect_right(keys, _opened(fields.text("cursor") or ""))
        page = rows[start : start + limit]
        listed = [{"userid": userid, "department": one} for userid, one in page]
        answer: Json = {"dept_user": listed}
        if start + limit < len(rows):
            return {"next_cursor": _cursor(*page[-1])} | answer
        return {"next_cursor": ""} | answer if self._rules.ends_with_empty_cursor else answer

    def _is_listed(self, userid: str) -> bool:
        return self._rules.lists_disabled or self._known(userid).is_enabled

    def _edited(self, draft: Member, fields: Fields) -> tuple[Member, list[int]]:
        # Returns the member as it would be, and the department ids that do not exist yet.
        departments, orders, leaders = judge.memberships(fields, len(draft.memberships))
        unknown = self._unknown(departments, is_new=not draft.memberships)
        draft = replace(draft, memberships=_memberships(draft, departments, orders, leaders))
        draft = replace(draft, main_department=_main_department(draft, fields))
        draft = replace(draft, **judge.simple_texts(fields))
        known = judge.attributes(fields, self._directory.attribute_names)
        draft = replace(draft, attributes={**draft.attributes, **known})
        draft = replace(draft, direct_leader=self._leaders(draft, fields))
        is_enabled = fields.flag("enable")
        draft = draft if is_enabled is None else replace(draft, is_enabled=is_enabled)
        return _with_contacts(draft, fields), unknown

    def _unknown(self, departments: list[int] | None, *, is_new: bool) -> list[int]:
        if departments is None and is_new and not self._rules.creates_unknown_departments:
            raise RefusedError(40058, "missing field `department`. invalid Request Parameter")
        listed = departments or []
        unknown = [one for one in listed if one not in self._directory.tree]
        is_strict = not self._rules.creates_unknown_departments
        if len(set(listed)) < len(listed) or any(one >= _INT32_END for one in listed):
            raise RefusedError(40066, "invalid party list")
        if is_strict and (unknown or departments == []):
            raise RefusedError(40066, "invalid party list")
        return [one for one in unknown if one]  # 0 means: not set yet

    def _ensure_room(self, department_ids: Collection[int]) -> None:
        for department_id in department_ids:
            if self._directory.node_count(department_id) >= self._directory.limits.nodes:
                raise RefusedError(81001, "department node count exceed limit")

    def _leaders(self, draft: Member, fields: Fields) -> tuple[str, ...]:
        userids = fields.strings("direct_leader")
        if userids is None:
            return draft.direct_leader
        if len(userids) > 1:
            raise RefusedError(60257, "direct leader count exceed limit")
        for userid in userids:
            # The same code as for an unknown member, but it is the leader who is unknown.
            if self._directory.member(userid) is None:
                raise RefusedError(60111, f"invalid string value `{userid}`. userid not found")
        return tuple(self._known(userid).userid for userid in userids)

    def _ensure_free(self, draft: Member, former: Member | None = None) -> None:
        holder = self._directory.mobile_holder(draft.mobile) if draft.mobile else None
        if holder is not None and (former is None or holder.key != former.key):
            raise RefusedError(60104, f"mobile existed:{holder.userid}")
        if former is None and self._directory.member(draft.userid) is not None:
            raise RefusedError(60102, "userid existed")
        holder = self._directory.email_holder(draft.email) if draft.email else None
        if holder is not None and (former is None or holder.key != former.key):
            raise RefusedError(60106, "email existed")

    def _store(self, draft: Member, unknown: list[int]) -> Json:
        if unknown or not draft.memberships:
            room = self._waiting_room(unknown)
            for department_id in unknown:
                self._directory.tree.put(_waiting_department(department_id, room))
        if not draft.memberships:
            draft = replace(draft, memberships=(Membership(room),), main_department=room)
        self._directory.put_member(draft)
        if not unknown:
            return {}
        infos = [{"name": _waiting_department(one, room).name, "id": one} for one in unknown]
        return {"created_department_list": {"department_info": infos}}

    def _waiting_room(self, taken: list[int]) -> int:
        tree = self._directory.tree
        for child in tree.children(ROOT_ID):
            if child.name == _WAITING_ROOM:
                return child.department_id
        room = max(tree.next_id(), *(one + 1 for one in taken), 0)
        tree.put(Department(room, _WAITING_ROOM, ROOT_ID, tree.next_order(ROOT_ID)))
        return room

    def _named(self, fields: Fields) -> Member:
        userid = fields.text("userid")
        if not userid:
            raise RefusedError(41009, "missing userid")
        return self._known(userid)

    def _known(self, userid: str) -> Member:
        member = self._directory.member(userid)
        if member is None:
            raise RefusedError(60111, "userid not found")
        return member

    def _drop(self, member: Member) -> None:
        if member.key == self._directory.creator.lower():
            raise RefusedError(301005, "corp creator can not be deleted")
        self._directory.drop_member(member.userid)

    def _of_department(self, fields: Fields) -> list[Member]:
        text = fields.text("department_id") or ""
        department_id = int(text) if text.isascii() and text.isdigit() else 0
        if department_id not in self._directory.tree:
            raise RefusedError(60123, "invalid party id")
        return self._directory.people(department_id)


def _waiting_department(department_id: int, room: int) -> Department:
    return Department(department_id, f"待设置部门{department_id}", room, FIRST_ORDER)


def _memberships(
    draft: Member, departments: list[int] | None, orders: list[int], leaders: list[int]
) -> tuple[Membership, ...]:
    present = draft.memberships
    if departments is not None:
        was_leader = {one.department_id: one.is_leader for one in draft.memberships}
        present = tuple(
            Membership(one, order, was_leader.get(one, False))
            for one, order in zip(departments, orders or [0] * len(departments), strict=True)
        )
    if leaders:
        present = tuple(
            replace(one, is_leader=bool(flag)) for one, flag in zip(present, leaders, strict=True)
        )
    return tuple(one for one in present if one.department_id)  # 0 means: not set yet


def _main_department(draft: Member, fields: Fields) -> int:
    wished = fields.whole("main_department")
    if wished is not None and wished not in draft.department_ids:
        raise RefusedError(40058, "main_department not in department. invalid Request Parameter")
    if wished is not None:
        return wished
    if draft.main_department in draft.department_ids:
        return draft.main_department
    return draft.department_ids[0] if draft.department_ids else 0


def _with_contacts(draft: Member, fields: Fields) -> Member:
    mobile, email = judge.mobile(fields), judge.email(fields)
    if mobile is not None and not draft.is_activated:
        draft = replace(draft, mobile=mobile)
    if email is not None:
        draft = replace(draft, email=email)
    if not draft.mobile and not draft.email:
        raise RefusedError(60129, "mobile and email are both empty")
    return draft


def _record(member: Member) -> Json:
    attributes = member.attributes.items()
    return {
        "userid": member.userid,
        "name": member.name,
        "department": list(member.department_ids),
        "order": [one.order for one in member.memberships],
        "is_leader_in_dept": [int(one.is_leader) for one in member.memberships],
        "main_department": member.main_department,
        "direct_leader": list(member.direct_leader),
        "position": member.position,
        "mobile": member.mobile,
        "gender": member.gender,
        "email": member.email,
        "biz_mail": member.biz_mail,
        "telephone": member.telephone,
        "alias": member.alias,
        "address": member.address,
        "external_position": member.external_position,
        "status": member.status,
        "enable": int(member.is_enabled),
        "extattr": {"attrs": [{"type": 0, "name": k, "text": {"value": v}} for k, v in attributes]},
    }


def _cursor(userid: str, department_id: int) -> str:
    return urlsafe_b64encode(f"{userid.lower()}/{department_id}".encode()).decode()


def _opened(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "", 0
    try:
        userid, _, number = urlsafe_b64decode(cursor).decode().rpartition("/")
        return userid, int(number)
    except ValueError as exc:
        raise RefusedError(40058, "invalid cursor. invalid Request Parameter") from exc
