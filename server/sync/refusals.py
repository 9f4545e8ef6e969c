"""What WeCom refuses for good: left out, told, and remembered, so that not every run sends it."""

from server.directory.change import Action, Change, member_of
from server.directory.model import NOBODY, Refusal
from server.directory.refusals import DELETION
from server.directory.revise import without_mobile, without_text
from server.errors.vendor import VendorError
from server.sync.attempt import PersonAttempt
from server.sync.scene import Scene
from server.sync.troubles import cause_of, is_for_good
from server.wecom.wire import Accepted


class Refusals:
    """Deals with the refusals of one run."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._book = scene.book

    def drop(self, field: str, attempt: PersonAttempt, error: VendorError) -> None:
        """Leave a value as WeCom last accepted it; raises the error where nothing would remain.

        WeCom wants a mobile or an email of everybody (60129).
        """
        change = attempt.change
        if field not in change.fields:
            raise error
        attempt.dropped[field] = self._refusal(getattr(member_of(change), field), error)
        before = NOBODY if change.action is Action.CREATE else attempt.accepted
        if field == "mobile":
            revised = without_mobile(change, before)
        else:
            revised = without_text(change, field, before)
        if not (member_of(revised).mobile or member_of(revised).email):
            self.remember(attempt)
            raise error
        attempt.change = revised
        attempt.note(error)

    def remember(self, attempt: PersonAttempt) -> bool:
        """Keep what was dropped, once that has helped; return whether any of it is news."""
        key = attempt.change.dingtalk_id
        news = [self._book.refuse(key, field, one) for field, one in attempt.dropped.items()]
        return any(news)

    def delete(self, change: Change) -> Accepted:
        """Delete a member; one that WeCom never lets go (301005) is remembered."""
        try:
            return self._scene.target.delete_member(change.wecom_id)
        except VendorError as error:
            if is_for_good(error):
                self._book.refuse(change.dingtalk_id, DELETION, self._refusal("", error))
            raise

    def _refusal(self, value: str, error: VendorError) -> Refusal:
        return Refusal(value, self._scene.now_s, cause_of(error))
