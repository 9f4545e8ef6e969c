"""The loop that carries out one change: send it, correct it by WeCom's answer, send it again.

Also the state of a run (`RunContext`) and of a change in progress (`Attempt`). Which corrections
exist, and what an answer changes in the ledger, is up to `people` and `departments`.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Generic, TypeVar

from server.directory.change import Action, Change, member_of
from server.directory.model import (
    NOBODY,
    DepartmentLink,
    Kind,
    MemberState,
    PersonLink,
    Refusal,
    Removal,
    Rules,
    TargetSnapshot,
)
from server.directory.refusals import DELETION
from server.directory.revise import without_mobile, without_text
from server.errors.message import Message
from server.errors.vendor import CallCancelledError, VendorError, VendorRefusedError
from server.journal.runs import RecordedChange, Result
from server.sync.ledger import RunLedger
from server.sync.outcome import cause_of, is_certain, is_for_good
from server.sync.target import Target
from server.wecom.wire import Accepted

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
LinkT = TypeVar("LinkT", PersonLink, DepartmentLink)


@dataclass(slots=True)
class RunContext:
    """What the changes of one run share."""

    run_ledger: RunLedger
    target: Target
    rules: Rules
    # Whether a linked person is no longer mirrored; None if that is unknown.
    has_left: Callable[[str], bool | None]
    # WeCom's structure as the plan saw it; None if it was not read.
    live: TargetSnapshot | None
    now_s: float
    # `id()` of the changes that only the admin's approval let through.
    approved: frozenset[int] = frozenset()
    # The result of a success; a preview calls it planned.
    done: Result = Result.DONE
    # Whether days can be counted from `now_s`.
    is_clock_right: bool = False
    # Planned WeCom userid -> the userid it became, "" if nobody was created.
    actual: dict[str, str] = field(default_factory=dict)
    # WeCom departments that could not be created.
    lost: set[str] = field(default_factory=set)
    # DingTalk userids whose change did not succeed.
    failed_people: set[str] = field(default_factory=set)
    # What WeCom did that nobody asked for.
    alarms: list[Message] = field(default_factory=list)
    # What failed and would only fail again.
    refused: set[tuple[Kind, str]] = field(default_factory=set)


@dataclass(slots=True)
class Attempt(Generic[LinkT]):
    """A change in progress."""

    change: Change
    # What the ledger knew before.
    link: LinkT | None
    # The change as planned, before any correction.
    original: Change = field(init=False)
    # An earlier run, or a call whose reply was lost, may have created this very object.
    was_intended: bool = field(init=False)
    # WeCom's list shows that the call whose reply was lost did create it.
    is_created: bool = False
    # Why it was last corrected.
    failure: VendorError | None = None
    # Results to record besides the change's own, such as a conflict about a mobile.
    extra_results: tuple[RecordedChange, ...] = ()

    def __post_init__(self) -> None:
        """Keep the change as planned, and whether it was announced before."""
        self.original = self.change
        self.was_intended = self.link is not None and self.link.accepted is None


@dataclass(slots=True)
class PersonAttempt(Attempt[PersonLink]):
    """A person's change in progress."""

    # This attempt marked the member as unconfirmed; it was confirmed before.
    is_marked: bool = False
    # WeCom just said that the member to take over holds the mobile.
    is_proven: bool = False
    # Values left out because WeCom refuses them.
    dropped: dict[str, Refusal] = field(default_factory=dict)

    @property
    def accepted(self) -> MemberState:
        """What WeCom last accepted."""
        return (self.link and self.link.accepted) or NOBODY

    def note(self, error: VendorError) -> None:
        """Add to the change's warnings what was left out and why."""
        warnings = (*self.change.warnings, error.title, error.hint)
        self.change = replace(self.change, warnings=warnings)


AttemptT = TypeVar("AttemptT", bound=Attempt[PersonLink] | Attempt[DepartmentLink])


class ChangeExecutor(ABC, Generic[AttemptT]):
    """Carries out changes of one kind, one at a time."""

    most_attempts: ClassVar[int]

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._run_ledger = context.run_ledger

    @abstractmethod
    def write(self, change: Change) -> tuple[RecordedChange, ...]:
        """Carry out a change and return its results; raises `VendorError` if it was refused."""

    def _settle(self, attempt: AttemptT) -> tuple[RecordedChange, ...]:
        """Carry out an attempt; if WeCom surely refused it, withdraw what the ledger announced."""
        try:
            return self._send_until_accepted(attempt)
        except VendorRefusedError as error:
            if is_certain(error):
                self._withdraw(attempt)
            raise

    def _send_until_accepted(self, attempt: AttemptT) -> tuple[RecordedChange, ...]:
        """Send and correct until WeCom accepts, or nothing is left to send."""
        for _ in range(self.most_attempts):
            ending = self._ending(attempt)
            if ending is not None:
                return ending
            try:
                answer = self._send(attempt)
            except VendorError as error:
                attempt.failure = error
                self._correct(attempt, error)
            else:
                return (self._accept(attempt, answer), *attempt.extra_results)
        raise attempt.failure or ValueError(attempt.change.action)

    def _ending(self, attempt: AttemptT) -> tuple[RecordedChange, ...] | None:
        """Return the results of a change that must not be sent (again); None if it must."""
        if not attempt.change.cause:
            return None
        self._withdraw_intent(attempt)
        return (*attempt.extra_results, RecordedChange.of(attempt.change, Result.SKIPPED))

    @abstractmethod
    def _send(self, attempt: AttemptT) -> Accepted:
        """Call WeCom; announce a creation in the ledger first."""

    @abstractmethod
    def _correct(self, attempt: AttemptT, error: VendorError) -> None:
        """Correct the attempt as the error table says; raises the error if it says nothing."""

    def _look_up(self, read: Callable[[], T], error: VendorError) -> T:
        """Read something because of `error`; if that fails, `error` is raised, not the new one.

        A list that WeCom does not show says nothing about the change: a creation whose reply was
        lost stays announced, and 48002 for the list alone must not end the run.
        """
        try:
            return read()
        except CallCancelledError:
            raise
        except VendorError as failure:
            _LOG.warning("%s; looking up what WeCom has failed: %s", error, failure)
            raise error from failure

    @abstractmethod
    def _accept(self, attempt: AttemptT, answer: Accepted) -> RecordedChange:
        """Store what WeCom accepted and return the change's result."""

    def _withdraw(self, attempt: AttemptT) -> None:
        """Withdraw what the ledger announced of a change that WeCom refused."""
        self._withdraw_intent(attempt)

    @abstractmethod
    def _withdraw_intent(self, attempt: AttemptT) -> None:
        """Withdraw an announced creation; nothing of it exists."""

    def _with_remarks(self, change: Change, answer: Accepted) -> Change:
        """Add WeCom's remarks to the change's warnings."""
        if answer.alarm:
            self._context.alarms.append(answer.alarm)
        remarks = tuple(each for each in (answer.warning, answer.alarm) if each)
        return replace(change, warnings=(*change.warnings, *remarks)) if remarks else change

    def _count(self, change: Change) -> None:
        """Record a removal that uses up the guard's allowance."""
        if change.counts:
            is_approved = id(change) in self._context.approved
            self._run_ledger.add_removal(
                Removal(
                    change.kind,
                    change.dingtalk_id,
                    change.wecom_id,
                    self._context.now_s,
                    is_approved,
                )
            )


class Refusals:
    """Leaves out the values that WeCom refuses for good, and remembers them in the ledger."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._run_ledger = context.run_ledger

    def drop(self, field: str, attempt: PersonAttempt, error: VendorError) -> None:
        """Keep a value as WeCom last accepted it; raises the error if that is not possible.

        WeCom requires a mobile or an email for everybody (60129).
        """
        change = attempt.change
        if field not in change.fields:
            raise error
        attempt.dropped[field] = self._refusal(getattr(member_of(change), field), error)
        before = NOBODY if change.action is Action.CREATE else attempt.accepted
        if field == "mobile":
            revised = without_mobile(change, before)
        else:
            revised = without_text(change, field, before)
        if not (member_of(revised).mobile or member_of(revised).email):
            self.remember(attempt)
            raise error
        attempt.change = revised
        attempt.note(error)

    def remember(self, attempt: PersonAttempt) -> bool:
        """Store what was dropped; return whether any of it was not known before."""
        key = attempt.change.dingtalk_id
        news = [self._run_ledger.refuse(key, field, one) for field, one in attempt.dropped.items()]
        return any(news)

    def delete(self, change: Change) -> Accepted:
        """Delete a member; remember one whom WeCom never lets go (301005)."""
        try:
            return self._context.target.delete_member(change.wecom_id)
        except VendorError as error:
            if is_for_good(error):
                self._run_ledger.refuse(change.dingtalk_id, DELETION, self._refusal("", error))
            raise

    def _refusal(self, value: str, error: VendorError) -> Refusal:
        return Refusal(value, self._context.now_s, cause_of(error))
