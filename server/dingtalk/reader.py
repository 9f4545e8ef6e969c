"""Reads DingTalk's directory: the whole scope, a subtree, single people or departments.

Always says whether it saw everything, since removals depend on that. Decides nothing.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, TypeVar

from server.dingtalk.client import DingTalkClient
from server.dingtalk.errors import is_department_gone, is_out_of_scope, is_person_gone
from server.dingtalk.walk import (
    FAILURES_TO_GIVE_UP,
    Gap,
    IncompleteReason,
    Reading,
    Walk,
    ends_everything,
)
from server.dingtalk.wire import DingTalkDepartment, DingTalkUser
from server.errors.vendor import ErrorPolicy, VendorError

_THREADS = 8  # two APIs at 19 calls/s each, up to 200 ms a call
_PLACES_A_THREAD = 2  # running or queued calls; more of them would only take memory
_T = TypeVar("_T")


class Outcome(Enum):
    """The outcome of reading one person or department. GONE: DingTalk says it does not exist."""

    FOUND = "found"
    GONE = "gone"
    OUT_OF_SCOPE = "out-of-scope"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Found(Generic[_T]):
    """What was read for one id: `value` if it was found, `error` otherwise."""

    dingtalk_id: str
    outcome: Outcome
    value: _T | None = None
    error: VendorError | None = None


class Reader:
    """Reads with a few threads of its own. Call it from one thread at a time.

    An error that concerns all calls (credentials, address, network, stop request) is raised as
    `VendorError`; an error about one person or department is in the result.
    """

    def __init__(self, client: DingTalkClient, *, threads: int = _THREADS) -> None:
        self._client = client
        self._threads = threads

    def read_scope(self, roots: Iterable[str], excluded: Iterable[str] = ()) -> Reading:
        """Read everybody below `roots`, except in and below `excluded`.

        A walk that finds nobody counts as incomplete: that is a lost permission, not a company.
        """
        reading = self._walk(roots, excluded, may_be_empty=False)
        if not any(reason.gap is Gap.ROOT_OUT_OF_SCOPE for reason in reading.reasons):
            return reading
        readable = self._client.readable_departments()
        return replace(reading, reasons=tuple(_offering(one, readable) for one in reading.reasons))

    def read_subtree(self, department_id: str, excluded: Iterable[str] = ()) -> Reading:
        """Read a department and all below it; the reasons say if it is gone or out of scope."""
        return self._walk([department_id], excluded, may_be_empty=True)

    def read_people(self, userids: Iterable[str]) -> tuple[Found[DingTalkUser], ...]:
        """Read people with their managers, in the order asked for; one call each."""
        return self._read_each(userids, self._client.get_user, is_person_gone)

    def read_departments(
        self, department_ids: Iterable[str]
    ) -> tuple[Found[DingTalkDepartment], ...]:
        """Read departments with their orders, in the order asked for; one call each."""
        return self._read_each(department_ids, self._client.get_department, is_department_gone)

    def _walk(
        self, roots: Iterable[str], excluded: Iterable[str], *, may_be_empty: bool
    ) -> Reading:
        with self._pool() as pool:
            try:
                walk = Walk(self._client, pool, excluded, places=self._places)
                return walk.run(tuple(dict.fromkeys(roots)), may_be_empty=may_be_empty)
            except VendorError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _read_each(
        self,
        ids: Iterable[str],
        read: Callable[[str], _T],
        is_gone: Callable[[VendorError], bool],
    ) -> tuple[Found[_T], ...]:
        """Read each id once; raises an error that concerns all, or the last of too many."""
        waiting = dict.fromkeys(ids)
        found: dict[str, Found[_T] | None] = dict(waiting)
        pending: set[Future[Found[_T]]] = set()
        exhausted = 0
        with self._pool() as pool:
            try:
                while waiting or pending:
                    while waiting and len(pending) < self._places:
                        dingtalk_id = next(iter(waiting))
                        del waiting[dingtalk_id]
                        pending.add(pool.submit(_read_one, dingtalk_id, read, is_gone))
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        one = future.result()
                        found[one.dingtalk_id] = one
                        exhausted += _is_exhausted(one.error)
                        if exhausted >= FAILURES_TO_GIVE_UP and one.error is not None:
                            raise one.error
            except VendorError:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return tuple(one for one in found.values() if one is not None)

    @property
    def _places(self) -> int:
        return self._threads * _PLACES_A_THREAD

    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="dingbridge-reader")


def _offering(reason: IncompleteReason, readable: tuple[str, ...]) -> IncompleteReason:
    return replace(reason, readable=readable) if reason.gap is Gap.ROOT_OUT_OF_SCOPE else reason


def _read_one(
    dingtalk_id: str, read: Callable[[str], _T], is_gone: Callable[[VendorError], bool]
) -> Found[_T]:
    try:
        return Found(dingtalk_id, Outcome.FOUND, read(dingtalk_id))
    except VendorError as error:
        if ends_everything(error):
            raise
        return Found(dingtalk_id, _outcome(error, is_gone), error=error)


def _outcome(error: VendorError, is_gone: Callable[[VendorError], bool]) -> Outcome:
    if is_gone(error):
        return Outcome.GONE
    return Outcome.OUT_OF_SCOPE if is_out_of_scope(error) else Outcome.FAILED


def _is_exhausted(error: VendorError | None) -> bool:
    """Whether a call failed despite all retries."""
    return error is not None and error.policy is ErrorPolicy.RETRY
