"""Sends events at a steady rate until it is ended: `ADDRESS TOKEN AES_KEY KEY RATE`."""

import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from server.service.service import now_ms
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from server.simulator.dingtalk.payloads import CONTACT_EVENTS, EventMaker

_CONNECTIONS = 8


def main(address: str, token: str, aes_key: str, key: str, rate: float) -> None:
    """Send until the process is ended."""
    rng = random.Random(1)  # noqa: S311 - repeatable, not secret
    maker = EventMaker(rng, "ding00000000000000000000000000000000", now_ms)
    began_s = time.monotonic()
    numbers, lock = iter(range(10**9)), threading.Lock()
    patience = Patience(compression=1000)
    with CallbackSender(address, token, aes_key, key, rng=rng, patience=patience) as sender:

        def send() -> None:
            while True:
                with lock:
                    number = next(numbers)
                    event = maker.any_of(CONTACT_EVENTS[number % len(CONTACT_EVENTS)])
                time.sleep(max(0.0, began_s + number / rate - time.monotonic()))
                sender.deliver(event)

        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for _ in range(_CONNECTIONS):
                pool.submit(send)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], float(sys.argv[5]))
