"""Which program holds a port, where the system tells without asking for more rights."""

import os
import subprocess
import sys
from pathlib import Path

_LISTENING = "0A"
_TIMEOUT_S = 5


def holder_of_port(port: int) -> str | None:
    """Return "name (process id)" of the program that listens on TCP `port`, None if unknown."""
    pid = _pid_on_windows(port) if sys.platform == "win32" else _pid_on_linux(port)
    if pid is None:
        return None
    name = _name_on_windows(pid) if sys.platform == "win32" else _name_on_linux(pid)
    return f"{name} ({pid})" if name else f"process {pid}"


def _pid_on_linux(port: int) -> int | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _has_open(process / "fd", sockets):
            return int(process.name)
    return None


def _listening_inodes(port: int) -> list[str]:
    inodes = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.append(fields[9])
    return inodes


def _has_open(folder: Path, sockets: set[str]) -> bool:
    try:
        return any(os.readlink(entry) in sockets for entry in folder.iterdir())  # noqa: PTH115 - Path.readlink would turn "socket:[1]" into a path
    except OSError:  # another account's process, or one that has just ended
        return False


def _name_on_linux(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _output_of(*command: str) -> str:
    try:
        done = subprocess.run(
            command,
            # A windowed program may have no standard input that could be handed on.
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            # A windowed program must not flash a console.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _pid_on_windows(port: int) -> int | None:
    for line in _output_of("netstat", "-ano", "-p", "TCP").splitlines():
        fields = line.split()
        # The word for "listening" depends on Windows' language; the far end 0.0.0.0:0 does not.
        if len(fields) >= 5 and fields[2] == "0.0.0.0:0" and fields[1].endswith(f":{port}"):
            return int(fields[-1])
    return None


def _name_on_windows(pid: int) -> str:
    row = _output_of("tasklist", "/FI", f"PID eq {pid}", "/FO", "CSV", "/NH").strip()
    return row.split('","')[0].strip('"') if row.startswith('"') else ""
