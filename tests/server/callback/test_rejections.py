from dataclasses import replace

from crypto.callback import CallbackVerifier, SealedCallback
from crypto.credentials import Keyring
from server.callback.rejections import (
    ALIKE_WITHIN_MS,
    EVERYBODY,
    KEPT,
    NEW_LINES,
    WAITING_ADDRESSES,
    WAITING_OF_ONE,
    DiagnosisQueue,
    RejectedCall,
    RejectionLog,
)
from server.journal.rejections import Rejection


def rejection(remote: str = "a", at_ms: int = 0, verdict: str | None = "token") -> Rejection:
    return Rejection(at_ms, remote, "rejected", verdict, None, 1, at_ms)


def test_calls_alike_are_one_line_with_their_number() -> None:
    log = RejectionLog()
    news = [log.add(rejection(at_ms=at_ms)) for at_ms in range(10_000)]
    assert news == [rejection()] + [None] * 9_999
    assert [Rejection(9_999, "a", "rejected", "token", None, 10_000, 0)] == log.snapshot()


def minutely(log: RejectionLog, lines: int, verdict: str | None = "unknown_sender") -> None:
    """So many calls, each from an address of its own, and no crowd at any time."""
    for number in range(lines):
        at_ms = number * ALIKE_WITHIN_MS // NEW_LINES
        log.add(rejection(str(number), at_ms, verdict))


def test_calls_from_many_addresses_are_bounded() -> None:
    log = RejectionLog()
    minutely(log, 1000)
    assert [str(number) for number in range(1000 - KEPT, 1000)] == [
        one.remote for one in log.snapshot()
    ]


def test_strangers_do_not_push_out_a_verdict() -> None:
    log = RejectionLog()
    log.add(rejection("dingtalk", -ALIKE_WITHIN_MS, verdict="aes_key"))
    minutely(log, 500, None)
    minutely(log, 500)
    assert log.snapshot()[0].remote == "dingtalk"
    assert len(log.snapshot()) == KEPT


def test_of_a_crowd_only_the_number_is_kept() -> None:
    log = RejectionLog()
    lines = [log.add(rejection(str(number), number)) for number in range(10_000)]
    addresses = [str(number) for number in range(NEW_LINES)]
    assert [line.remote for line in lines if line is not None] == [*addresses, EVERYBODY]
    crowd = replace(rejection(EVERYBODY, NEW_LINES), at_ms=9_999, count=10_000 - NEW_LINES)
    assert log.snapshot()[-1] == crowd


def test_a_crowd_hides_no_verdict() -> None:
    log = RejectionLog()
    for number in range(100):
        log.add(rejection(str(number), verdict="unknown_sender"))
    line = log.add(rejection("dingtalk", verdict="key"))
    assert line == rejection(EVERYBODY, verdict="key")


def test_after_a_crowd_addresses_are_kept_again() -> None:
    log = RejectionLog()
    for number in range(100):
        log.add(rejection(str(number)))
    assert log.add(rejection("later", ALIKE_WITHIN_MS)) is not None
    assert log.snapshot()[-1].remote == "later"


def test_a_clock_set_back_makes_no_crowd() -> None:
    log = RejectionLog()
    for number in range(NEW_LINES):
        log.add(rejection(str(number), at_ms=1_000_000))
    log.add(rejection("now", at_ms=0))
    assert log.snapshot()[-1].remote == "now"


def test_after_a_while_it_is_a_new_line() -> None:
    log = RejectionLog()
    log.add(rejection())
    assert log.add(rejection(at_ms=ALIKE_WITHIN_MS + 1)) is not None


def test_a_lasting_flood_stays_one_line_among_others() -> None:
    log = RejectionLog()
    for minute in range(100):
        log.add(rejection("flood", at_ms=minute * ALIKE_WITHIN_MS))
        log.add(rejection(f"other{minute}", at_ms=minute * ALIKE_WITHIN_MS + 1))
    floods = [one for one in log.snapshot() if one.remote == "flood"]
    assert [one.count for one in floods] == [100]


def test_the_newest_stands_last() -> None:
    log = RejectionLog()
    for remote, at_ms in (("a", 0), ("b", 1), ("a", 2)):
        log.add(rejection(remote, at_ms))
    assert [one.remote for one in log.snapshot()] == ["b", "a"]


def test_another_verdict_is_another_line() -> None:
    log = RejectionLog()
    log.add(rejection())
    assert log.add(rejection(verdict="key")) is not None


def test_it_is_handed_over_only_where_it_changed() -> None:
    log = RejectionLog()
    log.restore([rejection()])
    assert log.taken_if_changed() is None
    log.add(rejection("b"))
    assert [one.remote for one in log.taken_if_changed() or []] == ["a", "b"]
    assert log.taken_if_changed() is None


OPENER = CallbackVerifier(Keyring())


def rejected(remote: str, at_ms: int, encrypt: str = "x") -> RejectedCall:
    return RejectedCall(SealedCallback("s", "1", "n", encrypt), remote, at_ms, OPENER)


def test_calls_wait_in_the_order_in_which_they_came_and_once() -> None:
    queue = DiagnosisQueue()
    for at_ms, remote in enumerate("abab"):
        queue.add(rejected(remote, at_ms))
    assert [call.remote for call in queue.take()] == ["a", "b", "a", "b"]
    assert queue.take() == []


def test_a_flood_from_one_address_takes_the_place_of_nobody_elses_calls() -> None:
    queue = DiagnosisQueue()
    queue.add(rejected("dingtalk", 0))
    for at_ms in range(1, 10_000):
        queue.add(rejected("flood", at_ms))
    calls = queue.take()
    assert [call.remote for call in calls] == ["dingtalk"] + ["flood"] * WAITING_OF_ONE
    assert sum(call.count for call in calls) == 10_000
    assert calls[-1].at_ms == 9_999


def test_what_waits_for_the_doctor_is_bounded() -> None:
    queue = DiagnosisQueue()
    for number in range(10_000):
        queue.add(rejected(str(number), number, "x" * 100_000))
    calls = queue.take()
    assert len(calls) == WAITING_ADDRESSES
    assert {call.callback.encrypt for call in calls} == {""}
