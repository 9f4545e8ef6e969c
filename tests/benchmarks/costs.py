"""Where each microsecond of a callback goes: the loop's turns, taken one step at a time.

The least of many turns is told beside the median: on a shared machine it is nearer the truth.
"""

import socket
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from crypto.callback import CallbackVerifier
from crypto.credentials import Credentials, Keyring
from server.callback.batching import BatchingQueue
from server.callback.handler import CallbackHandler, Outcome
from server.callback.listener import Listener, open_socket
from server.callback.rejections import RejectionLog
from server.callback.wsgi import build_app
from server.journal.journal import Journal
from tests.benchmarks.load import AES_KEY, KEY, PATH, TOKEN, requests

_CONNECTIONS = 16
_TURNS = 200
_STEPS = ("wait for sockets", "read and parse", "verify", "store (the disk's time)", "answer")


def print_costs() -> None:
    """Measure in this process, over real sockets, and print."""
    steps: dict[str, list[float]] = {step: [] for step in _STEPS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        journal = Journal.open(folder / "costs.db", now_ms=0)
        stack.callback(journal.close, 10)
        queue = BatchingQueue(journal.append)
        keyring = Keyring(Credentials.of(TOKEN, AES_KEY, KEY))
        handler = CallbackHandler(CallbackVerifier(keyring), RejectionLog(), lambda _: None)
        listening = stack.enter_context(open_socket("127.0.0.1", 0))
        listener = Listener(listening, build_app(handler, PATH), queue)
        callers = [
            stack.enter_context(socket.create_connection(listener.address))
            for _ in range(_CONNECTIONS)
        ]
        while len(listener._server.active_channels) < _CONNECTIONS:
            listener._turn(0.01)
        messages = iter(requests(_CONNECTIONS * _TURNS, seed=1))
        for _ in range(_TURNS):
            _take_turn(listener, queue, journal, [(one, next(messages)) for one in callers], steps)
    print(f"of each callback, {_CONNECTIONS} a turn, in us: least, median")
    for step, found in steps.items():
        print(f"  {step:<24}{min(found):6.1f} {statistics.median(found):6.1f}")


def _take_turn(
    listener: Listener,
    queue: BatchingQueue,
    journal: Journal,
    calls: list[tuple[socket.socket, bytes]],
    steps: dict[str, list[float]],
) -> None:
    for caller, message in calls:
        caller.sendall(message)
    while len(listener._wait(1.0, listener._map)) < len(calls):
        time.sleep(0.001)
    marks = [time.perf_counter()]
    ready = listener._wait(1.0, listener._map)
    marks.append(time.perf_counter())
    listener._attend(ready)
    while len(queue._ready) < len(calls):  # the turn's time was up: a busy machine
        listener._attend(listener._wait(1.0, listener._map))
    marks.append(time.perf_counter())
    waiting = queue._verified(queue._ready, marks[-1] + 60)
    marks.append(time.perf_counter())
    events = [verified.event for _, verified in waiting if verified.event is not None]
    uses = [verified.use for _, verified in waiting if verified.use is not None]
    outcome = Outcome(journal.append(events, uses).result(10), None)
    marks.append(time.perf_counter())
    for channel, verified in waiting:
        channel.conclude(verified, outcome)
    marks.append(time.perf_counter())
    for caller, _ in calls:
        caller.recv(65536)
    for step, begin, end in zip(_STEPS, marks, marks[1:], strict=False):
        steps[step].append((end - begin) / len(calls) * 1e6)
