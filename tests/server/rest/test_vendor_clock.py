from email.utils import formatdate

import pytest

from server.rest.vendor_clock import DAY_MS, HOUR_MS, VendorClock
from tests.server.clocks import SteadyClock, WallClock

NOW_MS = 1_790_000_000_000


class Clocks:
    def __init__(self) -> None:
        self.wall, self.steady = WallClock(NOW_MS), SteadyClock()
        self.vendors = VendorClock(self.wall, self.steady)

    def hear(self, vendor: str, ahead_ms: int) -> None:
        self.vendors.hear(vendor, formatdate((self.wall.now_ms + ahead_ms) / 1000, usegmt=True))


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_before_any_answer_nothing_is_known(clocks: Clocks) -> None:
    vendors = clocks.vendors
    assert (vendors.difference_ms(), vendors.is_right(), vendors.is_wrong()) == (None, False, False)


@pytest.mark.parametrize(
    ("ahead_ms", "is_right"),
    [(0, True), (HOUR_MS, True), (-HOUR_MS, True), (HOUR_MS + 1000, False), (-DAY_MS, False)],
)
def test_a_clock_is_right_within_an_hour(clocks: Clocks, ahead_ms: int, *, is_right: bool) -> None:
    clocks.hear("DingTalk", ahead_ms)
    vendors = clocks.vendors
    assert (vendors.difference_ms(), vendors.is_right()) == (ahead_ms, is_right)
    assert vendors.is_wrong() is not is_right
    assert not vendors.is_wrong(DAY_MS)


def test_a_clock_that_is_set_is_noticed_before_the_next_answer(clocks: Clocks) -> None:
    clocks.hear("DingTalk", 0)
    clocks.wall.now_ms += 30_000
    clocks.steady.now_s += 30
    assert clocks.vendors.is_right()
    clocks.wall.now_ms += 3650 * DAY_MS
    assert clocks.vendors.difference_ms() == -3650 * DAY_MS
    assert clocks.vendors.is_wrong(DAY_MS)
    clocks.hear("DingTalk", 0)
    assert clocks.vendors.is_right()


def test_the_vendor_who_differs_most_decides(clocks: Clocks) -> None:
    clocks.hear("DingTalk", 2000)
    clocks.hear("WeCom", -2 * DAY_MS)
    clocks.vendors.note("callbacks", 1000)
    assert clocks.vendors.difference_ms() == -2 * DAY_MS
    clocks.hear("WeCom", 0)
    clocks.vendors.note("callbacks", -3 * DAY_MS)
    assert clocks.vendors.difference_ms() == -3 * DAY_MS


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "yesterday",
        "0",
        "Sat, 99 Nov 2026 07:20:00 GMT",
        "Sat, 28 Nov 99999999999999999999 07:20:00 GMT",
        "\N{SNOWMAN}",
        "Sat, 28 Nov 2026 07:20:00 +9999999999",
    ],
)
def test_a_date_that_cannot_be_read_tells_nothing(clocks: Clocks, header: str | None) -> None:
    clocks.vendors.hear("DingTalk", header)
    assert clocks.vendors.difference_ms() is None
    clocks.hear("DingTalk", 0)
    clocks.vendors.hear("DingTalk", header)
    assert clocks.vendors.is_right()


def test_a_date_without_a_zone_is_utc(clocks: Clocks) -> None:
    clocks.vendors.hear("DingTalk", formatdate(NOW_MS / 1000).replace("-0000", "").strip())
    assert clocks.vendors.difference_ms() == 0
