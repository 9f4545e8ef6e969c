"""A WeCom in memory, as strict as the real one, and the smallest engine that applies a plan to it.

Constraints and codes as WeCom documents them for user/* and department/*.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from server.directory.change import Action, Change
from server.directory.desired import Desired
from server.directory.guard import Approval, guard
from server.directory.identity import Claimant, Decision, Owner, match_owner
from server.directory.mapping import map_directory
from server.directory.model import (
    Conflict,
    DepartmentLink,
    DepartmentState,
    Kind,
    Ledger,
    MemberState,
    Origin,
    PersonLink,
    Removal,
    Rules,
    Snapshot,
    TargetDepartment,
    TargetMembership,
    TargetSnapshot,
    fold,
)
from server.directory.plan import Plan, make_plan
from server.directory.revise import follow, with_leader, without_departments, without_mobile

HasLeft = Callable[[str], bool | None]


class Refusal(Exception):  # noqa: N818 - what WeCom calls it
    """An errcode of WeCom's; `holder` as 60104 names it."""

    def __init__(self, code: int, holder: str = "") -> None:
        super().__init__(code, holder)
        self.code = code
        self.holder = holder


@dataclass
class FakeMember:
    userid: str
    fields: dict[str, object]
    enabled: bool = True


@dataclass
class FakeWeCom:
    departments: dict[str, DepartmentState] = field(
        default_factory=lambda: {"1": DepartmentState("Company", "0", 1)}
    )
    members: dict[str, FakeMember] = field(default_factory=dict)
    calls: int = 0

    def live(self) -> TargetSnapshot:
        return TargetSnapshot.of(
            [TargetDepartment(key, row.parent_id, row.order) for key, row in self._rows()],
            [
                TargetMembership(member.userid, department_id)
                for member in self.members.values()
                for department_id in self._departments(member)
            ],
        )

    def _rows(self) -> Iterable[tuple[str, DepartmentState]]:
        return self.departments.items()

    def _departments(self, member: FakeMember) -> tuple[str, ...]:
        departments = member.fields["department"]
        assert isinstance(departments, tuple)
        return departments

    def put_department(self, department_id: str, new: DepartmentState, *, is_new: bool) -> None:
        self.calls += 1
        if is_new and department_id in self.departments:
            raise Refusal(60008)
        if not is_new and department_id not in self.departments:
            raise Refusal(60003)
        if new.parent_id not in self.departments:
            raise Refusal(60004)
        if not 1 <= len(new.name) <= 32:
            raise Refusal(60001)
        if any(char in new.name for char in '\\:*?"<>|'):
            raise Refusal(60009)
        for key, other in self.departments.items():
            if key != department_id and (other.parent_id, other.name) == (new.parent_id, new.name):
                raise Refusal(60008)
        above = new.parent_id
        while above != "0":
            if above == department_id:
                raise Refusal(60010)
            above = self.departments[above].parent_id
        assert 0 <= new.order < 2**32
        self.departments[department_id] = new

    def delete_department(self, department_id: str) -> None:
        self.calls += 1
        if department_id == "1":
            raise Refusal(60007)
        if department_id not in self.departments:
            raise Refusal(60123)
        if any(department_id in self._departments(member) for member in self.members.values()):
            raise Refusal(60005)
        if any(row.parent_id == department_id for row in self.departments.values()):
            raise Refusal(60006)
        del self.departments[department_id]

    def put_member(self, userid: str, fields: dict[str, object], *, is_new: bool) -> None:
        self.calls += 1
        member = self.members.get(fold(userid))
        if not is_new and member is None:
            raise Refusal(60111)
        wanted = {**(member.fields if member and not is_new else {}), **fields}
        self._check_unique("" if is_new else userid, wanted)  # 60104 wins over 60102
        if is_new and member is not None:
            raise Refusal(60102)
        departments = wanted["department"]
        assert isinstance(departments, tuple)
        if not departments or not set(departments) <= self.departments.keys():
            raise Refusal(60123)
        assert len(wanted["order"]) == len(departments)  # type: ignore[arg-type]  # a dict of all
        assert len(wanted["is_leader_in_dept"]) == len(departments)  # type: ignore[arg-type]
        if wanted["main_department"] not in departments:
            raise Refusal(40058)
        if not wanted.get("mobile") and not wanted.get("email"):
            raise Refusal(60129)
        leader = wanted.get("direct_leader")
        if "direct_leader" in fields and leader and fold(str(leader)) not in self.members:
            raise Refusal(60111)
        enabled = bool(wanted.pop("enable", member.enabled if member else True))
        self.members[fold(userid)] = FakeMember(userid, wanted, enabled)

    def _check_unique(self, own_userid: str, wanted: dict[str, object]) -> None:
        for other in self.members.values():
            if fold(other.userid) == fold(own_userid):
                continue
            if wanted.get("mobile") and other.fields.get("mobile") == wanted["mobile"]:
                raise Refusal(60104, other.userid)
            email, taken = wanted.get("email"), other.fields.get("email")
            if email and str(taken).lower() == str(email).lower():
                raise Refusal(60106)

    def delete_member(self, userid: str) -> None:
        self.calls += 1
        if self.members.pop(fold(userid), None) is None:
            raise Refusal(60111)


@dataclass
class Mirror:
    """WeCom, the ledger, and the loop that the real engine runs in its own words."""

    wecom: FakeWeCom = field(default_factory=FakeWeCom)
    rules: Rules = field(default_factory=lambda: Rules(approve_first_run=False))
    people: dict[str, PersonLink] = field(default_factory=dict)
    departments: dict[str, DepartmentLink] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    removals: list[Removal] = field(default_factory=list)
    refusals: list[tuple[Change, int]] = field(default_factory=list)
    applied: list[Change] = field(default_factory=list)
    is_clock_right: bool = True
    holders: dict[str, str] = field(default_factory=dict)
    """What WeCom said when it was asked for mobiles."""

    def _live(self, *, is_read: bool) -> TargetSnapshot | None:
        return replace(self.wecom.live(), holders=self.holders) if is_read else None

    def ledger(self) -> Ledger:
        return Ledger(
            dict(self.people),
            dict(self.departments),
            tuple(self.conflicts),
            tuple(self.removals),
            self.rules.scope,
        )

    def _desired(self, snapshot: Snapshot, live: TargetSnapshot | None) -> Desired:
        """Map as if DingTalk had confirmed of everybody missing that they are gone."""
        return map_directory(snapshot, self.ledger(), live, self.rules, supposes_absence=True)

    def plan(self, snapshot: Snapshot, now_s: float = 0.0, *, reads_live: bool = True) -> Plan:
        live = self._live(is_read=reads_live)
        desired = self._desired(snapshot, live)
        return make_plan(
            desired, self.ledger(), live, self.rules, now_s, is_clock_right=self.is_clock_right
        )

    def run(self, snapshot: Snapshot, now_s: float = 0.0, *, reads_live: bool = True) -> Plan:
        """Plan and apply everything, as if the admin had allowed it."""
        live = self._live(is_read=reads_live)
        desired = self._desired(snapshot, live)
        plan = make_plan(
            desired, self.ledger(), live, self.rules, now_s, is_clock_right=self.is_clock_right
        )
        self._apply_all(plan, plan.executable, desired.presence.has_left, now_s, set())
        return plan

    def run_guarded(
        self,
        snapshot: Snapshot,
        now_s: float,
        digest: str | None = None,
        *,
        reads_live: bool = True,
    ) -> Approval:
        live = self._live(is_read=reads_live)
        desired = self._desired(snapshot, live)
        plan = make_plan(
            desired, self.ledger(), live, self.rules, now_s, is_clock_right=self.is_clock_right
        )
        verdict = guard(plan, snapshot, self.ledger(), self.rules, now_s, digest)
        approved = {id(change) for change in verdict.approved}
        self._apply_all(plan, verdict.allowed, desired.presence.has_left, now_s, approved)
        return verdict

    def _apply_all(
        self,
        plan: Plan,
        changes: Iterable[Change],
        has_left: HasLeft,
        now_s: float,
        approved: set[int],
    ) -> None:
        actual: dict[str, str] = {}
        for link in plan.noted_people:
            self.people[link.dingtalk_userid] = link
        for noted in plan.noted_departments:
            self.departments[noted.department_id] = noted
        for change in changes:
            try:
                self._apply(change, actual, has_left, now_s, is_approved=id(change) in approved)
            except Refusal as refusal:
                self.refusals.append((change, refusal.code))
                if change.kind is Kind.PERSON:
                    actual.setdefault(change.wecom_id, "")

    def _apply(
        self,
        change: Change,
        actual: dict[str, str],
        has_left: HasLeft,
        now_s: float,
        *,
        is_approved: bool,
    ) -> None:
        if change.kind is Kind.DEPARTMENT:
            self._apply_department(change)
        elif change.action in (Action.DISABLE, Action.DELETE):
            self._remove_person(change, now_s)
        elif change.payload:
            self._write_person(change, actual, has_left, now_s)
        if change.counts:
            self.removals.append(
                Removal(change.kind, change.dingtalk_id, change.wecom_id, now_s, is_approved)
            )
        self.applied.append(change)

    def _apply_department(self, change: Change) -> None:
        if change.action is Action.DELETE:
            self.wecom.delete_department(change.wecom_id)
            del self.departments[change.dingtalk_id]
            return
        state = change.payload
        assert isinstance(state, DepartmentState)
        try:
            self.wecom.put_department(change.wecom_id, state, is_new=change.action is Action.CREATE)
        except Refusal as refusal:
            if refusal.code == 60008:
                self.conflicts.append(
                    Conflict(
                        Kind.DEPARTMENT,
                        change.dingtalk_id,
                        change.wecom_id,
                        state.name,
                        state.parent_id,
                    )
                )
            raise
        before = self.departments.get(change.dingtalk_id)
        made = Origin.ADOPTED if change.action is Action.ADOPT else Origin.CREATED
        origin = before.origin if before else made
        self.departments[change.dingtalk_id] = DepartmentLink(
            change.dingtalk_id, change.wecom_id, state, origin
        )

    def _remove_person(self, change: Change, now_s: float) -> None:
        link = self.people[change.dingtalk_id]
        if change.action is Action.DELETE:
            self.wecom.delete_member(change.wecom_id)
            del self.people[change.dingtalk_id]
            return
        payload = change.payload
        assert isinstance(payload, MemberState)
        self._send(change, payload)
        self.people[change.dingtalk_id] = replace(
            link,
            is_enabled=False,
            since_s=now_s,
            accepted=payload,
            is_since_sure=self.is_clock_right,
        )

    def _write_person(
        self, change: Change, actual: dict[str, str], has_left: HasLeft, now_s: float
    ) -> None:
        link = self.people.get(change.replaces or change.dingtalk_id)
        accepted = link.accepted if link else None
        change = with_leader(change, actual, accepted)
        known = {link.wecom_id for link in self.departments.values()}
        assert isinstance(change.payload, MemberState)
        missing = (
            {membership.department_id for membership in change.payload.memberships} - known - {"1"}
        )
        missing -= {self.rules.scope.target_department_id} | self.wecom.departments.keys()
        change = without_departments(change, missing)
        if change.cause:
            raise Refusal(60123)
        planned = change.wecom_id
        change = self._send_settled(change, has_left, link)
        if change.wecom_id != planned:
            actual[planned] = change.wecom_id
        payload = change.payload
        assert isinstance(payload, MemberState)
        self.people.pop(change.replaces, None)
        origin = Origin.ADOPTED if change.action is Action.ADOPT else Origin.CREATED
        was = link if change.action is Action.UPDATE else None
        is_enabled = was.is_enabled if was else True
        self.people[change.dingtalk_id] = PersonLink(
            change.dingtalk_id,
            change.wecom_id,
            payload,
            is_enabled=is_enabled,
            since_s=was.since_s if was else now_s,
            is_since_sure=was.is_since_sure if was else self.is_clock_right,
            origin=link.origin if link else origin,
        )

    def _send_settled(self, change: Change, has_left: HasLeft, link: PersonLink | None) -> Change:
        member = change.payload
        assert isinstance(member, MemberState)
        is_probe = change.action is Action.ADOPT
        try:
            self._send(change, member, is_new=is_probe or change.action is Action.CREATE)
        except Refusal as refusal:
            if refusal.code != 60104:
                raise
            if is_probe and fold(refusal.holder) != fold(change.wecom_id):
                raise  # not the member who was listed
            decision = self._judge(change, refusal.holder, has_left, is_linked=link is not None)
            if decision.cause:
                self.conflicts.append(
                    Conflict(Kind.PERSON, change.dingtalk_id, refusal.holder, member.mobile)
                )
                if link is None or not link.accepted:
                    raise
                change = without_mobile(change, link.accepted)
            else:
                change = follow(change, decision, self.people.get(decision.replaces))
            revised = change.payload
            assert isinstance(revised, MemberState)
            self._send(change, revised, is_new=change.action is Action.CREATE)
        return change

    def _judge(
        self, change: Change, holder: str, has_left: HasLeft, *, is_linked: bool
    ) -> Decision:
        member = change.payload
        assert isinstance(member, MemberState)
        owner = next(
            (each for each in self.people.values() if fold(each.wecom_userid) == fold(holder)), None
        )
        left = has_left(owner.dingtalk_userid) if owner else None
        claim = Claimant(change.dingtalk_id, member.name, change.wecom_id, is_linked)
        protected = fold(holder) in self.rules.protected
        return match_owner(claim, Owner(holder, owner, left, protected))

    def _send(self, change: Change, payload: MemberState, *, is_new: bool = False) -> None:
        fields: dict[str, object] = {name: new for name, (_, new) in change.fields.items()}
        trio = {
            "department": tuple(membership.department_id for membership in payload.memberships),
            "order": tuple(membership.order for membership in payload.memberships),
            "is_leader_in_dept": tuple(membership.is_leader for membership in payload.memberships),
        }
        if trio.keys() & fields.keys():
            fields.update(trio)
        if fields:
            self.wecom.put_member(change.wecom_id, fields, is_new=is_new)
