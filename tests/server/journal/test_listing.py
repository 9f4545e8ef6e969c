from collections.abc import Callable
from sqlite3 import Connection

import pytest

from server.journal import listing
from server.journal.events import (
    EventState,
    NewEvent,
    append,
    claim,
    complete,
    fail,
    ignore,
    release_stale,
)
from server.journal.listing import (
    _BY_DELAYED,
    _BY_ID,
    _BY_STATE,
    _BY_TYPE,
    _FLOOR,
    Counts,
    Filter,
    Page,
    _page_sql,
    _values,
    counts,
    daily_counts,
    latest,
)

MakeEvent = Callable[..., NewEvent]


@pytest.fixture
def filled(conn: Connection, new_event: MakeEvent) -> Connection:
    """Twelve events of types t0, t1, t2 in turn; two of each state, and then two more pending."""
    append(conn, [new_event(f"k{n}", 100 * n, f"t{n % 3}") for n in range(1, 13)])
    claim(conn, 10, 0)
    complete(conn, [1, 2])
    ignore(conn, [3, 4])
    fail(conn, 5, "E-five", None)
    fail(conn, 6, "E-six", None)
    fail(conn, 7, "later", 10**15)
    fail(conn, 8, "later", 10**15)
    return conn


def _ids(page: Page) -> list[int]:
    return [event.id for event in page.events]


def test_the_newest_come_first_page_by_page(filled: Connection) -> None:
    first = latest(filled, 5)
    second = latest(filled, 5, before_id=first.before_id)
    third = latest(filled, 5, before_id=second.before_id)
    assert [_ids(first), _ids(second), _ids(third)] == [
        [12, 11, 10, 9, 8],
        [7, 6, 5, 4, 3],
        [2, 1],
    ]
    assert third.before_id is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (EventState.PENDING, [12, 11, 8, 7]),
        (EventState.WORKING, [10, 9]),
        (EventState.DONE, [2, 1]),
        (EventState.IGNORED, [4, 3]),
        (EventState.FAILED, [6, 5]),
    ],
)
def test_events_can_be_listed_by_state(
    filled: Connection, state: EventState, expected: list[int]
) -> None:
    assert _ids(latest(filled, 50, state=state)) == expected
    first = latest(filled, 1, state=state)
    assert _ids(first) == expected[:1]
    assert _ids(latest(filled, 50, before_id=first.before_id, state=state)) == expected[1:]


def test_events_can_be_listed_by_type(filled: Connection) -> None:
    assert _ids(latest(filled, 50, event_type="t1")) == [10, 7, 4, 1]
    assert _ids(latest(filled, 50, event_type="unknown")) == []


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (EventState.PENDING, [7]),
        (EventState.WORKING, [10]),
        (EventState.DONE, [1]),
        (EventState.IGNORED, [4]),
        (EventState.FAILED, []),
    ],
)
def test_filters_can_be_combined(
    filled: Connection, state: EventState, expected: list[int]
) -> None:
    assert _ids(latest(filled, 50, event_type="t1", state=state)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('"K1"', [1]), ("k1", [12, 11, 10, 1]), ("e-six", [6]), ("%", []), ("_", []), ("\\", [])],
)
def test_text_is_found_in_payload_id_and_error(
    filled: Connection, text: str, expected: list[int]
) -> None:
    assert _ids(latest(filled, 50, text=text)) == expected


def test_the_signs_of_like_are_found_as_they_are(conn: Connection) -> None:
    append(conn, [NewEvent("k", 5, None, None, None, "100% a_b c\\d")])
    for text in ("0% ", "a_b", "c\\d"):
        assert _ids(latest(conn, 5, text=text)) == [1]


def test_a_search_looks_at_a_bounded_number_of_rows_and_goes_on(
    filled: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SCAN_ROWS", 4)
    pages = [latest(filled, 2, text='"k1"')]
    while pages[-1].before_id is not None:
        pages.append(latest(filled, 2, before_id=pages[-1].before_id, text='"k1"'))
    assert [(_ids(page), page.before_id) for page in pages] == [
        ([], 9),
        ([], 5),
        ([1], 1),
        ([], None),
    ]


def test_pending_events_are_found_below_a_page_of_delayed_ones(
    conn: Connection, new_event: MakeEvent
) -> None:
    append(conn, [new_event(f"k{n}") for n in range(1, 9)])
    claim(conn, 8, 0)
    for delayed_id in (4, 6, 7, 8):
        fail(conn, delayed_id, "later", 10**15)
    release_stale(conn)
    pages = [latest(conn, 3, state=EventState.PENDING)]
    while pages[-1].before_id is not None:
        before_id = pages[-1].before_id
        pages.append(latest(conn, 3, before_id=before_id, state=EventState.PENDING))
    assert [_ids(page) for page in pages] == [[8, 7, 6], [5, 4, 3], [2, 1]]


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        Filter(text="a"),
        Filter(event_type="t"),
        Filter(event_type="t", text="a"),
        *(Filter(state=state) for state in EventState),
        *(Filter(event_type="t", state=state, text="a") for state in EventState),
    ],
)
def test_no_listing_reads_or_sorts_the_whole_table(conn: Connection, wanted: Filter) -> None:
    values = {**_values(wanted, 50, None), "floor_id": 0}
    (search, *more) = _plan(conn, _page_sql(wanted), values)
    assert search.startswith("SEARCH events USING I")
    is_by_state = wanted.state is not None and "(state=" in search
    is_by_type = wanted.event_type is not None and "(event_type=" in search
    assert is_by_state or is_by_type or "INTEGER PRIMARY KEY" in search
    # Two kinds of rows are pending; what is between the floor and the top of them is sorted.
    assert more == (["USE TEMP B-TREE FOR ORDER BY"] if wanted.state is EventState.PENDING else [])


@pytest.mark.parametrize("index", [_BY_ID, _BY_TYPE, _BY_STATE, _BY_DELAYED])
def test_no_floor_is_found_by_sorting(conn: Connection, index: str) -> None:
    values = _values(Filter("t", EventState.DONE), 50, None)
    plan = _plan(conn, _FLOOR.format(index=index), values)
    assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN events")]


def _plan(conn: Connection, sql: str, values: dict[str, object]) -> list[str]:
    return [detail for *_, detail in conn.execute(f"EXPLAIN QUERY PLAN {sql}", values)]


def test_events_are_counted_by_state(filled: Connection) -> None:
    assert counts(filled) == Counts(pending=4, working=2, done=2, ignored=2, failed=2, duplicates=0)
    assert counts(filled).events == 12


def test_the_counts_are_those_of_the_rows(filled: Connection, new_event: MakeEvent) -> None:
    append(filled, [new_event("k1"), new_event("k1"), new_event("k2")])
    filled.execute("DELETE FROM events WHERE id IN (1, 7)")
    assert counts(filled) == Counts(pending=3, working=2, done=1, ignored=2, failed=2, duplicates=3)


def test_events_are_counted_by_day(filled: Connection) -> None:
    assert daily_counts(filled, [0, 100, 150, 500, 1200, 1201]) == [0, 1, 3, 7, 1, 0]
    assert daily_counts(filled, [600]) == [7]
    assert daily_counts(filled, []) == []


def test_an_empty_journal_counts_nothing(conn: Connection) -> None:
    assert counts(conn) == Counts(0, 0, 0, 0, 0, 0)
    assert daily_counts(conn, [0, 100]) == [0, 0]
    assert latest(conn, 5) == Page((), None)
