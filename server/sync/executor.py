"""How any change is settled: sent, corrected by WeCom's answers, and sent again.

What the corrections are, and what is remembered of an answer, is known to the writers of people and
departments.
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


@dataclass(slots=True)
class RunContext:
    """A run under way.

    has_left: whether a linked person is no longer mirrored, None where that is not known. live:
    WeCom's structure as the plan saw it, None where it was not read. approved: `id()` of the
    changes that only the admin's approval let through. done: what a success is called (a preview
    calls it planned). actual: planned WeCom userid -> the one it became, "" for nobody. lost:
    WeCom departments that could not be created. failed_people: whose change did not succeed.
    alarms: what WeCom did that nobody asked for. refused: what failed and would fail again.
    is_clock_right: whether days can be counted from `now_s`.
    """

    run_ledger: RunLedger
    target: Target
    rules: Rules
    has_left: Callable[[str], bool | None]
    live: TargetSnapshot | None
    now_s: float
    approved: frozenset[int] = frozenset()
    done: Result = Result.DONE
    is_clock_right: bool = False
    actual: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    failed_people: set[str] = field(default_factory=set)
    alarms: list[Message] = field(default_factory=list)
    refused: set[tuple[Kind, str]] = field(default_factory=set)


LinkT = TypeVar("LinkT", PersonLink, DepartmentLink)


@dataclass(slots=True)
class Attempt(Generic[LinkT]):
    """A change on its way.

    link: what the ledger knew before. asked: the change as it set out. was_intended: an earlier
    run, or this one before its reply was lost, may have created this very member or department.
    is_created: it has. failure: why it was corrected last. beside: what else came of it.
    """

    change: Change
    link: LinkT | None
    asked: Change = field(init=False)
    was_intended: bool = field(init=False)
    is_created: bool = False
    failure: VendorError | None = None
    beside: tuple[RecordedChange, ...] = ()

    def __post_init__(self) -> None:
        """Begin with what is asked for and what is known."""
        self.asked = self.change
        self.was_intended = self.link is not None and self.link.accepted is None


@dataclass(slots=True)
class PersonAttempt(Attempt[PersonLink]):
    """A person's change on its way.

    is_news: what it writes was beyond doubt before. is_proven: WeCom just said that the member to
    be taken over has the mobile. dropped: values left out because WeCom refuses them.
    """

    is_news: bool = False
    is_proven: bool = False
    dropped: dict[str, Refusal] = field(default_factory=dict)

    @property
    def accepted(self) -> MemberState:
        """What WeCom last accepted."""
        return (self.link and self.link.accepted) or NOBODY

    def note(self, error: VendorError) -> None:
        """Tell what was left out, and why."""
        warnings = (*self.change.warnings, error.title, error.hint)
        self.change = replace(self.change, warnings=warnings)


class Refusals:
    """Deals with the refusals of one run."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._run_ledger = context.run_ledger

    def drop(self, field: str, attempt: PersonAttempt, error: VendorError) -> None:
        """Leave a value as WeCom last accepted it; raises the error where nothing would remain.

        WeCom wants a mobile or an email of everybody (60129).
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
        """Keep what was dropped, once that has helped; return whether any of it is news."""
        key = attempt.change.dingtalk_id
        news = [self._run_ledger.refuse(key, field, one) for field, one in attempt.dropped.items()]
        return any(news)

    def delete(self, change: Change) -> Accepted:
        """Delete a member; one that WeCom never lets go (301005) is remembered."""
        try:
            return self._context.target.delete_member(change.wecom_id)
        except VendorError as error:
            if is_for_good(error):
                self._run_ledger.refuse(change.dingtalk_id, DELETION, self._refusal("", error))
            raise

    def _refusal(self, value: str, error: VendorError) -> Refusal:
        return Refusal(value, self._context.now_s, cause_of(error))


_LOG = logging.getLogger(__name__)
T = TypeVar("T")
AttemptT = TypeVar("AttemptT", bound=Attempt[PersonLink] | Attempt[DepartmentLink])


class ChangeExecutor(ABC, Generic[AttemptT]):
    """Settles changes of one kind, one at a time."""

    most_attempts: ClassVar[int]

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._run_ledger = context.run_ledger

    @abstractmethod
    def write(self, change: Change) -> tuple[RecordedChange, ...]:
        """Make a change and tell what became of it; raises `VendorError` where it was refused."""

    def _settle(self, attempt: AttemptT) -> tuple[RecordedChange, ...]:
        """Settle an attempt; where WeCom refused it for certain, nothing of it stays announced."""
        try:
            return self._go_through(attempt)
        except VendorRefusedError as error:
            if is_certain(error):
                self._withdraw(attempt)
            raise

    def _go_through(self, attempt: AttemptT) -> tuple[RecordedChange, ...]:
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
                return (self._accept(attempt, answer), *attempt.beside)
        raise attempt.failure or ValueError(attempt.change.action)

    def _ending(self, attempt: AttemptT) -> tuple[RecordedChange, ...] | None:
        """Return how a change ends that is not to be sent, or not again; None where it is."""
        if not attempt.change.cause:
            return None
        self._withdraw_intent(attempt)
        return (*attempt.beside, RecordedChange.of(attempt.change, Result.SKIPPED))

    @abstractmethod
    def _send(self, attempt: AttemptT) -> Accepted:
        """Announce what is to be created, and call WeCom."""

    @abstractmethod
    def _correct(self, attempt: AttemptT, error: VendorError) -> None:
        """Change the attempt as the error's table says; raises the error where it does not."""

    def _aside(self, look: Callable[[], T], error: VendorError) -> T:
        """Look something up because of `error`, which stays what is told where that fails.

        That WeCom does not show a list says nothing about the change: a creation whose reply was
        lost stays announced, and 48002 for the list alone must not end the run.
        """
        try:
            return look()
        except CallCancelledError:
            raise
        except VendorError as failure:
            _LOG.warning("%s; what WeCom has could not be looked up: %s", error, failure)
            raise error from failure

    @abstractmethod
    def _accept(self, attempt: AttemptT, answer: Accepted) -> RecordedChange:
        """Remember what WeCom accepted."""

    def _withdraw(self, attempt: AttemptT) -> None:
        """Take back what was announced of a change that WeCom refused."""
        self._withdraw_intent(attempt)

    @abstractmethod
    def _withdraw_intent(self, attempt: AttemptT) -> None:
        """Take back what was announced as being created; nothing of it exists."""

    def _told(self, change: Change, answer: Accepted) -> Change:
        """Add what WeCom remarked."""
        if answer.alarm:
            self._context.alarms.append(answer.alarm)
        remarks = tuple(each for each in (answer.warning, answer.alarm) if each)
        return replace(change, warnings=(*change.warnings, *remarks)) if remarks else change

    def _count(self, change: Change) -> None:
        """Note a removal that uses up the guard's allowance."""
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
