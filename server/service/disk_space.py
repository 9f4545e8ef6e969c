"""How much room the disk of the data folder has left.

Looked up by whoever asks: on a full disk the service cannot write down that it is full.
"""

import shutil

from server.config.paths import DataFolder
from server.errors.credentials import Explanation
from server.errors.message import N_, GapValue, Message

ENOUGH_BYTES = 100 * 1024 * 1024


def shortage(folder: DataFolder) -> Explanation | None:
    """Return what to tell where room runs short, None where there is enough.

    None, too, where there is no folder yet or the system does not tell.
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
