"""What people and departments are called whom others name by their WeCom id.

A department that a run would create has a name in that run's own changes only.
"""

import json
from collections.abc import Iterable
from sqlite3 import Connection

from server.directory.model import Kind

_LINKED = {
    Kind.PERSON: """
        SELECT wecom_userid, json_extract(accepted, '$[0]') FROM person_links
        WHERE accepted IS NOT NULL AND wecom_userid IN (SELECT value FROM json_each(?))
    """,
    Kind.DEPARTMENT: """
        SELECT wecom_id, json_extract(accepted, '$[0]') FROM department_links
        WHERE accepted IS NOT NULL AND wecom_id IN (SELECT value FROM json_each(?))
    """,
}
_LISTED = """
    SELECT wecom_id, json_extract(fields, '$.name[1]') FROM sync_changes
    WHERE run_id = ? AND kind = ? AND wecom_id IN (SELECT value FROM json_each(?))
        AND json_extract(fields, '$.name[1]') IS NOT NULL
"""


def find(conn: Connection, run_id: int, kind: Kind, wecom_ids: Iterable[str]) -> dict[str, str]:
    """Say what these are called, as this run lists them, else as they were last written."""
    wanted = json.dumps(sorted(set(wecom_ids)))
    names = dict(conn.execute(_LINKED[kind], (wanted,)).fetchall())
    names.update(conn.execute(_LISTED, (run_id, kind.value, wanted)).fetchall())
    return names
