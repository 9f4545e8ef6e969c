"""What follows from a vendor's failure: the words that the tables, the errors and the sync share.

Vendor-neutral on purpose: nobody above `server.dingtalk` and `server.wecom` knows their numbers.
"""

from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What the caller of DingTalk or WeCom does about an error."""

    RETRY = "retry"  # passes by itself; when it surfaces, the back-off is already used up
    REFRESH_TOKEN = "refresh-token"  # noqa: S105 - a fate, no token; never leaves `server.rest`
    LOOK = "look"  # may have been done: read back before asking again
    FIX = "fix"  # correct the data as `fix` says and ask again
    DEFER = "defer"  # ask again at the end of the run
    SKIP = "skip"  # this item cannot be done; the others can
    GONE = "gone"  # the object does not exist, which is what a removal wanted
    STOP_CREATES = "stop-creates"  # no new members; updates and removals go on
    STOP = "stop"  # nothing works until somebody acts


class Fix(Enum):
    """The correction that makes a refused change acceptable."""

    ADOPT_HOLDER = "adopt-holder"
    CREATE_INSTEAD = "create-instead"
    CREATE_PARENT = "create-parent"
    DROP_EMAIL = "drop-email"
    DROP_MOBILE = "drop-mobile"
    DROP_POSITION = "drop-position"
    DROP_TELEPHONE = "drop-telephone"
    NAME_TAKEN = "name-taken"
    REFRESH_DEPARTMENTS = "refresh-departments"
    REORDER_MOVES = "reorder-moves"
    UPDATE_INSTEAD = "update-instead"


@dataclass(frozen=True, slots=True)
class Meaning:
    """A row of a table that explains a vendor's failure: title, hint, and what follows from it.

    `backoff_s` are the waits between attempts in seconds. `suspicious` marks what may concern one
    item only, but is a fault of the whole set-up when it comes again and again.
    """

    fate: Fate
    title: str
    hint: str
    fix: Fix | None = None
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    suspicious: bool = False
