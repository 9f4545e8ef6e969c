"""WeCom's department calls: what each does to the directory, and in which order it refuses."""

from dataclasses import replace

from server.simulator.gate import Json, RefusedError
from server.simulator.wecom import fields as judge
from server.simulator.wecom.directory import WeComDirectory
from server.simulator.wecom.fields import Fields
from server.simulator.wecom.tree import ROOT_ID, Department


class DepartmentCalls:
    """The calls under `department/`. The caller holds the directory's lock."""

    def __init__(self, directory: WeComDirectory) -> None:
        self._directory = directory
        self._tree = directory.tree

    def create(self, fields: Fields) -> Json:
        """Add a department; the answer tells its id."""
        name = judge.department_name(fields, fields.text("name"))
        wished_id = judge.new_department_id(fields)
        order = fields.whole("order")
        parent_id = fields.whole("parentid")
        if fields.has_warning:  # the real API's misleading text for a bad order or parentid
            raise RefusedError(60009, "department name include invalid char")
        if parent_id is None or parent_id not in self._tree:
            raise RefusedError(60004, "parent department not found")
        name_en = fields.text("name_en") or ""
        if wished_id in self._tree or self._is_taken(parent_id, name, name_en):
            raise RefusedError(60008, "department existed")
        self._ensure_room(parent_id, height=1, is_new=True)
        department_id = wished_id or self._tree.next_id()
        order = self._tree.next_order(parent_id) if order is None else order
        self._tree.put(Department(department_id, name, parent_id, order, name_en))
        return {"errmsg": "created", "id": department_id}

    def update(self, fields: Fields) -> Json:
        """Change name, parent or order of a department. A bad order is only warned of."""
        former = self._tree.get(fields.whole("id") or 0)
        if former is None:
            raise RefusedError(60003, "department not found")
        name = fields.text("name")
        name = judge.department_name(fields, former.name if name is None else name)
        parent_id = self._new_parent(former, fields)
        name_en = fields.text("name_en")
        name_en = former.name_en if name_en is None else name_en
        if self._is_taken(parent_id, name, name_en, former.department_id):
            raise RefusedError(60008, "department existed")
        order = fields.whole("order")
        order = former.order if order is None else order
        self._tree.put(
            replace(former, name=name, parent_id=parent_id, order=order, name_en=name_en)
        )
        return {"errmsg": "updated"}

    def delete(self, fields: Fields) -> Json:
        """Remove an empty department that is not the root."""
        department = self._asked_for(fields)
        if department is None:
            raise RefusedError(40058, "invalid Request Parameter")
        if self._directory.people(department.department_id):
            raise RefusedError(60005, "department contains user")
        if self._tree.children(department.department_id):
            raise RefusedError(60006, "department contains sub-department")
        if department.department_id == ROOT_ID:
            raise RefusedError(60007, "root department can not be deleted")
        self._tree.drop(department.department_id)
        return {"errmsg": "deleted"}

    def simplelist(self, fields: Fields) -> Json:
        """Return id, parent and order of a department and all below it, or of all."""
        return {
            "department_id": [
                {"id": one.department_id, "parentid": one.parent_id, "order": one.order}
                for one in self._listed(fields)
            ]
        }

    def list_all(self, fields: Fields) -> Json:
        """Return a department and all below it with their names, or all."""
        return {"department": [_record(one) for one in self._listed(fields)]}

    def get(self, fields: Fields) -> Json:
        """Return one department with its leaders."""
        department = self._asked_for(fields)
        if department is None:
            raise RefusedError(40058, "invalid Request Parameter")
        leaders = [
            member.userid
            for member in self._directory.people(department.department_id)
            for one in member.memberships
            if one.is_leader and one.department_id == department.department_id
        ]
        return {"department": _record(department) | {"department_leader": leaders}}

    def _listed(self, fields: Fields) -> list[Department]:
        department = self._asked_for(fields)
        return self._tree.subtree(ROOT_ID if department is None else department.department_id)

    def _asked_for(self, fields: Fields) -> Department | None:
        text = fields.text("id")
        if not text:
            return None
        department = self._tree.get(int(text)) if text.isascii() and text.isdigit() else None
        if department is None:
            raise RefusedError(60123, "invalid party id")
        return department

    def _new_parent(self, former: Department, fields: Fields) -> int:
        parent_id = fields.whole("parentid")
        if parent_id is None or parent_id == former.parent_id:
            return former.parent_id
        if parent_id not in self._tree:
            raise RefusedError(60124, "invalid parent party id")
        if self._tree.is_below(parent_id, former.department_id):
            raise RefusedError(60010, "department relation is a circle")
        self._ensure_room(parent_id, self._tree.height(former.department_id), is_new=False)
        return parent_id

    def _is_taken(self, parent_id: int, name: str, name_en: str, except_id: int = 0) -> bool:
        if parent_id == 0:  # the root has no siblings
            return False
        return self._tree.has_sibling_named(parent_id, {name, name_en} - {""}, except_id)

    def _ensure_room(self, parent_id: int, height: int, *, is_new: bool) -> None:
        limits = self._directory.limits
        if self._tree.level(parent_id) + height > limits.levels:
            raise RefusedError(81002, "department level exceed limit")
        if is_new and len(self._tree) >= limits.departments:
            raise RefusedError(81004, "department count exceed limit")
        if self._directory.node_count(parent_id) >= limits.nodes:
            raise RefusedError(81001, "department node count exceed limit")


def _record(department: Department) -> Json:
    return {
        "id": department.department_id,
        "name": department.name,
        "name_en": department.name_en,
        "parentid": department.parent_id,
        "order": department.order,
    }
