from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest

from server.journal.connection import connect_in_memory
from server.journal.events import NewEvent
from server.journal.journal import Journal
from server.journal.schema import migrate


@pytest.fixture
def conn() -> Iterator[Connection]:
    with closing(connect_in_memory()) as conn:
        migrate(conn, Path("memory.db"))
        yield conn


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dingbridge.db"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    journal = Journal.open(path, now_ms=0)
    yield journal
    assert journal.close(10)


@pytest.fixture
def new_event() -> Callable[..., NewEvent]:
    def make(key: str, received_at_ms: int = 1000, event_type: str | None = "t") -> NewEvent:
        return NewEvent(key, received_at_ms, event_type, key, "ding1", f'{{"eventId":"{key}"}}')

    return make
