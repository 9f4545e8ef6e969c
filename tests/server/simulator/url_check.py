"""How DingTalk tries a callback address before it takes a subscription: one encrypted `check_url`.

Ends with the CorpId, as all calls under a subscription do that a program registered
(open.dingtalk.com, "register_call_back"; a subscription of the console ends with the AppKey).
"""

import random

from server.simulator.dingtalk.callback_registry import CheckOutcome, Subscription
from server.simulator.dingtalk.callbacks import CallbackSender, Patience, event_text
from server.simulator.dingtalk.payloads import check_url
from server.simulator.dingtalk.reply import ReplyFault

_NO_ACCESS = frozenset(
    {
        ReplyFault.UNREACHABLE,
        ReplyFault.NOT_HTTP,
        ReplyFault.TOO_SLOW,
        ReplyFault.REDIRECT,
        ReplyFault.WRONG_STATUS,
    }
)


class LoopbackUrlCheck:
    """Tries addresses on plain HTTP; `owner_key` is what the plaintext ends with."""

    def __init__(
        self, owner_key: str, rng: random.Random, patience: Patience | None = None
    ) -> None:
        self.owner_key = owner_key
        self._rng = rng
        self._patience = patience or Patience()

    def __call__(self, subscription: Subscription) -> CheckOutcome:
        """Post one `check_url` with the subscription's values and judge the answer."""
        if not subscription.url.startswith("http://"):
            return CheckOutcome.UNREACHABLE
        with CallbackSender(
            subscription.url,
            subscription.token,
            subscription.aes_key,
            self.owner_key,
            rng=self._rng,
            patience=self._patience,
        ) as sender:
            fault = sender.attempt(event_text(check_url())).fault
        if fault is None:
            return CheckOutcome.SUCCESS
        return CheckOutcome.UNREACHABLE if fault in _NO_ACCESS else CheckOutcome.NOT_SUCCESS
