"""The built program, started under Wine and driven from outside as a person or DingTalk would."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from tests.crypto.made_up import AES_KEYS, KEYS, TOKENS
from tests.tools.windows.wine import Wine, outcome, windows_path

TOKEN, AES_KEY, KEY = TOKENS[0], AES_KEYS[0], KEYS[0]
# Loopback only, any free port: tests run beside each other and beside a real service.
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "callback": {"host": "127.0.0.1", "port": 0, "token": TOKEN, "aes_key": AES_KEY, "key": KEY},
    "ui": {"language": "en"},
}
_LIMIT_S = 90.0
# DingTalk itself waits 1.5 s. Wine on a busy machine may need more; that is not what is tested.
PATIENT = Patience(deadline_s=20.0, compression=1000)


def until(is_so: Callable[[], bool], limit_s: float = _LIMIT_S) -> bool:
    """Wait until something is so; tells whether it became so in time."""
    end_s = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.02)
    return True


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command did and said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The JSON document on standard output."""
        return json.loads(self.out)


@dataclass(slots=True)
class Serving:
    """A running `serve`. `url` is the callback address, once it accepts callbacks."""

    process: "subprocess.Popen[bytes]"
    program: "Program"
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The address to send callbacks to."""
        assert until(lambda: bool(self._announced()) or self.process.poll() is not None)
        assert self._announced(), self.lines
        return self._announced()

    @contextmanager
    def sender(self) -> Iterator[CallbackSender]:
        """DingTalk, as far as it sends callbacks to this service."""
        rng = random.Random(20261122)  # noqa: S311 - repeatable, not secret
        with CallbackSender(self.url, TOKEN, AES_KEY, KEY, rng=rng, patience=PATIENT) as sender:
            yield sender

    def kill(self) -> None:
        """End the program the hard way, all its processes at once."""
        self.program.end()
        self.process.wait()

    def _announced(self) -> str:
        found = [line for line in self.lines if line.startswith("listening on ")]
        return found[0].removeprefix("listening on ").strip() if found else ""

    def listen(self) -> None:
        """Collect what the program says on standard error, until it ends."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(self.program.read(line))


@dataclass(frozen=True, slots=True)
class Program:
    """One built program with one data folder; `wine` decides the language."""

    wine: Wine
    exe: Path
    data: Path

    def run(self, *words: str, text: str = "", extra: Mapping[str, str] | None = None) -> Finished:
        """Run a command to its end, `text` on its standard input."""
        started = self._start(*words, extra=extra)
        try:
            out, err = outcome(started, text.encode(), _LIMIT_S)
        except subprocess.TimeoutExpired:
            self.end()
            raise
        return Finished(started.returncode, *(self.read(stream) for stream in (out, err)))

    def configure(self, settings: object = SETTINGS) -> Finished:
        """Merge settings."""
        return self.run("configure", text=json.dumps(settings))

    @contextmanager
    def serving(self, *words: str) -> Iterator[Serving]:
        """Serve for the time of the block; what still runs then is ended the hard way."""
        serving = Serving(self._start("serve", *words), self)
        listener = threading.Thread(target=serving.listen)
        listener.start()
        try:
            yield serving
        finally:
            self.end()
            listener.join()
            for stream in (serving.process.stdin, serving.process.stdout, serving.process.stderr):
                if stream is not None:
                    stream.close()
            serving.process.wait()

    def pids(self) -> list[int]:
        """Return this machine's ids of the processes that run on this data folder."""
        return processes(windows_path(self.exe).encode(), windows_path(self.data).encode())

    def end(self) -> None:
        """End every process that still runs on this data folder, the hard way."""
        unpacked = {folder for pid in self.pids() for folder in _unpacked(pid)}
        kill(self.pids())
        assert until(lambda: not self.pids(), 10)
        # A one-file program that is killed leaves what it unpacked, in a folder named after its
        # process id. Wine gives the same few ids again and again, and then no name is left.
        for folder in unpacked:
            shutil.rmtree(folder, ignore_errors=True)  # its starter may be at it, too

    def read(self, stream: bytes) -> str:
        """Return what the program wrote to a pipe: text in the code page of Windows' language."""
        code_page = "cp936" if self.wine.language.startswith("zh") else "cp1252"
        return stream.decode(code_page).replace("\r\n", "\n")

    def log(self) -> str:
        """Return the log so far."""
        path = self.data / "logs" / "dingbridge.log"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def _start(
        self, *words: str, extra: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        where = ("--data-dir", windows_path(self.data))
        return self.wine.start(self.exe, *where, *words, extra=extra)


def _unpacked(pid: int) -> set[Path]:
    """Return the folder of the files that a one-file program uses."""
    try:
        maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended while we looked, and tidied up itself
        return set()
    return {Path(found) for found in re.findall(r"(/.*/_MEI[0-9a-f]+)/", maps)}


def processes(*marks: bytes) -> list[int]:
    """Return this machine's ids of the processes that have all of these on their command line."""
    return [pid for pid, line in command_lines() if all(mark in line for mark in marks)]


def kill(pids: Iterable[int]) -> None:
    """End processes the hard way; some may have ended meanwhile."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def command_lines() -> Iterator[tuple[int, bytes]]:
    """Yield the id and the command line of each of this machine's processes."""
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield int(place.parent.name), place.read_bytes()
        except OSError:  # it ended while we looked
            continue
