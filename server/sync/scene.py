"""What the writers of people and departments share while one run is applied."""

from collections.abc import Callable
from dataclasses import dataclass, field

from server.directory.model import Kind, Live, Rules
from server.errors.message import Message
from server.journal.runs import Result
from server.sync.book import Book
from server.sync.target import Target


@dataclass(slots=True)
class Scene:
    """A run under way.

    has_left: whether a linked person is no longer mirrored, None where that is not known. live:
    WeCom's structure as the plan saw it, None where it was not read. approved: `id()` of the
    changes that only the admin's approval let through. done: what a success is called (a preview
    calls it planned). actual: planned WeCom userid -> the one it became, "" for nobody. lost:
    WeCom departments that could not be created. failed_people: whose change did not succeed.
    alarms: what WeCom did that nobody asked for. refused: what failed and would fail again.
    is_clock_right: whether days can be counted from `now_s`.
    """

    book: Book
    target: Target
    rules: Rules
    has_left: Callable[[str], bool | None]
    live: Live | None
    now_s: float
    approved: frozenset[int] = frozenset()
    done: Result = Result.DONE
    is_clock_right: bool = False
    actual: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    failed_people: set[str] = field(default_factory=set)
    alarms: list[Message] = field(default_factory=list)
    refused: set[tuple[Kind, str]] = field(default_factory=set)
