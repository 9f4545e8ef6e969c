"""Lives of the service: born in a process of its own, killed whenever the test likes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60.0
_POLL_S = 0.005


@dataclass(frozen=True)
class Order:
    """A service that is wanted: on which data folder, and how far its clock is ahead of ours."""

    folder: str
    transcript: str
    ahead_ms: int


class Life:
    """A service that was born; `end` is to be called however it ended."""

    def __init__(self, pid: int, transcript: Path, wait: "Ending") -> None:
        self.pid = pid
        self._transcript = transcript
        self._wait = wait

    def address(self) -> str | None:
        """Say where it takes callbacks; None before it does."""
        said = self._transcript.read_text(encoding="utf-8") if self._transcript.exists() else ""
        lines = [one for one in said.splitlines(keepends=True) if one.endswith("\n")]
        return next((one.split()[-1] for one in lines if one.startswith("listening on ")), None)

    def ready(self) -> str:
        """Wait until it takes callbacks."""
        until_s = time.monotonic() + _PATIENCE_S
        while (address := self.address()) is None:
            assert time.monotonic() < until_s, self._transcript.read_text(encoding="utf-8")
            time.sleep(_POLL_S)
        return address

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def end(self, number: int | None = None) -> int:
        """Wait for the end, which signal `number` brings about; returns the exit code."""
        if number is not None:
            os.kill(self.pid, number)
        return self._wait()


class Ending(Protocol):
    """Waits for the end of a life and returns its exit code."""

    def __call__(self) -> int: ...


class Nursery(Protocol):
    """Where services come from."""

    def bear(self, order: Order) -> Life:
        """Start one and do not wait."""


class Forked:
    """Forks services from a process that has everything imported."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def bear(self, order: Order) -> Life:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(astuple(order)) + "\n")
        self._process.stdin.flush()
        return Life(self._said(), Path(order.transcript), self._said)

    def _said(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


class Started:
    """Starts `main.py serve` as users do, at its own pace and on this computer's clock."""

    def bear(self, order: Order) -> Life:
        command = [sys.executable, "main.py", "serve", "--host", "127.0.0.1", "--port", "0"]
        with Path(order.transcript).open("wb") as stream:
            process = subprocess.Popen(
                [*command, "--data-dir", order.folder],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        return Life(process.pid, Path(order.transcript), process.wait)


@contextmanager
def forked() -> Iterator[Forked]:
    """Open a nursery that forks."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.convergence.nursery"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Forked(process)
