from dataclasses import replace

import pytest

from server.api.status import CredentialsView, Level, ServiceView
from server.errors.base import PortInUseError
from tests.ui.views import DAY_MS, FINE, NOW_MS, UNSET, USED, notice, snapshot, with_notices
from ui.words.health import LONG_SILENCE_MS, Health, StatusSnapshot, judge, last_contact


def test_all_is_well_where_dingtalk_called_and_nothing_is_noted() -> None:
    verdict = judge(snapshot())

    assert (verdict.health, verdict.attention) == (Health.WORKING, ())


def test_without_values_it_is_not_set_up() -> None:
    not_set_up = replace(UNSET, notices=(notice(Level.ERROR, "not-set-up"),))

    assert judge(snapshot(not_set_up)).health is Health.NOT_SET_UP


def test_what_is_broken_outweighs_what_is_not_set_up() -> None:
    unreadable = replace(UNSET, notices=(notice(Level.ERROR, "file-damaged"),))

    assert judge(snapshot(unreadable)).health is Health.BROKEN


@pytest.mark.parametrize(
    ("level", "health"),
    [
        (Level.INFO, Health.WORKING),
        (Level.WARNING, Health.ATTENTION),
        (Level.ERROR, Health.BROKEN),
    ],
)
def test_the_gravest_notice_decides(level: Level, health: Health) -> None:
    assert judge(snapshot(with_notices(notice(Level.INFO), notice(level)))).health is health


def test_a_service_that_does_not_run_is_broken() -> None:
    stopped = replace(FINE, service=ServiceView(is_running=False))

    verdict = judge(snapshot(stopped))

    assert (verdict.health, verdict.attention[0].code) == (Health.BROKEN, "not-running")


def test_the_reason_why_it_does_not_run_is_told() -> None:
    stopped = replace(FINE, service=ServiceView(is_running=False))
    failure = PortInUseError(port=8080, holder="nginx")

    verdict = judge(StatusSnapshot(stopped, NOW_MS, failure))

    assert [one.code for one in verdict.attention] == ["port-in-use"]
    assert verdict.headline == failure.title


def test_before_dingtalk_called_it_needs_attention() -> None:
    fresh = replace(USED, first_used_at_ms=None, last_used_at_ms=None, calls=0)
    status = replace(FINE, credentials=CredentialsView(active=fresh))

    verdict = judge(snapshot(status))

    assert (verdict.health, verdict.attention[0].code) == (Health.ATTENTION, "no-contact")


@pytest.mark.parametrize(("silent_ms", "is_told"), [(0, False), (1, True)])
def test_a_long_silence_is_told(silent_ms: int, *, is_told: bool) -> None:
    later = StatusSnapshot(FINE, NOW_MS + LONG_SILENCE_MS + silent_ms)

    codes = [one.code for one in judge(later).attention]

    assert codes == (["long-silence"] if is_told else [])


def test_the_last_contact_is_that_of_the_set_used_last() -> None:
    older = replace(USED, last_used_at_ms=NOW_MS - DAY_MS)
    status = replace(FINE, credentials=CredentialsView(active=older, previous=USED))

    assert last_contact(status) is USED
    assert last_contact(UNSET) is None
