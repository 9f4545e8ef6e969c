"""The program as its users have it: real processes on a data folder of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from server.api.app import App
from server.config.paths import DataFolder
from server.config.settings import Language
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from tests.server.simulator.seeds import seeded
from tests.waiting import PATIENCE_S, until
from ui.console.documents import status_document
from ui.words.text import Texts

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Values:
    """token, aes_key and key of a made-up subscription."""

    token: str
    aes_key: str
    key: str

    @property
    def settings(self) -> dict[str, Any]:
        return {"token": self.token, "aes_key": self.aes_key, "key": self.key}

    def with_(self, **changes: str) -> "Values":
        return Values(**(self.settings | changes))


def values(number: int) -> Values:
    """The made-up values of that number; all of them differ from all others."""
    return Values(
        token=f"MadeUpToken{number:04d}",
        aes_key=f"Aes{number:04d}ZyXwVuTsRqPoNmLkJiHgFeDcBa9876543210",
        key=f"dingmadeupkey{number:07d}",
    )


FIRST, SECOND, THIRD = values(1), values(2), values(3)


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: bytes
    err: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        return self.out.decode().splitlines()

    @property
    def errors(self) -> str:
        return self.err.decode()


class Service:
    """A running `serve`."""

    def __init__(self, process: subprocess.Popen[bytes], errors: Path) -> None:
        self.process = process
        self._errors = errors
        self.address = ""

    @property
    def said(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def ready(self) -> "Service":
        def listening() -> str:
            assert self.process.poll() is None, self.said
            return next((one for one in self.said.splitlines() if one.startswith("listening")), "")

        self.address = until(listening, "it listens").removeprefix("listening on ")
        return self

    @property
    def port(self) -> int:
        return int(self.address.split(":")[2].partition("/")[0])

    def sender(self, who: Values = FIRST, *, seed: int = 1) -> CallbackSender:
        """A DingTalk that uses these values; patient, since a test machine may be busy."""
        return CallbackSender(
            self.address,
            who.token,
            who.aes_key,
            who.key,
            rng=seeded(seed),
            patience=Patience(deadline_s=10, compression=1000),
        )

    def accepts(self, who: Values) -> bool:
        with self.sender(who) as sender:
            return sender.attempt(b'{"EventType":"check_url"}').fault is None

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_S)


class Program:
    """`python main.py` on one data folder. Keeps what every process printed."""

    def __init__(self, folder: Path, transcripts: Path) -> None:
        self.folder = DataFolder(folder)
        self._transcripts = transcripts
        self._count = 0
        self._started: list[subprocess.Popen[bytes]] = []

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        has_folder: bool = True,
    ) -> Done:
        """Run a command to its end."""
        folder = ("--data-dir", str(self.folder.root)) if has_folder else ()
        done = subprocess.run(
            self.command(*words, *folder),
            input=stdin,
            capture_output=True,
            env=self.environment(env),
            cwd=ROOT,
            timeout=PATIENCE_S * 2,
            check=False,
        )
        transcript = self._transcript()
        transcript.write_bytes(done.stdout + done.stderr)
        return Done(done.returncode, done.stdout, done.stderr)

    @staticmethod
    def command(*words: str) -> Sequence[str]:
        # -W error: a program that warns (an unclosed file, say) says so on its standard error.
        return (sys.executable, "-W", "error", "main.py", *words)

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder.root.parent),
            "LC_ALL": "C",
            **(env or {}),
        }

    def configure(self, changes: object) -> Done:
        """Merge settings; it must succeed."""
        done = self.run("configure", stdin=json.dumps(changes).encode())
        assert (done.code, done.errors) == (0, ""), done
        return done

    def set_up(self, who: Values = FIRST, **callback: object) -> None:
        """Configure a loopback service on a free port with these credentials."""
        address = {"host": "127.0.0.1", "port": 0}
        self.beside().configure({"callback": {**address, **who.settings, **callback}})

    def status(self) -> Any:
        done = self.run("status", "--json")
        assert (done.code, done.errors) == (0, ""), done
        return done.document

    def seen(self) -> Any:
        """What `status --json` would print now, without the time a process takes to start."""
        return status_document(self.beside().status(), Texts(Language.ENGLISH))

    def events(self, *words: str) -> Any:
        done = self.run("events", "--json", *words)
        assert (done.code, done.errors) == (0, ""), done
        return done.document

    def start(self, *words: str) -> Service:
        """Start `serve` and do not wait."""
        errors = self._transcript()
        with errors.open("wb") as stream:
            process = subprocess.Popen(
                self.command("serve", *words, "--data-dir", str(self.folder.root)),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=self.environment(),
                cwd=ROOT,
            )
        self._started.append(process)
        return Service(process, errors)

    def serve(self, *words: str) -> Service:
        """Start `serve` and wait until it listens."""
        return self.start(*(words or ("--host", "127.0.0.1", "--port", "0"))).ready()

    def beside(self) -> App:
        """The facade, for looking at the folder without starting a process each time."""
        return App(self.folder)

    @property
    def log(self) -> str:
        return self.folder.log_file.read_text(encoding="utf-8")

    def _transcript(self) -> Path:
        self._count += 1
        return self._transcripts / f"{self._count:03d}.txt"

    def close(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.wait(PATIENCE_S)

    def written(self) -> dict[Path, bytes]:
        """Everything the processes printed, and wrote outside the file for secrets."""
        files = [*self._transcripts.iterdir(), *self.folder.root.parent.rglob("*")]
        return {
            path: path.read_bytes()
            for path in files
            if path.is_file() and not path.name.startswith("secrets.json")
        }
