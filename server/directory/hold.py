"""What the guard holds, and why: refusals as values that carry their numbers."""

from dataclasses import dataclass
from enum import Enum

from server.directory.model import Kind


class HoldReason(Enum):
    """Why nothing at all, or no removal, is done without the admin."""

    FIRST_RUN = "first-run"
    SCOPE_CHANGED = "scope-changed"
    MASS_REMOVAL = "mass-removal"
    NOBODY_SHARED = "nobody-shared"
    ALLOWANCE = "allowance"


@dataclass(frozen=True, slots=True)
class Hold:
    """What is held and the numbers it was judged by.

    wanted: removals in this plan. used: removals of the last 24 hours that still count. limit:
    what those two together may reach. linked: what of ours is enabled in WeCom.
    """

    reason: HoldReason
    kind: Kind
    wanted: int
    used: int
    limit: int
    linked: int

    @property
    def is_whole(self) -> bool:
        """Whether the whole run is held, and not its removals only."""
        return self.reason is not HoldReason.ALLOWANCE
