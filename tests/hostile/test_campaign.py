"""A short campaign of every attack; `python -m tests.hostile.campaign 60` is the long one."""

import os
from collections.abc import Iterator

import pytest

from tests.hostile.attacks import ATTACKS
from tests.hostile.campaign import Target, busy_share, run, target

_SECONDS = 2.0
# On a machine of its own no genuine call takes 0.5 s. A shared one gets more, but less than the 5
# and 9 s of a service that lets strangers have their way.
_WORST_S = 3.0
_MEMORY_BYTES = 30 * 2**20
_LOG_BYTES_A_MINUTE = 100_000


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with target(tmp_path_factory.mktemp("hostile")) as one:
        yield one


if os.name != "nt":  # figures of processes come from /proc, places from ulimit

    @pytest.mark.slow
    @pytest.mark.timeout(120)
    @pytest.mark.parametrize("name", ATTACKS)
    def test_no_attack_keeps_genuine_calls_waiting_or_fills_memory_or_log(
        attacked: Target, name: str
    ) -> None:
        result = run(attacked, name, _SECONDS)
        assert result.connections > 0
        assert result.failures == []
        assert len(result.times_s) > 0
        assert result.worst_s < _WORST_S
        assert result.memory_grew < _MEMORY_BYTES
        assert result.log_a_minute < _LOG_BYTES_A_MINUTE
        assert result.tracebacks == 0

    @pytest.mark.slow
    @pytest.mark.timeout(120)
    def test_nothing_goes_on_once_the_strangers_have_left(attacked: Target) -> None:
        run(attacked, "crumbs", _SECONDS)
        assert busy_share(attacked) < 0.1
