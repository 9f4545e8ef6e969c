"""One walk through DingTalk's departments, breadth first, several calls at a time.

Every department is asked for its subdepartments and its members. What fails is noted as a reason
why the reading is incomplete; the rest is read all the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from typing import Any

from server.dingtalk.client import DingTalkClient
from server.dingtalk.errors import is_out_of_scope, is_permission_missing
from server.dingtalk.wire import DingTalkDepartment, DingTalkUser, merge_users
from server.fate import Fate
from server.message import N_, GapValue, Message
from server.vendor_errors import VendorError

# After so many calls that failed in spite of all retries, the rest would only fail slowly.
FAILURES_TO_GIVE_UP = 5


class Gap(Enum):
    """Why a reading is incomplete."""

    ROOT_OUT_OF_SCOPE = "root-out-of-scope"
    ROOT_GONE = "root-gone"
    PERMISSION_MISSING = "permission-missing"
    DEPARTMENT_FAILED = "department-failed"
    GAVE_UP = "gave-up"
    NOBODY = "nobody"


# A missing permission is told by its error alone, which names call and code.
_TEXTS: Mapping[Gap, str] = {
    Gap.ROOT_OUT_OF_SCOPE: N_(
        "Department {department} is outside the contact scope that DingTalk gives the app."
    ),
    Gap.ROOT_GONE: N_("Department {department} does not exist in DingTalk."),
    Gap.DEPARTMENT_FAILED: N_("Department {department} could not be read completely."),
    Gap.GAVE_UP: N_("Too many calls to DingTalk failed, so the rest was not read."),
    Gap.NOBODY: N_("DingTalk shows nobody at all in the departments to be mirrored."),
}


@dataclass(frozen=True, slots=True)
class IncompleteReason:
    """One thing that was not seen; `error` has DingTalk's own cause and remedy, if there is one.

    `readable` are the departments that the app may read instead, where that was asked.
    """

    gap: Gap
    department_id: str | None = None
    error: VendorError | None = None
    readable: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is missing, then why, and what to do about it where it does not pass by itself."""
        values: dict[str, GapValue] = {"department": self.department_id or ""}
        gap = (Message(_TEXTS[self.gap], values),) if self.gap in _TEXTS else ()
        if self.error is None:
            return gap
        if self.readable:
            return (*gap, offer(self.readable))
        is_said = self.gap in (Gap.ROOT_OUT_OF_SCOPE, Gap.ROOT_GONE)
        why = () if is_said else (self.error.title,)
        return (*gap, *why) if self.error.retryable else (*gap, *why, self.error.hint)


def offer(department_ids: Iterable[str]) -> Message:
    """Name the departments that the app may read, for one that it may not."""
    return Message(
        N_(
            "The app may read these departments: {departments}. Enter them as "
            "sync.source_department_ids, or add the missing one in the DingTalk console to the "
            "app's contact scope (权限管理, 通讯录权限范围)."
        ),
        {"departments": ", ".join(department_ids)},
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: departments breadth first from the roots, people in the same order.

    Only a complete reading may lead to removals. `shows_mobiles` and `shows_emails` tell whether
    anybody's was visible; where nobody's is, the app probably lacks the field permission.
    """

    departments: tuple[DingTalkDepartment, ...]
    people: tuple[DingTalkUser, ...]
    reasons: tuple[IncompleteReason, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether everything in scope was seen."""
        return not self.reasons

    @property
    def shows_mobiles(self) -> bool:
        """Whether anybody's mobile was visible."""
        return any(user.mobile for user in self.people)

    @property
    def shows_emails(self) -> bool:
        """Whether anybody's email was visible."""
        return any(user.email for user in self.people)


def ends_everything(error: VendorError) -> bool:
    """Tell whether an error concerns all calls alike, so that reading on makes no sense."""
    return error.fate is Fate.STOP and not is_permission_missing(error)


class Walk:
    """A single walk; `run` is called once. The results are handled on the caller's thread."""

    def __init__(
        self, client: DingTalkClient, pool: ThreadPoolExecutor, excluded: Iterable[str]
    ) -> None:
        self._client = client
        self._pool = pool
        self._excluded = frozenset(excluded)
        self._pending: dict[Future[Any], tuple[str, Callable[[str, Any], None]]] = {}
        self._departments: dict[str, DingTalkDepartment] = {}
        self._children: dict[str, tuple[str, ...]] = {}
        self._members: dict[str, list[DingTalkUser]] = {}
        self._expanded: set[str] = set()
        self._roots: tuple[str, ...] = ()
        self._reasons: dict[tuple[Gap, GapValue | None], IncompleteReason] = {}
        self._exhausted = 0

    def run(self, roots: tuple[str, ...], *, may_be_empty: bool) -> Reading:
        """Walk from `roots`; raises `VendorError` only for what ends everything."""
        self._roots = tuple(root for root in roots if root not in self._excluded)
        for root in self._roots:
            self._submit(root, self._client.get_department, self._take_root)
        while self._pending:
            done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                department_id, take = self._pending.pop(future)
                self._finish(future, department_id, take)
        people = self._people()
        if not people and not may_be_empty:
            self._add_reason(IncompleteReason(Gap.NOBODY))
        departments = tuple(self._departments[found] for found in self._breadth_first())
        return Reading(departments, people, tuple(self._reasons.values()))

    def _submit(
        self, department_id: str, read: Callable[[str], Any], take: Callable[[str, Any], None]
    ) -> None:
        self._pending[self._pool.submit(read, department_id)] = (department_id, take)

    def _finish(
        self, future: Future[Any], department_id: str, take: Callable[[str, Any], None]
    ) -> None:
        if future.cancelled():
            return
        try:
            result = future.result()
        except VendorError as error:
            self._note(department_id, error)
        else:
            take(department_id, result)

    def _take_root(self, root: str, department: DingTalkDepartment) -> None:
        self._departments[root] = department
        self._expand(root)

    def _take_children(self, parent: str, children: tuple[DingTalkDepartment, ...]) -> None:
        wanted = [child for child in children if child.department_id not in self._excluded]
        self._children[parent] = tuple(child.department_id for child in wanted)
        for child in wanted:
            # A root that lies below another root is already there, and knows its order.
            self._departments.setdefault(child.department_id, child)
            self._expand(child.department_id)

    def _take_members(
        self, department_id: str, result: tuple[list[DingTalkUser], VendorError | None]
    ) -> None:
        self._members[department_id], error = result
        if error is not None:
            self._note(department_id, error)

    def _expand(self, department_id: str) -> None:
        if department_id in self._expanded or self._has_given_up:
            return
        self._expanded.add(department_id)
        self._submit(department_id, self._client.list_subdepartments, self._take_children)
        self._submit(department_id, self._read_members, self._take_members)

    def _read_members(self, department_id: str) -> tuple[list[DingTalkUser], VendorError | None]:
        """Read all pages; what was read before a page failed is kept."""
        users: list[DingTalkUser] = []
        cursor: int | None = 0
        while cursor is not None:
            try:
                page = self._client.list_users(department_id, cursor)
            except VendorError as error:
                return users, error
            users += page.users
            cursor = page.next_cursor
        return users, None

    @property
    def _has_given_up(self) -> bool:
        return self._exhausted >= FAILURES_TO_GIVE_UP

    def _note(self, department_id: str, error: VendorError) -> None:
        if ends_everything(error):
            raise error
        if is_permission_missing(error):
            self._add_reason(IncompleteReason(Gap.PERMISSION_MISSING, None, error))
            return
        gap = _root_gap(error) if department_id in self._roots else Gap.DEPARTMENT_FAILED
        self._add_reason(IncompleteReason(gap, department_id, error))
        if error.fate is Fate.RETRY:
            self._exhausted += 1
            if self._has_given_up:
                self._give_up(error)

    def _add_reason(self, reason: IncompleteReason) -> None:
        """Keep a reason once: of a permission by its call, of a department by its id."""
        call = reason.error.values["call"] if reason.error and not reason.department_id else None
        self._reasons.setdefault((reason.gap, reason.department_id or call), reason)

    def _give_up(self, error: VendorError) -> None:
        self._add_reason(IncompleteReason(Gap.GAVE_UP, None, error))
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
                if department_id not in seen:
                    seen.add(department_id)
                    yield department_id
                    below += self._children.get(department_id, ())
            level = below


def _root_gap(error: VendorError) -> Gap:
    if is_out_of_scope(error):
        return Gap.ROOT_OUT_OF_SCOPE
    return Gap.ROOT_GONE if error.fate is Fate.GONE else Gap.DEPARTMENT_FAILED
