import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from server.config.paths import DataFolder
from ui.shell.single import SingleInstance


@pytest.fixture
def running(tmp_path: Path) -> Iterator[SingleInstance]:
    single = SingleInstance(DataFolder(tmp_path))
    assert single.acquire()
    yield single
    single.release()


def test_a_second_program_is_told_that_the_first_runs(
    tmp_path: Path, running: SingleInstance
) -> None:
    del running
    assert not SingleInstance(DataFolder(tmp_path)).acquire()


def test_a_second_program_raises_the_window_of_the_first(
    tmp_path: Path, running: SingleInstance
) -> None:
    raised = threading.Event()
    running.listen(os.getpid(), raised.set)

    assert SingleInstance(DataFolder(tmp_path)).ask_to_raise()
    assert raised.is_set()


def test_who_does_not_know_the_word_raises_nothing(tmp_path: Path, running: SingleInstance) -> None:
    raised = threading.Event()
    running.listen(os.getpid(), raised.set)
    door = json.loads((tmp_path / "window.json").read_text())

    with socket.create_connection(("127.0.0.1", door["port"]), 5) as connection:
        connection.sendall(b"guessed\n")
        assert connection.recv(10) == b""

    assert not raised.is_set()
    assert SingleInstance(DataFolder(tmp_path)).ask_to_raise()  # and the door still opens


def test_silent_connections_do_not_keep_a_second_program_from_raising_the_window(
    tmp_path: Path, running: SingleInstance
) -> None:
    raised = threading.Event()
    running.listen(os.getpid(), raised.set)
    door = json.loads((tmp_path / "window.json").read_text())
    with ExitStack() as silent:
        for _ in range(5):
            silent.enter_context(socket.create_connection(("127.0.0.1", door["port"]), 5))
        assert SingleInstance(DataFolder(tmp_path)).ask_to_raise()
    assert raised.is_set()


def test_who_comes_and_is_gone_does_not_close_the_door(
    tmp_path: Path, running: SingleInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, refusals = socket.socket.accept, [ConnectionAbortedError(), OSError(24, "too many")]

    def accepting(listening: socket.socket) -> object:
        if refusals:
            raise refusals.pop()
        return accept(listening)

    raised = threading.Event()
    monkeypatch.setattr(socket.socket, "accept", accepting)
    running.listen(os.getpid(), raised.set)
    assert SingleInstance(DataFolder(tmp_path)).ask_to_raise()
    assert raised.is_set()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[1]",
        "[" * 100_000,
        '{"port": "80", "word": "", "pid": 1}',
        '{"port": 99999, "word": "", "pid": 1}',
    ],
    ids=["empty", "half", "list", "deep", "text", "too high"],
)
def test_a_strange_record_is_no_door(tmp_path: Path, record: str) -> None:
    (tmp_path / "window.json").write_text(record)

    assert not SingleInstance(DataFolder(tmp_path)).ask_to_raise()


def test_after_the_first_ended_another_can_be_the_one(tmp_path: Path) -> None:
    for _ in range(2):
        single = SingleInstance(DataFolder(tmp_path))
        assert single.acquire()
        single.listen(os.getpid(), lambda: None)
        single.release()

    assert not SingleInstance(DataFolder(tmp_path)).ask_to_raise()


def test_a_first_copy_that_died_blocks_nobody(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from server.config.paths import DataFolder;"
        "from ui.shell.single import SingleInstance;"
        "single = SingleInstance(DataFolder(Path(sys.argv[1]))); single.acquire();"
        "single.listen(os.getpid(), print); os._exit(9)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], check=False, cwd=Path(__file__).parents[3]
    )
    assert ended.returncode == 9
    assert (tmp_path / "window.json").exists()

    single = SingleInstance(DataFolder(tmp_path))

    assert single.acquire()
    assert not single.ask_to_raise()
    single.release()
