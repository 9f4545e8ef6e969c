"""A person's change on its way through WeCom's answers."""

from dataclasses import dataclass, field, replace

from server.directory.change import Change
from server.directory.model import NOBODY, Member, PersonLink, Refusal
from server.journal.runs import RecordedChange
from server.vendor_errors import VendorError


@dataclass(slots=True)
class Attempt:
    """A change on its way.

    link: what the ledger knew of the member before. was_intended: an earlier run, or this one
    before its reply was lost, may have created this very member. is_created: it has. is_news: what
    it writes was beyond doubt before. dropped: values left out because WeCom refuses them.
    """

    change: Change
    link: PersonLink | None
    was_intended: bool
    is_created: bool = False
    is_news: bool = False
    beside: tuple[RecordedChange, ...] = ()
    dropped: dict[str, Refusal] = field(default_factory=dict)

    @property
    def accepted(self) -> Member:
        """What WeCom last accepted."""
        return (self.link and self.link.accepted) or NOBODY

    def note(self, error: VendorError) -> None:
        """Tell what was left out, and why."""
        warnings = (*self.change.warnings, error.title, error.hint)
        self.change = replace(self.change, warnings=warnings)
