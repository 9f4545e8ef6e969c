"""A change on its way through WeCom's answers."""

from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from server.directory.change import Change
from server.directory.model import NOBODY, DepartmentLink, MemberState, PersonLink, Refusal
from server.errors.vendor import VendorError
from server.journal.runs import RecordedChange

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
