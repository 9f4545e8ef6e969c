from sqlite3 import Connection

from server.journal.contact import LastUse, Use, record, uses


def test_the_first_use_is_kept_and_the_last_one_replaced(conn: Connection) -> None:
    record(conn, [Use("fp", 100, "1.1.1.1", "check_url")])
    record(conn, [Use("fp", 200, "2.2.2.2", "user_add_org", count=7)])
    assert uses(conn) == {"fp": LastUse(100, 200, "2.2.2.2", "user_add_org", 8)}


def test_each_set_has_its_own(conn: Connection) -> None:
    record(conn, [Use("a", 1, "1.1.1.1", None), Use("b", 2, "2.2.2.2", None)])
    assert uses(conn) == {
        "a": LastUse(1, 1, "1.1.1.1", None, 1),
        "b": LastUse(2, 2, "2.2.2.2", None, 1),
    }


def test_a_clock_that_was_ahead_does_not_stay(conn: Connection) -> None:
    record(conn, [Use("fp", 9_000, "1.1.1.1", None), Use("fp", 100, "1.1.1.1", None)])
    assert uses(conn)["fp"].last_used_at_ms == 100


def test_nothing_used_is_nothing_known(conn: Connection) -> None:
    record(conn, [])
    assert uses(conn) == {}
