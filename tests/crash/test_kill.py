"""The service is killed again and again under load; nothing that it acknowledged may be lost."""

import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from sqlite3 import Connection

import pytest

from server.journal import listing
from server.journal.journal import Journal
from server.simulator.dingtalk.callbacks import CallbackSender, Patience
from tests.server.callback.service import AES_KEY, KEY, PATH, TOKEN
from tests.server.simulator.seeds import seeded

SEED: int | None = None
KILLS = 220
SENDERS = 6
LONGEST_LIFE_S = 0.25
ROOT = Path(__file__).parents[2]


class Platform:
    """Sends one event after the other, each until it is acknowledged, from several threads."""

    def __init__(self, port: int, rng: Random) -> None:
        self.acknowledged: list[str] = []
        self.failed_attempts = 0
        self._stop = threading.Event()
        self._rng = rng
        self._port = port
        self._threads = [
            threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        url = f"http://127.0.0.1:{self._port}{PATH}"
        patience = Patience(deadline_s=1.5, retry_delays_s=())
        rng = seeded(number)
        with CallbackSender(url, TOKEN, AES_KEY, KEY, rng=rng, patience=patience) as sender:
            count = 0
            while not self._stop.is_set():
                event_id = f"{number}-{count}"
                event = {"EventType": "user_add_org", "eventId": event_id, "text": "钉" * 50}
                if sender.deliver(event).accepted:
                    self.acknowledged.append(event_id)
                    count += 1
                else:
                    self.failed_attempts += 1


@contextmanager
def nursery(database: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.crash.nursery", str(database)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def said(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def bear(process: subprocess.Popen[str]) -> int:
    """Have a service started; returns its process id."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return said(process)


def kill_often(process: subprocess.Popen[str], rng: Random) -> None:
    for _ in range(KILLS):
        pid = bear(process)
        time.sleep(rng.uniform(0, LONGEST_LIFE_S))
        os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_no_kill_loses_or_doubles_what_was_acknowledged(tmp_path: Path) -> None:
    seed = secrets.randbits(32) if SEED is None else SEED
    print(f"killing with seed {seed}")  # noqa: T201 - pytest shows it where the test fails
    database = tmp_path / "dingbridge.db"
    with nursery(database) as process:
        platform = Platform(said(process), seeded(seed))
        platform.start()
        kill_often(process, seeded(seed))
        last = bear(process)
        platform.stop()
        os.kill(last, signal.SIGKILL)
    assert len(platform.acknowledged) > 10 * KILLS
    assert platform.failed_attempts > 0
    check(database, platform.acknowledged)
    assert [database.name] == [one.name for one in tmp_path.iterdir()]


def check(database: Path, acknowledged: list[str]) -> None:
    journal = Journal.open(database, now_ms=0)
    stored = journal.read(stored_ids)
    counts = journal.read(listing.counts)
    by_state = journal.read(states)
    moved_aside = journal.moved_aside
    assert journal.close(20)
    assert moved_aside is None
    assert {1} == set(stored.values())
    assert set() == set(acknowledged) - set(stored)
    assert len(acknowledged) == len(set(acknowledged))
    # At most one event a sender was stored and its answer lost with the last kill.
    assert len(stored) <= len(acknowledged) + SENDERS
    counted = {0: counts.pending, 2: counts.done}
    assert by_state == {code: total for code, total in counted.items() if total}
    assert counts.working == 0
    with closing(sqlite3.connect(database)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def stored_ids(conn: Connection) -> Counter[str]:
    return Counter(event_id for (event_id,) in conn.execute("SELECT event_id FROM events"))


def states(conn: Connection) -> dict[int, int]:
    return dict(conn.execute("SELECT state, count(*) FROM events GROUP BY state"))
