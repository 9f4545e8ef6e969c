"""Carries out a person's change and corrects it by WeCom's answers until it is in or refused.

A member is created only once: the intent is on disk before the call, and after a lost reply WeCom's
list is read before the call is repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from server.directory.causes import IF_SAME_MOBILE, cause, unnamed_holder
from server.directory.change import Action, Change, all_fields, member_of
from server.directory.identity import Claimant, Decision, Match, Owner, match_owner
from server.directory.model import (
    Conflict,
    Kind,
    MemberState,
    Origin,
    PersonLink,
    fold,
)
from server.directory.revise import (
    follow,
    with_leader,
    without_departments,
    without_mobile,
)
from server.directory.text import free_userid
from server.errors.vendor import Correction, ErrorPolicy, MobileTakenError, VendorError
from server.journal.runs import RecordedChange, Result
from server.sync.executor import ChangeExecutor, PersonAttempt, Refusals, RunContext
from server.sync.outcome import cause_of
from server.sync.target import member_body
from server.wecom import wire
from server.wecom.wire import Accepted


class PeopleWriter(ChangeExecutor[PersonAttempt]):
    """Writes people, one at a time."""

    most_attempts = 8

    def __init__(self, context: RunContext) -> None:
        super().__init__(context)
        self._refusals = Refusals(context)
        self._fixes: Mapping[Correction, Callable[[PersonAttempt, VendorError], None]] = {
            Correction.ADOPT_HOLDER: self._settle_mobile,
            Correction.UPDATE_INSTEAD: self._settle_userid,
            Correction.CREATE_INSTEAD: self._settle_missing,
            Correction.DROP_EMAIL: partial(self._refusals.drop, "email"),
            Correction.DROP_MOBILE: partial(self._refusals.drop, "mobile"),
            Correction.DROP_POSITION: partial(self._refusals.drop, "position"),
            Correction.DROP_TELEPHONE: partial(self._refusals.drop, "telephone"),
            Correction.REFRESH_DEPARTMENTS: self._drop_departments,
        }

    def write(self, change: Change) -> tuple[RecordedChange, ...]:
        """Carry out a change and return its results; raises `VendorError` if it was refused."""
        if change.action is Action.DELETE:
            return self._delete(change)
        link = self._run_ledger.people.get(change.replaces or change.dingtalk_id)
        if change.action is Action.DISABLE or _is_leavers_move(change, link):
            return self._retire(change, link)
        change = with_leader(change, self._context.actual, link.accepted if link else None)
        change = without_departments(change, self._context.lost)
        return self._settle(PersonAttempt(change, link))

    def _ending(self, attempt: PersonAttempt) -> tuple[RecordedChange, ...] | None:
        change = attempt.change
        if change.action is Action.UPDATE and not change.fields and not change.cause:
            return self._nothing_left(attempt)
        return super()._ending(attempt)

    def _nothing_left(self, attempt: PersonAttempt) -> tuple[RecordedChange, ...]:
        """End a change of which nothing remains: reported otherwise, refused, or not needed."""
        failure = attempt.failure
        if failure is None or attempt.extra_results or attempt.dropped:
            self._withdraw_mark(attempt)
            is_news = self._refusals.remember(attempt)
            if failure and is_news and not attempt.extra_results:
                return (RecordedChange.of(attempt.original, Result.SKIPPED, cause_of(failure)),)
            return attempt.extra_results
        raise failure

    def _send(self, attempt: PersonAttempt) -> Accepted:
        change = attempt.change
        if attempt.is_created:
            return Accepted()
        if change.action is Action.ADOPT and not attempt.is_proven:
            return self._probe(attempt)
        if change.action is not Action.CREATE:
            attempt.is_marked |= self._run_ledger.mark_unconfirmed(change)
            return self._context.target.update_member(member_body(change))
        self._intend(attempt)
        return self._context.target.create_member(member_body(change))

    def _probe(self, attempt: PersonAttempt) -> Accepted:
        """Try to create the very member that is to be taken over, which WeCom must refuse.

        60104 names the present holder of the mobile at no cost; an earlier lookup may be outdated.
        Nothing is announced before: the member is not ours until the mobile proves it.
        """
        change = attempt.change
        answer = self._context.target.create_member(member_body(change))
        if self._context.done is Result.DONE:  # an admin has just deleted the member in the console
            attempt.change = replace(change, action=Action.CREATE)
        return answer

    def _prove_by_asking(self, attempt: PersonAttempt, error: VendorError) -> None:
        """Look up the mobile's holder if the probe named none; raises the error otherwise."""
        holder = self._context.target.holder_of(member_of(attempt.change).mobile)
        if fold(holder or "") != fold(attempt.change.wecom_id):
            raise error
        attempt.is_proven = True

    def _intend(self, attempt: PersonAttempt) -> None:
        """Announce a member before the call, so that a crash does not create a second one."""
        change = attempt.change
        known = self._run_ledger.people.get(change.dingtalk_id)
        if known and known.accepted is None and known.wecom_userid == change.wecom_id:
            return
        self._run_ledger.put_person(
            PersonLink(change.dingtalk_id, change.wecom_id, None, since_s=self._context.now_s)
        )
        self._run_ledger.mark_unconfirmed(change)
        self._run_ledger.ensure_stored()

    def _withdraw_intent(self, attempt: PersonAttempt) -> None:
        key = attempt.change.dingtalk_id
        known = self._run_ledger.people.get(key)
        if known is None or known.accepted is not None or attempt.was_intended:
            return
        self._run_ledger.confirm(Kind.PERSON, known.wecom_userid)
        if attempt.link and not attempt.change.replaces:
            self._run_ledger.put_person(attempt.link)
        else:
            self._run_ledger.drop_person(key)

    def _withdraw(self, attempt: PersonAttempt) -> None:
        super()._withdraw(attempt)
        self._withdraw_mark(attempt)

    def _withdraw_mark(self, attempt: PersonAttempt) -> None:
        """Confirm a member whose update WeCom refused, unless it was unconfirmed before."""
        if attempt.is_marked:
            self._run_ledger.confirm(Kind.PERSON, attempt.change.wecom_id)

    def _correct(self, attempt: PersonAttempt, error: VendorError) -> None:
        is_probe = attempt.change.action is Action.ADOPT and not attempt.is_proven
        if is_probe and error.policy in (ErrorPolicy.VERIFY, ErrorPolicy.STOP_CREATES):
            self._prove_by_asking(attempt, error)
            return
        if error.policy is ErrorPolicy.VERIFY and attempt.change.action is Action.CREATE:
            attempt.was_intended = True
            attempt.is_created = self._has_member(attempt.change.wecom_id, error)
            return
        fix = self._fixes.get(error.fix) if error.policy is ErrorPolicy.FIX and error.fix else None
        if fix is None:
            raise error
        fix(attempt, error)

    # --- corrections

    def _settle_mobile(self, attempt: PersonAttempt, error: VendorError) -> None:
        """Find out who holds the mobile (60104): a member of ours, one to adopt, or a conflict."""
        change, mobile = attempt.change, member_of(attempt.change).mobile
        named = error.holder if isinstance(error, MobileTakenError) else None
        holder = named or self._context.target.holder_of(mobile) or self._holder_before_plan(mobile)
        is_linked = change.action not in (Action.CREATE, Action.ADOPT)
        decision = self._decide(change, holder, is_linked=is_linked)
        if decision.match is Match.CONFLICT and not self._is_in_ledger(holder, mobile):
            is_other = decision.cause is not None and decision.cause.code == "takeover-changed"
            value = "" if is_other else mobile  # decided anew by the next run
            self._run_ledger.put_conflict(Conflict(Kind.PERSON, change.dingtalk_id, holder, value))
        if decision.cause and is_linked:
            attempt.change = change = without_mobile(change, attempt.accepted)
            conflict = replace(change, action=Action.CONFLICT, fields={}, cause=decision.cause)
            attempt.extra_results += (RecordedChange.of(conflict, Result.SKIPPED),)
            return
        attempt.is_proven = True
        attempt.change = _proven(
            follow(change, decision, self._run_ledger.people.get(decision.replaces))
        )
        if decision.match is Match.SAME:
            self._update_existing(attempt)

    def _decide(self, change: Change, holder: str, *, is_linked: bool) -> Decision:
        """Judge the holder; a listed take-over adopts the listed member or nobody."""
        member = member_of(change)
        if not holder:
            reason = unnamed_holder(member.name)
            return Decision(Match.CONFLICT, "", cause=reason)
        decision = self._judge(change, holder, is_linked=is_linked)
        is_as_listed = decision.match is Match.ADOPT and fold(holder) == fold(change.wecom_id)
        if change.action is not Action.ADOPT or is_as_listed:
            return decision
        self._context.target.learn_holder(member.mobile, holder)
        if decision.cause:
            return decision
        reason = cause(
            "takeover-changed", name=member.name, planned=change.wecom_id, wecom_id=holder
        )
        return Decision(Match.CONFLICT, holder, cause=reason)

    def _holder_before_plan(self, mobile: str) -> str:
        """Return the holder that WeCom named before the plan, "" for nobody."""
        live = self._context.live
        return live.holders.get(mobile, "") if live else ""

    def _is_in_ledger(self, holder: str, mobile: str) -> bool:
        """Whether the ledger alone shows this conflict in every plan: a leaver has the mobile."""
        owner = self._run_ledger.owner_of(holder)
        if owner is None or owner.accepted is None or owner.accepted.mobile != mobile:
            return False
        return self._context.has_left(owner.dingtalk_userid) is True

    def _judge(self, change: Change, holder: str, *, is_linked: bool) -> Decision:
        owner = self._run_ledger.owner_of(holder)
        left = self._context.has_left(owner.dingtalk_userid) if owner else None
        claim = Claimant(change.dingtalk_id, member_of(change).name, change.wecom_id, is_linked)
        is_protected = fold(holder) in self._context.rules.protected
        return match_owner(claim, Owner(holder, owner, left, is_protected))

    def _update_existing(self, attempt: PersonAttempt) -> None:
        """Update a member of ours who turned out to exist already, with all fields."""
        change = attempt.change
        fields = all_fields(member_of(change))
        if attempt.link and not attempt.link.is_enabled:
            fields = {"enable": (False, True), **fields}
        action = Action.UPDATE if change.action is Action.CREATE else change.action
        attempt.change = replace(change, action=action, fields=fields)

    def _settle_userid(self, attempt: PersonAttempt, error: VendorError) -> None:
        """Update our own member (60102 after a lost reply), or choose another userid."""
        change = attempt.change
        if change.action is Action.ADOPT:
            self._leave_to_admin(attempt)
            return
        known = attempt.link
        was_asked_before = attempt.was_intended or error.attempts > 1
        is_ours = was_asked_before or (known and known.wecom_userid == change.wecom_id)
        if is_ours:
            self._update_existing(attempt)
            return
        taken = {fold(each.wecom_userid) for each in self._run_ledger.people.values()}
        taken |= {
            fold(change.wecom_id),
            *(self._context.live.members if self._context.live else ()),
        }
        attempt.change = replace(change, wecom_id=free_userid(change.dingtalk_id, taken))

    def _leave_to_admin(self, attempt: PersonAttempt) -> None:
        """Report a conflict: the member has another mobile, or 60104 would have come first."""
        change, member = attempt.change, member_of(attempt.change)
        self._context.target.learn_holder(member.mobile, None)
        self._run_ledger.put_conflict(
            Conflict(Kind.PERSON, change.dingtalk_id, change.wecom_id, "")
        )
        reason = cause("userid-of-another", name=member.name, wecom_id=change.wecom_id)
        attempt.change = _proven(replace(change, action=Action.CONFLICT, fields={}, cause=reason))

    def _settle_missing(self, attempt: PersonAttempt, error: VendorError) -> None:
        """Find out who does not exist, the member or the leader (60111 means either)."""
        change = attempt.change
        leader = member_of(change).direct_leader if "direct_leader" in change.fields else ""
        is_new = change.action is Action.CREATE
        if leader and (is_new or self._has_member(change.wecom_id, error)):
            attempt.note(error)
            attempt.change = with_leader(
                attempt.change, {leader: attempt.accepted.direct_leader}, attempt.accepted
            )
        elif is_new:
            raise error
        else:
            attempt.was_intended = False
            attempt.change = replace(
                change, action=Action.CREATE, fields=all_fields(member_of(change))
            )

    def _drop_departments(self, attempt: PersonAttempt, error: VendorError) -> None:
        """Leave out the departments that do not exist (40066, 60123)."""
        there = self._look_up(self._context.target.departments, error)
        memberships = member_of(attempt.change).memberships
        missing = {membership.department_id for membership in memberships} - there.keys()
        if not missing:
            raise error
        attempt.note(error)
        attempt.change = without_departments(attempt.change, missing)

    def _has_member(self, wecom_userid: str, error: VendorError) -> bool:
        return self._look_up(lambda: self._context.target.has_member(wecom_userid), error)

    # --- the ledger

    def _accept(self, attempt: PersonAttempt, answer: Accepted) -> RecordedChange:
        change, link = attempt.change, attempt.link
        planned = attempt.original.wecom_id
        if change.wecom_id != planned:
            self._context.actual[planned] = change.wecom_id
        former = self._run_ledger.people.get(change.replaces) if change.replaces else None
        if change.replaces and change.replaces != change.dingtalk_id:
            self._run_ledger.drop_person(change.replaces)
        link = former or link
        self._run_ledger.confirm(Kind.PERSON, change.wecom_id)
        self._run_ledger.confirm(Kind.PERSON, planned)
        is_new = change.action in (Action.CREATE, Action.ADOPT)
        switched = change.fields.get("enable")
        is_enabled = change.action is not Action.UPDATE or bool(
            switched[1] if switched else link is None or link.is_enabled
        )
        has_turned = link is None or link.is_enabled is not is_enabled or is_new
        self._run_ledger.put_person(
            PersonLink(
                change.dingtalk_id,
                change.wecom_id,
                member_of(change),
                is_enabled=is_enabled,
                since_s=self._context.now_s if has_turned or link is None else link.since_s,
                is_since_sure=(
                    self._context.is_clock_right
                    if has_turned or link is None
                    else link.is_since_sure
                ),
                origin=_origin(change, link),
                is_hidden=self._is_hidden(change),
            )
        )
        self._run_ledger.drop_refusals(change.dingtalk_id, change.fields)
        self._refusals.remember(attempt)
        if is_new or "mobile" in change.fields:
            self._run_ledger.drop_conflict(Kind.PERSON, change.dingtalk_id)
        return RecordedChange.of(self._with_remarks(change, answer), self._context.done)

    def _is_hidden(self, change: Change) -> bool:
        """Whether WeCom accepted a change of somebody whom its list does not show."""
        live = self._context.live
        if live is None or change.action in (Action.CREATE, Action.ENABLE):
            return False
        return fold(change.wecom_id) not in live.members

    def _retire(self, change: Change, link: PersonLink | None) -> tuple[RecordedChange, ...]:
        """Disable a leaver, or move one out of a department that will be deleted."""
        if link is None:
            return ()
        self._run_ledger.mark_unconfirmed(change)
        try:
            answer = self._context.target.update_member(_retire_body(change))
        except VendorError as error:
            if error.fix is not Correction.CREATE_INSTEAD:
                raise
            self._run_ledger.confirm(change.kind, change.wecom_id)
            self._run_ledger.drop_person(link.dingtalk_userid)  # deleted in the console
            return (RecordedChange.of(change, self._context.done),)
        self._run_ledger.confirm(change.kind, change.wecom_id)
        is_disabled = change.action is Action.DISABLE
        self._run_ledger.put_person(
            replace(
                link,
                accepted=change.payload if isinstance(change.payload, MemberState) else None,
                is_enabled=link.is_enabled and not is_disabled,
                since_s=self._context.now_s if is_disabled else link.since_s,
                is_since_sure=self._context.is_clock_right if is_disabled else link.is_since_sure,
            )
        )
        self._count(change)
        return (RecordedChange.of(self._with_remarks(change, answer), self._context.done),)

    def _delete(self, change: Change) -> tuple[RecordedChange, ...]:
        answer = self._refusals.delete(change)
        self._run_ledger.confirm(change.kind, change.wecom_id)
        self._run_ledger.drop_person(change.dingtalk_id)
        self._count(change)
        return (RecordedChange.of(self._with_remarks(change, answer), self._context.done),)


def _proven(change: Change) -> Change:
    """Drop the reservation with which a take-over was listed."""
    warnings = tuple(each for each in change.warnings if each.text != IF_SAME_MOBILE)
    return replace(change, warnings=warnings)


def _retire_body(change: Change) -> wire.Member:
    """Return the request; an unconfirmed member is known by userid only."""
    if change.payload is None:
        return wire.Member(change.wecom_id, is_enabled=False)
    return member_body(change)


def _is_leavers_move(change: Change, link: PersonLink | None) -> bool:
    """Whether a change only moves a member who stays disabled."""
    is_move = change.action is Action.UPDATE and not change.replaces
    return is_move and link is not None and not link.is_enabled and "enable" not in change.fields


def _origin(change: Change, link: PersonLink | None) -> Origin:
    if change.action is Action.ADOPT:
        return Origin.ADOPTED
    return link.origin if link and link.accepted else Origin.CREATED
