"""How DingTalk's contact API writes people and departments as JSON.

Fields that the app may not see are silently missing, and so are empty ones. In *documented* form
the types are wrong, as in the samples of DingTalk's own pages (API-0056, API-0062).
"""

import json
from dataclasses import dataclass
from typing import Any

from server.simulator.gate import Json
from server.simulator.roster import Department, Person


@dataclass(frozen=True, slots=True)
class Sight:
    """The field permissions of the app, and whether empty texts come as "" or not at all."""

    mobiles: bool = True
    emails: bool = True
    empty_as_text: bool = False


def _common(person: Person, sight: Sight) -> Json:
    texts = {
        "telephone": person.telephone,
        "job_number": person.job_number,
        "title": person.title,
    }
    if sight.mobiles:
        texts["mobile"] = person.mobile
        texts["state_code"] = person.state_code if person.mobile else ""
    if sight.emails:
        texts |= {
            "email": person.email,
            "org_email": person.org_email,
            "work_place": person.work_place,
            "remark": person.remark,
        }
    record: Json = {
        "userid": person.userid,
        "unionid": person.unionid,
        "name": person.name,
        "dept_id_list": list(person.dept_ids),
        "hide_mobile": person.hide_mobile,
        "active": person.active,
        "admin": person.admin,
        "boss": False,
        "exclusive_account": person.exclusive_account,
        **{name: text for name, text in texts.items() if text or sight.empty_as_text},
    }
    if person.hired_date_ms:
        record["hired_date"] = person.hired_date_ms
    return record


def person_in_full(person: Person, sight: Sight) -> Json:
    """Return what `v2/user/get` gives."""
    record = _common(person, sight) | {
        "real_authed": person.active,
        "senior": False,
        "role_list": [],
        "dept_order_list": [{"dept_id": one, "order": order} for one, order in person.dept_orders],
        "leader_in_dept": [
            {"dept_id": one, "leader": one in person.leads} for one in person.dept_ids
        ],
    }
    if person.manager_userid:
        record["manager_userid"] = person.manager_userid
    return record


def person_in_department(person: Person, dept_id: int, sight: Sight) -> Json:
    """Return an item of `v2/user/list`: scalar order and leader, and never the manager."""
    return _common(person, sight) | {
        "dept_order": dict(person.dept_orders)[dept_id],
        "leader": dept_id in person.leads,
    }


def department_in_full(department: Department, leaders: list[str]) -> Json:
    """Return what `v2/department/get` gives; the root has no parent_id."""
    record: Json = {
        "dept_id": department.dept_id,
        "name": department.name,
        "order": department.order,
        "create_dept_group": True,
        "auto_add_user": True,
        "hide_dept": False,
        "outer_dept": False,
        "group_contain_sub_dept": False,
        "dept_permits": [],
        "user_permits": [],
        "outer_permit_users": [],
        "outer_permit_depts": [],
        "dept_manager_userid_list": leaders,
    }
    if department.parent_id is not None:
        record["parent_id"] = department.parent_id
    return record


def department_in_list(department: Department) -> Json:
    """Return an item of `v2/department/listsub`, which has no order."""
    return {
        "dept_id": department.dept_id,
        "name": department.name,
        "parent_id": department.parent_id,
        "create_dept_group": True,
        "auto_add_user": True,
    }


def as_documented(value: Any) -> Any:
    """Return an answer with the wrong types of the documents' samples, nothing lost.

    Numbers and booleans become strings, a list of plain values its JSON text, and a list of one
    object that object.
    """
    if isinstance(value, dict):
        return {name: as_documented(item) for name, item in value.items()}
    if isinstance(value, list):
        if not value or not isinstance(value[0], dict):
            return json.dumps(value, ensure_ascii=False)
        items = [as_documented(item) for item in value]
        return items[0] if len(items) == 1 else items
    return value if isinstance(value, str) else json.dumps(value)
