"""What is old goes, but not by a clock that nobody has confirmed."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.config.settings import JournalSettings
from server.journal import events, listing
from server.journal.connection import connect_in_memory, transaction
from server.journal.events import NewEvent
from server.journal.retention import Pruning
from server.journal.schema import migrate
from server.rest.vendor_clock import DAY_MS, VendorClock
from tests.server.clocks import SteadyClock, WallClock

KEPT = JournalSettings(keep_days=30, keep_events=1000)
YEAR_MS = 365 * DAY_MS


class House:
    """A journal with ten events done, and two clocks."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        self.wall, self.steady = WallClock(), SteadyClock()
        self.vendors = VendorClock(self.wall, self.steady)
        self.pruning = Pruning(self._write, self.wall, threading.Event(), self.vendors, self.steady)
        batch = [
            NewEvent(f"{number}", self.wall.now_ms, "x", None, None, "{}") for number in range(10)
        ]
        events.append(conn, batch)
        events.ignore(conn, [one.id for one in events.claim(conn, 10, 0)])

    def _write(self, job: object) -> int:
        with transaction(self._conn):
            return job(self._conn)  # type: ignore[operator, no-any-return] # a job of the journal

    def pass_time(self, ms: int) -> None:
        self.wall.now_ms += ms
        self.steady.now_s += ms / 1000

    def left(self, kept: JournalSettings = KEPT) -> int:
        self.pruning.do_what_is_due(kept)
        return listing.counts(self._conn).events


@pytest.fixture
def house() -> Iterator[House]:
    with closing(connect_in_memory()) as conn:
        migrate(conn, Path("memory.db"))
        yield House(conn)


def test_what_is_older_than_the_days_goes_but_for_the_newest(house: House) -> None:
    house.vendors.note("DingTalk", 0)
    house.pass_time(29 * DAY_MS)
    assert house.left() == 10
    house.pass_time(2 * DAY_MS)
    assert house.left() == 1


@pytest.mark.parametrize("thrown_ms", [DAY_MS + 1000, 31 * DAY_MS, 10 * YEAR_MS, -10 * YEAR_MS])
def test_nothing_goes_while_the_clock_is_off(house: House, thrown_ms: int) -> None:
    few = JournalSettings(keep_days=1, keep_events=5)
    house.vendors.note("DingTalk", 0)
    house.wall.now_ms += thrown_ms
    assert house.left(few) == 10
    house.pass_time(DAY_MS)
    assert house.left(few) == 10
    house.wall.now_ms -= thrown_ms
    house.pass_time(DAY_MS)
    assert house.left(few) == 1


def test_before_anybody_told_the_time_only_the_number_counts(house: House) -> None:
    house.pass_time(10 * YEAR_MS)
    assert house.left() == 10
    house.pass_time(DAY_MS)
    assert house.left(JournalSettings(keep_days=30, keep_events=4)) == 4


def test_a_callback_tells_the_time_once_and_what_it_told_goes_on(house: House) -> None:
    house.pruning.compare_clocks(None)
    house.pass_time(31 * DAY_MS)
    assert house.left() == 10
    house.pruning.compare_clocks(2000)
    house.wall.now_ms += 10 * YEAR_MS
    house.steady.now_s += 3600
    house.pruning.compare_clocks(2000)
    assert house.left() == 10
    house.wall.now_ms -= 10 * YEAR_MS
    house.pass_time(DAY_MS)
    assert house.left() == 1


@pytest.mark.parametrize("thrown_ms", [3_600_000, -3_600_000, -DAY_MS, -10 * YEAR_MS])
def test_it_is_done_once_an_hour_whatever_the_clock_is_set_to(house: House, thrown_ms: int) -> None:
    assert house.left() == 10
    house.wall.now_ms += thrown_ms
    few = JournalSettings(keep_days=30, keep_events=5)
    house.pass_time(3_599_000)
    assert house.left(few) == 10
    house.pass_time(1000)
    assert house.left(few) == 5
