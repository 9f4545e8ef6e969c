"""The data folder, which holds everything the program writes, and the names in it."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from server.config.files import access_error


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The data folder at `root` and the files in it; nothing is touched before `ensure()`."""

    root: Path

    @property
    def settings(self) -> Path:
        """The user's settings, JSON."""
        return self.root / "settings.json"

    @property
    def secrets(self) -> Path:
        """Credentials and secrets: JSON with sealed values, for the owner only."""
        return self.root / "secrets.json"

    @property
    def config_lock(self) -> Path:
        """Held while one of the two files above is read or changed."""
        return self.root / "config.lock"

    @property
    def database(self) -> Path:
        """The journal."""
        return self.root / "dingbridge.db"

    @property
    def logs(self) -> Path:
        """The folder of the log files."""
        return self.root / "logs"

    @property
    def log_file(self) -> Path:
        """The newest log file; older ones end in .1 to .4."""
        return self.logs / "dingbridge.log"

    @property
    def service_lock(self) -> Path:
        """Held while a service runs on this folder."""
        return self.root / "service.lock"

    @property
    def service_record(self) -> Path:
        """Who holds `service_lock`, for the other commands."""
        return self.root / "service.json"

    @property
    def window_lock(self) -> Path:
        """Held while the program with windows runs on this folder."""
        return self.root / "window.lock"

    @property
    def window_record(self) -> Path:
        """Where the holder of `window_lock` listens, for a second start."""
        return self.root / "window.json"

    @property
    def window_places(self) -> Path:
        """The positions and sizes of the windows."""
        return self.root / "ui-state.json"

    def is_open_to_others(self) -> bool:
        """Whether other accounts can list the folder or create files in it; POSIX only."""
        if os.name == "nt":  # rights are inherited there, and the mode does not show them
            return False
        try:
            return bool(self.root.stat().st_mode & 0o077)
        except OSError:
            return False

    def ensure(self) -> None:
        """Create the folder (on POSIX for its owner only) and check that it can be written.

        An existing folder keeps its rights. Raises FileAccessError.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            # On Windows the mode does not show the rights; only an attempt does.
            with tempfile.TemporaryFile(dir=self.root):
                pass
        except OSError as exc:
            raise access_error(self.root, exc) from exc


def default_root(environ: Mapping[str, str], platform: str) -> Path:
    r"""Return the data folder of this account: `%LOCALAPPDATA%\DingBridge`, or the XDG data folder.

    `platform` is `sys.platform`. A relative XDG_DATA_HOME is ignored, as XDG requires.
    """
    if platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "DingBridge"
    xdg = Path(environ.get("XDG_DATA_HOME", ""))
    home = Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    return (xdg if xdg.is_absolute() else home / ".local" / "share") / "dingbridge"
