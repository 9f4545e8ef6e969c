"""Puts a Windows Python 3.11 together on Debian, for Wine to run: PyInstaller builds nothing else.

    python -m tests.tools.windows.assemble

Everything comes from Debian's packages and from the Python package index, the latter checked
against the checksums in parts.txt and requirements-build.txt. The result is a cache under
$XDG_CACHE_HOME/dingbridge-windows, made once for each content of its recipe.
"""

import compileall
import fcntl
import hashlib
import os
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from py_compile import PycInvalidationMode

from tests.tools.windows.debian import MissingToolError, ensure_packages, run

HERE = Path(__file__).parent
LOCK = HERE.parents[2] / "requirements-build.txt"
_RECIPE = (Path(__file__), HERE / "parts.txt", HERE / "python.c", LOCK)
_KEPT = 4  # of each kind: who goes back and forth between two branches builds each once
_DLL = "python311.dll"
_BESIDE_PROGRAM = (_DLL, "VCRUNTIME140.dll")
# The Windows program needs none of these, and some of them do not work there.
_NOT_IN_LIB = shutil.ignore_patterns(
    "__pycache__", "config-*", "ensurepip", "idlelib", "lib-dynload", "lib2to3", "site-packages",
    "dist-packages", "_sysconfigdata*", "test", "tests", "tkinter", "turtledemo",
)  # fmt: skip
# Development files of other libraries lie among the Tcl scripts of that archive.
_SCRIPT_FOLDERS = ("tcl8/", "tcl8.6/", "tk8.6/")


def cache_folder() -> Path:
    """Return where what can be made again is kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "dingbridge-windows"


def ensure_python() -> Path:
    """Return the folder of the Windows Python, made now where it is not there yet.

    Raises MissingToolError, which says what to do.
    """
    if sys.version_info[:2] != (3, 11):
        raise MissingToolError("Run this with Python 3.11: its standard library is used.")
    ensure_packages()
    target = cache_folder() / f"python-{_fingerprint()}"
    with one_at_a_time("python"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                made = Path(folder) / "python"
                _assemble(made, Path(folder))
                made.rename(target)
        keep_latest(target)
    return target


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for path in _RECIPE:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Let one process make the thing called `name` in the cache; others wait for it."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def keep_latest(used: Path) -> None:
    """Mark a folder of the cache as just used, and keep but a few of its kind."""
    os.utime(used)
    kind = used.name.partition("-")[0]
    found = sorted(used.parent.glob(f"{kind}-*"), key=lambda one: one.stat().st_mtime)
    for old in found[:-_KEPT]:
        shutil.rmtree(old)


def _assemble(python: Path, work: Path) -> None:
    for folder in ("DLLs", "Lib", "tcl"):
        (python / folder).mkdir(parents=True)
    _download(work / "parts")
    _take_interpreter(_only(work / "parts", "panda3d-*.whl"), python)
    _take_standard_library(python)
    _take_tk(_only(work / "parts", "tkinter_embed-*.tar.gz"), python, work)
    _compile_program(python, work)
    _install_packages(python / "Lib" / "site-packages")
    _compile_library(python)


def _pip(*arguments: str) -> None:
    for_windows = ["--python-version", "3.11", "--implementation", "cp", "--platform", "win_amd64"]
    run([sys.executable, "-m", "pip", *arguments, "--no-deps", "--require-hashes", *for_windows])


def _download(folder: Path) -> None:
    parts = str(HERE / "parts.txt")
    _pip("download", "--no-binary=tkinter-embed", "--dest", str(folder), "--requirement", parts)


def _only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def _take_interpreter(wheel: Path, python: Path) -> None:
    """Take CPython as python.org builds it out of a wheel that carries it for its own programs."""
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            folder, _, file = name.rpartition("/")
            # Wine has the C runtime of its own, and so has every Windows this program runs on.
            if folder == "deploy_libs" and not file.startswith("api-ms-win-"):
                place = python if file in _BESIDE_PROGRAM else python / "DLLs"
                (place / file).write_bytes(archive.read(name))


def _take_standard_library(python: Path) -> None:
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, python / "Lib", ignore=_NOT_IN_LIB, dirs_exist_ok=True)


def _take_tk(archive: Path, python: Path, work: Path) -> None:
    """Take Tk with its scripts; its DLLs replace those of the interpreter, which lack scripts."""
    shutil.unpack_archive(archive, work / "tk", filter="data")
    (inner,) = (work / "tk").rglob("data.zip")
    with zipfile.ZipFile(inner) as data:
        for name in data.namelist():
            place = _place_of(name.removeprefix("cp311/"))
            if place is not None and not name.endswith("/"):
                target = python / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data.read(name))


def _place_of(name: str) -> str | None:
    if name.endswith((".dll", ".pyd")) and "/" not in name:
        return f"DLLs/{name}"
    if name.startswith("tkinter/") and not name.startswith("tkinter/test/"):
        return f"Lib/{name}"
    if name.removeprefix("tcl/").startswith(_SCRIPT_FOLDERS):
        return name
    return None


def _compile_program(python: Path, work: Path) -> None:
    definition, library = work / "python311.def", work / "libpython311.a"
    definition.write_text(f"LIBRARY {_DLL}\nEXPORTS\nPy_Main\n")
    tool = "x86_64-w64-mingw32-"
    run([f"{tool}dlltool", "--input-def", str(definition), "--output-lib", str(library)])
    program, source = str(python / "python.exe"), str(HERE / "python.c")
    run([f"{tool}gcc", "-municode", "-O2", "-s", "-o", program, source, str(library)])


def _install_packages(folder: Path) -> None:
    lock = str(LOCK)
    _pip("install", "--target", str(folder), "--only-binary=:all:", "--requirement", lock)


def _compile_library(python: Path) -> None:
    """Compile all modules now: what PyInstaller writes differs by whether its own were already.

    Python marks an object that it writes as shared where anything else in the process uses it.
    """
    compileall.compile_dir(
        python / "Lib",
        quiet=2,
        workers=0,
        stripdir=str(python),
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )


if __name__ == "__main__":
    try:
        print(ensure_python())  # noqa: T201 - the folder is the result
    except MissingToolError as failure:
        sys.exit(str(failure))
