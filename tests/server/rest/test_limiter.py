import heapq
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.rest.retry import RateLimiter
from tests.server.rest.loopback import FakeTime

PATH = "topapi/v2/user/list"


def limiter(time: FakeTime, calls: int = 20) -> RateLimiter:
    return RateLimiter(calls, clock=time.clock, wait=time.wait)


def test_the_first_calls_of_a_path_do_not_wait() -> None:
    time = FakeTime()
    limit = limiter(time)

    for _ in range(20):
        with limit.slot(PATH) as is_granted:
            assert is_granted

    assert time.waits == []


def test_the_call_after_the_limit_waits_a_window() -> None:
    time = FakeTime()
    limit = limiter(time)

    for _ in range(21):
        with limit.slot(PATH):
            pass

    assert time.waits == [1.0]


def test_each_path_has_a_limit_of_its_own() -> None:
    time = FakeTime()
    limit = limiter(time, calls=1)

    for path in ("a", "b", "c"):
        with limit.slot(path):
            pass

    assert time.waits == []


def test_a_stop_request_ends_the_wait_without_a_slot() -> None:
    time = FakeTime(stop_after=0)
    limit = limiter(time, calls=1)
    with limit.slot(PATH):
        pass

    with limit.slot(PATH) as is_granted:
        assert not is_granted


def test_a_slot_comes_back_after_an_error() -> None:
    time = FakeTime()
    limit = limiter(time, calls=1)
    with pytest.raises(ZeroDivisionError), limit.slot(PATH):
        _ = 1 / 0
    time.now += 1.0

    with limit.slot(PATH) as is_granted:
        assert is_granted
    assert time.waits == []


def test_where_all_slots_are_in_flight_it_looks_again_until_one_is_back() -> None:
    time = FakeTime()
    limit = limiter(time, calls=1)
    with limit.slot(PATH):
        delay_s = limit._take(PATH)

    assert 0 < delay_s < 1


def test_threads_never_share_a_slot() -> None:
    limit = RateLimiter(3, clock=lambda: 0.0, wait=threading.Event().wait)
    in_flight: list[int] = []
    most = [0]
    lock = threading.Lock()

    def call(number: int) -> None:
        with limit.slot(f"path {number % 2}"):
            with lock:
                in_flight.append(number % 2)
                most[0] = max(most[0], in_flight.count(0), in_flight.count(1))
            with lock:
                in_flight.remove(number % 2)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 1 <= most[0] <= 3


def arrivals(calls: int, latencies: Sequence[tuple[float, float]], workers: int) -> list[float]:
    """Let workers call as fast as the limiter lets them; give the times the vendor counts.

    A call takes `latency` seconds and reaches the vendor after the share `when` of it.
    """
    time = FakeTime()
    limit = limiter(time, calls)
    arrived: list[float] = []
    left = list(latencies)
    # What happens when: a worker wants a slot (0) or has its reply (1).
    agenda = [(time.now, 0, worker) for worker in range(workers)]
    while agenda:
        time.now, has_reply, worker = heapq.heappop(agenda)
        if has_reply:
            limit._release(PATH)
            heapq.heappush(agenda, (time.now, 0, worker))
        elif left:
            delay_s = limit._take(PATH)
            if delay_s > 0:
                heapq.heappush(agenda, (time.now + delay_s, 0, worker))
                continue
            latency, when = left.pop()
            arrived.append(time.now + latency * when)
            heapq.heappush(agenda, (time.now + latency, 1, worker))
    return sorted(arrived)


@given(
    latencies=st.lists(
        st.tuples(st.floats(0.001, 3.0), st.floats(0.0, 1.0)), min_size=30, max_size=120
    ),
    workers=st.integers(1, 30),
    calls=st.integers(1, 20),
)
@settings(max_examples=60, deadline=None)
def test_no_second_ever_sees_more_calls_than_allowed_whatever_the_network_does(
    latencies: list[tuple[float, float]], workers: int, calls: int
) -> None:
    times = arrivals(calls, latencies, workers)

    assert len(times) == len(latencies)
    for first, over in zip(times, times[calls:], strict=False):
        assert over - first > 1.0 - 1e-9


def test_a_quick_network_is_used_nearly_to_the_limit() -> None:
    times = arrivals(20, [(0.05, 0.5)] * 400, workers=8)

    assert 400 / (times[-1] - times[0]) > 18.5
