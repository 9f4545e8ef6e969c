"""WeCom's structure as it is now: ids and memberships, all that can be read back (48009)."""

from collections.abc import Iterable

from server.directory.model import Ledger, Live, Scope, TargetDepartment, TargetMembership
from server.errors.base import TargetMissingError
from server.wecom.client import WeComClient
from server.wecom.wire import PlacedDepartment

WECOM_ROOT = "1"
"""The company itself, which is always there."""


def departments_of(rows: Iterable[PlacedDepartment]) -> dict[str, TargetDepartment]:
    """Turn rows of `department/simplelist`, by id."""
    return {
        row.department_id: TargetDepartment(row.department_id, row.parent_id, row.order)
        for row in rows
    }


def read_live(client: WeComClient) -> Live:
    """Read departments and members: two calls for up to 10,000 memberships."""
    departments = departments_of(client.list_departments())
    return Live.of(departments.values(), _memberships(client))


def ensure_target(live: Live, scope: Scope) -> None:
    """Raise `TargetMissingError` where WeCom lacks the department under which all is to stand."""
    target = scope.target_department_id
    if target not in live.departments.keys() | {WECOM_ROOT}:
        raise TargetMissingError(department_id=target)


def read_members(client: WeComClient, ledger: Ledger) -> Live:
    """Read members only; the departments are those of ours as WeCom last accepted them.

    For an event's new person: which userids are taken has to be known, departments do not.
    """
    departments = [
        TargetDepartment(link.wecom_id, link.accepted.parent_id, link.accepted.order)
        for link in ledger.departments.values()
        if link.accepted
    ]
    return Live.of(departments, _memberships(client))


def _memberships(client: WeComClient) -> list[TargetMembership]:
    return [
        TargetMembership(wecom_userid, department_id)
        for wecom_userid, department_ids in client.list_members().items()
        for department_id in department_ids
    ]
