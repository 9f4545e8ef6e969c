"""A sender for the receivers of these tests, patient enough for a slow machine."""

from collections.abc import Callable
from dataclasses import dataclass, field

from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.simulator.dingtalk.payloads import EventMaker
from tests.server.simulator.receiver import AES_KEY, KEY, PATIENCE_OF_TESTS_S, TOKEN
from tests.server.simulator.seeds import seeded

NOW_MS = 1_700_000_000_123
EVENT = EventMaker(seeded(3), "ding0123456789abcdef", lambda: NOW_MS).any_of("user_modify_org")


@dataclass
class Waits:
    """Records the waits and returns at once; `stopped` answers as a set event does."""

    stopped: bool = False
    seconds: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return self.stopped


def sender_to(
    url: str,
    *,
    deadline_s: float = PATIENCE_OF_TESTS_S,
    compression: float = 1.0,
    wait: Callable[[float], bool] | None = None,
    seed: int = 1,
) -> CallbackSender:
    return CallbackSender(
        url,
        TOKEN,
        AES_KEY,
        KEY,
        rng=seeded(seed),
        now_ms=lambda: NOW_MS,
        patience=Patience(deadline_s=deadline_s, compression=compression),
        wait=wait,
    )
