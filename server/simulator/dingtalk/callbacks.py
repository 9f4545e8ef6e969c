"""The half of the small DingTalk that sends callbacks and judges the answers.

Knows the subscription's three values and the platform's patience: 1.5 s for an answer, two more
attempts after 10 and 30 seconds, then the list of failed events.
Source: DingTalk's documents on HTTP push and on `get_call_back_failed_result` (open.dingtalk.com).
"""

import json
import random
import string
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from server.simulator.dingtalk.envelope import RANDOM_BYTES, Envelope, SignedText
from server.simulator.dingtalk.exchange import Exchange
from server.simulator.dingtalk.failed_events import FailedEvents
from server.simulator.dingtalk.reply import ReplyError, ReplyFault, check_reply

_NONCE_CHARACTERS = string.ascii_letters + string.digits
_NONCE_LENGTH = 8
_CHECKS = frozenset({"check_url", "check_create_suite_url", "check_update_suite_url"})

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the platform waits for an answer, and how long between attempts, in seconds.

    `compression` divides the waits between attempts and leaves the deadline alone: at 100 they
    are 0.1 and 0.3 s. The deadline is 1.5 s in old configurations and 2.5 s in new ones.
    """

    deadline_s: float = 1.5
    retry_delays_s: tuple[float, ...] = (10.0, 30.0)
    compression: float = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One callback and the verdict on its answer; no fault means acknowledged."""

    fault: ReplyFault | None
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one event: the attempts made, and the last one's fault and duration."""

    attempts: int
    fault: ReplyFault | None
    elapsed_s: float

    @property
    def accepted(self) -> bool:
        """Whether the receiver acknowledged the event."""
        return self.fault is None


def event_text(event: Event) -> bytes:
    """Return the plaintext of an event: compact JSON, Chinese as it is and not escaped."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def query_of(text: SignedText) -> dict[str, str]:
    """Return the query as real traffic has it: the signature under both of its names."""
    return {
        "signature": text.signature,
        "msg_signature": text.signature,
        "timestamp": text.timestamp,
        "nonce": text.nonce,
    }


def body_of(text: SignedText) -> bytes:
    """Return the request's body."""
    return json.dumps({"encrypt": text.encrypt}).encode()


class CallbackSender:
    """Sends one subscription's events to its address. Thread-safe; close it when done.

    `rng` gives nonces and random bytes, `now_ms` the timestamps. `wait` is called with the seconds
    between two attempts and returns True where no further one is to be made, as `Event.wait` does;
    without it, the sender waits on an event of its own that `request_stop` sets.
    """

    def __init__(
        self,
        url: str,
        token: str,
        aes_key: str,
        key: str,
        *,
        rng: random.Random,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        patience: Patience = Patience(),
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.envelope = Envelope(token, aes_key, key)
        self.failed = FailedEvents()
        self._exchange = Exchange(url, patience.deadline_s)
        self._rng, self._now_ms = rng, now_ms
        self._patience = patience
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait

    def deliver(self, event: Event) -> Delivery:
        """Send one event until it is acknowledged or every attempt has failed.

        Then it is among `failed`, unless it was a check of the address, which is made once and
        kept nowhere. Every attempt is encrypted anew.
        """
        plaintext = event_text(event)
        delays = () if event["EventType"] in _CHECKS else self._patience.retry_delays_s
        last = self.attempt(plaintext)
        for count, delay_s in enumerate(delays, start=1):
            if last.fault is None or self._wait(delay_s / self._patience.compression):
                return Delivery(count, last.fault, last.elapsed_s)
            last = self.attempt(plaintext)
        if last.fault is not None and delays:
            self.failed.add(event)
        return Delivery(1 + len(delays), last.fault, last.elapsed_s)

    def burst(self, events: Sequence[Event], connections: int) -> list[Delivery]:
        """Deliver the events over so many connections at once; return the outcomes in order."""
        with ThreadPoolExecutor(connections, "dingbridge-simulator") as pool:
            return list(pool.map(self.deliver, events))

    def attempt(self, plaintext: bytes) -> Attempt:
        """Send any plaintext once, genuinely sealed, and judge the answer."""
        return self.post(self.sealed(plaintext))

    def post(self, text: SignedText) -> Attempt:
        """Send a signed text as it is, damaged or not, and judge the answer."""
        started = time.perf_counter()
        fault = self._fault_of_answer(text)
        return Attempt(fault, time.perf_counter() - started)

    def sealed(self, plaintext: bytes) -> SignedText:
        """Return a plaintext sealed with a fresh timestamp, nonce and random bytes."""
        return self.envelope.seal(
            plaintext,
            random16=self._rng.randbytes(RANDOM_BYTES),
            timestamp=f"{self._now_ms():013d}",
            nonce="".join(self._rng.choices(_NONCE_CHARACTERS, k=_NONCE_LENGTH)),
        )

    def request_stop(self) -> None:
        """End the waits between attempts: no further attempt is made. Not for an own `wait`."""
        self._stop.set()

    def close(self) -> None:
        """Close the connections. Call it when no delivery is under way."""
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _fault_of_answer(self, text: SignedText) -> ReplyFault | None:
        try:
            check_reply(self._exchange.post(query_of(text), body_of(text)), self.envelope)
        except ReplyError as exc:
            return exc.fault
        return None
