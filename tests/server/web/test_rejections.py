from server.journal.rejections import Rejection
from server.web.rejections import ALIKE_WITHIN_MS, KEPT, RejectionLog


def rejection(remote: str = "a", at_ms: int = 0, verdict: str | None = "token") -> Rejection:
    return Rejection(at_ms, remote, "rejected", verdict, None, 1, at_ms)


def test_calls_alike_are_one_line_with_their_number() -> None:
    log = RejectionLog()
    news = [log.add(rejection(at_ms=at_ms)) for at_ms in range(10_000)]
    assert news == [True] + [False] * 9_999
    assert [Rejection(9_999, "a", "rejected", "token", None, 10_000, 0)] == log.snapshot()


def test_calls_from_many_addresses_are_bounded() -> None:
    log = RejectionLog()
    for number in range(10_000):
        log.add(rejection(remote=str(number)))
    assert [str(number) for number in range(10_000 - KEPT, 10_000)] == [
        one.remote for one in log.snapshot()
    ]


def test_strangers_do_not_push_out_a_verdict() -> None:
    log = RejectionLog()
    log.add(rejection("dingtalk", verdict="aes_key"))
    for number in range(10_000):
        log.add(rejection(str(number), verdict=(None, "unknown_sender")[number % 2]))
    assert log.snapshot()[0].remote == "dingtalk"
    assert len(log.snapshot()) == KEPT


def test_after_a_while_it_is_a_new_line() -> None:
    log = RejectionLog()
    log.add(rejection())
    assert log.add(rejection(at_ms=ALIKE_WITHIN_MS + 1))


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
    assert log.add(rejection(verdict="key"))


def test_it_is_handed_over_only_where_it_changed() -> None:
    log = RejectionLog()
    log.restore([rejection()])
    assert log.taken_if_changed() is None
    log.add(rejection("b"))
    assert [one.remote for one in log.taken_if_changed() or []] == ["a", "b"]
    assert log.taken_if_changed() is None
