import json
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread

import pytest

from server.config.locks import FileLock, FolderLock
from server.config.paths import DataFolder
from server.errors.base import AlreadyRunningError, FileAccessError
from server.service.instance import ServiceRecord, acquire, running_service

ROOT = Path(__file__).resolve().parents[3]
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows keeps open files from that")
SERVE = """
import sys, time
from pathlib import Path
from server.config.paths import DataFolder
from server.errors.base import AlreadyRunningError
from server.service.instance import acquire
try:
    lock = acquire(DataFolder(Path(sys.argv[1])), "9.9", 1000)
except AlreadyRunningError as exc:
    print("refused by", exc.values["pid"], flush=True)
else:
    lock.publish("http://127.0.0.1:8080/api/callback")
    print("serving", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "数据 文件夹")
    folder.ensure()
    return folder


def start(folder: DataFolder) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVE, str(folder.root)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def stop(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        process.kill()
        process.communicate()


def test_nobody_runs_on_a_new_folder(folder: DataFolder) -> None:
    assert running_service(folder) is None
    assert list(folder.root.iterdir()) == []


def test_others_learn_who_runs_and_where(folder: DataFolder) -> None:
    lock = acquire(folder, "1.2.3", 1000)
    assert running_service(folder) == ServiceRecord(os.getpid(), "", 1000, "1.2.3")
    lock.publish("http://127.0.0.1:8080/a")
    expected = ServiceRecord(os.getpid(), "http://127.0.0.1:8080/a", 1000, "1.2.3")
    assert running_service(folder) == expected
    lock.release()
    lock.release()
    assert running_service(folder) is None


def test_a_second_service_is_told_who_runs(folder: DataFolder) -> None:
    lock = acquire(folder, "1", 0)
    lock.publish("http://127.0.0.1:8080/a")
    with pytest.raises(AlreadyRunningError) as caught:
        acquire(folder, "1", 0)
    lock.release()
    assert caught.value.values == {
        "pid": os.getpid(),
        "address": "http://127.0.0.1:8080/a",
        "path": str(folder.root),
    }


def test_releasing_late_does_not_touch_the_next_service(folder: DataFolder) -> None:
    first = acquire(folder, "1", 0)
    first.release()
    second = acquire(folder, "2", 0)
    first.release()
    found = running_service(folder)
    second.release()
    assert found is not None
    assert found.version == "2"


def test_who_has_released_it_tells_and_takes_nothing_any_more(folder: DataFolder) -> None:
    late = acquire(folder, "1", 0)
    late.release()
    late.publish("http://127.0.0.1:8080/a")
    late.keep()
    assert not folder.service_record.exists()
    acquire(folder, "2", 0).release()


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        '{"pid": "x"}',
        '{"colour": 1}',
        '{"started_at_ms": 1e30}',
        '{"clock_difference_ms": "x"}',
        '{"version": 5}',
        '{"troubles": [{"title": "t", "hint": "h", "values": 3}]}',
        '{"troubles": [{"title": 1, "hint": "h", "values": {}}]}',
        '{"troubles": 7}',
        '{"troubles": [7]}',
        '{"trouble": null}',
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_record_that_cannot_be_read_does_not_hide_a_running_service(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, record: str
) -> None:
    monkeypatch.setattr("server.service.instance._PATIENCE_S", 0.02)
    lock = acquire(folder, "1", 0)
    folder.service_record.write_text(record)
    found = running_service(folder)
    lock.release()
    assert found == ServiceRecord()


def test_a_record_alone_is_not_believed(folder: DataFolder) -> None:
    folder.service_record.write_text(json.dumps({"pid": os.getpid(), "address": "http://x"}))
    folder.service_lock.write_text("")
    assert running_service(folder) is None


def test_a_record_that_cannot_be_written_is_written_later(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _content: bytes) -> None:
        raise FileAccessError(path=str(path), reason="no room")

    monkeypatch.setattr("server.service.instance._PATIENCE_S", 0.02)
    folder.service_record.write_text('{"pid": 1, "address": "http://of.the.last/one"}')
    with monkeypatch.context() as full:
        full.setattr("server.service.instance.write_atomically", refuse)
        lock = acquire(folder, "1", 0)
        assert running_service(folder) == ServiceRecord()
        with pytest.raises(FileAccessError):
            lock.publish("http://127.0.0.1:8080/a")
        with pytest.raises(FileAccessError):
            lock.keep()
    lock.keep()
    found = running_service(folder)
    lock.release()
    assert found == ServiceRecord(os.getpid(), "http://127.0.0.1:8080/a", 0, "1")


@posix_only
@pytest.mark.parametrize("record", [None, "{garbage"])
def test_a_lock_and_a_record_that_were_removed_are_made_again(
    folder: DataFolder, record: str | None
) -> None:
    lock = acquire(folder, "1", 0)
    lock.publish("http://127.0.0.1:8080/a")
    folder.service_lock.unlink()
    folder.service_record.unlink()
    if record is not None:
        folder.service_record.write_text(record)
    assert running_service(folder) == ServiceRecord()
    lock.keep()
    found = running_service(folder)
    with pytest.raises(AlreadyRunningError):
        acquire(folder, "2", 0)
    lock.release()
    assert found == ServiceRecord(os.getpid(), "http://127.0.0.1:8080/a", 0, "1")


@posix_only
def test_a_removed_lock_lets_no_second_service_in(folder: DataFolder) -> None:
    lock = acquire(folder, "1", 0)
    lock.publish("http://127.0.0.1:8080/a")
    folder.service_lock.unlink()
    with pytest.raises(AlreadyRunningError) as caught:
        acquire(folder, "2", 0)
    assert caught.value.values["pid"] == os.getpid()
    lock.keep()
    lock.release()
    acquire(folder, "2", 0).release()


@posix_only
def test_who_took_a_folder_that_was_put_in_place_of_ours_is_named(folder: DataFolder) -> None:
    first = acquire(folder, "1", 0)
    folder.root.rename(folder.root.with_name("moved"))
    folder.ensure()
    second = acquire(folder, "2", 0)
    with pytest.raises(AlreadyRunningError):
        first.keep()
    second.keep()
    first.release()
    second.release()


def test_a_folder_that_cannot_be_locked_keeps_nobody_out(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "nowhere")
    lock.acquire()
    assert not lock.is_in_place
    lock.release()


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError):
        acquire(DataFolder(tmp_path / "nowhere"), "1", 0)


def test_looking_does_not_keep_a_service_from_starting(folder: DataFolder) -> None:
    acquire(folder, "1", 0).release()
    probe = FileLock(folder.service_lock)
    probe.acquire()
    entered = Event()

    def let_go() -> None:
        entered.wait(5)
        probe.release()

    thread = Thread(target=let_go, name="dingbridge-test")
    thread.start()
    entered.set()
    acquire(folder, "1", 0).release()
    thread.join(5)


def test_of_processes_that_start_at_once_exactly_one_serves(folder: DataFolder) -> None:
    for _ in range(3):
        processes = [start(folder) for _ in range(3)]
        answers = [said(process) for process in processes]
        winner = processes[answers.index("serving")]
        found = running_service(folder)
        stop(*processes)
        assert [answer[:7] for answer in sorted(answers)] == ["refused", "refused", "serving"]
        assert found is not None
        assert found.pid == winner.pid


def test_a_killed_service_does_not_block_the_next_one(folder: DataFolder) -> None:
    dead = start(folder)
    assert said(dead) == "serving"
    stop(dead)
    assert folder.service_record.exists()
    assert running_service(folder) is None
    following = start(folder)
    assert said(following) == "serving"
    stop(following)
