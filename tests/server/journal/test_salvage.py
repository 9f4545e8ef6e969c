import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.directory.model import DepartmentLink, DepartmentState, Ledger, MemberState, PersonLink
from server.journal import events, ledger, listing, rejections, salvage, sync_state
from server.journal import rejections as contact
from server.journal.connection import connect, transaction
from server.journal.events import NewEvent
from server.journal.opening import open_database
from server.journal.rejections import CredentialUse, Rejection
from server.journal.runs import RunCause
from server.journal.salvage import Salvaged, note, noted
from server.journal.sync_state import NextRun

MakeEvent = Callable[..., NewEvent]
PEOPLE = {key: PersonLink(key, f"w{key}", MemberState("Li")) for key in ("u1", "u2")}
DEPARTMENTS = {"1": DepartmentLink("1", "10", DepartmentState("A", "1", 5, 0))}
REJECTION = Rejection(5, "192.0.2.1", "rejected", "token", None, 3, 4)


@pytest.fixture
def damaged(tmp_path: Path, new_event: MakeEvent) -> Path:
    """A database with something of everything, that a test damages."""
    path = tmp_path / "damaged.db"
    with closing(open_database(path, now_ms=0).conn) as conn, transaction(conn):
        events.append(conn, [new_event(f"e{n}") for n in range(40)])
        events.append(conn, [new_event("e7")])
        events.complete(conn, [one.id for one in events.claim(conn, 10, 0)])
        events.claim(conn, 5, 0)
        for person in PEOPLE.values():
            ledger.put_person(conn, person)
        ledger.put_department(conn, DEPARTMENTS["1"])
        contact.record_uses(conn, [CredentialUse("fp", 5, "192.0.2.1", "t")])
        rejections.replace_all(conn, [REJECTION])
        sync_state.set_next_full_run(conn, NextRun(77, RunCause.RETRY))
    return path


def run_on(path: Path, statement: str, *values: object) -> None:
    with closing(connect(path)) as conn:
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute(statement, values)


def test_all_that_can_be_read_comes_over_under_the_same_ids(
    damaged: Path, conn: Connection
) -> None:
    assert salvage.salvage(damaged, conn) == Salvaged(events=40, links=3)
    assert ledger.load(conn) == Ledger(PEOPLE, DEPARTMENTS)
    assert sync_state.load(conn).next_full_run == NextRun(77, RunCause.RETRY)
    assert contact.last_uses(conn)["fp"].last_used_at_ms == 5
    assert rejections.latest(conn) == [REJECTION]
    found = listing.counts(conn)
    assert (found.pending, found.working, found.done, found.duplicates) == (25, 5, 10, 1)
    listed = listing.latest(conn, 50).events
    assert [(event.id, event.event_id) for event in listed[:2]] == [(40, "e39"), (39, "e38")]
    events.append(conn, [NewEvent("e3", 0, "t", "e3", None, "{}")])
    assert listing.counts(conn).duplicates == 2


def test_only_so_many_of_the_newest_events_come_over(
    damaged: Path, conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [
        salvage._Part(part.tables, part.proof, 6 if "events" in part.tables else part.limit)
        for part in salvage._PARTS
    ]
    monkeypatch.setattr(salvage, "_PARTS", parts)
    assert salvage.salvage(damaged, conn) == Salvaged(events=6, links=3)
    assert listing.latest(conn, 50).events[-1].event_id == "e34"


def test_a_table_that_is_lost_costs_no_other(
    damaged: Path, conn: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    run_on(damaged, "UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 'events'")
    assert salvage.salvage(damaged, conn) == Salvaged(events=0, links=3)
    assert "Table events is damaged" in caplog.text


def test_a_part_that_cannot_be_understood_is_left_behind(
    damaged: Path, conn: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    run_on(damaged, "UPDATE person_links SET accepted = 'no JSON' WHERE dingtalk_userid = 'u2'")
    assert salvage.salvage(damaged, conn) == Salvaged(events=40, links=0)
    assert "Nothing can be salvaged of person_links" in caplog.text


@pytest.fixture
def with_two_companies(damaged: Path) -> Path:
    """The same, and the ledger there is of a company that is not the one in use."""
    with closing(connect(damaged)) as conn, transaction(conn):
        ledger.put_in_use(conn, "ww-first")
        ledger.put_in_use(conn, "ww-second")
        ledger.put_person(conn, PersonLink("u9", "w9", MemberState("Wu")))
    return damaged


@pytest.mark.parametrize("lost", ["DELETE FROM sync_state", "DROP TABLE sync_state", ""])
def test_the_ledger_of_another_company_comes_over_too(
    with_two_companies: Path, conn: Connection, lost: str
) -> None:
    run_on(with_two_companies, lost)
    salvage.salvage(with_two_companies, conn)
    assert list(ledger.load(conn).people) == ["u9"]
    ledger.put_in_use(conn, "ww-second")  # as it is, should nobody know
    ledger.put_in_use(conn, "ww-first")
    assert ledger.load(conn) == Ledger(PEOPLE, DEPARTMENTS)


def test_a_shelf_that_cannot_be_understood_costs_the_ledger_in_use_nothing(
    with_two_companies: Path, conn: Connection
) -> None:
    run_on(with_two_companies, "UPDATE shelved_person_links SET accepted = '{garbage'")
    salvage.salvage(with_two_companies, conn)
    assert list(ledger.load(conn).people) == ["u9"]
    assert ledger.corp_in_use(conn) == "ww-second"
    ledger.put_in_use(conn, "ww-first")
    assert ledger.load(conn) == Ledger({}, {})


def test_rows_that_hold_what_no_such_row_can_are_left_behind(
    damaged: Path, conn: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    run_on(damaged, "UPDATE events SET state = 99 WHERE id = 3")
    run_on(damaged, "UPDATE events SET source = 'nobody' WHERE id = 4")
    run_on(
        damaged,
        "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = 'events'",
    )
    run_on(damaged, "UPDATE events SET received_at_ms = 'soon' WHERE id = 5")
    with caplog.at_level(logging.DEBUG):
        assert salvage.salvage(damaged, conn).events == 37
    assert "Invalid row in events" in caplog.text
    assert listing.counts(conn).events == 37


def test_of_what_is_no_database_nothing_comes_over(tmp_path: Path, conn: Connection) -> None:
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"no database" * 500)
    assert salvage.salvage(garbage, conn) == Salvaged()
    assert salvage.salvage(tmp_path / "missing.db", conn) == Salvaged()


def test_a_full_new_database_is_told_and_holds_nothing(damaged: Path, conn: Connection) -> None:
    run_on(damaged, "UPDATE events SET payload = hex(zeroblob(9000))")
    (pages,) = conn.execute("PRAGMA page_count").fetchone()
    conn.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        salvage.salvage(damaged, conn)
    assert listing.counts(conn).events == 0


def test_what_came_over_is_noted_beside_the_damaged_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    aside = tmp_path / "dingbridge.damaged-1.db"
    assert noted(aside) is None
    note(aside, Salvaged(1, 2))
    assert noted(aside) == Salvaged(1, 2)
    aside.with_suffix(".json").write_text("[1]")
    assert noted(aside) is None
    note(tmp_path / "nowhere" / "x.db", Salvaged())
    assert "could not be noted" in caplog.text
