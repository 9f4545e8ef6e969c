"""Looks up who holds a mobile in WeCom, as rarely as WeCom demands (`user/getuserid`).

An answer only helps: a failed lookup never stops a run and is never given as its error.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from server.directory.desired import Desired
from server.directory.model import Ledger, TargetSnapshot, fold
from server.directory.takeovers import strangers, worth_asking
from server.errors.vendor import CallCancelledError, VendorError, VendorRefusedError
from server.journal import lookups as stored
from server.journal.journal import Journal
from server.journal.lookups import Answer, Lookups
from server.sync.ledger import WAIT_S
from server.wecom.client import WeComClient

_LOG = logging.getLogger(__name__)

MOST_MISSES = 20
"""Per 24 hours: WeCom closes the call once wrong numbers reach a fifth of the member limit, which
is 100 for the smallest companies."""

_DAY_MS = 86_400_000
_ANSWERS_COUNT_MS = 7 * _DAY_MS


class HolderLookup:
    """The lookups of one run; answers are kept for later runs of the same company."""

    def __init__(self, journal: Journal, client: WeComClient, corp_id: str, now_ms: int) -> None:
        self._journal = journal
        self._client = client
        self._corp_id = corp_id
        self._now_ms = now_ms
        self._is_refused = False
        self._known = self._load()

    @property
    def holders(self) -> Mapping[str, str]:
        """The answers so far: mobile -> WeCom userid, "" for nobody."""
        return {mobile: answer.wecom_userid for mobile, answer in self._known.answers.items()}

    @property
    def can_ask(self) -> bool:
        """Whether WeCom may be asked now."""
        return not self._is_refused and len(self._known.misses_ms) < MOST_MISSES

    def ask(self, mobile: str) -> str | None:
        """Return who holds a mobile, "" for nobody; None if WeCom cannot be asked."""
        if not self.can_ask:
            return None
        try:
            holder = self._client.find_userid(mobile) or ""
        except CallCancelledError:
            raise
        except VendorError as error:
            _LOG.warning("WeCom does not say who holds a mobile: %s", error)
            self._is_refused = True
            if isinstance(error, VendorRefusedError):
                self._note_miss()
            return None
        self._put({**self._known.answers, mobile: Answer(holder, self._now_ms)})
        if not holder:
            self._note_miss()
        return holder

    def learn(self, mobile: str, holder: str | None) -> None:
        """Store a holder that the answer to a write revealed; None: the stored one is wrong."""
        answers = {key: each for key, each in self._known.answers.items() if key != mobile}
        if holder is not None:
            answers[mobile] = Answer(holder, self._now_ms)
        if answers != self._known.answers:
            self._put(answers)
            self._store()

    def forget_old(self) -> None:
        """Forget old answers, so that they are asked for again."""
        oldest_ms = self._now_ms - _ANSWERS_COUNT_MS
        answers = self._known.answers.items()
        self._put({mobile: answer for mobile, answer in answers if answer.at_ms > oldest_ms})

    def keep(self, mobiles: Collection[str]) -> None:
        """Store the answers about these mobiles and forget all others."""
        answers = self._known.answers.items()
        self._put({mobile: answer for mobile, answer in answers if mobile in mobiles})
        self._store()

    def _put(self, answers: Mapping[str, Answer]) -> None:
        self._known = replace(self._known, answers=answers)

    def _note_miss(self) -> None:
        """Count a miss on disk at once: a restart must not allow more of them."""
        self._known = replace(self._known, misses_ms=(*self._known.misses_ms, self._now_ms))
        self._store()

    def _load(self) -> Lookups:
        """Read the stored answers and clamp times in the future: the clock may have been wrong."""
        known = self._journal.read(partial(stored.load, corp_id=self._corp_id))
        misses = tuple(min(at_ms, self._now_ms) for at_ms in known.misses_ms)
        is_clamped = misses != known.misses_ms
        recent = tuple(at_ms for at_ms in misses if at_ms > self._now_ms - _DAY_MS)
        answers = {
            mobile: replace(answer, at_ms=min(answer.at_ms, self._now_ms))
            for mobile, answer in known.answers.items()
        }
        self._known = Lookups(recent, answers)
        if is_clamped:
            self._store()
        return self._known

    def _store(self) -> None:
        known, corp_id = self._known, self._corp_id
        self._journal.run(lambda conn: stored.store(conn, corp_id, known)).result(WAIT_S)


def ask_about_new_people(
    lookup: HolderLookup,
    desired: Desired,
    ledger: Ledger,
    live: TargetSnapshot,
    *,
    is_full: bool,
) -> bool:
    """Look up the mobiles of new people until every unlinked member of WeCom is identified.

    Returns whether anything was found out. An event's run asks only where a member already has the
    userid that the person would get: any other holder is named by the write itself (60104).
    """
    people = desired.people.values()
    alike, others = worth_asking(people, ledger, live)
    left = strangers(people, ledger, live)
    before = lookup.holders
    for person in alike:
        holder = lookup.ask(person.member.mobile)
        if holder is None:
            continue
        if person.adopts:
            left.add(fold(person.wecom_userid))
        left.discard(fold(holder))
    for person in others if is_full else ():
        if not left or not lookup.can_ask:
            break
        left.discard(fold(lookup.ask(person.member.mobile) or ""))
    if lookup.holders == before:
        return False
    if is_full:
        lookup.keep({each.member.mobile for each in people if each.link is None})
    return True
