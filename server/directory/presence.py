"""Who is there, who is gone, and of whom a snapshot says nothing (`Presence`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Presence:
    """The people in scope of a snapshot, and who of the others has left.

    gone: whose absence is proven; to be missing from a list proves nothing. is_settled: everything
    in scope was read, and whoever is missing from it is known to be gone.
    """

    present: frozenset[str]
    gone: frozenset[str] = frozenset()
    is_settled: bool = False

    def has_left(self, dingtalk_userid: str) -> bool | None:
        """Whether a linked person is no longer mirrored; None where that is not known."""
        if dingtalk_userid in self.present:
            return False
        return True if dingtalk_userid in self.gone else None
