import gc
import threading
from collections.abc import Iterator

import pytest

from tests.ui.stage import Stage
from tests.waiting import until


class _Circle:
    """Garbage that only a collection finds; tells which thread found it."""

    def __init__(self, found_on: list[int]) -> None:
        self._found_on = found_on
        self._self = self

    def __del__(self) -> None:
        self._found_on.append(threading.get_ident())


@pytest.fixture(autouse=True, scope="module")
def _only_the_young() -> None:
    """Let the program's collecting look at all, as it does elsewhere; it is what is tested."""


@pytest.fixture
def found_on() -> Iterator[list[int]]:
    found: list[int] = []
    yield found
    gc.collect()


def _work(found_on: list[int]) -> int:
    """Leave garbage, and make so many objects that Python's own collecting would find it."""
    _Circle(found_on)
    return len([[number] for number in range(200_000)])


def test_what_a_window_leaves_is_never_collected_on_a_worker(
    stage: Stage, found_on: list[int]
) -> None:
    done: list[object] = []
    for _ in range(3):  # on every worker
        stage.program.session.ask(lambda: _work(found_on), done.append)
    stage.hand.wait_for(lambda: len(done) == 3)

    stage.hand.wait_for(lambda: len(found_on) == 3, "nothing was collected")

    assert set(found_on) == {threading.get_ident()}


def test_python_collects_by_itself_again_once_the_program_has_ended(stage: Stage) -> None:
    assert not gc.isenabled()

    stage.program.quit()
    stage.hand.wait_for(lambda: stage.program.has_ended)
    stage.program.finish()

    assert gc.isenabled()
    until(lambda: gc.get_freeze_count() == 0)
