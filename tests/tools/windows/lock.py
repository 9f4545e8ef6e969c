"""Writes requirements-build.txt: what goes into the program, and what builds it, with checksums.

    python -m tests.tools.windows.lock

Takes the versions that are installed here and asks the package index for the files that CPython
3.11 installs on 64-bit Windows and Linux. Run it after a change of the pins.
"""

import hashlib
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from tests.tools.windows.debian import run

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "requirements-build.txt"
_WINDOWS = ("win_amd64",)
_LINUX = tuple(f"manylinux{suffix}_x86_64" for suffix in ("2014", "_2_17", "_2_27", "_2_28"))
# The program, with all that its requirements require; then the builder. setuptools, pefile and
# pywin32-ctypes are what PyInstaller wants, the last two on Windows; it leaves them out itself.
_INSIDE = (
    "bottle", "certifi", "charset-normalizer", "idna", "pillow", "pycryptodome",
    "pystray", "requests", "six", "urllib3", "waitress",
)  # fmt: skip
_BUILDER = ("altgraph", "packaging", "pyinstaller", "pyinstaller-hooks-contrib")
# Not to be found among what is installed on Linux, or there in a version that Python brought.
_FIXED = ("pefile==2024.8.26", "pywin32-ctypes==0.2.3", "setuptools==84.2.1")
_HEAD = """\
# Made by `python -m tests.tools.windows.lock`. All that the built program contains and all that
# builds it, to the last byte: same commit, same Python, same contents. For CPython 3.11, 64 bits:
#   py -3.11 -m pip install --require-hashes --no-deps -r requirements-build.txt
"""


def main() -> None:
    """Write the file anew."""
    installed = [f"{name}=={version(name)}" for name in (*_INSIDE, *_BUILDER)]
    lines = [_locked(requirement) for requirement in sorted((*installed, *_FIXED))]
    LOCK.write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def _locked(requirement: str) -> str:
    hashes = sorted({_checksum(requirement, system) for system in (_WINDOWS, _LINUX)})
    return " \\\n".join([requirement, *(f"    --hash=sha256:{one}" for one in hashes)])


def _checksum(requirement: str, platforms: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--python-version", "3.11", "--implementation", "cp"]
        options += [f"--platform={platform}" for platform in platforms]
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        run([*pip, *options, "--dest", folder, requirement])
        (wheel,) = Path(folder).iterdir()
        return hashlib.sha256(wheel.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
