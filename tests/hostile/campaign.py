"""Strangers against the running service: `python -m tests.hostile.campaign [SECONDS]`.

A genuine call is made every 100 ms while each attack goes on. Told of each: the calls and the
slowest of them, what the service's memory and log grew by, and whether it is idle 4 s afterwards.
The service has the 480 places that Windows' `select` leaves.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from server.simulator.dingtalk.callbacks import event_text
from server.simulator.dingtalk.envelope import Envelope
from tests.hostile.attacks import ATTACKS
from tests.server.callback.service import (
    AES_KEY,
    KEY,
    TOKEN,
    read_answer,
    request_of,
)

_ROOT = Path(__file__).parents[2]
_PLACES = 480
_OTHER_FILES = 64
_EVERY_S = 0.1
_GIVE_UP_S = 10.0
IDLE_AFTER_S = 4.0
_IDLE_FOR_S = 1.0


@dataclass
class Result:
    """What a phase did to the service; times in seconds, sizes in bytes."""

    name: str
    lasted_s: float = 0.0
    times_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    memory_grew: int = 0
    log_grew: int = 0
    tracebacks: int = 0
    connections: int = 0

    @property
    def worst_s(self) -> float:
        return max(self.times_s, default=0.0)

    @property
    def log_a_minute(self) -> float:
        return self.log_grew / max(self.lasted_s, 1.0) * 60

    def __str__(self) -> str:
        times = sorted(self.times_s) or [0.0]
        return (
            f"{self.name:<14}{len(times):5} calls, {len(self.failures)} failed, "
            f"median {times[len(times) // 2] * 1000:5.0f} ms, worst {self.worst_s * 1000:5.0f} ms; "
            f"memory {self.memory_grew / 2**20:+5.1f} MiB, log {self.log_a_minute / 1000:5.1f} "
            f"kB/min, {self.tracebacks} tracebacks; {self.connections} connections"
        )


class Target:
    """A service in a process of its own, with few places for connections."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]", port: int) -> None:
        self._log = folder / "logs" / "dingbridge.log"
        self.pid = process.pid
        self.port = port
        self._count = 0
        self.is_calm_bytes = self.memory

    @property
    def memory(self) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    @property
    def log(self) -> bytes:
        """All of the log, with what was moved aside."""
        parts = sorted(self._log.parent.iterdir(), reverse=True)
        return b"".join(part.read_bytes() for part in parts)

    @property
    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def genuine_call(self) -> bytes:
        """A request that DingTalk could have made, with an event of its own."""
        self._count += 1
        text = Envelope(TOKEN, AES_KEY, KEY).seal(
            event_text({"EventType": "t", "eventId": f"genuine{self._count}"}),
            random16=os.urandom(16),
            timestamp=str(time.time_ns() // 1_000_000),
            nonce="n",
        )
        return request_of(text)

    def call(self) -> int:
        """Make a genuine call over a connection of its own; return the status."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=_GIVE_UP_S) as connection:
            connection.sendall(self.genuine_call())
            return read_answer(connection).status


@contextmanager
def target(folder: Path) -> Iterator[Target]:
    """Start a service and stop it."""
    settings = {"callback": {"token": TOKEN, "aes_key": AES_KEY, "key": KEY, "host": "127.0.0.1"}}
    limit = f'ulimit -n {_PLACES + _OTHER_FILES} && exec "$@"'
    command = [sys.executable, "main.py", "--data-dir", str(folder)]
    subprocess.run(
        [*command, "configure"],
        input=json.dumps(settings).encode(),
        cwd=_ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    process = subprocess.Popen(
        ["sh", "-c", limit, "sh", *command, "serve", "--port", "0"],
        cwd=_ROOT,
        stderr=subprocess.PIPE,
    )
    try:
        if process.stderr is None:
            raise RuntimeError("no pipe to read the address from")
        address = process.stderr.readline().decode()
        yield Target(folder, process, int(address.rpartition(":")[2].partition("/")[0]))
    finally:
        process.terminate()
        process.communicate(timeout=30)


def run(one: Target, name: str, seconds: float) -> Result:
    """Attack for so long, calling all the while; "calm" is no attack at all."""
    result = Result(name)
    before_bytes, log_before = one.is_calm_bytes, one.log
    captured = one.genuine_call()
    started_s = time.monotonic()
    attack = _started(name, one.port, seconds, captured)
    highest = 0
    while time.monotonic() < started_s + seconds:
        called_s = time.monotonic()
        try:
            status = one.call()
        except (OSError, AssertionError) as failure:
            result.failures.append(repr(failure))
        else:
            if status != 200:
                result.failures.append(str(status))
        result.times_s.append(time.monotonic() - called_s)
        highest = max(highest, one.memory)
        time.sleep(max(0.0, called_s + _EVERY_S - time.monotonic()))
    if attack is not None:
        told, _ = attack.communicate(timeout=60)
        result.connections = int(told)
    result.lasted_s = time.monotonic() - started_s
    result.memory_grew = highest - before_bytes
    log_now = one.log
    result.log_grew = len(log_now) - len(log_before)
    result.tracebacks = log_now.count(b"Traceback") - log_before.count(b"Traceback")
    return result


def _started(
    name: str, port: int, seconds: float, captured: bytes
) -> "subprocess.Popen[bytes] | None":
    if name == "calm":
        return None
    attack = subprocess.Popen(
        [sys.executable, "-m", "tests.hostile.attacks", name, str(port), str(seconds)],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    if attack.stdin is None:
        raise RuntimeError("no pipe to hand over the captured call")
    attack.stdin.write(captured)
    attack.stdin.close()
    attack.stdin = None
    return attack


def busy_share(one: Target) -> float:
    """Tell how much of a processor the service uses some time after the last hostile byte."""
    time.sleep(IDLE_AFTER_S)
    cpu_before_s = one.cpu_s
    time.sleep(_IDLE_FOR_S)
    return (one.cpu_s - cpu_before_s) / _IDLE_FOR_S


def main() -> None:
    """Run all attacks and print what they did."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    with tempfile.TemporaryDirectory() as folder, target(Path(folder)) as one:
        for name in ("calm", *ATTACKS):
            result = run(one, name, seconds)
            print(f"{result}; busy {busy_share(one):.0%} after {IDLE_AFTER_S:.0f} s", flush=True)  # noqa: T201 - a command for people


if __name__ == "__main__":
    main()
