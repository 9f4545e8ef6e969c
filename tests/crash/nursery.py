"""Brings up one service after the other on one database and one socket, each to be killed.

Takes the database's path. Prints the port; then, for each line on standard input, forks a service
and prints its process id, which may be killed from that moment on. Forking spares the imports, so
hundreds of lives take a minute.
"""

import os
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path

from crypto.callback import CallbackVerifier
from crypto.credentials import Keyring
from server.callback.batching import BatchingQueue
from server.callback.handler import CallbackHandler
from server.callback.listener import Listener, open_socket
from server.callback.rejections import RejectionLog
from server.callback.wsgi import build_app
from server.journal import events
from server.journal.journal import Journal
from tests.server.callback.service import CREDENTIALS, PATH


def main(database: Path) -> None:
    listening = open_socket("127.0.0.1", 0)
    print(listening.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live(database, listening)
        print(pid, flush=True)  # noqa: T201 - the parent reads it
        os.waitpid(pid, 0)


def live(database: Path, listening: socket.socket) -> None:
    """Serve and work on what arrives until killed."""
    journal = Journal.open(database, now_ms=now_ms())
    queue = BatchingQueue(journal.append)
    handler = CallbackHandler(
        CallbackVerifier(Keyring(CREDENTIALS)), RejectionLog(), lambda _: None
    )
    Listener(listening, build_app(handler, PATH), queue).start()
    threading.Thread(target=work, args=(journal,), daemon=True).start()
    threading.Event().wait()


def work(journal: Journal) -> None:
    """Claim what arrives and complete it, as the sync does, so that kills find claimed events."""
    while journal.arrived.wait():
        journal.arrived.clear()
        claimed = journal.run(lambda conn: events.claim(conn, 50, now_ms())).result()
        ids = [event.id for event in claimed]
        journal.run(partial(events.complete, ids=ids)).result()


def now_ms() -> int:
    return time.time_ns() // 1_000_000


if __name__ == "__main__":
    main(Path(sys.argv[1]))
