"""Two threads and two processes on every store of the data folder: nothing is lost or torn.

Each store has two workers, `one` and `other`, which say on their own whether all was as it should
be; they run as threads of this process, or as processes of their own.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.config.paths import DataFolder
from server.config.store import Config, ConfigStore
from server.errors.base import AlreadyRunningError
from server.journal import requests
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.listing import counts
from server.journal.opening import open_read_only
from server.journal.requests import RequestKind, SyncRequest, write_beside
from server.service.instance import InstanceLock, ServiceRecord, acquire, running_service
from tests.waiting import until
from ui.shell.single import SingleInstance
from ui.state import remembered
from ui.state.remembered import Remembered

PROJECT = Path(__file__).parents[1]
TIMES = 25
WORKERS = ("one", "other")


def save_settings(folder: DataFolder, who: str, store: ConfigStore | None = None) -> None:
    """Save a setting and a secret of its own again and again, and read what there is."""
    store = store or ConfigStore(folder)
    section, secret = ("dingtalk", "app_secret") if who == "one" else ("wecom", "contact_secret")
    for number in range(TIMES):
        store.merge({section: {secret: f"{who}-{number}"}, "sync": {"daily_at": "04:00"}})
        assert getattr(store.load().secrets, secret).reveal() == f"{who}-{number}"
        store.update_keyring(lambda ring: ring)


def check_settings(folder: DataFolder) -> None:
    config: Config = ConfigStore(folder).load()
    assert config.secrets.app_secret.reveal() == f"one-{TIMES - 1}"
    assert config.secrets.contact_secret.reveal() == f"other-{TIMES - 1}"


def write_journal(folder: DataFolder, who: str) -> None:
    """Be the service, or a command beside it that asks for runs."""
    if who == "one":
        journal = Journal.open(folder.database, 0)
        for number in range(TIMES):
            event = NewEvent(f"e{number}", number, "t", f"e{number}", None, "{}")
            journal.append([event]).result(30)
            assert journal.read(lambda conn: counts(conn).events) == number + 1
        assert journal.close(30)
        return
    until(lambda: folder.database.exists() and open_read_only(folder.database, counts).events > 0)
    request = SyncRequest(RequestKind.PREVIEW)
    for _ in range(TIMES):
        write_beside(folder.database, lambda conn: requests.post(conn, request, 1))
        assert open_read_only(folder.database, requests.is_waiting)


def check_journal(folder: DataFolder) -> None:
    assert open_read_only(folder.database, lambda conn: counts(conn).events) == TIMES
    asked = "SELECT count(*) FROM sync_requests"
    assert open_read_only(folder.database, lambda conn: conn.execute(asked).fetchone()) == (TIMES,)


@contextmanager
def serving(folder: DataFolder, who: str) -> Iterator[InstanceLock]:
    """Become the one that serves, as soon as nobody else does."""

    def attempt() -> InstanceLock | None:
        try:
            return acquire(folder, who, 0)
        except AlreadyRunningError:
            return None

    held = until(attempt, "nobody else serves")
    try:
        yield held
    finally:
        held.release()


def write_record(folder: DataFolder, who: str) -> None:
    """Serve in turns, and tell it; nobody else's word is found meanwhile."""
    for number in range(TIMES // 5):
        with serving(folder, who) as held:
            held.publish(f"http://{who}/{number}")
            held.keep()
            found = running_service(folder)
            assert found is not None
            assert (found.version, found.address) == (who, f"http://{who}/{number}")


def check_record(folder: DataFolder) -> None:
    assert running_service(folder) is None
    assert not folder.service_record.exists()


def write_places(folder: DataFolder, who: str) -> None:
    """Show windows in turns, and remember where they were."""
    for number in range(TIMES // 5):
        single = SingleInstance(folder)
        until(single.acquire, "nobody else shows windows")
        single.listen(number, lambda: None)
        places = Remembered({who: f"{number + 1}00x100+0+0"})
        remembered.save(folder.window_places, places)
        assert remembered.load(folder.window_places) == places
        assert SingleInstance(folder).ask_to_raise()
        single.release()


def check_places(folder: DataFolder) -> None:
    assert len(remembered.load(folder.window_places).windows) == 1
    assert not folder.window_record.exists()


STORES: dict[str, tuple[Callable[[DataFolder, str], None], Callable[[DataFolder], None]]] = {
    "settings": (save_settings, check_settings),
    "journal": (write_journal, check_journal),
    "record": (write_record, check_record),
    "places": (write_places, check_places),
}


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    folder = DataFolder(tmp_path / "数据 夹")
    folder.ensure()
    return folder


def in_threads(*jobs: Callable[[], None]) -> list[Exception]:
    failures: list[Exception] = []

    def guarded(job: Callable[[], None]) -> None:
        try:
            job()
        except Exception as failure:  # noqa: BLE001 - shown by the test that waits for it
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@pytest.mark.parametrize("name", STORES)
def test_two_threads_lose_nothing_of_each_other(folder: DataFolder, name: str) -> None:
    work, check = STORES[name]
    assert in_threads(*(lambda who=who: work(folder, who) for who in WORKERS)) == []
    check(folder)


def test_two_threads_may_share_one_store_of_settings(folder: DataFolder) -> None:
    store = ConfigStore(folder)

    def load() -> None:
        for _ in range(TIMES * 3):
            store.load()

    jobs = [lambda who=who: save_settings(folder, who, store) for who in WORKERS]
    assert in_threads(*jobs, load) == []
    check_settings(folder)


def test_two_threads_may_tell_and_keep_one_record(folder: DataFolder) -> None:
    held = acquire(folder, "1", 0)

    def tell() -> None:
        for number in range(TIMES):
            held.publish(f"http://{number}")

    def keep() -> None:
        for _ in range(TIMES):
            folder.service_record.unlink(missing_ok=True)
            held.keep()

    assert in_threads(tell, keep) == []
    held.keep()
    found = running_service(folder)
    held.release()
    assert found == ServiceRecord(found.pid if found else 0, f"http://{TIMES - 1}", 0, "1")


RUN = """
import sys
from pathlib import Path
from server.config.paths import DataFolder
from tests.test_concurrent_stores import STORES
STORES[sys.argv[1]][0](DataFolder(Path(sys.argv[2])), sys.argv[3])
"""


@pytest.mark.parametrize("name", STORES)
def test_two_processes_lose_nothing_of_each_other(folder: DataFolder, name: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", RUN, name, str(folder.root), who], cwd=PROJECT)
        for who in WORKERS
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    STORES[name][1](folder)
