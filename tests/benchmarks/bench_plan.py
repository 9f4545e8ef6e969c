"""Plan 100,000 people in 5,000 departments: a first run, a second without changes, a third with.

Run: python tests/benchmarks/bench_plan.py [people] [departments]
Prints seconds and the peak of the process's memory for each; no threshold is judged here.
"""

import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from server.directory.guard import guard
from server.directory.mapping import map_directory
from server.directory.model import (
    Department,
    DepartmentLink,
    DepartmentState,
    Ledger,
    Membership,
    MemberState,
    Person,
    PersonLink,
    Rules,
    Snapshot,
    TargetDepartment,
    TargetMembership,
    TargetSnapshot,
)
from server.directory.plan import Plan, make_plan
from server.sync.reconcile import gc_paused


def company(people: int, departments: int) -> Snapshot:
    """Ten people to a manager, four departments to a parent, every tenth person in two."""
    tree = {
        str(key): Department(str(key), f"部门{key}", str(max(1, key // 4)), key)
        for key in range(2, departments + 2)
    }
    members: dict[str, Person] = {}
    for number in range(people):
        homes = [2 + number % departments]
        if number % 10 == 0:
            homes.append(2 + (number * 7 + 1) % departments)
        memberships = tuple(
            Membership(str(home), 176318669012199520 + number, number % 50 == 0)
            for home in dict.fromkeys(homes)
        )
        members[f"user{number}"] = Person(
            f"user{number}",
            f"姓名{number}",
            memberships,
            mobile=str(13000000000 + number),
            state_code="86",
            email=f"user{number}@example.com",
            title="工程师",
            manager_userid=f"user{number // 10}" if number else "",
        )
    return Snapshot(members, tree)


def accept(plan: Plan) -> tuple[Ledger, TargetSnapshot]:
    """Pretend that WeCom took everything."""
    people = {
        change.dingtalk_id: PersonLink(change.dingtalk_id, change.wecom_id, change.payload)
        for change in plan.changes
        if isinstance(change.payload, MemberState)
    }
    departments = {
        change.dingtalk_id: DepartmentLink(change.dingtalk_id, change.wecom_id, change.payload)
        for change in plan.changes
        if isinstance(change.payload, DepartmentState)
    }
    rows = [
        TargetDepartment(link.wecom_id, link.accepted.parent_id, link.accepted.order)
        for link in departments.values()
        if link.accepted
    ]
    memberships = [
        TargetMembership(link.wecom_userid, membership.department_id)
        for link in people.values()
        if link.accepted
        for membership in link.accepted.memberships
    ]
    live = TargetSnapshot.of([TargetDepartment("1", "0", 1), *rows], memberships)
    return Ledger(people, departments), live


def measure(name: str, snapshot: Snapshot, ledger: Ledger, live: TargetSnapshot) -> Plan:
    """Map, plan and guard once; print what it took."""
    rules = Rules(approve_first_run=False)
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    with gc_paused():  # as a run does
        plan = make_plan(map_directory(snapshot, ledger, live, rules), ledger, live, rules, 0.0)
    verdict = guard(plan, snapshot, ledger, rules, 0.0)
    took_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts = f"{len(verdict.allowed)} allowed, {len(verdict.held)} held"
    print(f"{name:<12} {took_s:6.2f} s   {cpu_s:6.2f} s CPU   peak {peak_mb:5.0f} MB   {counts}")
    return plan


def main() -> None:
    """Measure the three runs."""
    people = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    departments = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    snapshot = company(people, departments)
    nothing = TargetSnapshot.of([TargetDepartment("1", "0", 1)], [])
    ledger, live = accept(measure("first run", snapshot, Ledger(), nothing))
    measure("unchanged", snapshot, ledger, live)
    changed = dict(snapshot.people)
    for number in range(0, people, 100):
        key = f"user{number}"
        changed[key] = replace(
            changed[key], title="经理", memberships=(Membership("2", number, is_leader=False),)
        )
        changed.pop(f"user{number + 50}", None)
    measure("1 % changed", replace(snapshot, people=changed), ledger, live)


if __name__ == "__main__":
    main()
