import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from server.errors.base import JournalAccessError, JournalDamagedError, JournalNewerError
from server.journal import sync_state
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.listing import counts
from server.journal.opening import check_database, copy_database, open_read_only
from server.journal.schema import MIGRATIONS

NOW_MS = 1_790_000_000_000


def _event(number: int) -> NewEvent:
    return NewEvent(
        dedupe_key=f"event-{number}",
        received_at_ms=NOW_MS + number,
        event_type="user_add_org",
        event_id=str(number),
        corp_id="dingmadeup",
        payload="{}",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dingbridge.db"


def test_a_copy_has_what_was_committed_and_is_one_file(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy" / "dingbridge.db"
    target.parent.mkdir()
    journal = Journal.open(path, NOW_MS)
    try:
        journal.append([_event(number) for number in range(50)]).wait()
        assert path.with_name("dingbridge.db-wal").stat().st_size > 0

        assert copy_database(path, target)
    finally:
        journal.close(10)

    assert [one.name for one in target.parent.iterdir()] == ["dingbridge.db"]
    check_database(target, target)
    assert open_read_only(target, counts).pending == 50


def test_a_copy_made_while_events_come_in_is_of_one_moment(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, NOW_MS)
    is_over = threading.Event()
    stored = []

    def pour() -> None:
        number = 0
        while not is_over.is_set():
            # Both in one transaction: a copy has both or neither.
            journal.append([_event(number), _event(number + 1)]).wait()
            number += 2
            stored.append(number)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        for number in range(10):
            target = tmp_path / f"copy-{number}.db"
            before = stored[-1] if stored else 0
            copy_database(path, target)
            found = open_read_only(target, counts).pending
            assert found % 2 == 0
            assert found >= before
    finally:
        is_over.set()
        pouring.join()
        journal.close(10)


def test_where_there_is_no_database_none_is_made(path: Path, tmp_path: Path) -> None:
    assert not copy_database(path, tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found_before_it_is_carried_away(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, NOW_MS)
    journal.append([_event(number) for number in range(2000)]).wait()
    journal.close(10)
    content = bytearray(path.read_bytes())
    content[8192:20480] = b"\xa5" * 12288
    path.write_bytes(content)

    with pytest.raises(JournalDamagedError) as caught:
        copy_database(path, tmp_path / "copy.db")
    assert caught.value.values["path"] == str(path)


def test_a_newer_database_is_named_by_where_it_came_from(path: Path, tmp_path: Path) -> None:
    Journal.open(path, NOW_MS).close(10)
    with closing(sqlite3.connect(path)) as conn:
        conn.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")

    with pytest.raises(JournalNewerError) as caught:
        check_database(path, tmp_path / "moved.dingbridge")
    assert caught.value.values["path"] == str(tmp_path / "moved.dingbridge")


def test_the_ledgers_state_comes_along(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, NOW_MS)
    expected = journal.read(sync_state.load)
    journal.close(10)
    copy_database(path, tmp_path / "copy.db")

    assert open_read_only(tmp_path / "copy.db", sync_state.load) == expected


def test_a_place_that_cannot_be_written_is_named(path: Path, tmp_path: Path) -> None:
    Journal.open(path, NOW_MS).close(10)

    with pytest.raises(JournalAccessError):
        copy_database(path, tmp_path / "nowhere" / "copy.db")
