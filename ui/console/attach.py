"""The windowed program's way to the console of the prompt that it was started from.

Windows connects a windowed program to no console, so there its standard streams are None unless
somebody gave it pipes or files. https://learn.microsoft.com/windows/console/attachconsole
"""

import os
import sys
from collections.abc import Iterator

_MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}

if sys.platform == "win32":
    import ctypes
    import msvcrt
    from ctypes import wintypes

    _PARENT = 0xFFFFFFFF
    _FILE, _PIPE = 0x1, 0x3
    _SNAPSHOT_OF_PROCESSES = 0x2
    _CONSOLE = {"stdin": "CONIN$", "stdout": "CONOUT$", "stderr": "CONOUT$"}

    class _ProcessEntry(ctypes.Structure):
        # PROCESSENTRY32W
        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("name", wintypes.WCHAR * 260),
        )

    def connect_streams() -> None:
        """Give each missing standard stream the console, or nothing where there is no console."""
        missing = [name for name in _MODES if _is_missing(name)]
        if not missing:
            return
        has_console = _attach()
        for name in missing:
            _open(name, _CONSOLE[name] if has_console else os.devnull)

    def leave_console() -> None:
        """Part from the console: with its window, Windows ends every program that is on it.

        Only from one that `connect_streams` found; a Python that was started on a console stays.
        """
        found = [name for name in _MODES if getattr(sys, name).name == _CONSOLE[name]]
        for name in found:
            _open(name, os.devnull)
        if found:
            ctypes.WinDLL("kernel32").FreeConsole()

    def _is_missing(name: str) -> bool:
        """Tell whether what is printed there would surely be lost; in doubt a stream is kept."""
        stream = getattr(sys, name)
        if stream is None:
            return True
        try:
            descriptor = stream.fileno()
        except (OSError, ValueError):  # no file of the system's, but somebody put it there
            return False
        return _MODES[name] == "w" and _leads_nowhere(descriptor)

    def _leads_nowhere(descriptor: int) -> bool:
        try:
            handle = wintypes.HANDLE(msvcrt.get_osfhandle(descriptor))
        except OSError:  # closed
            return True
        kernel = ctypes.WinDLL("kernel32")
        if kernel.GetFileType(handle) in (_FILE, _PIPE):
            # Not even a trial: to some readers, nothing written to a pipe is the end of it.
            return False
        # A handle that was inherited without the console behind it refuses even nothing. Asked of
        # Windows itself: its C library takes nothing to be written already.
        return not kernel.WriteFile(handle, b"", 0, ctypes.byref(wintypes.DWORD()), None)

    def _open(name: str, device: str) -> None:
        # Python writes Unicode, whatever the code page, to a console that it opened by name. The
        # stream lives as long as the process.
        stream = open(device, _MODES[name], encoding="utf-8")  # noqa: PTH123, SIM115
        setattr(sys, name, stream)

    def _attach() -> bool:
        kernel = ctypes.WinDLL("kernel32")
        if kernel.AttachConsole(_PARENT):
            return True
        # The one-file program is started by itself; the prompt is then a generation further up.
        pids = iter(_ancestors(kernel))
        next(pids, None)
        grandparent = next(pids, None)
        return grandparent is not None and bool(kernel.AttachConsole(grandparent))

    def _ancestors(kernel: ctypes.WinDLL) -> Iterator[int]:
        parents = dict(_processes(kernel))
        pid: int | None = parents.get(os.getpid())
        while pid in parents:
            yield pid
            pid = parents.pop(pid)

    def _processes(kernel: ctypes.WinDLL) -> Iterator[tuple[int, int]]:
        """Yield each process's id with its parent's."""
        take = kernel.CreateToolhelp32Snapshot
        take.restype = wintypes.HANDLE
        snapshot = wintypes.HANDLE(take(_SNAPSHOT_OF_PROCESSES, 0))
        entry = _ProcessEntry(size=ctypes.sizeof(_ProcessEntry))
        try:
            more = kernel.Process32FirstW(snapshot, ctypes.byref(entry))
            while more:
                yield entry.pid, entry.parent
                more = kernel.Process32NextW(snapshot, ctypes.byref(entry))
        finally:
            kernel.CloseHandle(snapshot)
else:

    def connect_streams() -> None:
        """Do nothing: elsewhere a program has the streams of the shell that started it."""

    def leave_console() -> None:
        """Do nothing: elsewhere a closed terminal sends a signal, which the program handles."""
