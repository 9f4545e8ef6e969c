"""What Debian gives: Wine, a screen, a mouse, a C compiler for Windows, and Chinese letters."""

import os
import shutil
import subprocess

PACKAGES = (
    "wine",
    "wine64",
    "gcc-mingw-w64-x86-64",  # compiles python.exe: three lines around python311.dll
    "binutils-mingw-w64-x86-64",
    "xvfb",
    "xdotool",
    "openbox",
    "imagemagick",
    "x11-utils",
    "fonts-wqy-microhei",
    "locales",
)
CHINESE = "zh_CN.UTF-8"


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
    install = ["apt-get", "install", "--yes", "--no-install-recommends", *names]
    if os.geteuid() != 0:
        raise MissingToolError(f"Run as root: apt-get update && {' '.join(install)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update"], install):
        run(command, environment)


def _ensure_locale() -> None:
    """Generate the Chinese locale: from it, Wine takes the language that Windows speaks."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=True).stdout
    if "zh_CN.utf8" not in known.split():
        run(["localedef", "-i", "zh_CN", "-f", "UTF-8", CHINESE])


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command that must succeed; what it said is shown only where it does not."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise MissingToolError(
            f"“{' '.join(command)}” failed with {done.returncode}:\n{done.stdout[-4000:]}"
        )
