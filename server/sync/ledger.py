"""The ledger while a run changes it: in memory for decisions, in the journal for good.

The links, the removal and the result of one change are one transaction. A run does not wait for
each commit, since the journal keeps their order; only an announced creation must be on disk before
its call is made.
"""

import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import partial
from sqlite3 import Connection

from server.directory.change import Change
from server.directory.model import (
    Conflict,
    DepartmentLink,
    Kind,
    Ledger,
    PersonLink,
    Refusal,
    Removal,
    Scope,
    doubt_key,
    fold,
)
from server.journal import ledger as stored
from server.journal import runs
from server.journal.journal import Journal
from server.journal.runs import RecordedChange
from server.journal.writer import Ticket

_LOG = logging.getLogger(__name__)
_Step = Callable[[Connection], object]
WAIT_S = 60.0
"""How long to wait for the disk; a journal that takes longer is broken, and the run fails."""


class RunLedger:
    """The ledger during a run. With `is_preview` only results are stored, never links."""

    def __init__(
        self, journal: Journal, known: Ledger, run_id: int, *, is_preview: bool = False
    ) -> None:
        self._journal = journal
        self.run_id = run_id
        self._is_preview = is_preview
        self.people = dict(known.people)
        self.departments = dict(known.departments)
        self._conflicts = {(each.kind, each.dingtalk_id): each for each in known.conflicts}
        self._removals = list(known.removals)
        self._scope = known.approved_scope
        self._doubts = dict(known.doubts)
        self._refusals = dict(known.refusals)
        self._steps: list[_Step] = []
        self._ticket: Ticket[None] | None = None
        self.results: list[RecordedChange] = []
        self._is_renamed = False

    @property
    def ledger(self) -> Ledger:
        """The ledger in its present state."""
        return Ledger(
            dict(self.people),
            dict(self.departments),
            tuple(self._conflicts.values()),
            tuple(self._removals),
            self._scope,
            dict(self._doubts),
            dict(self._refusals),
        )

    def owner_of(self, wecom_userid: str) -> PersonLink | None:
        """Return the link of a member; None if the member is not ours."""
        key = fold(wecom_userid)
        return next((each for each in self.people.values() if fold(each.wecom_userid) == key), None)

    def put_person(self, link: PersonLink) -> None:
        """Remember a link in place of the one this DingTalk userid had."""
        self.people[link.dingtalk_userid] = link
        self._steps.append(partial(stored.put_person, link=link))

    def drop_person(self, dingtalk_userid: str) -> None:
        """Forget a link."""
        self.people.pop(dingtalk_userid, None)
        self._steps.append(partial(stored.drop_person, dingtalk_userid=dingtalk_userid))

    def put_department(self, link: DepartmentLink) -> None:
        """Remember a link in place of the one this DingTalk department had."""
        self.departments[link.department_id] = link
        self._steps.append(partial(stored.put_department, link=link))

    def drop_department(self, department_id: str) -> None:
        """Forget a link."""
        self.departments.pop(department_id, None)
        self._steps.append(partial(stored.drop_department, department_id=department_id))

    def put_conflict(self, conflict: Conflict) -> None:
        """Remember a conflict, which waits for the admin."""
        self._conflicts[conflict.kind, conflict.dingtalk_id] = conflict
        self._steps.append(partial(stored.put_conflict, conflict=conflict))

    def drop_conflict(self, kind: Kind, dingtalk_id: str) -> None:
        """Forget a conflict, if there is one."""
        if self._conflicts.pop((kind, dingtalk_id), None):
            self._steps.append(partial(stored.drop_conflict, kind=kind, dingtalk_id=dingtalk_id))

    def mark_unconfirmed(self, change: Change) -> bool:
        """Note on disk which fields are about to be written; False if any were noted already.

        If the answer is lost, or this process is killed, WeCom's values are unknown. The next plan
        then writes these fields again, even if DingTalk has since returned to the old values.
        """
        key = doubt_key(change.kind, change.wecom_id)
        before = self._doubts.get(key, frozenset())
        if self._is_preview or before >= change.fields.keys():
            return False
        self._doubts[key] = before | change.fields.keys()
        kind, wecom_id = key
        fields = self._doubts[key]
        self._steps.append(
            partial(stored.mark_unconfirmed, kind=kind, wecom_id=wecom_id, fields=fields)
        )
        self.ensure_stored()
        return not before

    def confirm(self, kind: Kind, wecom_id: str) -> None:
        """Note that WeCom answered; stored with the next result."""
        key = doubt_key(kind, wecom_id)
        if self._doubts.pop(key, None) is not None:
            self._steps.append(partial(stored.confirm, kind=key[0], wecom_id=key[1]))

    def refuse(self, dingtalk_userid: str, field: str, refusal: Refusal) -> bool:
        """Remember a value that WeCom refuses for good; False if it was known already."""
        before = self._refusals.get(dingtalk_userid, {})
        self._put_refusals(dingtalk_userid, {**before, field: refusal})
        return field not in before or before[field].value != refusal.value

    def drop_refusals(self, dingtalk_userid: str, fields: Iterable[str]) -> None:
        """Forget the refusals of these fields, if there are any."""
        before, gone = self._refusals.get(dingtalk_userid, {}), set(fields)
        if not gone.isdisjoint(before):
            kept = {field: one for field, one in before.items() if field not in gone}
            self._put_refusals(dingtalk_userid, kept)

    def keep_refusals_of(self, dingtalk_userids: Container[str]) -> None:
        """Forget the refusals of everybody else."""
        for userid in [each for each in self._refusals if each not in dingtalk_userids]:
            self._put_refusals(userid, {})

    def _put_refusals(self, dingtalk_userid: str, refusals: Mapping[str, Refusal]) -> None:
        self._refusals[dingtalk_userid] = refusals
        if not refusals:
            del self._refusals[dingtalk_userid]
        step = partial(
            stored.put_refusals, dingtalk_userid=dingtalk_userid, refusals=dict(refusals)
        )
        self._steps.append(step)

    def add_removal(self, removal: Removal) -> None:
        """Remember a removal for the guard."""
        self._removals.append(removal)
        self._steps.append(partial(stored.add_removal, removal=removal))

    def rename(self, known: Ledger) -> None:
        """Re-key links after the company's ids changed. Stored when the new scope is approved."""
        self.people = dict(known.people)
        self._is_renamed = True

    def approve(self, scope: Scope) -> None:
        """Remember the approved scope."""
        if self._is_renamed:
            self._is_renamed = False
            links = tuple(self.people.values())
            self._steps.append(partial(stored.replace_people, links=links))
        if self._scope is None or not scope.is_same(self._scope):
            self._scope = scope
            self._steps.append(partial(stored.set_approved_scope, scope=scope))

    def record(self, changes: Iterable[RecordedChange]) -> None:
        """Store results together with what they did to the ledger."""
        listed = tuple(changes)
        self.results += listed
        self._commit(listed)

    def ensure_stored(self) -> None:
        """Wait until everything so far is on disk; raises JournalError."""
        self._commit(())
        if self._ticket is not None:
            self._ticket.result(WAIT_S)

    def _commit(self, changes: Sequence[RecordedChange]) -> None:
        steps = () if self._is_preview else tuple(self._steps)
        run_id = self.run_id
        self._steps.clear()
        if not steps and not changes:
            return
        if self._ticket is not None and self._ticket.is_done:
            self._ticket.result()  # raises what the last one could not store

        def store(conn: Connection) -> None:
            for step in steps:
                step(conn)
            runs.record(conn, run_id, *changes)

        self._ticket = self._journal.run(store)


def load_ledger(journal: Journal, corp_id: str, *, is_preview: bool = False) -> Ledger:
    """Read this company's ledger, and archive the ledger of another company that was in use.

    A preview only reads it and leaves the other one in use.
    """

    def look(conn: Connection) -> Ledger:
        stored.view_as_in_use(conn, corp_id)
        return stored.load(conn)

    if is_preview:
        return journal.read(look)
    if journal.read(stored.corp_in_use) != corp_id:
        _LOG.info("Switching to the ledger of the WeCom company %s", corp_id)
        journal.run(lambda conn: stored.put_in_use(conn, corp_id)).result(WAIT_S)
    return journal.read(stored.load)
