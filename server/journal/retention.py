"""What is kept, and for how long: finished events and ended runs go by age and by number.

Others never go. The newest event stays, because its id says which id comes next: an id used twice
would let somebody complete an event that nobody has looked at. Every function is a job for the
writer that removes a little; it is submitted again until it returns 0, so that callbacks get in.
"""

from sqlite3 import Connection

from server.journal import runs, sync_state
from server.journal.coding import dump
from server.journal.events import CODES
from server.journal.listing import counts

# The oldest finished events, a chunk of each state at most: bounded work even where a million
# older ones are still pending.
_PRUNE_EVENTS = """
    DELETE FROM events WHERE id IN (
        SELECT id FROM (
            SELECT id, received_at_ms, row_number() OVER (ORDER BY id) AS place FROM (
                SELECT * FROM (SELECT id, received_at_ms FROM events WHERE state = :done
                               ORDER BY id LIMIT :chunk)
                UNION ALL
                SELECT * FROM (SELECT id, received_at_ms FROM events WHERE state = :ignored
                               ORDER BY id LIMIT :chunk)
                UNION ALL
                SELECT * FROM (SELECT id, received_at_ms FROM events WHERE state = :failed
                               ORDER BY id LIMIT :chunk)
            )
        )
        WHERE (received_at_ms < :older_than_ms OR place <= :excess)
            AND id < (SELECT max(id) FROM events)
        ORDER BY id LIMIT :chunk
    )
"""

_DOOMED_RUNS = """
    SELECT id FROM sync_runs WHERE finished_at_ms IS NOT NULL AND (started_at_ms < ?
        OR id <= (SELECT id FROM sync_runs ORDER BY id DESC LIMIT 1 OFFSET ?))
        AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?
"""

_PRUNE_CHANGES = """
    DELETE FROM sync_changes WHERE (run_id, number) IN (
        SELECT run_id, number FROM sync_changes
        WHERE run_id IN (SELECT value FROM json_each(?)) LIMIT ?)
"""

_PRUNE_RUNS = """
    DELETE FROM sync_runs WHERE id IN (SELECT value FROM json_each(?))
        AND id NOT IN (SELECT run_id FROM sync_changes)
"""


def prune_events(conn: Connection, older_than_ms: int, keep_at_most: int, chunk: int = 100) -> int:
    """Remove up to `chunk` finished events, the oldest first; return how many went.

    They go when received before `older_than_ms`, or while there are more than `keep_at_most` in
    all.
    """
    excess = counts(conn).events - keep_at_most
    values = {**CODES, "chunk": chunk, "older_than_ms": older_than_ms, "excess": excess}
    return conn.execute(_PRUNE_EVENTS, values).rowcount


def prune_runs(conn: Connection, older_than_ms: int, keep_at_most: int, chunk: int = 500) -> int:
    """Remove up to `chunk` changes, and the ended runs that have none left; return how many rows.

    Runs go when begun before `older_than_ms`, or beyond the newest `keep_at_most`. Those that the
    status still tells of stay.
    """
    doomed = conn.execute(
        _DOOMED_RUNS, (older_than_ms, keep_at_most, dump(_told_of(conn)), chunk)
    ).fetchall()
    ids = dump([run_id for (run_id,) in doomed])
    changes_gone = conn.execute(_PRUNE_CHANGES, (ids, chunk)).rowcount
    return changes_gone + conn.execute(_PRUNE_RUNS, (ids,)).rowcount


def _told_of(conn: Connection) -> list[int]:
    """Name the runs that must stay, however old: the status is made of them."""
    told = [
        runs.last_success(conn),
        runs.last_complete_full(conn),
        runs.last_ended(conn, is_full=True),
        runs.last_ended(conn, is_full=False),
    ]
    held = sync_state.load(conn).held
    return [run.id for run in told if run] + ([held.run_id] if held else [])
