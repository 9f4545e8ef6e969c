"""How any change is settled: sent, corrected by WeCom's answers, and sent again.

What the corrections are, and what is remembered of an answer, is known to the writers of people and
departments.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar, Generic, TypeVar

from server.directory.change import Change
from server.directory.model import DepartmentLink, PersonLink, Removal
from server.errors.vendor import CallCancelledError, VendorError, VendorRefusedError
from server.journal.runs import RecordedChange, Result
from server.sync.attempt import Attempt
from server.sync.scene import Scene
from server.sync.troubles import is_certain
from server.wecom.wire import Accepted

_LOG = logging.getLogger(__name__)
T = TypeVar("T")
AttemptT = TypeVar("AttemptT", bound=Attempt[PersonLink] | Attempt[DepartmentLink])


class Settler(ABC, Generic[AttemptT]):
    """Settles changes of one kind, one at a time."""

    most_attempts: ClassVar[int]

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._book = scene.book

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
            self._scene.alarms.append(answer.alarm)
        remarks = tuple(each for each in (answer.warning, answer.alarm) if each)
        return replace(change, warnings=(*change.warnings, *remarks)) if remarks else change

    def _count(self, change: Change) -> None:
        """Note a removal that uses up the guard's allowance."""
        if change.counts:
            is_approved = id(change) in self._scene.approved
            self._book.add_removal(
                Removal(
                    change.kind, change.dingtalk_id, change.wecom_id, self._scene.now_s, is_approved
                )
            )
