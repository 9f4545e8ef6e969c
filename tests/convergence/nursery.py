"""Brings up one service after the other, each to be killed: `serve` with time running faster.

For each line on standard input (`Order` as JSON) it forks a service and prints its process id;
once that has ended, its exit code, negative for the signal that ended it. Forking spares the
imports, so that hundreds of lives take minutes.
"""

import json
import os
import sys
import time
from argparse import Namespace
from pathlib import Path

from server.api.app import App
from server.config.paths import DataFolder
from server.config.settings import Language
from server.sync.clients import Throttle
from tests.convergence.lives import Order
from tests.server.sync.world import FAST
from ui.console import commands
from ui.words.text import Texts


class _Hurried(App):
    """The facade as it is, with the vendors' limits and waits passing quickly."""

    def start(
        self, host: str | None = None, port: int | None = None, pace: Throttle | None = FAST
    ) -> str:
        return super().start(host, port, pace)


def main() -> None:
    for line in sys.stdin:
        order = Order(*json.loads(line))
        pid = os.fork()
        if pid == 0:
            _live(order)
        print(pid, flush=True)  # noqa: T201 - the parent reads it
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the parent reads it


def _live(order: Order) -> None:
    """Serve until killed, or ended by a signal."""
    said = os.open(order.transcript, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 2)
    app = _Hurried(
        DataFolder(Path(order.folder)),
        clock_ms=lambda: time.time_ns() // 1_000_000 + order.ahead_ms,
    )
    options = Namespace(host="127.0.0.1", port=0)
    os._exit(commands.serve(app, Texts(Language.ENGLISH), options))


if __name__ == "__main__":
    main()
