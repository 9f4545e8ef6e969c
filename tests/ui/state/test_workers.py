import gc
import threading
from collections.abc import Iterator

import pytest

from server.errors.base import DingBridgeError, PortInUseError
from tests.waiting import until
from ui.state.mailbox import Mailbox
from ui.state.workers import Workers


class _Told:
    def __init__(self) -> None:
        self.mailbox = Mailbox()
        self.answers: list[object] = []
        self.refusals: list[DingBridgeError] = []
        self.mistakes: list[Exception] = []
        self.workers = Workers(self.mailbox, self.mistakes.append)

    def delivered(self) -> bool:
        self.mailbox.deliver(1.0)
        return bool(self.answers or self.refusals or self.mistakes)


@pytest.fixture
def told() -> Iterator[_Told]:
    told = _Told()
    told.workers.start()
    yield told
    assert told.workers.stop(10) == ()


def test_an_answer_comes_through_the_mailbox(told: _Told) -> None:
    told.workers.ask(threading.get_ident, told.answers.append, told.refusals.append)

    until(told.delivered)

    assert told.answers != [threading.get_ident()]
    assert (told.refusals, told.mistakes) == ([], [])


def test_a_refusal_is_told_apart_from_a_mistake(told: _Told) -> None:
    refusal = PortInUseError(port=8080, holder="nginx")

    def refuse() -> None:
        raise refusal

    told.workers.ask(refuse, told.answers.append, told.refusals.append)
    until(told.delivered)

    assert (told.answers, told.refusals, told.mistakes) == ([], [refusal], [])


def test_a_mistake_reaches_the_tk_thread_and_ends_no_worker(told: _Told) -> None:
    for _ in range(5):  # more than there are threads
        told.workers.ask(lambda: 1 // 0, told.answers.append, told.refusals.append)

    until(lambda: told.delivered() and len(told.mistakes) == 5)

    told.workers.ask(lambda: "still here", told.answers.append, told.refusals.append)
    until(lambda: told.delivered() and told.answers)
    assert told.answers == ["still here"]


class _Waiting:
    """Shows that something is under way, and notes what came in which order."""

    def __init__(self, told: _Told) -> None:
        self.is_waiting = True
        self.seen: list[tuple[str, bool]] = []
        told.workers = Workers(told.mailbox, lambda _: self.note("mistake"))
        told.workers.start()

    def note(self, outcome: str) -> None:
        self.seen.append((outcome, self.is_waiting))

    def ended(self) -> None:
        self.is_waiting = False


@pytest.mark.parametrize(
    ("outcome", "trouble"),
    [("answer", None), ("refusal", PortInUseError(port=1, holder="")), ("mistake", KeyError("x"))],
)
def test_whatever_comes_of_a_job_its_waiting_ends_before_that_is_told(
    outcome: str, trouble: Exception | None
) -> None:
    told = _Told()
    waiting = _Waiting(told)

    def job() -> None:
        if trouble is not None:
            raise trouble

    told.workers.ask(
        job, lambda _: waiting.note("answer"), lambda _: waiting.note("refusal"), waiting.ended
    )

    def all_seen() -> bool:
        told.mailbox.deliver(1.0)
        return bool(waiting.seen)

    until(all_seen)
    assert waiting.seen == [(outcome, False)]
    assert told.workers.stop(10) == ()


def test_an_outcome_is_told_also_where_the_end_of_the_waiting_meets_a_mistake(told: _Told) -> None:
    told.workers.ask(lambda: 7, told.answers.append, told.refusals.append, lambda: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        until(told.delivered)
    assert told.answers == [7]


def test_a_thread_that_hangs_is_named() -> None:
    workers = Workers(Mailbox(), lambda _: None)
    go_on = threading.Event()
    workers.start()
    workers.ask(lambda: go_on.wait(10), lambda _: None, lambda _: None)

    (hanging,) = workers.stop(0.05)  # whichever of them took the task
    assert hanging.startswith("dingbridge-ui-")

    go_on.set()
    assert workers.stop(10) == ()


class _Window:
    """Tells which thread it went on."""

    def __init__(self, went_on: list[int]) -> None:
        self._went_on = went_on

    def asked(self) -> str:
        return "an answer"

    def answered(self, answer: str) -> None:
        assert answer

    def failing(self) -> str:
        raise PortInUseError(port=8080, holder="nginx")

    def failed(self, failure: DingBridgeError) -> None:
        assert isinstance(failure, PortInUseError)

    def __del__(self) -> None:
        self._went_on.append(threading.get_ident())


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_window_that_was_closed_while_asking_never_goes_on_a_worker(
    told: _Told,
    is_refused: bool,  # noqa: FBT001 - pytest hands it over by name
) -> None:
    went_on: list[int] = []
    for _ in range(20):
        window = _Window(went_on)
        job = window.failing if is_refused else window.asked
        told.workers.ask(job, window.answered, window.failed)
        del window, job

    def all_gone() -> bool:
        told.mailbox.deliver(1.0)
        gc.collect()  # an exception and its traceback are a circle
        return len(went_on) == 20

    until(all_gone)
    assert set(went_on) == {threading.get_ident()}
