"""The service compares by itself, beside the callbacks, and nobody can make it ask often."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crypto.secret import Secret
from server.config.store import Config
from server.journal import subscription as stored
from server.journal.journal import Journal
from server.journal.rejections import Rejection
from server.journal.subscription import Finding, Standing
from server.subscription.watch import DAY_MS, QUIET_MS, Watch
from tests.server.clocks import WallClock
from tests.server.subscription.registry import (
    FAST,
    OTHER_TOKEN,
    Registry,
    app_of,
)
from tests.waiting import until


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.open(tmp_path / "dingbridge.db", now_ms=0)
    yield journal
    assert journal.close(10)


class Watched:
    """A watch whose thread does not run: its loop is gone through by hand."""

    def __init__(self, registry: Registry, journal: Journal, config: Config) -> None:
        self.registry, self.config = registry, config
        self.clock, self.thrown_ms = WallClock(), 0
        self._journal = journal
        self.watch = Watch(
            journal,
            lambda: self.config,
            clock_ms=self.clock,
            steady_ms=self.steady_ms,
            pace=FAST,
        )

    def steady_ms(self) -> int:
        return self.clock.now_ms - self.thrown_ms

    def throw_clock(self, by_ms: int) -> None:
        self.clock.now_ms += by_ms
        self.thrown_ms += by_ms

    def go_on(self, after_ms: int = 0) -> float:
        self.clock.now_ms += after_ms
        return self.watch.loop(self.steady_ms())

    def rejection(self, verdict: str | None = "token") -> None:
        now_ms = self.clock.now_ms
        call = Rejection(now_ms, "203.119.1.1", "rejected", verdict, None, 1, now_ms)
        self.watch.note_rejections([call])

    @property
    def finding(self) -> Finding | None:
        return self._journal.read(stored.load)


@pytest.fixture
def watched(registry: Registry, journal: Journal, tmp_path: Path) -> Watched:
    config = app_of(registry, tmp_path / "folder").config()
    return Watched(registry, journal, config)


def standing(watched: Watched) -> Standing | None:
    return watched.finding.standing if watched.finding else None


HOUR_MS = 3_600_000


@pytest.mark.parametrize("far_ms", [HOUR_MS, DAY_MS, 3652 * DAY_MS])
@pytest.mark.parametrize("sign", [1, -1])
def test_it_compares_daily_whatever_the_clock_is_set_to(
    watched: Watched, far_ms: int, sign: int
) -> None:
    watched.registry.holds()
    watched.go_on()
    watched.throw_clock(sign * far_ms)
    watched.go_on(DAY_MS - 1)
    assert watched.registry.asked() == 1
    watched.go_on(1)
    assert watched.registry.asked() == 2


def test_it_compares_at_start_and_daily(watched: Watched) -> None:
    watched.registry.holds()
    assert watched.go_on() == DAY_MS / 1000
    assert standing(watched) is Standing.EQUAL
    watched.registry.holds(token=OTHER_TOKEN)
    assert watched.go_on(DAY_MS - 1) > 0
    assert (standing(watched), watched.registry.asked()) == (Standing.EQUAL, 1)
    watched.go_on(1)
    assert standing(watched) is Standing.DIFFERS


def test_without_a_record_it_says_so(watched: Watched) -> None:
    watched.go_on()
    assert standing(watched) is Standing.NO_RECORD


def test_without_a_secret_nobody_is_asked(watched: Watched) -> None:
    watched.config = replace(
        watched.config, secrets=replace(watched.config.secrets, app_secret=Secret(""))
    )
    watched.go_on()
    assert watched.finding is None
    assert len(watched.registry.api.log.calls()) == 0


def test_changed_settings_are_compared_at_once(watched: Watched) -> None:
    watched.registry.holds()
    watched.go_on()
    settings = watched.config.settings
    callback = replace(settings.callback, public_url="https://new.example.com/api/callback")
    watched.config = replace(watched.config, settings=replace(settings, callback=callback))
    watched.go_on(1)
    assert watched.finding is not None
    assert watched.finding.differences == ("url",)


def test_a_rejected_call_is_looked_into(watched: Watched) -> None:
    watched.registry.holds()
    watched.go_on()
    watched.registry.holds(token=OTHER_TOKEN)
    watched.clock.now_ms += 2 * QUIET_MS
    watched.rejection()
    watched.go_on()
    assert standing(watched) is Standing.DIFFERS


def test_a_request_that_was_no_callback_is_not(watched: Watched) -> None:
    watched.go_on()
    watched.clock.now_ms += 2 * QUIET_MS
    watched.rejection(verdict=None)
    watched.go_on()
    assert watched.registry.asked() == 1


def test_a_flood_of_rejected_calls_is_not_a_flood_of_questions(watched: Watched) -> None:
    watched.go_on()
    for _ in range(24 * 60):
        watched.clock.now_ms += 60_000
        watched.rejection()
        watched.go_on()
    assert watched.registry.asked() <= 9


def test_a_wrong_secret_is_tried_once_a_day_whatever_is_rejected(watched: Watched) -> None:
    watched.registry.api.rules.app_secret = "made-up-other-secret"
    watched.go_on()
    assert watched.finding is not None
    assert watched.finding.cause is not None
    assert watched.finding.cause.code == "dingtalk-40089"
    assert not watched.finding.will_pass
    for _ in range(100):
        watched.clock.now_ms += 10 * 60_000
        watched.rejection()
        watched.go_on()
    assert watched.registry.asked("/gettoken") == 1
    watched.go_on(DAY_MS)
    assert watched.registry.asked("/gettoken") == 2


def test_a_secret_put_right_is_tried_at_once(watched: Watched) -> None:
    right = watched.config.secrets.app_secret
    watched.config = replace(
        watched.config, secrets=replace(watched.config.secrets, app_secret=Secret("wrong"))
    )
    watched.go_on()
    assert standing(watched) is Standing.FAILED
    watched.config = replace(
        watched.config, secrets=replace(watched.config.secrets, app_secret=right)
    )
    watched.go_on(1)
    assert standing(watched) is Standing.NO_RECORD


def test_without_a_network_it_tries_again_before_the_next_day(watched: Watched) -> None:
    settings = watched.config.settings
    nowhere = replace(settings.dingtalk, api_base="http://127.0.0.1:1")
    watched.config = replace(watched.config, settings=replace(settings, dingtalk=nowhere))
    wait_s = watched.go_on()
    assert wait_s == 5 * 60
    assert watched.finding is not None
    assert watched.finding.will_pass


def test_its_thread_asks_ends_and_outlives_trouble(
    watched: Watched, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Config:
        if not caplog.records:
            raise RuntimeError("made up")
        return watched.config

    watch = Watch(journal, broken, clock_ms=watched.clock, pace=FAST)
    assert watch.join(0)  # not started yet
    watch.start()
    until(lambda: bool(caplog.records))
    watch.nudge()
    until(lambda: watched.finding is not None)
    watch.request_stop()
    assert watch.join(10)
    assert "Internal error while comparing" in caplog.text


def test_no_secret_is_stored_or_logged(
    watched: Watched, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    watched.registry.holds(token=OTHER_TOKEN)
    watched.go_on()
    written = b"".join(path.read_bytes() for path in tmp_path.glob("dingbridge.db*"))
    assert b"differs" in written
    record = watched.registry.record
    assert record is not None
    for secret in (record.token, record.aes_key):
        assert secret.encode() not in written
        assert secret not in caplog.text
