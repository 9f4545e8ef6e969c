"""Carries out a department's change and corrects it by WeCom's answers.

We choose the id ourselves, so that a department can be recognised after a lost reply.
"""

from dataclasses import replace

from server.directory.causes import Cause, cause
from server.directory.change import Action, Change, department_changes, state_of
from server.directory.model import Conflict, DepartmentLink, Kind, Origin
from server.directory.revise import refused
from server.errors.vendor import Correction, ErrorPolicy, VendorError
from server.journal.runs import RecordedChange, Result
from server.sync.executor import Attempt, ChangeExecutor
from server.sync.target import department_body
from server.wecom.wire import Accepted

_Attempt = Attempt[DepartmentLink]


class DepartmentsWriter(ChangeExecutor[_Attempt]):
    """Writes departments, one at a time."""

    most_attempts = 5

    def write(self, change: Change) -> tuple[RecordedChange, ...]:
        """Carry out a change and return its results; raises `VendorError` if it was refused."""
        if change.action is Action.DELETE:
            return (self._delete(change),)
        state = state_of(change)
        if state.parent_id in self._context.lost:
            self._lose(change)
            return (self._skipped(change, cause("department-waits", name=state.name)),)
        link = self._run_ledger.departments.get(change.dingtalk_id)
        return self._settle(_Attempt(change, link))

    def _send(self, attempt: _Attempt) -> Accepted:
        change = attempt.change
        if attempt.is_created or not change.fields:
            return Accepted()
        if change.action is not Action.CREATE:
            self._run_ledger.mark_unconfirmed(change)
            return self._context.target.update_department(department_body(change))
        if not attempt.was_intended:
            origin = attempt.link.origin if attempt.link else Origin.CREATED
            self._run_ledger.put_department(
                DepartmentLink(change.dingtalk_id, change.wecom_id, None, origin)
            )
            self._run_ledger.ensure_stored()
        return self._context.target.create_department(department_body(change))

    def _correct(self, attempt: _Attempt, error: VendorError) -> None:
        is_new = attempt.change.action is Action.CREATE
        if error.policy is ErrorPolicy.VERIFY and is_new:
            attempt.was_intended = True
            there = self._look_up(self._context.target.departments, error)
            attempt.is_created = attempt.change.wecom_id in there
        elif error.fix is Correction.NAME_TAKEN:
            attempt.was_intended = attempt.was_intended or error.attempts > 1
            self._settle_name(attempt, error)
        elif error.fix is Correction.REFRESH_DEPARTMENTS and not is_new:
            self._create_instead(attempt)  # 60003: deleted in the console
        else:
            raise error

    def _settle_name(self, attempt: _Attempt, error: VendorError) -> None:
        """Find out whose name it is (60008): ours, after a lost reply, or a foreign sibling's."""
        change, state = attempt.change, state_of(attempt.change)
        is_new = change.action is Action.CREATE
        if is_new and attempt.was_intended:
            row = self._look_up(self._context.target.departments, error).get(change.wecom_id)
            if row is not None:
                fields = department_changes(None, row, state)
                attempt.change = replace(change, action=Action.UPDATE, fields=fields)
                return
        # A refusal proves that nothing was written.
        self._run_ledger.confirm(change.kind, change.wecom_id)
        self._run_ledger.put_conflict(
            Conflict(
                Kind.DEPARTMENT, change.dingtalk_id, change.wecom_id, state.name, state.parent_id
            )
        )
        reason = cause("department-name-taken", name=state.name, id=change.dingtalk_id)
        if is_new:
            self._context.lost.add(change.wecom_id)
        attempt.change = replace(change, action=Action.CONFLICT, cause=reason)

    def _create_instead(self, attempt: _Attempt) -> None:
        change, state = attempt.change, state_of(attempt.change)
        fields = department_changes(None, None, state)
        attempt.was_intended = False
        attempt.change = replace(change, action=Action.CREATE, fields=fields)

    def _withdraw_intent(self, attempt: _Attempt) -> None:
        key = attempt.change.dingtalk_id
        known = self._run_ledger.departments.get(key)
        if known is None or known.accepted is not None or attempt.was_intended:
            return
        if attempt.link:
            self._run_ledger.put_department(attempt.link)
        else:
            self._run_ledger.drop_department(key)

    def _accept(self, attempt: _Attempt, answer: Accepted) -> RecordedChange:
        change = attempt.change
        made = Origin.ADOPTED if change.action is Action.ADOPT else Origin.CREATED
        origin = attempt.link.origin if attempt.link else made
        self._run_ledger.confirm(change.kind, change.wecom_id)
        self._run_ledger.put_department(
            DepartmentLink(change.dingtalk_id, change.wecom_id, state_of(change), origin)
        )
        self._run_ledger.drop_conflict(Kind.DEPARTMENT, change.dingtalk_id)
        return RecordedChange.of(self._with_remarks(change, answer), self._context.done)

    def _delete(self, change: Change) -> RecordedChange:
        still_in = change.requires & self._context.failed_people
        if still_in:
            link = self._run_ledger.departments.get(change.dingtalk_id)
            name = link.accepted.name if link and link.accepted else change.dingtalk_id
            return self._skipped(
                change, cause("department-not-empty", name=name, count=len(still_in))
            )
        self._context.target.delete_department(change.wecom_id)
        self._run_ledger.confirm(change.kind, change.wecom_id)
        self._run_ledger.drop_department(change.dingtalk_id)
        self._run_ledger.drop_conflict(Kind.DEPARTMENT, change.dingtalk_id)
        self._count(change)
        return RecordedChange.of(change, self._context.done)

    def _lose(self, change: Change) -> None:
        if change.action is Action.CREATE:
            self._context.lost.add(change.wecom_id)

    @staticmethod
    def _skipped(change: Change, reason: Cause) -> RecordedChange:
        return RecordedChange.of(refused(change, reason), Result.SKIPPED)
