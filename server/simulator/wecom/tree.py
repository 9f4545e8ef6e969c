"""The departments of a simulated WeCom: a tree whose siblings differ in name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import RLock
from types import MappingProxyType

ROOT_ID = 1
FIRST_ORDER = 100_000_000
ORDER_STEP = 1000


@dataclass(frozen=True, slots=True)
class Department:
    """A WeCom department; larger `order` comes first; the root's parent is 0."""

    department_id: int
    name: str
    parent_id: int
    order: int
    name_en: str = ""


class DepartmentTree:
    """Departments by id, with the questions that are asked of a tree. Guarded by `lock`."""

    def __init__(self, corp_name: str, lock: RLock) -> None:
        self._lock = lock
        self._departments: dict[int, Department] = {}
        self._children: dict[int, set[int]] = {}
        self.put(Department(ROOT_ID, corp_name, 0, FIRST_ORDER))

    def __contains__(self, department_id: object) -> bool:
        return department_id in self._departments

    def __len__(self) -> int:
        return len(self._departments)

    def by_id(self) -> Mapping[int, Department]:
        """Return all departments as they are now; nothing in it changes any more."""
        with self._lock:
            return MappingProxyType(dict(self._departments))

    def get(self, department_id: int) -> Department | None:
        """Return a department, or None where there is none."""
        return self._departments.get(department_id)

    def children(self, department_id: int) -> list[Department]:
        """Return the departments right below, by id."""
        with self._lock:
            return [self._departments[one] for one in sorted(self._children[department_id])]

    def subtree(self, department_id: int) -> list[Department]:
        """Return the department and all below it, by id."""
        with self._lock:
            found = [department_id]
            for parent_id in found:  # grows while it is walked
                found.extend(self._children[parent_id])
            return [self._departments[one] for one in sorted(found)]

    def level(self, department_id: int) -> int:
        """Return how deep a department lies; the root is at level 1."""
        return len(list(self._upwards(department_id)))

    def height(self, department_id: int) -> int:
        """Return how many levels a department and what is below it take."""
        with self._lock:
            below = [self.height(child) for child in self._children[department_id]]
            return 1 + max(below, default=0)

    def is_below(self, department_id: int, ancestor_id: int) -> bool:
        """Return whether a department is `ancestor_id` or lies below it."""
        return ancestor_id in self._upwards(department_id)

    def has_sibling_named(self, parent_id: int, names: set[str], except_id: int = 0) -> bool:
        """Return whether a child of `parent_id` other than `except_id` bears one of the names."""
        return any(
            not names.isdisjoint({child.name, child.name_en} - {""})
            for child in self.children(parent_id)
            if child.department_id != except_id
        )

    def next_id(self) -> int:
        """Return the id that a department without one gets."""
        return max(self._departments) + 1

    def next_order(self, parent_id: int) -> int:
        """Return the order of a new last child: WeCom counts down in steps of 1000."""
        orders = [child.order for child in self.children(parent_id)]
        return max(0, min(orders) - ORDER_STEP) if orders else FIRST_ORDER

    def put(self, department: Department) -> None:
        """Add a department or replace the one with the same id."""
        with self._lock:
            former = self._departments.get(department.department_id)
            if former is not None and former.parent_id:
                self._children[former.parent_id].discard(former.department_id)
            self._departments[department.department_id] = department
            self._children.setdefault(department.department_id, set())
            if department.parent_id:
                self._children[department.parent_id].add(department.department_id)

    def drop(self, department_id: int) -> None:
        """Remove a department that has no children."""
        with self._lock:
            department = self._departments.pop(department_id)
            del self._children[department_id]
            self._children[department.parent_id].discard(department_id)

    def _upwards(self, department_id: int) -> Iterator[int]:
        while department_id:
            yield department_id
            department_id = self._departments[department_id].parent_id
