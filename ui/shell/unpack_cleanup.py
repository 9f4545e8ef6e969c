"""What killed one-file programs left behind: the folders into which they had unpacked themselves.

PyInstaller removes its folder when the program ends, but not when it is killed or the power fails;
33 MB stay in the temporary folder each time. The portable folder needs none of this.
"""

import logging
import shutil
import sys
import threading
import time
from pathlib import Path

_log = logging.getLogger(__name__)

_UNPACKED = "_MEI*"
# A folder of this program and no other's. A younger one may still be being unpacked.
_OURS = Path("ui", "assets", "licences.txt")
_OLD_S = 24 * 60 * 60


def sweep_soon() -> None:
    """Remove old left-overs on a thread of its own, where this is the one-file program."""
    own = Path(getattr(sys, "_MEIPASS", ""))
    if sys.platform == "win32" and own.match(_UNPACKED):
        threading.Thread(
            target=sweep, args=(own, time.time()), name="dingbridge-sweep", daemon=True
        ).start()


def sweep(own: Path, now_s: float) -> None:
    """Remove the old folders beside `own` that nobody uses."""
    for folder in own.parent.glob(_UNPACKED):
        if folder == own or not (folder / _OURS).is_file():
            continue
        try:
            if now_s - folder.stat().st_mtime > _OLD_S:
                _remove(folder)
        except OSError as exc:
            _log.debug("%s stays: %s", folder, exc)


def _remove(folder: Path) -> None:
    # Windows renames no folder with a file in it that a running program uses; it is the one
    # question that all programs answer, whatever their age. Raises OSError then.
    doomed = folder.rename(folder.with_name(f"{folder.name}.old"))
    shutil.rmtree(doomed)
