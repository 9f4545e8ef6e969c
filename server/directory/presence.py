"""Who is there, who is gone, and of whom a snapshot says nothing (`Presence`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Presence:
    """The people in scope of a snapshot, and what their absence from it means.

    proves_absence: the snapshot is whole. gone: whom DingTalk itself called non-existent.
    """

    present: frozenset[str]
    gone: frozenset[str] = frozenset()
    proves_absence: bool = False

    def has_left(self, dingtalk_userid: str) -> bool | None:
        """Whether a linked person is no longer mirrored; None where that is not known."""
        if dingtalk_userid in self.present:
            return False
        return True if self.proves_absence or dingtalk_userid in self.gone else None
