"""Compares a simulated DingTalk with a simulated WeCom, field by field.

Shares nothing with the mirror, least of all its mapping: what WeCom should hold is worked out here
a second time, from the same facts (WeCom's limits of names, mobiles and addresses).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from server.simulator.roster import ROOT_ID, Person, Roster
from server.simulator.wecom.directory import Member, Snapshot, WeComDirectory

_DEPARTMENT_NAME_MAX = 32
_MEMBER_NAME_MAX = 64
_POSITION_MAX = 128
_EMAIL_BYTES = range(6, 65)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_MOBILE = re.compile(r"\+?[0-9][0-9-]{3,30}")
_FULL_WIDTH = str.maketrans('\\:*?"<>|', "＼：＊？＂＜＞｜")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Who belongs together, by DingTalk's id: a member's userid, a department's id in WeCom."""

    people: Mapping[str, str]
    departments: Mapping[str, int]


def differences(roster: Roster, directory: WeComDirectory, pairs: Pairs) -> list[str]:
    """Return what is not in WeCom as DingTalk has it, a line each; [] means both sides agree."""
    with roster.lock:
        comparison = _Comparison(roster, directory, pairs)
        return [
            *comparison.departments(),
            *comparison.people(),
            *comparison.leavers(),
            *comparison.orders(),
        ]


def is_reachable(person: Person) -> bool:
    """Whether WeCom can hold this person: it asks for a mobile or an address (60129)."""
    return bool(_mobile(person) or _email(person))


class _Comparison:
    def __init__(self, roster: Roster, directory: WeComDirectory, pairs: Pairs) -> None:
        self._roster = roster
        self._directory = directory
        self._wecom: Snapshot = directory.snapshot()
        self._pairs = pairs
        self._places = {str(ROOT_ID): 1, **pairs.departments}

    def departments(self) -> Iterator[str]:
        """Yield departments that are missing, misnamed, elsewhere, or left over."""
        for key, one in self._roster.departments.items():
            place = self._places.get(str(key))
            row = None if place is None else self._wecom.departments.get(place)
            if one.parent_id is None:
                continue
            if row is None:
                yield f"department {key} {one.name!r} is missing"
                continue
            if not _is_name_of(row.name, one.name.strip() or str(key)):
                yield f"department {key}: name {row.name!r} for {one.name!r}"
            above = self._places.get(str(one.parent_id))
            if row.parent_id != above:
                yield f"department {key}: parent {row.parent_id}, not {above}"
        for key_text, place in self._pairs.departments.items():
            if int(key_text) not in self._roster.departments:
                yield f"department {key_text} ({place}) is still linked"

    def people(self) -> Iterator[str]:
        """Yield every field of a member that differs, and who is missing."""
        for key, person in self._roster.people.items():
            if not is_reachable(person):
                continue
            member = self._member_of(key)
            if member is None:
                yield f"{key} {person.name!r} is missing"
                continue
            found = _fields(member)
            for name, value in self._wished(person, member).items():
                if found[name] != value:
                    yield f"{key} {name}: {found[name]!r}, not {value!r}"

    def leavers(self) -> Iterator[str]:
        """Yield who has left DingTalk and may still log in to WeCom."""
        for key, userid in self._pairs.people.items():
            member = self._wecom.members.get(userid)
            if key not in self._roster.people and member is not None and member.is_enabled:
                yield f"{key} ({userid}) has left and is enabled"

    def orders(self) -> Iterator[str]:
        """Yield departments where people or departments stand in another sequence.

        WeCom shows the larger order first, for both; DingTalk does so for people only.
        """
        for department_id in self._roster.departments:
            orders = list(self._orders_in(department_id))
            if orders != sorted(orders, reverse=True):
                yield f"people of {department_id} stand in another order: {orders}"
            orders = list(self._orders_below(department_id))
            if orders != sorted(orders, reverse=True):
                yield f"departments below {department_id} stand in another order: {orders}"

    def _member_of(self, dingtalk_userid: str) -> Member | None:
        return self._wecom.members.get(self._pairs.people.get(dingtalk_userid, ""))

    def _wished(self, person: Person, member: Member) -> dict[str, object]:
        manager = self._pairs.people.get(person.manager_userid)
        keeps_email = not person.email or self._is_held_rightly(person.email, member)
        return {
            "name": person.name.strip()[:_MEMBER_NAME_MAX],
            "mobile": _mobile(person) or member.mobile,
            "email": member.email if keeps_email else person.email,
            "position": person.title.strip()[:_POSITION_MAX],
            "departments": {self._places.get(str(one)) for one in person.dept_ids},
            "leads": {self._places.get(str(one)) for one in person.leads},
            "direct_leader": (manager,) if manager else (),
            "enabled": True,
        }

    def _is_held_rightly(self, email: str, member: Member) -> bool:
        """Whether another member has the address, and not by mistake.

        A disabled one: only the mobile proves that it is the same person. Or somebody who has this
        very address in DingTalk, too: WeCom gives it to one of them only (60106).
        """
        holder = self._directory.email_holder(email)
        if holder is None or holder.userid == member.userid:
            return False
        sharing = (one for one in self._roster.people.values() if one.email == email)
        return not holder.is_enabled or any(
            self._pairs.people.get(one.userid) == holder.userid for one in sharing
        )

    def _orders_in(self, department_id: int) -> Iterator[int]:
        place = self._places.get(str(department_id))
        for person in self._roster.members(department_id):
            member = self._member_of(person.userid) if is_reachable(person) else None
            if member is not None:
                found = [one.order for one in member.memberships if one.department_id == place]
                yield found[0] if found else -1

    def _orders_below(self, department_id: int) -> Iterator[int]:
        below = self._roster.children(department_id)
        for child in sorted(below, key=lambda one: (one.order, one.dept_id)):
            row = self._wecom.departments.get(self._places.get(str(child.dept_id), 0))
            if row is not None:
                yield row.order


def _fields(member: Member) -> dict[str, object]:
    return {
        "name": member.name,
        "mobile": member.mobile,
        "email": member.email,
        "position": member.position,
        "departments": set(member.department_ids),
        "leads": {one.department_id for one in member.memberships if one.is_leader},
        "direct_leader": member.direct_leader,
        "enabled": member.is_enabled,
    }


def _is_name_of(found: str, wished: str) -> bool:
    """Whether a department's name is the wished one as WeCom takes it, perhaps with a number."""
    whole = wished.translate(_FULL_WIDTH)
    numbered = re.fullmatch(r"(.*)(\([0-9]{1,6}\))", found)
    ending = numbered[2] if numbered else ""
    is_second = bool(numbered) and found == whole[: _DEPARTMENT_NAME_MAX - len(ending)] + ending
    return found == whole[:_DEPARTMENT_NAME_MAX] or is_second


def _mobile(person: Person) -> str:
    """Return the mobile as WeCom writes it, "" for none that it takes."""
    number, code = "".join(person.mobile.split()), person.state_code.strip().lstrip("+")
    if number and not number.startswith("+") and code not in {"", "86"}:
        number = f"+{code}{number}"
    number = number.removeprefix("+86-").removeprefix("+86")
    return number if _MOBILE.fullmatch(number) else ""


def _email(person: Person) -> str:
    address = person.email.strip()
    fits = len(address.encode()) in _EMAIL_BYTES and _EMAIL.fullmatch(address)
    return address if fits else ""
