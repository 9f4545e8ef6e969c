"""Walks DingTalk's departments breadth first, with several calls in flight.

Reads the subdepartments and members of every department. A failure becomes a reason why the reading
is incomplete; the rest is read all the same. A complete walk still proves nobody's absence: people
move while it runs.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

from server.dingtalk.client import DingTalkClient
from server.dingtalk.errors import (
    is_department_gone,
    is_out_of_scope,
    is_permission_missing,
)
from server.dingtalk.wire import DingTalkDepartment, DingTalkUser, merge_users
from server.errors.message import N_, GapValue, Message
from server.errors.vendor import ErrorPolicy, VendorError

# After this many calls that failed despite all retries, the rest would only fail slowly.
FAILURES_TO_GIVE_UP = 5
_CALLS_EACH = 2  # listsub and user/list

# More than any company has; without bounds an endless directory would be read for ever.
MOST_DEPARTMENTS = 50_000
MOST_PAGES = 1_000
GREATEST_DEPTH = 50


class Gap(Enum):
    """Why a reading is incomplete."""

    ROOT_OUT_OF_SCOPE = "root-out-of-scope"
    ROOT_GONE = "root-gone"
    PERMISSION_MISSING = "permission-missing"
    DEPARTMENT_FAILED = "department-failed"
    GAVE_UP = "gave-up"
    NOBODY = "nobody"
    TOO_MANY_DEPARTMENTS = "too-many-departments"
    TOO_MANY_PAGES = "too-many-pages"
    TOO_DEEP = "too-deep"


# A missing permission needs no text here: its error names call and code.
_TEXTS: Mapping[Gap, str] = {
    Gap.ROOT_OUT_OF_SCOPE: N_(
        "Department {department} is outside the app's contact scope in DingTalk."
    ),
    Gap.ROOT_GONE: N_("Department {department} does not exist in DingTalk."),
    Gap.DEPARTMENT_FAILED: N_("Department {department} could not be read completely."),
    Gap.GAVE_UP: N_("Too many calls to DingTalk failed, so the rest was not read."),
    Gap.NOBODY: N_("DingTalk returned nobody at all in the departments to sync."),
    Gap.TOO_MANY_DEPARTMENTS: N_(
        "DingTalk lists more than {most} departments; the rest was not read."
    ),
    Gap.TOO_MANY_PAGES: N_(
        "DingTalk lists more than {most} pages of people in department {department}; the rest was "
        "not read."
    ),
    Gap.TOO_DEEP: N_(
        "Department {department} has subdepartments more than {most} levels deep; they were not "
        "read."
    ),
}
_BOUNDS: Mapping[Gap, int] = {
    Gap.TOO_MANY_DEPARTMENTS: MOST_DEPARTMENTS,
    Gap.TOO_MANY_PAGES: MOST_PAGES,
    Gap.TOO_DEEP: GREATEST_DEPTH,
}
_EXCLUDE = N_(
    "To sync the rest completely, add {departments} to sync.excluded_department_ids; those "
    "departments and everything below them are then left out."
)
_NO_DEPARTMENTS = N_(
    "DingTalk lists {names} among the departments although they are not departments; they were "
    "skipped."
)
_VANISHED = N_(
    "DingTalk lists the department {name} ({department}) but says that it does not exist; it was "
    "skipped."
)


@dataclass(frozen=True, slots=True)
class IncompleteReason:
    """One thing that was not seen."""

    gap: Gap
    department_id: str | None = None
    # DingTalk's own cause and remedy, if there is one.
    error: VendorError | None = None
    # The departments that the app may read instead, if DingTalk was asked.
    readable: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is missing, why, and what to do about it unless it passes on its own."""
        values: dict[str, GapValue] = {
            "department": self.department_id or "",
            "most": _BOUNDS.get(self.gap, 0),
        }
        gap = (Message(_TEXTS[self.gap], values),) if self.gap in _TEXTS else ()
        if self.error is None:
            return gap
        if self.readable:
            return (*gap, offer(self.readable))
        is_said = self.gap in (Gap.ROOT_OUT_OF_SCOPE, Gap.ROOT_GONE)
        why = () if is_said else (self.error.title,)
        return (*gap, *why) if self.error.retryable else (*gap, *why, self.error.hint)


def offer(department_ids: Iterable[str]) -> Message:
    """Suggest the departments that the app may read in place of one that it may not."""
    return Message(
        N_(
            "The app may read these departments: {departments}. Enter them in "
            "sync.source_department_ids, or add the missing one to the app's contact scope in the "
            "DingTalk console (权限管理, 通讯录权限范围)."
        ),
        {"departments": ", ".join(department_ids)},
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: departments breadth first from the roots, people in the same order."""

    departments: tuple[DingTalkDepartment, ...]
    people: tuple[DingTalkUser, ...]
    # Why it is incomplete; an incomplete reading must not lead to removals.
    reasons: tuple[IncompleteReason, ...] = ()
    # What was left out although nothing is missing.
    notes: tuple[Message, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything in scope was seen."""
        return not self.reasons


def ends_everything(error: VendorError) -> bool:
    """Whether an error concerns all calls alike, so that reading on makes no sense."""
    return error.policy is ErrorPolicy.STOP and not is_permission_missing(error)


def is_no_department(department_id: str) -> bool:
    """Whether an id is below 1: DingTalk lists things under such ids that are no departments.

    家校通讯录 (the school directory) is -1; read singly, it does not exist (60003).
    """
    digits = department_id.removeprefix("-")
    is_number = digits.isascii() and digits.isdigit()
    return is_number and int(department_id) < 1


class _Call(NamedTuple):
    """A call to make about a department, and the method that handles its result."""

    department_id: str
    read: Callable[[str], Any]
    take: Callable[[str, Any], None]


class _Members(NamedTuple):
    """The members of a department that were read, and why the rest was not."""

    users: list[DingTalkUser]
    error: VendorError | None = None
    is_endless: bool = False


class Walk:
    """A single walk; call `run` once. Results are handled on the caller's thread.

    `places`: how many calls may run or be queued at a time. Everything else waits as an id, so that
    a huge company takes no more memory than its departments.
    """

    def __init__(
        self,
        client: DingTalkClient,
        pool: ThreadPoolExecutor,
        excluded: Iterable[str],
        *,
        places: int,
    ) -> None:
        self._client = client
        self._pool = pool
        self._excluded = frozenset(excluded)
        self._places = places
        self._waiting: deque[_Call] = deque()
        self._pending: dict[Future[Any], _Call] = {}
        self._departments: dict[str, DingTalkDepartment] = {}
        self._depths: dict[str, int] = {}
        self._children: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, list[DingTalkUser]] = {}
        self._vanished: dict[str, list[VendorError]] = {}
        self._no_departments: dict[str, str] = {}
        self._roots: tuple[str, ...] = ()
        self._reasons: dict[tuple[Gap, GapValue | None], IncompleteReason] = {}
        self._exhausted = 0

    def run(self, roots: tuple[str, ...], *, may_be_empty: bool) -> Reading:
        """Walk from `roots`; raises `VendorError` only for errors that concern all calls."""
        self._roots = tuple(root for root in roots if root not in self._excluded)
        for root in self._roots:
            self._waiting.append(_Call(root, self._client.get_department, self._take_root))
        while self._waiting or self._pending:
            while self._waiting and len(self._pending) < self._places:
                call = self._waiting.popleft()
                self._pending[self._pool.submit(call.read, call.department_id)] = call
            done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                self._finish(future, self._pending.pop(future))
        notes = (*self._judge_vanished(), *self._note_no_departments(), *self._note_way_out())
        people = self._people()
        if not people and not may_be_empty:
            self._add_reason(IncompleteReason(Gap.NOBODY))
        departments = tuple(self._departments[found] for found in self._breadth_first())
        return Reading(departments, people, tuple(self._reasons.values()), notes)

    def _finish(self, future: Future[Any], call: "_Call") -> None:
        if future.cancelled():
            return
        try:
            result = future.result()
        except VendorError as error:
            self._note(call.department_id, error, is_root=call.take == self._take_root)
        else:
            call.take(call.department_id, result)

    def _take_root(self, root: str, department: DingTalkDepartment) -> None:
        self._departments[root] = department
        self._expand(root, 0)

    def _take_children(self, parent: str, children: tuple[DingTalkDepartment, ...]) -> None:
        depth = self._depths[parent] + 1
        below: list[str] = []
        for child in children:
            department_id = child.department_id
            if department_id in self._excluded:
                continue
            if is_no_department(department_id):
                self._no_departments[department_id] = child.name
            elif department_id in self._departments:
                # A root below another root was read singly and has its order already.
                below.append(department_id)
            elif depth > GREATEST_DEPTH:
                self._add_reason(IncompleteReason(Gap.TOO_DEEP, parent))
            elif len(self._departments) >= MOST_DEPARTMENTS:
                self._add_reason(IncompleteReason(Gap.TOO_MANY_DEPARTMENTS))
            else:
                self._departments[department_id] = child
                below.append(department_id)
                self._expand(department_id, depth)
        self._children[parent] = tuple(below)

    def _take_members(self, department_id: str, result: "_Members") -> None:
        self._members[department_id] = result.users
        if result.error is not None:
            self._note(department_id, result.error)
        if result.is_endless:
            self._add_reason(IncompleteReason(Gap.TOO_MANY_PAGES, department_id))

    def _expand(self, department_id: str, depth: int) -> None:
        if department_id in self._depths or self._has_given_up:
            return
        self._depths[department_id] = depth
        self._waiting += (
            _Call(department_id, self._client.list_subdepartments, self._take_children),
            _Call(department_id, self._read_members, self._take_members),
        )

    def _read_members(self, department_id: str) -> "_Members":
        """Read all pages; if one fails, keep those before it."""
        users: list[DingTalkUser] = []
        cursor = 0
        for _ in range(MOST_PAGES):
            try:
                page = self._client.list_users(department_id, cursor)
            except VendorError as error:
                return _Members(users, error)
            users += page.users
            if page.next_cursor is None:
                return _Members(users)
            cursor = page.next_cursor
        return _Members(users, is_endless=True)

    def _note_way_out(self) -> Iterator[Message]:
        """Suggest excluding departments that cannot be read as things are."""
        blocked = [
            reason.department_id
            for reason in self._reasons.values()
            if reason.gap is Gap.DEPARTMENT_FAILED
            and reason.department_id
            and reason.error
            and not reason.error.retryable
        ]
        if blocked:
            yield Message(_EXCLUDE, {"departments": ", ".join(sorted(blocked))})

    @property
    def _has_given_up(self) -> bool:
        return self._exhausted >= FAILURES_TO_GIVE_UP

    def _note(self, department_id: str, error: VendorError, *, is_root: bool = False) -> None:
        if ends_everything(error):
            raise error
        if is_permission_missing(error):
            self._add_reason(IncompleteReason(Gap.PERMISSION_MISSING, None, error))
            return
        if is_department_gone(error) and not is_root:
            self._vanished.setdefault(department_id, []).append(error)
            return
        gap = _root_gap(error) if department_id in self._roots else Gap.DEPARTMENT_FAILED
        self._add_reason(IncompleteReason(gap, department_id, error))
        if error.policy is ErrorPolicy.RETRY:
            self._exhausted += 1
            if self._has_given_up:
                self._give_up(error)

    def _judge_vanished(self) -> Iterator[Message]:
        """Leave out a child if both of its calls say that it does not exist: nothing is missing.

        If only one call says so, the other call's data is missing.
        """
        for department_id, errors in self._vanished.items():
            if len(errors) < _CALLS_EACH or department_id in self._roots:
                gap = IncompleteReason(Gap.DEPARTMENT_FAILED, department_id, errors[0])
                self._add_reason(gap)
                continue
            name = self._departments.pop(department_id).name
            yield Message(_VANISHED, {"name": name, "department": department_id})

    def _note_no_departments(self) -> Iterator[Message]:
        if self._no_departments:
            shown = [f"{name} ({key})" for key, name in sorted(self._no_departments.items())]
            yield Message(_NO_DEPARTMENTS, {"names": ", ".join(shown)})

    def _add_reason(self, reason: IncompleteReason) -> None:
        """Keep each reason once: a missing permission by its call, a department by its id."""
        call = reason.error.values["call"] if reason.error and not reason.department_id else None
        self._reasons.setdefault((reason.gap, reason.department_id or call), reason)

    def _give_up(self, error: VendorError) -> None:
        self._add_reason(IncompleteReason(Gap.GAVE_UP, None, error))
        self._waiting.clear()
        for future in self._pending:
            future.cancel()

    def _people(self) -> tuple[DingTalkUser, ...]:
        listed: dict[str, list[DingTalkUser]] = {}
        for department_id in self._breadth_first():
            for user in self._members.get(department_id, ()):
                listed.setdefault(user.userid, []).append(user)
        return tuple(merge_users(entries) for entries in listed.values())

    def _breadth_first(self) -> Iterator[str]:
        seen: set[str] = set()
        level = [root for root in self._roots if root in self._departments]
        while level:
            below: list[str] = []
            for department_id in level:
                if department_id in self._departments and department_id not in seen:
                    seen.add(department_id)
                    yield department_id
                    below += self._children.get(department_id, ())
            level = below


def _root_gap(error: VendorError) -> Gap:
    if is_out_of_scope(error):
        return Gap.ROOT_OUT_OF_SCOPE
    return Gap.ROOT_GONE if is_department_gone(error) else Gap.DEPARTMENT_FAILED
