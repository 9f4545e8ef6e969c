"""Durable callbacks against two peers in one run: `python -m tests.benchmarks.bench_callbacks`.

Prints ratios; single figures of a shared machine say little. Every round runs all three in turn.
The load comes from `wrk` where that is installed: a generator in Python takes a processor for
itself, and shows the service slower than it is.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.benchmarks import wrk
from tests.benchmarks.costs import print_costs
from tests.benchmarks.load import AES_KEY, KEY, TOKEN, as_fast_as_answered, at_a_rate, requests

_ROOT = Path(__file__).parents[2]
_ROUNDS = 7
_MESSAGES = 4000
_WRK_S = 2
# More than any of the three answers in that time.
_WRK_MESSAGES = 16_000
_CONNECTIONS = 16
_RATE = 200.0
_RATE_MESSAGES = 2000
_IDLE_S = 10.0


def main() -> None:
    """Measure and print."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = stack.enter_context(_service(folder))
        served = {
            "bare": stack.enter_context(_peer("bare")),
            "flask": stack.enter_context(_peer("flask")),
            "ours": ours,
        }
        _print_idle(ours)
        _print_ratios(served)
        _print_latency(ours.port)
        _print_memory("after the load", ours.pid)
    print_costs()


class _Serving:
    def __init__(self, pid: int, port: int) -> None:
        self.pid = pid
        self.port = port


@contextmanager
def _service(folder: Path) -> Iterator[_Serving]:
    settings = {"callback": {"token": TOKEN, "aes_key": AES_KEY, "key": KEY, "host": "127.0.0.1"}}
    command = [sys.executable, "main.py", "--data-dir", str(folder)]
    subprocess.run(
        [*command, "configure"],
        input=json.dumps(settings).encode(),
        cwd=_ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with _started([*command, "serve", "--port", "0"], stderr=subprocess.PIPE) as process:
        if process.stderr is None:
            raise RuntimeError("no pipe to read the address from")
        address = process.stderr.readline().decode()
        yield _Serving(process.pid, int(address.rpartition(":")[2].partition("/")[0]))


@contextmanager
def _peer(name: str) -> Iterator[_Serving]:
    port = _free_port()
    command = [sys.executable, "-m", "tests.benchmarks.peers", name, str(port)]
    with _started(command) as process:
        _wait_until_open(port)
        yield _Serving(process.pid, port)


@contextmanager
def _started(command: list[str], **options: int) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(command, cwd=_ROOT, **options)  # type: ignore[call-overload] # options are pipes
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_open(port: int) -> None:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}")


def _print_ratios(served: dict[str, _Serving]) -> None:
    rates: dict[str, list[float]] = {name: [] for name in served}
    costs_us: dict[str, list[float]] = {name: [] for name in served}
    has_wrk = wrk.is_there()
    print("the load comes from", "wrk" if has_wrk else "Python: install wrk for true figures")
    for round_number in range(_ROUNDS + 1):
        messages = requests(_WRK_MESSAGES if has_wrk else _MESSAGES, seed=round_number)
        for name, one in served.items():
            before = _cpu_ticks(one.pid)
            began_s = time.perf_counter()
            rate = _rate(one.port, messages, name=name)
            answered = rate * (time.perf_counter() - began_s)
            if round_number:  # the first warms up
                rates[name].append(rate)
                used_s = (_cpu_ticks(one.pid) - before) / os.sysconf("SC_CLK_TCK")
                costs_us[name].append(used_s / answered * 1e6)
    for name, found in rates.items():
        print(
            f"{name:<6} {statistics.median(found):6.0f}/s  ({min(found):.0f} to {max(found):.0f}), "
            f"{statistics.median(costs_us[name]):4.0f} us of processor a callback"
        )
    for peer in ("bare", "flask"):
        pairs = [ours / theirs for ours, theirs in zip(rates["ours"], rates[peer], strict=True)]
        print(f"ours / {peer:<5} {_spread(pairs, '.2f')}")


def _rate(port: int, messages: list[bytes], *, name: str) -> float:
    if wrk.is_there():
        return wrk.rate(port, messages, _CONNECTIONS, _WRK_S)
    outcome = as_fast_as_answered(port, messages, _CONNECTIONS)
    if outcome.refused:
        raise RuntimeError(f"{name} refused {outcome.refused} callbacks")
    return outcome.rate


def _spread(found: list[float], form: str) -> str:
    return f"{statistics.median(found):{form}}  ({min(found):{form}} to {max(found):{form}})"


def _print_latency(port: int) -> None:
    messages = requests(_RATE_MESSAGES, seed=99)
    outcome = at_a_rate(port, messages, _CONNECTIONS, _RATE)
    print(
        f"at {_RATE:.0f} callbacks/s: median {outcome.percentile_ms(0.5):.1f} ms, "
        f"p99 {outcome.percentile_ms(0.99):.1f} ms, worst {outcome.percentile_ms(1):.1f} ms"
    )


def _print_idle(service: _Serving) -> None:
    if not Path("/proc/self").exists():
        return
    before = _cpu_ticks(service.pid)
    time.sleep(_IDLE_S)
    used_s = (_cpu_ticks(service.pid) - before) / os.sysconf("SC_CLK_TCK")
    print(f"idle: {used_s / _IDLE_S:.1%} of one processor")
    _print_memory("idle", service.pid)


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _print_memory(when: str, pid: int) -> None:
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        print(f"memory {when}: {int(lines['VmRSS'].split()[0]) / 1024:.1f} MiB resident")


if __name__ == "__main__":
    main()
