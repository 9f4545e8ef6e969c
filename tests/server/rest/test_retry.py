import pytest

from server.errors.vendor import (
    CallCancelledError,
    ErrorInfo,
    ErrorPolicy,
    OutcomeUnknownError,
    VendorError,
)
from server.rest.retry import Retrier, RetryPolicy
from tests.server.rest.loopback import FakeTime

VALUES = {"vendor": "WeCom", "call": "user/create"}


def failing(
    policy: ErrorPolicy,
    *,
    wait_s: float | None = None,
    backoff_s: tuple[float, ...] = (1.0, 2.0, 4.0),
) -> VendorError:
    meaning = ErrorInfo(policy, "{vendor} failed.", "Wait.", backoff_s=backoff_s)
    return VendorError(VALUES, meaning=meaning, wait_s=wait_s)


class Script:
    """Raises what it is given, one after the other, and then returns "done"."""

    def __init__(self, *errors: VendorError) -> None:
        self.left = list(errors)
        self.tries = 0

    def __call__(self) -> str:
        self.tries += 1
        if self.left:
            raise self.left.pop(0)
        return "done"


def run(script: Script, time: FakeTime, *, policy: RetryPolicy | None = None) -> str:
    return Retrier(policy or RetryPolicy(), wait=time.wait, random=lambda: 0.0).run(script)


def test_a_passing_failure_is_asked_again_after_1_2_and_4_seconds() -> None:
    time = FakeTime()

    assert run(Script(*(failing(ErrorPolicy.RETRY) for _ in range(3))), time) == "done"
    assert time.waits == [1.0, 2.0, 4.0]


def test_patience_ends_after_the_third_repetition() -> None:
    time = FakeTime()
    script = Script(*(failing(ErrorPolicy.RETRY) for _ in range(9)))

    with pytest.raises(VendorError) as caught:
        run(script, time)

    assert (script.tries, caught.value.attempts) == (4, 4)


@pytest.mark.parametrize(
    "policy", [policy for policy in ErrorPolicy if policy is not ErrorPolicy.RETRY]
)
def test_nothing_else_is_asked_again(policy: ErrorPolicy) -> None:
    time = FakeTime()
    script = Script(failing(policy))

    with pytest.raises(VendorError):
        run(script, time)

    assert (script.tries, time.waits) == (1, [])


def test_what_may_have_been_done_is_not_asked_again() -> None:
    time = FakeTime()
    script = Script(OutcomeUnknownError(failing(ErrorPolicy.RETRY)))

    with pytest.raises(OutcomeUnknownError) as caught:
        run(script, time)

    assert (script.tries, caught.value.policy) == (1, ErrorPolicy.VERIFY)


def test_the_table_of_errors_sets_the_waits() -> None:
    time = FakeTime()

    run(Script(failing(ErrorPolicy.RETRY, backoff_s=(30.0, 60.0))), time)

    assert time.waits == [30.0]


def test_a_vendor_that_names_its_wait_gets_it() -> None:
    time = FakeTime()

    run(Script(failing(ErrorPolicy.RETRY, wait_s=17.0)), time)

    assert time.waits == [17.0]


def test_a_vendor_that_wants_more_than_the_longest_wait_is_left_for_a_later_run() -> None:
    time = FakeTime()

    with pytest.raises(VendorError):
        run(Script(failing(ErrorPolicy.RETRY, wait_s=600.0)), time)

    assert time.waits == []


def test_jitter_lengthens_a_wait_by_a_share_at_most() -> None:
    time = FakeTime()
    retrier = Retrier(RetryPolicy(jitter=0.5), wait=time.wait, random=lambda: 0.5)

    retrier.run(Script(failing(ErrorPolicy.RETRY)))

    assert time.waits == [1.25]


def test_a_stop_request_ends_the_wait_at_once() -> None:
    time = FakeTime(stop_after=1)
    script = Script(*(failing(ErrorPolicy.RETRY) for _ in range(3)))

    with pytest.raises(CallCancelledError) as caught:
        run(script, time)

    assert script.tries == 2
    assert "user/create" in str(caught.value)


def test_the_error_tells_how_often_it_was_tried() -> None:
    script = Script(failing(ErrorPolicy.RETRY), failing(ErrorPolicy.SKIP))

    with pytest.raises(VendorError) as caught:
        run(script, FakeTime())

    assert caught.value.attempts == 2
