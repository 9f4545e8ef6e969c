from sqlite3 import Connection

from server.journal.rejections import CredentialUse, LastUse, last_uses, record_uses


def test_the_first_use_is_kept_and_the_last_one_replaced(conn: Connection) -> None:
    record_uses(conn, [CredentialUse("fp", 100, "1.1.1.1", "check_url")])
    record_uses(conn, [CredentialUse("fp", 200, "2.2.2.2", "user_add_org", count=7)])
    assert last_uses(conn) == {"fp": LastUse(100, 200, "2.2.2.2", "user_add_org", 8)}


def test_each_set_has_its_own(conn: Connection) -> None:
    record_uses(
        conn, [CredentialUse("a", 1, "1.1.1.1", None), CredentialUse("b", 2, "2.2.2.2", None)]
    )
    assert last_uses(conn) == {
        "a": LastUse(1, 1, "1.1.1.1", None, 1),
        "b": LastUse(2, 2, "2.2.2.2", None, 1),
    }


def test_a_clock_that_was_ahead_does_not_stay(conn: Connection) -> None:
    record_uses(
        conn,
        [CredentialUse("fp", 9_000, "1.1.1.1", None), CredentialUse("fp", 100, "1.1.1.1", None)],
    )
    assert last_uses(conn)["fp"].last_used_at_ms == 100


def test_nothing_used_is_nothing_known(conn: Connection) -> None:
    record_uses(conn, [])
    assert last_uses(conn) == {}


def test_a_call_that_was_sent_again_is_counted_and_moves_nothing(conn: Connection) -> None:
    record_uses(
        conn, [CredentialUse("fp", 100, "1.1.1.1", "t", dedupe_key="e1")], frozenset({"e1"})
    )
    record_uses(conn, [CredentialUse("fp", 200, "6.6.6.6", "x", dedupe_key="e1")])
    record_uses(conn, [CredentialUse("fp", 300, "6.6.6.6", "x", is_replay=True)])
    assert last_uses(conn) == {"fp": LastUse(100, 100, "1.1.1.1", "t", 3)}


def test_of_a_batch_the_last_genuine_call_is_kept_and_all_are_counted(conn: Connection) -> None:
    genuine = CredentialUse("fp", 100, "1.1.1.1", "t", dedupe_key="e2")
    replays = [CredentialUse("fp", at_ms, "6.6.6.6", "x", dedupe_key="e1") for at_ms in (99, 101)]
    record_uses(conn, [replays[0], genuine, replays[1]], frozenset({"e2"}))
    assert last_uses(conn) == {"fp": LastUse(100, 100, "1.1.1.1", "t", 3)}


def test_a_set_that_is_met_in_a_replay_only_is_known(conn: Connection) -> None:
    record_uses(conn, [CredentialUse("fp", 100, "1.1.1.1", "t", is_replay=True)])
    assert last_uses(conn) == {"fp": LastUse(100, 100, "1.1.1.1", "t", 1)}
