"""Applies a plan's changes one by one and stores each result; one bad record never ends a run.

Decides what an error means for the rest: skip, defer, stop creating people, or stop the run.
"""

import logging
from collections.abc import Iterable
from itertools import groupby

from server.directory.causes import Cause
from server.directory.change import Action, Change
from server.directory.model import Kind
from server.errors.vendor import CallCancelledError, Correction, ErrorPolicy, VendorError
from server.journal.runs import RecordedChange, Result
from server.sync.clients import StopSignal
from server.sync.departments import DepartmentsWriter
from server.sync.executor import RunContext
from server.sync.outcome import cause_of, is_for_good, stops_all
from server.sync.people import PeopleWriter

_LOG = logging.getLogger(__name__)

# That many failures in a row are not about single records: the connection or our set-up is broken.
_EXHAUSTED_IN_A_ROW = 3
_SUSPICIOUS_IN_A_ROW = 10
_CANCELLED = {"vendor": "WeCom", "call": "sync"}


class Executor:
    """Applies the changes of one run. `stopped_by` is the error that ended the writing, if any."""

    def __init__(self, context: RunContext, stop: StopSignal) -> None:
        self._context = context
        self._stop = stop
        self._people = PeopleWriter(context)
        self._departments = DepartmentsWriter(context)
        self._creates_refused: Cause | None = None
        self._exhausted = 0
        self._suspicious = 0
        self.stopped_by: VendorError | None = None

    def apply(self, changes: Iterable[Change]) -> None:
        """Apply the changes in order, deferred ones at the end of their stage.

        People are written only after all departments, since they need to know which ones exist.
        Raises `CallCancelledError` on a stop request, after storing what was done.
        """
        for _, stage in groupby(changes, _stage):
            deferred: list[Change] = []
            for change in stage:
                self._apply(change, deferred)
            for change in deferred:
                self._apply(change, None)
        self._context.run_ledger.ensure_stored()

    def _apply(self, change: Change, deferred: list[Change] | None) -> None:
        if self._stop.is_set():
            self._context.run_ledger.ensure_stored()
            raise CallCancelledError(_CANCELLED)
        refusal = self._refusal(change)
        if refusal:
            self._mark_failed(change)
            self._context.run_ledger.record([RecordedChange.of(change, Result.SKIPPED, refusal)])
        else:
            self._context.run_ledger.record(self._attempt(change, deferred))

    def _refusal(self, change: Change) -> Cause | None:
        if self.stopped_by:
            return cause_of(self.stopped_by)
        is_creation = change.kind is Kind.PERSON and change.action is Action.CREATE
        return self._creates_refused if is_creation else None

    def _attempt(self, change: Change, deferred: list[Change] | None) -> tuple[RecordedChange, ...]:
        writer = self._people if change.kind is Kind.PERSON else self._departments
        try:
            results = writer.write(change)
        except CallCancelledError:
            self._context.run_ledger.ensure_stored()
            raise
        except VendorError as error:
            if deferred is not None and _can_wait(error):
                deferred.append(change)
                return ()
            return (self._failed(change, error),)
        self._exhausted = self._suspicious = 0
        if any(each.result is Result.SKIPPED for each in results):
            self._mark_failed(change)
        return results

    def _failed(self, change: Change, error: VendorError) -> RecordedChange:
        _LOG.warning(
            "%s %s %s failed: %s", change.action.value, change.kind.value, change.dingtalk_id, error
        )
        self._mark_failed(change)
        if is_for_good(error):
            self._context.refused.add((change.kind, change.dingtalk_id))
        self._judge(error)
        return RecordedChange.of(change, Result.FAILED, cause_of(error))

    def _judge(self, error: VendorError) -> None:
        """Decide whether the run continues."""
        self._exhausted = (
            self._exhausted + 1 if error.policy in (ErrorPolicy.RETRY, ErrorPolicy.VERIFY) else 0
        )
        self._suspicious = self._suspicious + 1 if error.suspicious else 0
        if error.policy is ErrorPolicy.STOP_CREATES:
            self._creates_refused = cause_of(error)
        elif (
            stops_all(error)
            or self._exhausted >= _EXHAUSTED_IN_A_ROW
            or self._suspicious >= _SUSPICIOUS_IN_A_ROW
        ):
            self.stopped_by = error

    def _mark_failed(self, change: Change) -> None:
        """Keep later changes from relying on an object that does not exist."""
        if change.kind is Kind.PERSON:
            self._context.failed_people.add(change.dingtalk_id)
            if change.action in (Action.CREATE, Action.ADOPT):
                self._context.actual.setdefault(change.wecom_id, "")
        elif change.action is Action.CREATE:
            self._context.lost.add(change.wecom_id)


def _stage(change: Change) -> tuple[Kind, bool]:
    """Separate new and changed departments, people, and departments to delete."""
    return change.kind, change.kind is Kind.DEPARTMENT and change.action is Action.DELETE


def _can_wait(error: VendorError) -> bool:
    """Whether a later change of the same stage may help (60005, 60006, 60004, 60010)."""
    return error.policy is ErrorPolicy.DEFER or error.fix in (
        Correction.CREATE_PARENT,
        Correction.REORDER_MOVES,
    )
