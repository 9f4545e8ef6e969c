import sqlite3

import pytest

from server.journal import lookups
from server.journal.connection import MisreadError
from server.journal.lookups import Answer, Lookups

KNOWN = Lookups((1, 2), {"13800000001": Answer("zhang", 5), "13800000002": Answer("", 6)})


def test_what_wecom_said_is_kept(conn: sqlite3.Connection) -> None:
    assert lookups.load(conn, "ww1") == Lookups()
    lookups.store(conn, "ww1", KNOWN)
    assert lookups.load(conn, "ww1") == KNOWN
    lookups.store(conn, "ww1", Lookups((3,)))
    assert lookups.load(conn, "ww1") == Lookups((3,))


def test_another_company_was_asked_nothing(conn: sqlite3.Connection) -> None:
    lookups.store(conn, "ww1", KNOWN)
    assert lookups.load(conn, "ww2") == Lookups()


@pytest.mark.parametrize("value", ["", "[]", '["ww1",[null],{}]', '["ww1",[],{"1":["a"]}]'])
def test_a_value_that_makes_no_sense_is_told_whoever_asks(
    conn: sqlite3.Connection, value: str
) -> None:
    conn.execute("INSERT INTO sync_state VALUES ('mobile-lookups', ?)", (value,))
    with pytest.raises(MisreadError):
        lookups.load(conn, "ww2")
