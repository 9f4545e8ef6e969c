"""Measures the built programs under Wine, for the handbook.

    python -m tests.tools.windows.figures

Size; seconds from the start of the program to its first accepted callback, warm (the best of
five) and, where this account may empty the system's file cache, cold; memory and processor time
of a service that has nothing to do. Wine itself runs already.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from server.simulator.dingtalk.payloads import check_url
from tests.tools.windows.build import ensure_built
from tests.tools.windows.program import Program
from tests.tools.windows.wine import Wine, ensure_wine

_CACHES = Path("/proc/sys/vm/drop_caches")
_WARM_STARTS = 5
_IDLE_S = 10.0
_MB = 1_000_000


def main() -> None:
    """Print a line a figure."""
    built, wine = ensure_built(), ensure_wine()
    with wine.running():
        _show_all(built, wine)


def _show_all(built: Path, wine: Wine) -> None:
    single = built / "DingBridge.exe"
    folder = built / "DingBridge-portable"
    _show("one file, size", f"{single.stat().st_size / _MB:.1f} MB")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    _show("folder, size", f"{sum(sizes) / _MB:.1f} MB in {len(sizes)} files")
    for name, exe in (("one file", single), ("folder", folder / "DingBridge.exe")):
        for figure, value in _measured(wine, exe):
            _show(f"{name}, {figure}", value)


def _show(name: str, value: str) -> None:
    print(f"{name:<40} {value}")  # noqa: T201 - the result


def _measured(wine: Wine, exe: Path) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as data:
        program = Program(wine, exe, Path(data))
        program.configure()
        if os.access(_CACHES, os.W_OK):
            os.sync()
            _CACHES.write_text("3")
            yield "start to first callback, cold", f"{_start_s(program):.1f} s"
        warm_s = min(_start_s(program) for _ in range(_WARM_STARTS))
        yield "start to first callback, warm", f"{warm_s:.1f} s"
        with program.serving() as serving:
            assert serving.url
            before_s = _processor_s(program)
            time.sleep(_IDLE_S)
            share = (_processor_s(program) - before_s) / _IDLE_S
            held = [_resident_bytes(pid) / _MB for pid in program.pids()]
        yield "idle, memory", " + ".join(f"{one:.0f}" for one in sorted(held)) + " MB"
        yield "idle, processor", f"{share:.1%}"


def _start_s(program: Program) -> float:
    began_s = time.perf_counter()
    with program.serving() as serving, serving.sender() as dingtalk:
        assert dingtalk.deliver(check_url()).fault is None
        return time.perf_counter() - began_s


def _resident_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _processor_s(program: Program) -> float:
    ticks = 0
    for pid in program.pids():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
