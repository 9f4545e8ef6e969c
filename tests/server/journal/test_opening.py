import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.errors.base import (
    JournalAccessError,
    JournalDamagedError,
    JournalError,
    JournalNewerError,
    JournalUnreadableError,
)
from server.journal import opening, sync_state
from server.journal.connection import connect, transaction, translated
from server.journal.events import NewEvent, append, claim
from server.journal.listing import counts, latest
from server.journal.opening import _move_aside, mark_damaged, open_database, open_read_only

NOW_MS = 1_700_000_000_000
MakeEvent = Callable[..., NewEvent]


def _open(path: Path) -> Path | None:
    opened = open_database(path, NOW_MS)
    opened.conn.close()
    return opened.moved_aside


def _fill(path: Path, new_event: MakeEvent, number: int = 400) -> None:
    with closing(open_database(path, NOW_MS).conn) as conn, transaction(conn):
        append(conn, [new_event(f"key {n}") for n in range(number)])


def _count(path: Path) -> int:
    return open_read_only(path, lambda conn: counts(conn).events)


def _garbage_header(path: Path) -> None:
    path.write_bytes(b"\x5a" * 4096 + path.read_bytes()[4096:])


def _only_garbage(path: Path) -> None:
    path.write_bytes(b"no database" * 100)


def _a_few_bytes(path: Path) -> None:
    path.write_bytes(b"SQLite")


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 // 4096 * 4096])


def _zeroed_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = content.index(b"key 200") // 4096 * 4096  # a page of events, not of an index
    content[middle : middle + 4096] = bytes(4096)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "saved"),
    [
        (_garbage_header, range(1)),
        (_only_garbage, range(1)),
        (_a_few_bytes, range(1)),
        (_truncated, range(400)),
        (_zeroed_in_the_middle, range(300, 400)),
    ],
)
def test_a_damaged_database_is_kept_aside_and_replaced(
    path: Path, new_event: MakeEvent, damage: Callable[[Path], None], saved: range
) -> None:
    _fill(path, new_event)
    damage(path)
    damaged = path.read_bytes()
    moved_aside = _open(path)
    assert moved_aside is not None
    assert re.fullmatch(r"dingbridge\.damaged-\d{8}-\d{6}\.db", moved_aside.name)
    assert moved_aside.read_bytes() == damaged
    assert _count(path) in saved
    assert _open(path) is None
    assert not path.with_name("dingbridge.db.new").exists()


def test_a_second_damaged_database_does_not_overwrite_the_first(path: Path) -> None:
    names = []
    for content in (b"first" * 200, b"second" * 200, b"third" * 200):
        path.write_bytes(content)
        moved_aside = _open(path)
        assert moved_aside is not None
        assert moved_aside.read_bytes() == content
        names.append(moved_aside.stem.partition("damaged-")[2][15:])
    assert names == ["", "-2", "-3"]


def test_a_kill_between_the_two_renamings_loses_nothing(
    path: Path, new_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    _fill(path, new_event)
    _zeroed_in_the_middle(path)
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_move_aside", lambda *_: killed(path))
        with pytest.raises(KeyboardInterrupt):
            _open(path)
    assert path.exists()
    move_aside = opening._move_aside
    with monkeypatch.context() as patch:
        patch.setattr(opening, "_move_aside", lambda *both: killed(move_aside(*both)))
        with pytest.raises(KeyboardInterrupt):
            _open(path)
    assert not path.exists()
    assert _open(path) is None
    assert _count(path) > 300


def test_where_the_new_database_cannot_take_its_place_it_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "in use by another program")

    with closing(open_database(path, NOW_MS).conn):
        pass
    path.rename(path.with_name("dingbridge.db.new"))
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(JournalAccessError, match="in use by another program"):
        _open(path)


def test_what_sqlite_leaves_beside_a_damaged_database_goes_with_it(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).write_text(f"old {suffix}")
    moved_aside = _move_aside(path, NOW_MS)
    for suffix in ("", "-wal", "-shm"):
        assert moved_aside.with_name(moved_aside.name + suffix).read_text() == f"old {suffix}"
    assert len(list(path.parent.iterdir())) == 3


def test_garbage_in_the_wal_costs_only_what_was_in_the_wal(
    path: Path, new_event: MakeEvent
) -> None:
    _fill(path, new_event, number=3)
    path.with_name("dingbridge.db-wal").write_bytes(b"\x5a" * 9000)
    assert _open(path) is None
    assert _count(path) == 3


def test_a_damaged_database_that_cannot_be_moved_is_reported(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise PermissionError(13, "in use by another program")

    path.write_bytes(b"no database" * 100)
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(JournalAccessError, match="in use by another program"):
        _open(path)
    assert path.read_bytes() == b"no database" * 100


def test_a_large_database_is_checked_only_when_suspect(
    path: Path, new_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_ALWAYS_CHECKED_BYTES", 0)
    _fill(path, new_event)
    _zeroed_in_the_middle(path)
    assert _open(path) is None
    mark_damaged(path)
    assert _open(path) is not None


def test_an_index_that_does_not_fit_its_table_is_found_where_damage_was_met(
    path: Path, new_event: MakeEvent
) -> None:
    _fill(path, new_event, number=3)
    with closing(connect(path)) as conn:
        schema = "SELECT * FROM sqlite_schema WHERE name = 'events_by_type'"
        row = conn.execute(schema).fetchone()
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute("DELETE FROM sqlite_schema WHERE name = 'events_by_type'")
        conn.execute("PRAGMA schema_version = 4711")
    with closing(connect(path)) as conn:
        append(conn, [new_event("not in the index")])
        conn.execute("PRAGMA writable_schema = ON")
        conn.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)
        conn.execute("PRAGMA schema_version = 4712")
    assert _open(path) is None
    mark_damaged(path)
    assert _open(path) is not None
    assert _count(path) == 4


def test_a_leftover_that_cannot_be_removed_is_an_error_of_the_journal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, **_options: bool) -> None:
        raise PermissionError(13, "in use by another program")

    path.write_bytes(b"no database" * 100)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(JournalAccessError, match="in use by another program"):
        _open(path)


def test_a_suspicion_that_proves_wrong_is_dropped(path: Path, new_event: MakeEvent) -> None:
    _fill(path, new_event, number=3)
    mark_damaged(path)
    assert _open(path) is None
    assert _count(path) == 3
    assert [child.name for child in path.parent.iterdir() if "suspect" in child.name] == []


def test_a_mark_that_cannot_be_set_or_cleared_is_only_logged(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_self: Path, **_options: bool) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    mark_damaged(path)
    assert "could not be marked" in caplog.text
    assert _open(path) is None
    assert "checks again" in caplog.text


def test_a_newer_database_is_refused_and_not_moved(path: Path) -> None:
    with closing(connect(path)) as conn:
        conn.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalNewerError):
        _open(path)
    with pytest.raises(JournalNewerError):
        open_read_only(path, counts)
    assert [child.name for child in path.parent.iterdir() if "damaged" in child.name] == []


def test_a_foreign_database_is_reported_and_not_moved(path: Path) -> None:
    with closing(connect(path)) as conn:
        conn.execute("CREATE TABLE events (x)")
    with pytest.raises(JournalError, match="already exists"):
        _open(path)
    assert [child.name for child in path.parent.iterdir() if "damaged" in child.name] == []


def test_a_missing_folder_is_an_access_error(tmp_path: Path) -> None:
    with pytest.raises(JournalAccessError):
        _open(tmp_path / "missing" / "dingbridge.db")


def test_a_folder_that_cannot_be_looked_into_is_an_access_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(JournalAccessError, match="Permission denied"):
        open_read_only(path, counts)


def test_a_folder_that_is_a_file_is_an_access_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(JournalAccessError):
        open_read_only(tmp_path / "taken" / "dingbridge.db", counts)


def _refuse_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the folder one that cannot be written to, also for an administrator who runs tests."""

    def refused(path: Path, *, read_only: bool, is_at_rest: bool = False) -> Connection:
        if is_at_rest:
            return connect(path, read_only=read_only, is_at_rest=True)
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY_DIRECTORY
        raise error

    monkeypatch.setattr(opening, "connect", refused)


def test_a_database_at_rest_is_read_where_nothing_can_be_written(
    path: Path, new_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(path, new_event, number=3)
    _refuse_to_write(monkeypatch)
    assert _count(path) == 3
    assert [child.name for child in path.parent.iterdir()] == [path.name]


def test_a_database_in_use_is_never_read_as_one_at_rest(
    path: Path, new_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_database(path, NOW_MS).conn) as conn:
        with transaction(conn):
            append(conn, [new_event("a")])
        _refuse_to_write(monkeypatch)
        with pytest.raises(JournalAccessError, match="readonly"):
            _count(path)


def test_stale_claims_are_pending_again(path: Path, new_event: MakeEvent) -> None:
    _fill(path, new_event, number=3)
    with closing(connect(path)) as conn, transaction(conn):
        claim(conn, 2, NOW_MS)
    assert open_read_only(path, counts).working == 2
    _open(path)
    assert open_read_only(path, counts).pending == 3


def test_a_bystander_sees_an_empty_journal_where_there_is_none(path: Path) -> None:
    assert open_read_only(path, lambda conn: latest(conn, 5)).events == ()
    assert list(path.parent.iterdir()) == []


def test_a_bystander_sees_an_empty_journal_in_an_empty_file(path: Path) -> None:
    path.touch()
    assert _count(path) == 0
    assert path.stat().st_size == 0


def test_a_bystander_reads_beside_the_writer(path: Path, new_event: MakeEvent) -> None:
    with closing(open_database(path, NOW_MS).conn) as conn:
        with transaction(conn):
            append(conn, [new_event("a")])
        assert _count(path) == 1
        with transaction(conn):
            append(conn, [new_event("b")])
            assert _count(path) == 1
        assert _count(path) == 2


def test_a_bystander_hears_of_damage_and_moves_nothing(path: Path) -> None:
    path.write_bytes(b"no database" * 100)
    with pytest.raises(JournalDamagedError):
        open_read_only(path, counts)
    assert path.exists()


@pytest.mark.parametrize("nonsense", ["garbage{", "7", ""])
def test_a_value_that_makes_no_sense_is_reported_and_nothing_is_moved(
    path: Path, nonsense: str
) -> None:
    _open(path)
    with closing(connect(path)) as conn, transaction(conn):
        conn.execute("INSERT INTO sync_state VALUES ('held', ?)", (nonsense,))
    with pytest.raises(JournalUnreadableError):
        open_read_only(path, sync_state.load)
    assert _open(path) is None


def test_a_fault_of_a_reader_is_not_told_as_a_value_that_makes_no_sense(path: Path) -> None:
    _open(path)
    with pytest.raises(KeyError):
        open_read_only(path, lambda _: {"here": 1}["absent"])


def test_a_reader_keeps_one_view(path: Path, new_event: MakeEvent) -> None:
    _fill(path, new_event, number=1)

    def job(reader: Connection) -> tuple[int, int]:
        before = counts(reader).events
        with closing(connect(path)) as writer, transaction(writer):
            append(writer, [new_event("another")])
        return before, counts(reader).events

    with translated(path):
        assert opening.read(path, job) == (1, 1)
    assert _count(path) == 2
