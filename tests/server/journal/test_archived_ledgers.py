from contextlib import closing
from functools import partial
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.directory.model import (
    Conflict,
    DepartmentLink,
    DepartmentState,
    Kind,
    Ledger,
    MemberState,
    Origin,
    PersonLink,
    Removal,
    Scope,
)
from server.journal import ledger, sync_state
from server.journal.connection import connect_in_memory
from server.journal.journal import Journal
from server.journal.runs import RunCause
from server.journal.schema import MIGRATIONS, migrate
from server.journal.sync_state import NextRun

PATH = Path("memory.db")
BEFORE = next(
    number for number, steps in enumerate(MIGRATIONS) if "shelved_person_links" in "".join(steps)
)
"""The last version in which there was one ledger."""


def fill(conn: Connection) -> None:
    ledger.put_person(conn, PersonLink("u1", "U1", MemberState("王伟"), since_s=0.1 + 0.2))
    ledger.put_person(conn, PersonLink("u2", "u2", None, is_enabled=False, is_hidden=True))
    ledger.put_person(conn, PersonLink("u4", "u4", None, is_since_sure=True))
    ledger.put_department(
        conn, DepartmentLink("7", "7", DepartmentState("研发部", "1", 9), Origin.ADOPTED)
    )
    ledger.put_conflict(conn, Conflict(Kind.DEPARTMENT, "8", "8", "销售部", "1"))
    ledger.put_conflict(conn, Conflict(Kind.PERSON, "u3", "boss", "13800000000"))
    ledger.drop_conflict(conn, Kind.DEPARTMENT, "8")
    ledger.add_removal(conn, Removal(Kind.PERSON, "u2", "u2", 12.5))
    notes = [("doubt person u1", '["name"]'), ("refusal u1", "{}")]
    conn.executemany("INSERT INTO sync_state VALUES (?, ?)", notes)


def notes(conn: Connection) -> list[str]:
    rows = conn.execute("SELECT name FROM sync_state WHERE name LIKE '% u1' ORDER BY name")
    return [name for (name,) in rows]


def test_another_company_begins_with_an_empty_ledger(conn: Connection) -> None:
    ledger.put_in_use(conn, "ww1")
    fill(conn)
    ledger.put_in_use(conn, "ww2")
    assert ledger.load(conn) == Ledger()
    assert notes(conn) == []
    assert ledger.corp_in_use(conn) == "ww2"


def test_the_way_back_finds_everything_as_it_was(conn: Connection) -> None:
    ledger.put_in_use(conn, "ww1")
    fill(conn)
    before = ledger.load(conn)
    ledger.put_in_use(conn, "ww2")
    ledger.put_person(conn, PersonLink("u1", "other", MemberState("外人")))
    other = ledger.load(conn)
    ledger.put_in_use(conn, "ww1")
    assert ledger.load(conn) == before
    assert notes(conn) == ["doubt person u1", "refusal u1"]
    ledger.put_in_use(conn, "ww2")
    assert ledger.load(conn) == other


@pytest.mark.parametrize("corp_id", ["ww1", "ww2", "ww3"])
def test_a_look_finds_what_taking_up_would_and_writes_nothing(tmp_path: Path, corp_id: str) -> None:
    journal = Journal.open(tmp_path / "journal.db", 0)
    try:
        for each in ("ww1", "ww2"):
            journal.run(partial(ledger.put_in_use, corp_id=each)).result(10)
        journal.run(fill).result(10)
        journal.run(partial(ledger.put_in_use, corp_id="ww1")).result(10)
        before = journal.read(everything)

        def look(conn: Connection) -> tuple[Ledger, list[str]]:
            ledger.view_as_in_use(conn, corp_id)
            return ledger.load(conn), notes(conn)

        found = journal.read(look)
        assert journal.read(everything) == before
        journal.run(partial(ledger.put_in_use, corp_id=corp_id)).result(10)
        assert found == (journal.read(ledger.load), journal.read(notes))
        assert bool(found[0].people) == (corp_id == "ww2")
    finally:
        assert journal.close(10)


def test_a_look_leaves_what_belongs_to_no_company_in_sight(conn: Connection) -> None:
    ledger.put_in_use(conn, "ww1")
    ledger.set_approved_scope(conn, Scope(corp_id="ww1"))
    ledger.view_as_in_use(conn, "ww2")
    assert ledger.approved_scope(conn) == Scope(corp_id="ww1")


def test_a_look_before_the_first_run_finds_what_is_there(conn: Connection) -> None:
    fill(conn)
    ledger.view_as_in_use(conn, "ww1")
    assert ledger.load(conn).people.keys() == {"u1", "u2", "u4"}


def everything(conn: Connection) -> list[str]:
    return list(conn.iterdump())


def test_a_ledger_in_use_stays_as_it_is(conn: Connection) -> None:
    ledger.put_in_use(conn, "ww1")
    fill(conn)
    before, changes = ledger.load(conn), conn.total_changes
    ledger.put_in_use(conn, "ww1")
    assert (ledger.load(conn), conn.total_changes) == (before, changes)


def test_what_belongs_to_no_company_is_left_alone(conn: Connection) -> None:
    ledger.put_in_use(conn, "ww1")
    ledger.set_approved_scope(conn, Scope(corp_id="ww1"))
    sync_state.set_next_full_run(conn, NextRun(5, RunCause.RETRY))
    ledger.put_in_use(conn, "ww2")
    assert ledger.approved_scope(conn) == Scope(corp_id="ww1")
    assert sync_state.load(conn).next_full_run == NextRun(5, RunCause.RETRY)


@pytest.mark.parametrize(
    ("scope", "corp_id"), [(Scope(corp_id="ww1"), "ww1"), (None, None)], ids=["approved", "never"]
)
def test_an_older_ledger_is_of_the_company_that_was_approved(
    scope: Scope | None, corp_id: str | None
) -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, PATH, MIGRATIONS[:BEFORE])
        if scope is not None:
            ledger.set_approved_scope(conn, scope)
        conn.execute("INSERT INTO person_links VALUES ('u1', 'U1', NULL, 1, 0.3, 'created', 0)")
        migrate(conn, PATH)
        assert ledger.corp_in_use(conn) == corp_id
        known = ledger.load(conn)
        assert known.people == {"u1": PersonLink("u1", "U1", None, since_s=0.3)}
        ledger.put_in_use(conn, "ww1")
        assert ledger.load(conn) == known


@pytest.mark.parametrize("table", ["person_links", "department_links", "conflicts", "removals"])
def test_the_shelf_has_every_column_of_the_table_in_use(conn: Connection, table: str) -> None:
    def columns(name: str) -> list[tuple[str, str]]:
        return [(row[1], row[2]) for row in conn.execute(f"PRAGMA table_info({name})")]

    assert columns(f"shelved_{table}") == [("corp_id", "TEXT"), *columns(table)]
