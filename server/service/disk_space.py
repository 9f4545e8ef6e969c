"""Checks how much space the data folder's disk has left.

Each caller checks for itself: on a full disk the service could not record that it is full.
"""

import shutil

from server.config.paths import DataFolder
from server.errors.credentials import Explanation
from server.errors.message import N_, GapValue, Message

ENOUGH_BYTES = 100 * 1024 * 1024


def shortage(folder: DataFolder) -> Explanation | None:
    """Explain that space runs short; None if there is enough.

    Also None if the folder does not exist yet or the system does not tell.
    """
    try:
        free_bytes = shutil.disk_usage(folder.root).free
    except OSError:
        return None
    if free_bytes >= ENOUGH_BYTES:
        return None
    values: dict[str, GapValue] = {"path": str(folder.root), "mib": free_bytes // 2**20}
    return Explanation(
        Message(N_("Only {mib} MiB are free on the disk of {path}."), values),
        Message(N_("Free some space: events that cannot be stored are not acknowledged."), values),
    )
