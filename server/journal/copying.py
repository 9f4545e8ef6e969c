"""A copy of the database to carry elsewhere, and a look at one that came from elsewhere."""

from contextlib import closing
from pathlib import Path

from server.errors.base import JournalDamagedError
from server.journal.connection import connect, connect_plainly, translated
from server.journal.schema import check_not_newer


def copy_database(path: Path, target: Path) -> bool:
    """Write the database as of one moment to `target`; False where there is none.

    The service may be writing meanwhile. Raises a `JournalError`, also for damage anywhere in it:
    a copy must not hide that until the original is gone.
    """
    if not path.exists():
        return False
    with (
        translated(path),
        closing(connect(path, read_only=True)) as source,
        closing(connect_plainly(target)) as copy,
    ):
        source.backup(copy)  # in one step: nobody else's write can make it start anew
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without companions
    check_database(target, named=path)
    return True


def check_database(path: Path, named: Path) -> None:
    """Raise where this version cannot use the database: JournalNewerError, JournalDamagedError.

    `named` stands in the errors. Reads the whole of it.
    """
    with translated(named), closing(connect_plainly(path)) as conn:
        check_not_newer(conn, named)
        (verdict,) = conn.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise JournalDamagedError(path=str(named), reason=verdict)
