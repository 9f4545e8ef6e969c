"""WeCom's departments and memberships as a plan finds them, and as its own steps change them.

Where they were not read (an event's run), the ledger's last accepted state stands in.
"""

from server.directory.model import Ledger, Live, TargetDepartment, fold


class Structure:
    """A working copy: departments by id, the names of ours, and members by folded userid."""

    def __init__(self, live: Live | None, ledger: Ledger) -> None:
        self.is_live = live is not None
        known = live or _remembered(ledger)
        self.rows: dict[str, TargetDepartment] = dict(known.departments)
        self.members = known.members
        self.names: dict[str, str] = {}
        self._slots: dict[tuple[str, str], str] = {}
        for link in ledger.departments.values():
            row = self.rows.get(link.wecom_id)
            if row and link.accepted:
                self._name(row, link.accepted.name)

    def put(self, row: TargetDepartment, name: str) -> None:
        """Let a department be `row`, under `name`."""
        before = self.rows.get(row.department_id)
        if before and row.department_id in self.names:
            self._slots.pop((before.parent_id, self.names[row.department_id]), None)
        self.rows[row.department_id] = row
        self._name(row, name)

    def _name(self, row: TargetDepartment, name: str) -> None:
        self.names[row.department_id] = name
        self._slots[row.parent_id, name] = row.department_id

    def holder_of(self, parent_id: str, name: str) -> str | None:
        """Tell which department of ours has this name below `parent_id`."""
        return self._slots.get((parent_id, name))

    def is_below(self, department_id: str, ancestor: str) -> bool:
        """Whether a department is `ancestor` or lies below it."""
        seen: set[str] = set()
        while department_id in self.rows and department_id not in seen:
            if department_id == ancestor:
                return True
            seen.add(department_id)
            department_id = self.rows[department_id].parent_id
        return department_id == ancestor

    def depth(self, department_id: str) -> int:
        """How many departments lie above this one."""
        depth = 0
        while department_id in self.rows and depth <= len(self.rows):
            department_id = self.rows[department_id].parent_id
            depth += 1
        return depth

    def departments_of(self, wecom_userid: str) -> frozenset[str] | None:
        """Where a member is; None if nothing shows them."""
        return self.members.get(fold(wecom_userid))


def _remembered(ledger: Ledger) -> Live:
    return Live(
        {
            link.wecom_id: TargetDepartment(
                link.wecom_id, link.accepted.parent_id, link.accepted.order
            )
            for link in ledger.departments.values()
            if link.accepted
        },
        {
            fold(link.wecom_userid): frozenset(seat.department_id for seat in link.accepted.seats)
            for link in ledger.people.values()
            if link.accepted
        },
    )
