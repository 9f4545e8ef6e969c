from sqlite3 import Connection

from server.journal.rejections import MAX_REJECTIONS, Rejection, latest, replace_all


def _rejection(at_ms: int) -> Rejection:
    return Rejection(at_ms, "1.1.1.1", "signature", "token", "dingkey", 3, at_ms - 10)


def test_the_newest_comes_first(conn: Connection) -> None:
    replace_all(conn, [_rejection(100), _rejection(300), _rejection(200)])
    assert latest(conn) == [_rejection(300), _rejection(200), _rejection(100)]
    assert latest(conn, limit=1) == [_rejection(300)]


def test_a_list_replaces_the_one_before(conn: Connection) -> None:
    replace_all(conn, [_rejection(100)])
    replace_all(conn, [Rejection(5, "", "cause", None, None, 1, 5)])
    assert latest(conn) == [Rejection(5, "", "cause", None, None, 1, 5)]
    replace_all(conn, [])
    assert latest(conn) == []


def test_the_list_is_bounded(conn: Connection) -> None:
    replace_all(conn, [_rejection(number) for number in range(MAX_REJECTIONS + 50)])
    stored = latest(conn, limit=10_000)
    assert len(stored) == MAX_REJECTIONS
    assert stored[0].at_ms == MAX_REJECTIONS + 49
