"""Finds the program that holds a port, as far as this account may see it.

Returns None rather than failing: the name only improves an error message.
"""

import os
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class _Layout:
    """Offsets in a row of Windows' table of listening sockets, in bytes."""

    family: int
    row: int
    port: int
    pid: int


# MIB_TCPROW_OWNER_PID and MIB_TCP6ROW_OWNER_PID
_LAYOUTS = (_Layout(family=2, row=24, port=8, pid=20), _Layout(23, row=56, port=20, pid=52))


def holder_of_port(port: int) -> str | None:
    """Return "name (process id)" of the program that listens on TCP `port`, None if unknown."""
    pid = _pid_of_listener(port)
    if pid is None:
        return None
    name = _name_of(pid)
    return f"{name} ({pid})" if name else f"process {pid}"


def _owner_in(table: bytes, layout: _Layout, port: int) -> int | None:
    """Return the process id that Windows' table lists for `port`."""
    (rows,) = struct.unpack_from("<I", table)
    for at in range(4, 4 + rows * layout.row, layout.row):
        # The port is in network byte order on every processor.
        if struct.unpack_from(">H", table, at + layout.port) == (port,):
            (pid,) = struct.unpack_from("<I", table, at + layout.pid)
            return int(pid)
    return None


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _OWNERS_OF_LISTENERS = 3  # TCP_TABLE_OWNER_PID_LISTENER
    _QUERY_LIMITED_INFORMATION = 0x1000
    _NO_ERROR = 0
    _SYSTEM_PID = 4
    _LONGEST_PATH = 32768

    def _pid_of_listener(port: int) -> int | None:
        for layout in _LAYOUTS:
            table = _listeners(layout.family)
            pid = None if table is None else _owner_in(table, layout, port)
            if pid:  # 0: it has ended, or Windows does not say
                return pid
        return None

    def _listeners(family: int) -> bytes | None:
        ask = ctypes.WinDLL("iphlpapi").GetExtendedTcpTable
        size = wintypes.DWORD(1 << 16)
        for _ in range(3):  # the table may grow between two calls
            table = ctypes.create_string_buffer(size.value)
            result = ask(table, ctypes.byref(size), False, family, _OWNERS_OF_LISTENERS, 0)  # noqa: FBT003 - Windows' own signature
            if result == _NO_ERROR:
                return table.raw
        return None

    def _name_of(pid: int) -> str:
        if pid == _SYSTEM_PID:  # Windows itself, for IIS and others
            return "System"
        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = wintypes.HANDLE
        process = wintypes.HANDLE(kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid))  # noqa: FBT003 - as above
        path, length = ctypes.create_unicode_buffer(_LONGEST_PATH), wintypes.DWORD(_LONGEST_PATH)
        try:
            kernel.QueryFullProcessImageNameW(process, 0, path, ctypes.byref(length))
        finally:
            kernel.CloseHandle(process)
        return path.value.rpartition("\\")[2]
else:

    def _pid_of_listener(port: int) -> int | None:
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
        except OSError:  # belongs to another account, or has just ended
            return False

    def _name_of(pid: int) -> str:
        try:
            return Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return ""
