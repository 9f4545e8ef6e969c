from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection

from hypothesis import given
from hypothesis import strategies as st

from server.directory.causes import cause
from server.directory.model import (
    UNKNOWN,
    Conflict,
    DepartmentLink,
    DepartmentState,
    Kind,
    Ledger,
    MemberDepartment,
    MemberState,
    Origin,
    PersonLink,
    Refusal,
    Removal,
    Scope,
)
from server.journal import ledger
from server.journal.connection import connect_in_memory
from server.journal.schema import migrate

# Half of a surrogate pair is no text that SQLite takes for a key, and no id of DingTalk's has one;
# people's names may.
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
words = st.text(st.characters(), max_size=12)
orders = st.one_of(st.just(UNKNOWN), st.integers(0, 2**63))
times_s = st.floats(min_value=-1e10, max_value=1e10)
kinds = st.sampled_from(Kind)
memberships = st.builds(MemberDepartment, ids, st.integers(0, 2**32 - 1), st.booleans(), orders)
members = st.builds(
    MemberState,
    words,
    words,
    words,
    words,
    words,
    st.lists(memberships, max_size=3).map(tuple),
    words,
    words,
    words,
    words,
)
person_links = st.builds(
    PersonLink,
    ids,
    ids,
    st.none() | members,
    st.booleans(),
    times_s,
    st.sampled_from(Origin),
    st.booleans(),
)
department_links = st.builds(
    DepartmentLink,
    ids,
    ids,
    st.none() | st.builds(DepartmentState, words, ids, st.integers(0, 2**32 - 1), orders),
    st.sampled_from(Origin),
)
scopes = st.builds(
    Scope, st.lists(ids, max_size=3).map(tuple), st.frozensets(ids, max_size=3), ids, words, words
)
causes = st.builds(lambda id_: cause("no-name", id=id_), words)
refusals = st.builds(Refusal, words, times_s, causes)
ledgers = st.builds(
    Ledger,
    st.lists(person_links, max_size=4).map(lambda all_: {one.dingtalk_userid: one for one in all_}),
    st.lists(department_links, max_size=4).map(
        lambda all_: {one.department_id: one for one in all_}
    ),
    st.lists(
        st.builds(Conflict, kinds, ids, ids, ids, ids),
        max_size=4,
        unique_by=lambda one: (one.kind, one.dingtalk_id),
    ).map(tuple),
    st.lists(st.builds(Removal, kinds, ids, ids, times_s, st.booleans()), max_size=4).map(tuple),
    st.none() | scopes,
    refusals=st.dictionaries(ids, st.dictionaries(words, refusals, min_size=1), max_size=4),
)


def _store(conn: Connection, written: Ledger) -> None:
    for person in written.people.values():
        ledger.put_person(conn, person)
    for department in written.departments.values():
        ledger.put_department(conn, department)
    for conflict in written.conflicts:
        ledger.put_conflict(conn, conflict)
    for removal in written.removals:
        ledger.add_removal(conn, removal)
    for userid, refused in written.refusals.items():
        ledger.put_refusals(conn, userid, refused)
    if written.approved_scope is not None:
        ledger.set_approved_scope(conn, written.approved_scope)


def _source_orders(read: Ledger) -> list[object]:
    """What comparing does not look at."""
    people = [
        membership.source_order
        for _, link in sorted(read.people.items())
        for membership in (link.accepted.memberships if link.accepted else ())
    ]
    departments = [
        link.accepted.source_order
        for _, link in sorted(read.departments.items())
        if link.accepted is not None
    ]
    return [*people, *departments]


@given(ledgers)
def test_whatever_is_written_is_read_back_exactly(written: Ledger) -> None:
    with closing(connect_in_memory()) as conn:
        migrate(conn, Path("memory.db"))
        _store(conn, written)
        read = ledger.load(conn)
    assert read == written
    assert _source_orders(read) == _source_orders(written)


def test_an_empty_database_is_an_empty_ledger(conn: Connection) -> None:
    assert ledger.load(conn) == Ledger()


def test_unknown_stays_apart_from_nought(conn: Connection) -> None:
    for key, order in (("1", UNKNOWN), ("2", 0)):
        member = MemberState("Li", memberships=(MemberDepartment("1", 5, source_order=order),))
        ledger.put_person(conn, PersonLink(key, key, member))
        ledger.put_department(conn, DepartmentLink(key, key, DepartmentState("A", "1", 5, order)))
    assert _source_orders(ledger.load(conn)) == [UNKNOWN, 0, UNKNOWN, 0]


def test_a_link_replaces_the_one_before() -> None:
    first = PersonLink("u1", "w1", None)
    second = PersonLink("u1", "w2", MemberState("Li"), is_enabled=False, since_s=5.0)
    assert _after(lambda conn: ledger.put_person(conn, first), second) == {"u1": second}


def _after(before: Callable[[Connection], None], link: PersonLink) -> dict[str, PersonLink]:
    with closing(connect_in_memory()) as conn:
        migrate(conn, Path("memory.db"))
        before(conn)
        ledger.put_person(conn, link)
        return dict(ledger.load(conn).people)


def test_what_is_dropped_is_gone_and_the_rest_stays(conn: Connection) -> None:
    people = {key: PersonLink(key, key, None) for key in ("u1", "u2")}
    departments = {key: DepartmentLink(key, key, None) for key in ("1", "2")}
    conflicts = tuple(Conflict(kind, "1", "w", "v") for kind in Kind)
    _store(conn, Ledger(people, departments, conflicts))
    ledger.drop_person(conn, "u1")
    ledger.drop_department(conn, "2")
    ledger.drop_conflict(conn, Kind.PERSON, "1")
    assert ledger.load(conn) == Ledger(
        {"u2": people["u2"]}, {"1": departments["1"]}, (conflicts[1],)
    )


def test_dropping_what_is_not_there_changes_nothing(conn: Connection) -> None:
    ledger.drop_person(conn, "u1")
    ledger.drop_department(conn, "1")
    ledger.drop_conflict(conn, Kind.PERSON, "u1")
    assert ledger.load(conn) == Ledger()


def test_a_conflict_that_changes_keeps_its_place(conn: Connection) -> None:
    older = Conflict(Kind.PERSON, "u1", "w1", "13800000001")
    newer = Conflict(Kind.PERSON, "u2", "w2", "13800000002")
    changed = replace(older, value="13800000003")
    for conflict in (older, newer, changed):
        ledger.put_conflict(conn, conflict)
    assert ledger.conflicts(conn) == (changed, newer)


def test_old_removals_are_forgotten_and_counted(conn: Connection) -> None:
    removals = tuple(Removal(Kind.PERSON, f"u{at}", "w", float(at)) for at in range(5))
    _store(conn, Ledger(removals=removals))
    assert ledger.age_removals(conn, now_s=9.0, kept_s=6.0) == 3
    assert ledger.load(conn).removals == removals[3:]


def test_a_removal_dated_by_a_clock_that_was_ahead_is_of_now(conn: Connection) -> None:
    removal = Removal(Kind.PERSON, "u", "w", 400.0)
    _store(conn, Ledger(removals=(removal, replace(removal, at_s=8.0))))
    assert ledger.age_removals(conn, now_s=9.0, kept_s=6.0) == 0
    assert [one.at_s for one in ledger.load(conn).removals] == [9.0, 8.0]


def test_the_last_approved_scope_counts(conn: Connection) -> None:
    ledger.set_approved_scope(conn, Scope(("1",)))
    ledger.set_approved_scope(conn, Scope(("2", "3"), frozenset({"9"}), "7", "ding", "ww"))
    expected = Scope(("2", "3"), frozenset({"9"}), "7", "ding", "ww")
    assert ledger.approved_scope(conn) == expected


def test_refusals_are_replaced_as_a_whole_and_forgotten_when_empty(conn: Connection) -> None:
    one = Refusal("138", 1.0, cause("no-name", id="a"))
    ledger.put_refusals(conn, "a", {"mobile": one, "email": one})
    ledger.put_refusals(conn, "a b *", {"mobile": one})
    ledger.put_refusals(conn, "a", {"email": one})
    assert ledger.load(conn).refusals == {"a": {"email": one}, "a b *": {"mobile": one}}
    ledger.put_refusals(conn, "a", {})
    ledger.put_refusals(conn, "never there", {})
    assert set(ledger.load(conn).refusals) == {"a b *"}


def test_names_are_those_last_accepted(conn: Connection) -> None:
    ledger.put_person(conn, PersonLink("u1", "w1", MemberState("李 \ud800雷")))
    ledger.put_person(conn, PersonLink("u2", "w2", None))
    ledger.put_department(conn, DepartmentLink("7", "70", DepartmentState("销售", "1", 5)))
    people = ledger.names(conn, Kind.PERSON, ["u1", "u2", "u3"])
    assert people.keys() == {"u1"}
    assert ledger.names(conn, Kind.DEPARTMENT, ["7", "8"]) == {"7": "销售"}
