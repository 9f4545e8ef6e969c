"""What is kept, and for how long: finished events go by age and by number, others never.

The newest event is never pruned, because its id says which id comes next: an id used twice would
let somebody complete an event that nobody has looked at.
"""

from sqlite3 import Connection

from server.journal.events import CODES
from server.journal.listing import counts

# The oldest finished events, a chunk of each state at most: bounded work even where a million
# older ones are still pending.
_PRUNE = """
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


def prune(conn: Connection, older_than_ms: int, keep_at_most: int, chunk: int = 100) -> int:
    """Remove up to `chunk` finished events, the oldest first; return how many went.

    They go when received before `older_than_ms`, or while there are more than `keep_at_most` in
    all. Submit it again until it returns 0: between two chunks the callbacks get in.
    """
    excess = counts(conn).events - keep_at_most
    values = {**CODES, "chunk": chunk, "older_than_ms": older_than_ms, "excess": excess}
    return conn.execute(_PRUNE, values).rowcount
