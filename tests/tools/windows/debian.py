"""What Debian gives: Wine, a screen, a mouse, a C compiler for Windows, and Chinese letters."""

import os
import shutil
import subprocess
import tempfile

PACKAGES = (
    "wine",
    "wine64",
    "gcc-mingw-w64-x86-64",  # compiles python.exe: three lines around python311.dll
    "binutils-mingw-w64-x86-64",
    "libxcomposite1",  # Wine draws windows and mouse through these, and recommends them only
    "libxcursor1",
    "libxi6",
    "xvfb",
    "xdotool",
    "imagemagick",
    "fonts-wqy-microhei",
    "locales",
)
CHINESE = "zh_CN.UTF-8"
_LIMIT_S = 300.0
_INSTALL_LIMIT_S = 900.0  # a quarter of a gigabyte to download
_APT = ("apt-get", "-o", "DPkg::Lock::Timeout=120")  # a fresh machine updates itself, too


class MissingToolError(Exception):
    """Something that only the machine's owner can install is not there; says what to run."""


def ensure_packages() -> None:
    """Install what is missing; raises MissingToolError where this account may not."""
    missing = [name for name in PACKAGES if not _is_installed(name)]
    if missing:
        _install(missing)
    _ensure_locale()


def _is_installed(name: str) -> bool:
    if shutil.which("dpkg-query") is None:
        raise MissingToolError("This needs Debian or a relative of it: dpkg-query is missing.")
    asked = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", name],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout == "installed"


def _install(names: list[str]) -> None:
    install = [*_APT, "install", "--yes", "--no-install-recommends", *names]
    if os.geteuid() != 0:
        raise MissingToolError(f"Run as root: apt-get update && {' '.join(install)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in ([*_APT, "update"], install):
        run(command, environment, _INSTALL_LIMIT_S)


def _ensure_locale() -> None:
    """Generate the Chinese locale: from it, Wine takes the language that Windows speaks."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=True).stdout
    if "zh_CN.utf8" not in known.split():
        run(["localedef", "-i", "zh_CN", "-f", "UTF-8", CHINESE])


def run(
    command: list[str], environment: dict[str, str] | None = None, limit_s: float = _LIMIT_S
) -> None:
    """Run a command that must succeed; what it said is shown only where it does not."""
    # Into a file: a pipe would be kept open by what Wine leaves running, and be waited for.
    with tempfile.TemporaryFile() as said:
        try:
            code: int | str = subprocess.run(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=limit_s,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = f"no end after {limit_s:.0f} s"
        if code != 0:
            said.seek(0)
            words = said.read().decode("utf-8", "replace")[-4000:]
            raise MissingToolError(f"“{' '.join(command)}” failed with {code}:\n{words}")
