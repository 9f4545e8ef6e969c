"""Whether the database is still where it was opened, and putting it back where it was deleted.

Only Windows keeps an open file from being deleted or replaced. Elsewhere SQLite would go on
writing into a file that has no name any more, and what was acknowledged would end with the process.
"""

import logging
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

from server.journal.connection import connect_plainly

_log = logging.getLogger(__name__)

_SUFFIXES = ("", "-wal")


class Place:
    """The files that a connection opened, told by what the system calls them, not by name."""

    def __init__(self, path: Path) -> None:
        """Take note of what is at `path` now, right after it was opened."""
        self._path = path
        found = {f"{path}{suffix}": _identity(f"{path}{suffix}") for suffix in _SUFFIXES}
        self._found = [(name, identity) for name, identity in found.items() if identity]

    @property
    def is_kept(self) -> bool:
        """Whether the same files are there; a few microseconds, so it can go before a COMMIT."""
        return all(_identity(name) == identity for name, identity in self._found)

    def put_back(self, conn: Connection) -> None:
        """Write what `conn` still sees to the path, unless something else has its place."""
        if self._path.exists() or not self._path.parent.exists():
            return
        copy = self._path.with_name(f"{self._path.name}.copy")
        try:
            with closing(connect_plainly(copy)) as target:
                conn.backup(target)
            os.link(copy, self._path)  # unlike a renaming, it replaces nothing
            _log.warning("The database %s was deleted while in use; it was put back", self._path)
        except (sqlite3.Error, OSError):
            _log.exception("The database %s was deleted, and could not be put back", self._path)
        finally:
            copy.unlink(missing_ok=True)


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - before every COMMIT; a Path costs twice as much
    except OSError:
        return None
    return found.st_dev, found.st_ino
