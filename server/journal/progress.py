"""How far a run under way is, by the results it has recorded so far."""

from sqlite3 import Connection

from server.directory.change import Action
from server.journal.misread import decoding
from server.journal.runs import Result, RunCounts


@decoding()
def counts_so_far(conn: Connection, run_id: int) -> RunCounts:
    """Count the results of a run; how much it read is known at its end only."""
    rows = conn.execute(
        "SELECT result, count(*), sum(action = ?) FROM sync_changes WHERE run_id = ?"
        " GROUP BY result",
        (Action.CONFLICT.value, run_id),
    ).fetchall()
    counted = {Result(result).value: count for result, count, _ in rows}
    return RunCounts(**counted, conflicts=sum(conflicts for _, _, conflicts in rows))
