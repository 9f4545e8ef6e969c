"""Builds the Windows program on Debian: build.spec, run by a Windows Python under Wine.

    python -m tests.tools.windows.build

prints the folder with DingBridge.exe and DingBridge-portable/. Made once for each content of the
sources, and kept in the cache of `tests.tools.windows.assemble`.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.tools.windows.assemble import cache_folder, ensure_python, keep_latest, one_at_a_time
from tests.tools.windows.debian import MissingToolError
from tests.tools.windows.wine import Wine, ensure_wine, outcome

ROOT = Path(__file__).resolve().parents[3]
_SOURCES = ("main.py", "build.spec", "crypto", "server", "ui")
_NOT_SOURCES = ("__pycache__", ".mypy_cache", ".ruff_cache")
_BUILD_LIMIT_S = 900


def ensure_built() -> Path:
    """Return the folder with the built programs; raises MissingToolError, which says why not."""
    python, wine = ensure_python(), ensure_wine()
    target = cache_folder() / f"built-{_fingerprint(python)}"
    with one_at_a_time("build"):
        if not target.exists():
            with wine.running():
                build(python, wine).rename(target)
        keep_latest(target)
    return target


def build(python: Path, wine: Wine) -> Path:
    """Build from nothing and return the folder with the result; the next build removes it.

    Wine must be running.
    """
    work = cache_folder() / "build"
    shutil.rmtree(work, ignore_errors=True)
    source = work / "source"
    # A copy: whoever edits meanwhile shall not end up with halves of two programs.
    for file in _source_files():
        copy = source / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    _run_pyinstaller(python, wine, source)
    return source / "dist"


def _source_files() -> Iterator[Path]:
    for name in _SOURCES:
        place = ROOT / name
        for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if file.is_file() and not set(_NOT_SOURCES) & set(file.parts):
                yield file


def _fingerprint(python: Path) -> str:
    digest = hashlib.sha256(python.name.encode())
    for file in _source_files():
        digest.update(f"{file.relative_to(ROOT)}\0{file.stat().st_size}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _run_pyinstaller(python: Path, wine: Wine, source: Path) -> None:
    options = ["--noconfirm", "--clean", "--log-level=WARN", "build.spec"]
    started = wine.start(
        python / "python.exe",
        *("-m", "PyInstaller", *options),
        extra={"PYTHONHASHSEED": "0"},
        folder=source,
    )
    try:
        output, errors = outcome(started, b"", _BUILD_LIMIT_S)
    except subprocess.TimeoutExpired as exc:
        started.kill()
        raise MissingToolError(f"PyInstaller took over {_BUILD_LIMIT_S} s.") from exc
    if started.returncode != 0:
        said = (output + errors).decode("utf-8", "replace")
        raise MissingToolError(f"PyInstaller failed with {started.returncode}:\n{said[-6000:]}")


if __name__ == "__main__":
    try:
        print(ensure_built())  # noqa: T201 - the folder is the result
    except MissingToolError as failure:
        sys.exit(str(failure))
