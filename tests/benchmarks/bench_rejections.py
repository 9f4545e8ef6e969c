"""Whether the time of a 403 tells why: `python -m tests.benchmarks.bench_rejections [ROUNDS]`.

All kinds of rejected calls are sent in turn over one connection, each round in an order of its
own, so that what disturbs a round disturbs all kinds. Told of each pair of kinds: the median of the
ratios of a round, with the interval that holds the true median with 99.9 % confidence. Where all
intervals hold a ratio within 1 %, nobody learns anything from the clock.

Whoever signs knows the token; no stranger gets beyond the signature, so what follows it is told
apart: the decryption takes its time, the same whatever comes of it.
"""

import random
import socket
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from server.simulator.dingtalk.callbacks import body_of, query_of
from server.simulator.dingtalk.envelope import Envelope, SignedText
from tests.server.callback.service import (
    AES_KEY,
    KEY,
    PATH,
    TOKEN,
    post,
    read_answer,
    serving,
)

_ROUNDS = 20_000
_WARM_UP = 500
# Of the normal distribution: 99.9 % lie within so many standard deviations.
_CONFIDENCE_Z = 3.29
_MESSAGE = b'{"EventType":"user_modify_org","eventId":"e1","userId":["u1"]}'
_OTHER_AES_KEY = "Z" * 42 + "9"


def unsigned() -> dict[str, bytes]:
    """Calls that nobody signed, by what the keys make of them."""
    no_base64 = Envelope(TOKEN, AES_KEY, KEY).signed(
        "!" * 152, timestamp="1700000000000", nonce="n"
    )
    texts = {
        "opens with our key": _sealed(TOKEN, AES_KEY, KEY),
        **_opening(),
        "no base64": no_base64,
    }
    return {name: _request(text, "0" * 40) for name, text in texts.items()}


def signed() -> dict[str, bytes]:
    """Calls that were signed with our token, and are rejected all the same."""
    return {name: _request(text, text.signature) for name, text in _opening().items()}


def _opening() -> dict[str, SignedText]:
    return {
        "another tail": _sealed(TOKEN, AES_KEY, "d" * len(KEY)),
        "bad padding": _sealed(TOKEN, _OTHER_AES_KEY, KEY),
    }


def _sealed(token: str, aes_key: str, key: str) -> SignedText:
    return Envelope(token, aes_key, key).seal(
        _MESSAGE, random16=bytes(16), timestamp="1700000000000", nonce="n"
    )


def _request(text: SignedText, signature: str) -> bytes:
    query = query_of(text) | {"signature": signature, "msg_signature": signature}
    return post(f"{PATH}?{urlencode(query)}", body_of(text))


def measured(port: int, kinds: dict[str, bytes], rounds: int) -> dict[str, list[float]]:
    """Return the time of each call of each round, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    names = list(kinds)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in range(_WARM_UP + rounds):
            random.shuffle(names)
            for name in names:
                began_s = time.perf_counter()
                connection.sendall(kinds[name])
                status = read_answer(connection).status
                elapsed_s = time.perf_counter() - began_s
                if status != 403:
                    raise RuntimeError(f"{name} was answered with {status}")
                if number >= _WARM_UP:
                    times[name].append(elapsed_s)
    return times


def interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Return between which ratios the true median lies, by the order of those found."""
    ordered = sorted(ratios)
    middle, reach = len(ordered) / 2, _CONFIDENCE_Z * sqrt(len(ordered)) / 2
    return ordered[max(0, int(middle - reach))], ordered[min(len(ordered) - 1, int(middle + reach))]


def _print(title: str, times: dict[str, list[float]]) -> float:
    """Print the ratios; return how far the furthest interval lies from 1 at the least."""
    print(f"{title}: median {median(next(iter(times.values()))) * 1e6:.0f} us")
    furthest = 0.0
    for one, other in combinations(times, 2):
        ratios = [a / b for a, b in zip(times[one], times[other], strict=True)]
        low, high = interval(ratios)
        print(f"  {one:<20} / {other:<20} {median(ratios):.4f}  ({low:.4f} to {high:.4f})")
        furthest = max(furthest, low - 1, 1 - high)
    return furthest


def main() -> int:
    """Measure and print; returns 1 where the times of unsigned calls differ by more than 1 %."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else _ROUNDS
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder, "j.db")) as service:
        furthest = _print("unsigned", measured(service.port, unsigned(), rounds))
        _print("signed", measured(service.port, signed(), rounds))
    print(f"unsigned calls differ by at least {max(0.0, furthest):.2%}")
    return 1 if furthest > 0.01 else 0


if __name__ == "__main__":
    sys.exit(main())
